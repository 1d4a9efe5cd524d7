"""From what the user typed to a scenario that can be run.

    name or path ─► file ─► Scenario (--feed and --set applied) ─► options of each subject ─► checked

A name is looked for as `scenarios/<name>.toml`, first below the current folder, then in the project; it may
have a folder in it (`claims/rfc-6202`).
A replayed file that the scenario names is looked for from the scenario's own folder, one that `--feed`
names from the current one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench import claims
from bench import scenario as scenarios
from bench.errors import ScenarioError
from bench.experiment import capacity, journal, needs, plan
from bench.experiment.journal import PROJECT
from bench.feed import schedule
from bench.scenario import Scenario
from bench.tables import Table
from bench.validation import short, told


@dataclass(frozen=True, slots=True)
class Question:
    """A scenario that was found, read and checked."""

    name: str
    """The file's name, without `.toml`."""
    file: Path
    scenario: Scenario
    options: Mapping[str, Table]
    """Each subject's, by label."""


def find(name: str) -> Path:
    """The scenario file that `name` means."""
    if name.endswith(".toml"):
        return Path(name)
    folders = [Path("scenarios"), PROJECT / "scenarios"]
    for folder in folders:
        with suppress(OSError):   # a name that no file can have
            if (folder / f"{name}.toml").is_file():
                return folder / f"{name}.toml"
    known = sorted({
        path.relative_to(folder).with_suffix("").as_posix()
        for folder in folders for path in folder.glob("**/*.toml")
    })
    raise ScenarioError(
        "scenarios/", short(name or "''"), "no such scenario", ", ".join([*known, "or a path"]))


def read(name: str, overrides: Sequence[str] = (), feed: Path | None = None) -> Question:
    """The scenario `name`, with `--feed` and then each `--set` applied, checked throughout."""
    file = find(name)
    given = list(overrides)
    if feed is not None:
        given[:0] = ['feed.schedule="replay"', f"feed.replay.file={json.dumps(str(feed.absolute()))}"]
    scenario = _with_absolute_file(scenarios.load(file, given), file)
    options = plan.options_of_all(scenario, str(file))
    plan.check(scenario, options, str(file))
    claims.check(scenario, str(file))
    capacity.check(scenario, options, str(file))
    return Question(file.stem, file, scenario, options)


def refuse_unless_drawn(question: Question) -> None:
    """Raise `FeedFileError` where a replayed file has no ticks to offer, before the run has a folder."""
    scenario = question.scenario
    if scenario.feed.schedule == "replay":
        horizon_s = plan.horizon_s(scenario, question.options)
        schedule.make(scenario.feed, scenario.seed, horizon_s, scenario.windows.warmup_s)


def refuse_unless_fits(question: Question, results: Path) -> needs.Needs:
    """What the question needs, unless this machine can't give it; foreseen before its ticks are drawn, which
    what can't fit would not survive."""
    journal.refuse_no_place(results)
    refuse_unless_startable(question.scenario, question.file.absolute().parent, str(question.file))
    costliest, means = capacity.at_most(question.scenario), needs.Means.read(results)
    horizon_s = plan.horizon_s(costliest, question.options)
    expected = needs.expected_ticks(costliest, horizon_s)
    needs.refuse_unless_fits(needs.needs(costliest, question.options, expected), means)
    seed = plan.derive(costliest.seed, "block", 1)
    ticks = len(schedule.make(costliest.feed, seed, horizon_s, costliest.windows.warmup_s))
    needed = needs.needs(costliest, question.options, ticks)
    needs.refuse_unless_fits(needed, means)
    return needed


def refuse_unless_startable(scenario: Scenario, folder: Path, where: str) -> None:
    """Raise `ScenarioError` where the command of a server of the user's own is no program; with a slash in
    its name it is looked for from the `folder` that it is started in."""
    for label, subject in scenario.transports.items():
        if subject.server is None:
            continue
        command = subject.server.command[0]
        if shutil.which(folder / command if "/" in command else command) is None:
            raise ScenarioError(
                where, f"transports.{label}.server.command", f"{told(command)}, and no such program",
                f"one that is on the PATH, or an executable file's path from {folder}")


def _with_absolute_file(scenario: Scenario, file: Path) -> Scenario:
    """The scenario with `feed.replay.file` made absolute, where it is used."""
    feed = scenario.feed
    if feed.schedule != "replay":
        return scenario
    absolute = (file.absolute().parent / feed.replay.file).resolve()
    replay = feed.replay.model_copy(update={"file": str(absolute)})
    return scenario.model_copy(update={"feed": feed.model_copy(update={"replay": replay})})
