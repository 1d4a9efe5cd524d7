"""A run: one trial after the other, each on disk and judged before the next begins.

    plan ─► for each trial that is not on disk yet:  make ─► judge ─► tell ─► again, if it is INVALID

The runner itself stays off the server's core. SIGINT and SIGTERM end a run in order: the trial that is
under way is given up, its processes are ended, and `--resume` goes on later.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from bench.audit import judge
from bench.clock import RunClock
from bench.experiment import needs, plan, trial
from bench.experiment.journal import Run
from bench.experiment.progress import Reporter, TimeLeft
from bench.experiment.trial import Setting
from bench.measure import host


def execute(run: Run, make_reporter: Callable[[int, int], Reporter]) -> None:
    """Make all trials of the run that are not on disk yet."""
    scenario = run.scenario
    options = plan.options_of_all(scenario, str(run.folder / "manifest.json"))
    clock = RunClock(run.manifest["clock_origin_ns"])
    setting = Setting.on_this_machine(scenario, options, clock, Path(run.manifest["scenario_folder"]))
    left = [planned for planned in run.plan if not run.is_done(planned)]
    time_left = TimeLeft([needs.trial_s(scenario, options, planned.clients) for planned in left])
    host.raise_open_files()
    reporter = make_reporter(len(run.plan) - len(left), len(run.plan))
    try:
        with _termination_as_interrupt(), _pinned_to(setting.other_cores):
            for planned in left:
                began_s = time.monotonic()
                again = True
                while again:
                    reporter.trial_begins(planned, time_left.s)
                    folder = run.trial_folder(planned)
                    trial.make(setting, planned, folder, run.attempt(planned))
                    figures, verdict = judge(folder)
                    again = not run.is_done(planned)
                    reporter.trial_ends(planned, figures.row, verdict, again=again)
                time_left.passed(time.monotonic() - began_s)
    finally:
        reporter.close()


@contextmanager
def _pinned_to(cores: frozenset[int] | None) -> Iterator[None]:
    """Run on these cores meanwhile."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, meanwhile."""
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
