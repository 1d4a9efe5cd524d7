"""The loop of a run: one trial after the other, each on disk and judged before the next begins.

    plan ─► for each trial that is not on disk yet:  make ─► judge ─► tell ─► again, if it is INVALID

With `trials.until` the plan holds the most blocks that there may be; after each whole block, the trials so
far decide whether another block begins (`bench.stats.run.stopping`). The decision depends only on the files,
so that a resumed run ends at the same block as an uninterrupted one.

The runner itself does not use the server's core. SIGINT and SIGTERM end a run in order: the current trial is
abandoned, its processes are ended, and `--resume` continues the run later.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from bench.audit.detectors import judge
from bench.clock import RunClock
from bench.experiment import plan, requirements
from bench.experiment.progress import Reporter, TimeLeft, standing_text
from bench.experiment.run_folder import RunFolder
from bench.experiment.trial import trial
from bench.experiment.trial.trial import TrialSettings
from bench.lifeline import termination_as_interrupt
from bench.measure import host
from bench.records.manifest import PlannedTrial
from bench.scenario.model import Scenario
from bench.stats.run.stopping import standing


def execute(run: RunFolder, make_reporter: Callable[[int, int], Reporter]) -> None:
    """Make all trials of the run that are not on disk yet."""
    settings = settings_of(run, run.scenario)
    scenario, options = settings.scenario, settings.options
    left = [planned for planned in run.plan if not run.is_done(planned)]
    time_left = TimeLeft([
        requirements.cell_s(scenario, options, planned.subject, planned.clients) for planned in left
    ])
    host.raise_open_files()
    with termination_as_interrupt(), pinned_to(settings.other_cores):   # the reporter's thread, too
        reporter = make_reporter(len(run.plan) - len(left), len(run.plan))
        try:
            ending = Ending(run)
            for planned in left:
                if planned.position == 1 and ending.before(planned.block, reporter):
                    break
                make(run, settings, planned, reporter, time_left)
        finally:
            reporter.close()


def settings_of(run: RunFolder, scenario: Scenario) -> TrialSettings:
    """Return the settings of trials of the run on this machine; `scenario` is the run's own, or that of a step."""
    clock, folder = RunClock(run.manifest.clock_origin_ns), Path(run.manifest.scenario_folder)
    return TrialSettings.on_this_machine(scenario, run.options, clock, folder)


def make(run: RunFolder, settings: TrialSettings, planned: PlannedTrial, reporter: Reporter,
         time_left: TimeLeft) -> None:
    """Make one trial of the plan, and repeat it while it is INVALID and may be repeated."""
    began_s = time.monotonic()
    again = True
    while again:
        time_left.begins(time.monotonic())
        reporter.trial_begins(planned, lambda: time_left.at(time.monotonic()))
        folder = run.trial_folder(planned)
        trial.make(settings, planned, folder, run.attempt(planned))
        figures, verdict = judge(folder)
        again = verdict.status == "INVALID" and run.may_repeat(planned)
        if again:
            time_left.again(time.monotonic())
        else:
            time_left.passed(time.monotonic() - began_s)
        reporter.trial_ends(planned, figures.row, verdict, again=again)


class Ending:
    """The decision whether a run with `trials.until` ends before a block."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._scenario = run.scenario
        self._rows: dict[Path, dict[str, object]] = {}

    def before(self, block: int, reporter: Reporter) -> bool:
        """Return whether the run ends before `block`; all earlier blocks are on disk."""
        rule, count = self._scenario.trials.rule, self._scenario.trials.count
        if rule is None or block <= count:
            return False
        folders = [folder for planned in self._run.plan if planned.block < block
                   for folder in self._run.made(planned)]
        for folder in folders:
            if folder not in self._rows:
                figures, verdict = judge(folder)
                self._rows[folder] = {**figures.row, "verdict": verdict.status}
        trials = pd.DataFrame([self._rows[folder] for folder in folders])
        found = standing(trials, rule, plan.cells_of(self._scenario))
        reporter.note(standing_text(block - 1, self._scenario.trials.blocks, found, rule))
        return found.reached


@contextmanager
def pinned_to(cores: frozenset[int] | None) -> Iterator[None]:
    """Pin this process to the cores within the context; None leaves its affinity unchanged."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
