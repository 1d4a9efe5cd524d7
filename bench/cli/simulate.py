"""The verb `simulate`: a scenario's run at any scale, from measured costs.

    SCENARIO ─► the same plan as `run` ─► trials, simulated ─► report        exit 0, 1, 2, 3, 130 as `run`

A scenario that asks for a storm, a crossover map or a decision instead of trials is handled in `bench.cli.study`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import study
from bench.cli.options import (
    RESULTS,
    AsJson,
    ColumnNames,
    FeedFile,
    MaybeScenario,
    Overrides,
    Require,
    Results,
    end,
    refuse_beside_resume,
    refuse_idle,
    reported,
    reported_errors,
    resume_hint,
    say,
)
from bench.errors import UserError
from bench.experiment import plan, prepare, progress, run_folder
from bench.experiment.disk_full import report_disk_full
from bench.experiment.effect import refuse_without_effect, typed_fields
from bench.experiment.machine_lock import begun, lock_resumed
from bench.experiment.prepare import PreparedScenario
from bench.experiment.run_folder import RunFolder
from bench.scenario.parsing import short
from bench.simulation import baseline
from bench.simulation import run as runs
from bench.simulation.analytic import closed_forms
from bench.simulation.calibration.costs import default_costs, read_costs

RTT = re.compile(r"([0-9.]+) ?(ms|s)")


def _rtt_ms(text: str | None) -> float | None:
    """Return a round-trip time with its unit in ms; raise `UserError` where it is not a time above 0."""
    if text is None:
        return None
    found = RTT.fullmatch(text.strip())
    try:
        value = float(found[1]) * (1000 if found[2] == "s" else 1) if found else 0.0
    except ValueError:
        value = 0.0
    if value <= 0:
        raise UserError(f"--rtt: found '{short(text)}', allowed is a time above 0 with its unit: 80ms, 0.2s")
    return value


def simulate(
    scenario: MaybeScenario = None,
    clients: Annotated[int | None, typer.Option(min=1, help="In place of load.clients; 1_000_000 works, too.")] = None,
    workers: Annotated[int | None, typer.Option(
        min=1, help="Server processes that share them, in place of simulation.workers.")] = None,
    rtt: Annotated[str | None, typer.Option(
        metavar="TIME", help="Round-trip time between clients and servers (80ms, 0.2s), in place of "
        "simulation.rtt_ms.")] = None,
    costs: Annotated[Path | None, typer.Option(
        metavar="FILE", help="The costs file, in place of the newest of this host's, or the project's own.")] = None,
    measured: Annotated[Path | None, typer.Option(
        metavar="RUN", help="A measured run to compare with; by default the reference run.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="In place of the scenario's.")] = None,
    feed: FeedFile = None,
    columns: ColumnNames = None,
    overrides: Overrides = None,
    require: Require = None,
    resume: Annotated[Path | None, typer.Option(
        "--resume", metavar="RUN", help="Continue the interrupted run in this folder.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Resume although commit or feed file have changed.")] = False,
    as_json: AsJson = False,
    results: Results = None,
) -> None:
    """Simulate a scenario in place of measuring it, and write its report.

    The scenario, seeds, ticks and report are the same as in a measured run, but with any number of clients
    and workers, at any distance. The CPU costs of the servers' work come from a calibration, which the report
    names. A scenario with a storm, a crossover map or a decision (scale/storm, scale/crossover) gives that as its
    result.

    Examples:

        tickertape simulate default
        tickertape simulate default --clients 200_000 --workers 120 --rtt 80ms
        tickertape simulate scale/million
        tickertape simulate --resume results/latest

    Exit status: as `tickertape run`.
    """
    with reported_errors(), ExitStack() as held:
        shorthands = _shorthands(clients, workers, _rtt_ms(rtt), seed, columns)
        if resume is not None:
            refuse_idle("with --resume", "the folder in RUN, where the run is", {"--results": results})
            refuse_beside_resume(resume, {**_values(shorthands), "SCENARIO": scenario, "--set": overrides,
                                          "--require": require, "--feed": feed, "--costs": costs,
                                          "--measured": measured})
            lock_resumed(held, resume.resolve(), say=say)
            begin = partial(run_folder.resume, resume.resolve(), None, force=force, source="simulated")
        else:
            refuse_idle("with a new run", "it together with --resume", {"--force": force})
            prepared = _asked("default" if scenario is None else scenario, shorthands, overrides, feed, require)
            _refuse_beside_scale(prepared, costs, measured)
            begin = partial(_begin, prepared, costs, measured, results or RESULTS)
        with report_disk_full("the same command"):
            under_way = begun(held, begin, resume, say=say)
        _execute(under_way)
        ending = reported(under_way.folder, as_json)
    end(*ending)


Shorthands = dict[str, tuple[str, object]]
"""Flags that set a field of the scenario, each with the field and its given value."""


def _shorthands(clients: int | None, workers: int | None, rtt_ms: float | None, seed: int | None,
                columns: str | None) -> Shorthands:
    return {"--clients": ("load.clients", clients and [clients]),
            "--workers": ("simulation.workers", workers),
            "--rtt": ("simulation.rtt_ms", rtt_ms), "--seed": ("seed", seed),
            "--columns": ("feed.replay.columns", columns)}


def _values(shorthands: Shorthands) -> dict[str, object]:
    return {flag: value for flag, (_, value) in shorthands.items()}


def _asked(name: str, shorthands: Shorthands, overrides: Sequence[str] | None, feed: Path | None,
           require: Sequence[str] | None) -> PreparedScenario:
    """Return the scenario to be simulated with the typed settings applied; raise where one has no effect."""
    typed = typed_fields({**shorthands, "--feed": ("feed.replay.file", feed)}, overrides or ())
    given = [f"{field}={value}" for field, value in shorthands.values() if value is not None]
    prepared = prepare.read(name, [*given, *(overrides or ())], feed, require or ())
    if prepared.scenario.study:
        prepare.refuse_messages(prepared, f"simulate a {prepared.scenario.study}")
    refuse_without_effect([prepared], typed, "simulate")
    return prepared


def _refuse_beside_scale(prepared: PreparedScenario, costs: Path | None, measured: Path | None) -> None:
    """Raise `UserError` for a file that a storm, a map or a decision does not use."""
    storm = prepared.scenario.storm
    if prepared.scenario.study:
        refuse_idle("with a storm, a map or a decision", "it with a scenario of trials", {"--measured": measured})
    if storm is not None and storm.connection_ms is not None:
        refuse_idle("together with storm.connection_ms, which sets the cost of a connection", "one of the two",
                    {"--costs": costs})


def _begin(prepared: PreparedScenario, costs: Path | None, measured: Path | None, results: Path) -> RunFolder:
    """Make the run's folder, with its costs, and with measured values copied beside its manifest."""
    run_folder.refuse_no_place(results)
    prepared = prepare.with_trades(prepared)
    if prepared.scenario.study:
        return study.begin(prepared, results, costs)
    replayed = len(prepared.trades.price) if prepared.trades is not None else 0
    runs.refuse_unless_simulable(prepared.scenario, prepared.options, str(prepared.file), replayed)
    path = costs or _own_costs(prepared) or default_costs(results)
    known = read_costs(path)
    for label, subject in prepared.scenario.transports.items():
        known.of(subject.transport, prepared.options[label], subject.implementation,
                 prepared.scenario.feed.source == "clients")   # raises where none is known
    found = baseline.measured(measured, prepared.scenario, prepared.options)
    checked = baseline.validation(results, known)
    under_way = prepare.begin(
        results, prepared, plan.trials(prepared.scenario), sys.argv[1:], source="simulated",
        costs=runs.about_costs(path, known), measured=found.about)
    baseline.write(under_way.folder, found, checked)
    for sentence in found.notes:
        say(sentence)
    return under_way


def _own_costs(prepared: PreparedScenario) -> Path | None:
    """Return the path of the costs file that the scenario names; None if it names none."""
    named = prepared.scenario.simulation.costs
    return prepared.file.absolute().parent / named if named else None


def _execute(under_way: RunFolder) -> None:
    """Simulate everything that is not on disk yet; where that is interrupted, name the command that continues."""
    go_on = f"tickertape simulate --resume {under_way.folder}"
    with report_disk_full(go_on), resume_hint(go_on):
        said = under_way.manifest
        say(f"{under_way.folder}: {said.question}")
        if said.costs is not None:
            say(f"Simulated, with {said.costs.description}.")
        _simulate(under_way)


def _simulate(under_way: RunFolder) -> None:
    """Simulate a storm, a map or a decision, the steps of a search, or trials."""
    if under_way.scenario.study:
        study.execute(under_way)
        return
    if under_way.scenario.capacity is None:
        runs.execute(under_way, progress.reporter)
    else:
        runs.search(under_way, say)
    closed_forms.write(under_way)
