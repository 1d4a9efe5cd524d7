"""Several runs made in turns, block by block, so that drift of the machine affects all of them equally.

    results/<UTC time>-<name>/
        runs/<UTC time>-<scenario>/      an ordinary run each, which can be reported on its own
        series.json                      the names of the runs, written before the first trial
        …                                results made from all runs together

    block 1   all trials of run a · of run b · of run c
    block 2   the same, beginning with run b …

Runs with fewer blocks are spread over the whole series: with 3 blocks of run a and 6 of run b, a block of a comes
with every other block of b.

A question may have further subjects: `websocket server=bare` stands for each WebSocket subject of a scenario again,
with that option changed. So another implementation is measured in the very cells of the first, and in turns with it.

A calibration needs cells with different feeds, and a run has one feed. Runs that are compared with each other
must not be hours apart. An interrupted series is resumed like each of its runs, again in turns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from bench import shipped
from bench.errors import RunError, ScenarioError, UserError
from bench.experiment import plan, requirements, run_folder
from bench.experiment.effect import field_of, instead, without_effect
from bench.experiment.prepare import PreparedScenario, begin, read, refuse_to_measure, with_trades
from bench.experiment.progress import Reporter, TimeLeft
from bench.experiment.run import make, pinned_to, settings_of
from bench.experiment.run_folder import RunFolder
from bench.lifeline import termination_as_interrupt
from bench.measure import host
from bench.records.manifest import PlannedTrial
from bench.records.trial_record import SCHEMA_VERSION, read_json, write_json
from bench.scenario.model import Scenario
from bench.scenario.parsing import value_text

NAME = "series.json"
EVERY = "*"
"""Stands for every transport of a scenario in a further subject."""
NO_LABEL = re.compile(r"[^A-Za-z0-9_]+")
"""The characters that a subject's label has from a sweep, and that the label of a further subject can't have."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series on disk."""

    folder: Path
    runs: list[RunFolder]


def questions(name: str, overrides: Sequence[str] = (), also: Sequence[str] = ()) -> list[PreparedScenario]:
    """Return all scenarios of the folder `scenarios/<name>` that have a plan, or the one of that name or
    path.

    Each of `also` is a transport (or `EVERY`) and options, as `websocket server=bare`: a further subject beside each
    that a scenario has of that transport. Raises `ScenarioError` for a storm, a crossover map or a decision, and where
    all scenarios are searches, and `UserError` where no scenario has the transport of a further subject.
    """
    files = [str(file) for file in _files(name)] or [name]
    found = [read(file, overrides) for file in files]
    further = [[_settings(each.scenario, number, text) for number, text in enumerate(also, 1)] for each in found]
    for text, settings in zip(also, zip(*further, strict=True), strict=True):
        if not any(settings):
            there = sorted({subject.transport for each in found for subject in each.scenario.transports.values()})
            raise UserError(f"a further subject: found {value_text(text)}, allowed is one of {', '.join(there)} "
                            f"with options, as '{there[0]} server=bare'")
    found = [read(file, [*overrides, *chain.from_iterable(settings)]) if any(settings) else each
             for file, each, settings in zip(files, found, further, strict=True)]
    for each in found:
        refuse_to_measure(each)
    planned = [each for each in found if each.scenario.capacity is None]
    if not planned:
        raise ScenarioError(str(found[0].file), "capacity", "a search", "none: a series has a plan")
    return planned


def searches(name: str, overrides: Sequence[str] = ()) -> list[PreparedScenario]:
    """Return all scenarios of the folder `scenarios/<name>` that are searches for the capacity limit.

    Only those overrides are applied that have an effect on a search.
    """
    found = [read(str(file)) for file in _files(name)]
    asked = []
    for each in found:
        if each.scenario.capacity is not None:
            idle = without_effect(each.scenario, each.options, "validate")
            kept = [given for given in overrides if instead(field_of(given), idle) is None]
            asked.append(read(str(each.file), kept))
    return asked


def _settings(scenario: Scenario, number: int, text: str) -> list[str]:
    """Return the settings that give a scenario the further subjects of `text`, the `number`th that was asked for."""
    transport, *options = text.split() or [""]
    settings = []
    for label, subject in scenario.transports.items():
        if transport in (subject.transport, EVERY) and subject.external is None:
            only_server = len(options) == 1 and options[0].startswith("server=")
            suffix = options[0].removeprefix("server=") if only_server else number
            place = f"transports.{NO_LABEL.sub('_', label)}_{suffix}"
            fields = {"transport": subject.transport, "server": subject.implementation, **subject.options}
            settings += [f"{place}.{name}={json.dumps(value)}" for name, value in fields.items()]
            settings += [f"{place}.{option}" for option in options]
    return settings


def _files(name: str) -> list[Path]:
    """Return the scenario files of a folder: below the current folder, else the project's, else a path."""
    folders = (Path("scenarios") / name, shipped.path("scenarios") / name, Path(name)) if name else ()
    for folder in folders:
        with suppress(OSError):   # a name that no folder can have
            if folder.is_dir():
                return sorted(folder.glob("*.toml"))
    return []


def create(results: Path, name: str, asked: Sequence[PreparedScenario], command: Sequence[str]) -> Series:
    """Make the folder of a new series, with a run for each question."""
    folder = run_folder.new_folder(results, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}")
    runs = [begin(folder / "runs", each, plan.trials(each.scenario), command) for each in map(with_trades, asked)]
    write_json(folder / NAME, {"schema_version": SCHEMA_VERSION, "series": name,
                               "runs": [each.folder.name for each in runs]})
    return Series(folder, runs)


def resume(folder: Path, name: str, *, force: bool) -> Series:
    """Prepare an interrupted series to continue, each of its runs by `run_folder.resume`.

    Raises `RunError` where the folder holds another kind of series, or its list of runs can't be read.
    """
    path = folder / NAME
    said = read_json(path)
    if said.get("series") != name:
        raise RunError(f"{path}: series: found {value_text(said.get('series'))}, allowed is '{name}'")
    runs = said.get("runs")
    if not isinstance(runs, list) or not runs or not all(isinstance(each, str) for each in runs):
        raise RunError(f"{path}: runs: found {value_text(runs)}, allowed is a list of the runs' names")
    return Series(folder, [run_folder.resume(folder / "runs" / each, None, force=force) for each in runs])


def execute(runs: Sequence[RunFolder], make_reporter: Callable[[int, int], Reporter]) -> None:
    """Make all trials of the runs that are not on disk yet, block by block."""
    settings = [settings_of(run, run.scenario) for run in runs]
    whole = in_turns([run.plan for run in runs])
    order = [(number, planned) for number, planned in whole if not runs[number].is_done(planned)]
    time_left = TimeLeft([
        requirements.cell_s(settings[number].scenario, settings[number].options, planned.subject, planned.clients)
        for number, planned in order
    ])
    host.raise_open_files()
    with termination_as_interrupt(), pinned_to(settings[0].other_cores):   # the reporter's thread, too
        reporter = make_reporter(len(whole) - len(order), len(whole))
        try:
            for number, planned in order:
                make(runs[number], settings[number], planned, reporter, time_left)
        finally:
            reporter.close()


def in_turns(plans: Sequence[Sequence[PlannedTrial]]) -> list[tuple[int, PlannedTrial]]:
    """Return the order of all trials as (number of the run, trial): by block, each beginning with another
    run, with the blocks of each run spread over those of the longest."""
    most = max(planned.block for each in plans for planned in each)
    order = []
    for block in range(1, most + 1):
        for turn in range(len(plans)):
            number = (turn + block - 1) % len(plans)
            count = max(planned.block for planned in plans[number])
            order += [(number, planned) for planned in plans[number]
                      if 1 + (2 * planned.block - 1) * most // (2 * count) == block]
    return order
