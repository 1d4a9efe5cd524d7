"""Preparation of a run: from the user's input to a scenario that can be run.

    name or path ─► file ─► Scenario (--feed and --set applied) ─► options of each subject ─► checked
                                                                                  └─► a file's trades, read
                                                                                  once

A name is searched as `scenarios/<name>.toml`, first below the current folder, then in the project; it may
contain a folder (`claims/rfc-6202`). The path of a replayed file is relative to the scenario's folder if the
scenario names it, and to the current folder if `--feed` names it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench import claims, shipped
from bench.browser import chromium
from bench.errors import HostError, ScenarioError
from bench.experiment import capacity_search, plan, requirements, run_folder
from bench.experiment.run_folder import RunFolder
from bench.feed import schedule
from bench.feed.trade_store import Trades
from bench.measure import host
from bench.records.manifest import CostsEntry, MeasuredEntry, PlannedTrial, Source
from bench.scenario import model as scenarios
from bench.scenario.fields import Table
from bench.scenario.model import BROWSER, DEFAULT_CLIENT, DEFAULT_SERVER, Scenario, Subject
from bench.scenario.parsing import nearest_text, short, value_text
from bench.stats.run import thresholds


@dataclass(frozen=True, slots=True)
class PreparedScenario:
    """A scenario that was found, read and checked."""

    name: str
    """The file's name, without `.toml`."""
    file: Path
    scenario: Scenario
    options: Mapping[str, Table]
    """Options of each subject, by label."""
    trades: Trades | None = None
    """Trades of a replayed file that the trials need, once it has been read (`with_trades`)."""


def find(name: str) -> Path:
    """Return the path of the scenario file named `name`; raise `ScenarioError` where there is none."""
    if name.endswith(".toml"):
        return Path(name)
    folders = [Path("scenarios"), shipped.path("scenarios")]
    found = "no such scenario"
    with suppress(OSError):   # a name that no file can have
        for folder in folders:
            if (folder / f"{name}.toml").is_file():
                return folder / f"{name}.toml"
        if name and any((folder / name).is_dir() for folder in (Path(), *folders)):
            found = "a folder"
    known = sorted({
        path.relative_to(folder).with_suffix("").as_posix()
        for folder in folders for path in folder.glob("**/*.toml")
    })
    inside = [each for each in known if each.startswith(f"{name}/")]
    allowed = f"one of {', '.join(inside)}" if inside else nearest_text(
        name, known, "a name that `tickertape scenarios` lists")
    raise ScenarioError("scenarios/", short(name or "''"), found, f"{allowed}, or the path of a TOML file")


def read(name: str, overrides: Sequence[str] = (), feed: Path | None = None,
         require: Sequence[str] = ()) -> PreparedScenario:
    """Return the scenario `name` with `--feed`, each `--set` and each `--require` applied, and fully checked.

    A replayed file is not read yet. Raises `ScenarioError` where the scenario can't be found, read or run.
    """
    file = find(name)
    given = list(overrides)
    if feed is not None:
        given[:0] = ['feed.schedule="replay"', f"feed.replay.file={json.dumps(str(feed.absolute()))}"]
    scenario = _with_absolute_file(scenarios.load(file, given), file)
    plan.options_of_all(scenario, str(file))   # raises where a server or an option is not allowed
    scenario = _with_a_browsers_headers(_with_telling_labels(scenario, str(file)))
    options = plan.options_of_all(scenario, str(file))
    plan.check(scenario, options, str(file))
    claims.check(scenario, str(file))
    capacity_search.check(scenario, options, str(file))
    thresholds.check(scenario, str(file))
    scenario = thresholds.required(scenario, require)
    return PreparedScenario(file.stem, file, scenario, options)


def _with_telling_labels(scenario: Scenario, where: str) -> Scenario:
    """Return the scenario with server and client in each label that would otherwise be that of the default ones.

    `[transports.websocket]` with `server = "bare"` is the subject `websocket_bare`, so that a transport's own name
    means the same server and client in every run, and runs that are compared pair the same things. Raises
    `ScenarioError` where another subject has that label.
    """
    found: dict[str, Subject] = {}
    for label, subject in scenario.transports.items():
        others = {"server": subject.implementation, "client": subject.client}
        if subject.external is not None or subject.implementation == DEFAULT_SERVER:
            del others["server"]
        if subject.client == DEFAULT_CLIENT:
            del others["client"]
        name = "_".join([label, *others.values()]) if label == subject.transport else label
        if name != label and name in scenario.transports:
            field = next(iter(others))
            raise ScenarioError(where, f"transports.{label}.{field}", repr(others[field]),
                                f"a {field} other than that of transports.{name}, or a label of another name")
        found[name] = subject
    return scenario.model_copy(update={"transports": found})


def _with_a_browsers_headers(scenario: Scenario) -> Scenario:
    """Return the scenario with `headers = "browser"` where pages are the clients and nothing else is said: they send
    these."""
    found = {label: subject.model_copy(update={"headers": "browser"})
             if subject.client == BROWSER and "headers" not in subject.options else subject
             for label, subject in scenario.transports.items()}
    return scenario.model_copy(update={"transports": found})


def with_trades(prepared: PreparedScenario, horizon_s: float | None = None,
                t0_s: float | None = None) -> PreparedScenario:
    """Return the question with the trades of a replayed file that a trial needs. The file is read once, here.

    The horizon and the begin of measuring, `t0_s`, are by default those of a trial. Raises `FeedFileError`
    where the file can't be read, and `ScenarioError` where the servers can't hold a tick of each of its
    symbols.
    """
    scenario = prepared.scenario
    if scenario.feed.schedule != "replay" or prepared.trades is not None:
        return prepared
    from bench.feed import replay  # here, since pandas costs half a second that other schedules don't need

    available = host.memory_bytes()[1]
    most = available // replay.BYTES_A_TRADE if available > 0 else None
    trades = replay.read(scenario.feed.replay, most)
    plan.check_room(scenario, len(trades.symbols), 0.0, str(prepared.file))
    kept = replay.during(
        trades, scenario.feed.replay.speed,
        plan.horizon_s(scenario, prepared.options) if horizon_s is None else horizon_s,
        plan.warmup_s(scenario, prepared.options) if t0_s is None else t0_s)
    return replace(prepared, trades=kept)


def refuse_unless_fits(prepared: PreparedScenario, results: Path) -> requirements.Requirements:
    """Return the needs of the question; raise `HostError` where this machine can't meet them.

    A first estimate is checked before the ticks are drawn, since drawing too many would exhaust the memory.
    """
    run_folder.refuse_no_place(results)
    refuse_unless_startable(prepared.scenario, prepared.file.absolute().parent, str(prepared.file))
    costliest, means = capacity_search.at_most(prepared.scenario), requirements.Resources.read(results)
    horizon_s = plan.horizon_s(costliest, prepared.options)
    expected = requirements.expected_ticks(costliest, horizon_s)
    requirements.refuse_unless_fits(requirements.needs(costliest, prepared.options, expected), means)
    seed = plan.derive(costliest.seed, "block", 1)
    trades = with_trades(prepared).trades
    t0_s = plan.warmup_s(costliest, prepared.options)
    ticks = len(schedule.make(costliest.feed, seed, horizon_s, t0_s, trades))
    needed = requirements.needs(costliest, prepared.options, ticks, trades_read=trades.rows if trades else 0,
                         trades_kept=len(trades.price) if trades else 0)
    requirements.refuse_unless_fits(needed, means)
    return needed


def refuse_messages(prepared: PreparedScenario, what: str) -> None:
    """Raise `ScenarioError` where clients are to send messages; `what` is what only a publisher's feed allows."""
    if prepared.scenario.feed.source == "clients":
        raise ScenarioError(str(prepared.file), "feed.source", "'clients'",
                            f"'publisher' to {what}: messages of clients are for runs of trials")


def refuse_to_measure(prepared: PreparedScenario) -> None:
    """Raise `ScenarioError` for a storm, a map or a decision, which can be simulated but not measured."""
    study = prepared.scenario.study
    if study:
        raise ScenarioError(str(prepared.file), study, "a table that is only simulated",
                            f"`tickertape simulate {prepared.file}`, or a scenario without it")


def begin(results: Path, prepared: PreparedScenario, planned: Sequence[PlannedTrial], command: Sequence[str], *,
          source: Source = "measured", costs: CostsEntry | None = None, measured: MeasuredEntry | None = None
          ) -> RunFolder:
    """Make the folder of a new run of the prepared scenario; `run_folder.create` has the arguments."""
    return run_folder.create(
        results, prepared.scenario, planned, name=prepared.name, scenario_file=prepared.file,
        options=prepared.options, command=command, trades=prepared.trades, source=source, costs=costs,
        measured=measured)


def refuse_unless_startable(scenario: Scenario, folder: Path, where: str) -> None:
    """Raise `ScenarioError` where the command of a user's own server is not a program, and `HostError` where a browser
    is to be the client and there is none.

    A command with a slash in its name is relative to `folder`, in which it is started.
    """
    for label, subject in scenario.transports.items():
        if subject.client == BROWSER and chromium.found() is None:
            raise HostError(f"transports.{label}.client is {BROWSER!r}, and there is {chromium.ABSENT}")
        if subject.external is None:
            continue
        command = subject.external.command[0]
        if shutil.which(folder / command if "/" in command else command) is None:
            raise ScenarioError(
                where, f"transports.{label}.server.command", f"{value_text(command)}, and no such program",
                f"one that is on the PATH, or an executable file's path from {folder}")


def _with_absolute_file(scenario: Scenario, file: Path) -> Scenario:
    """Return the scenario with an absolute `feed.replay.file`, if it replays a file."""
    feed = scenario.feed
    if feed.schedule != "replay":
        return scenario
    named = file.absolute().parent / feed.replay.file
    absolute = named.resolve()
    if named.exists() and not absolute.exists():
        absolute = named   # a pipe of the shell, which has no path of its own
    replay = feed.replay.model_copy(update={"file": str(absolute)})
    return scenario.model_copy(update={"feed": feed.model_copy(update={"replay": replay})})
