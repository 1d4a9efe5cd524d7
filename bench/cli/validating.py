"""The verbs that tie the simulator to this machine: `calibrate` and `validate`.

    calibrate   short trials ─► costs, fitted ─► results/costs-<host>.json
    validate    held-out cells, named ─► calibration and held-out trials, block by block ─► the same cells
                simulated with those costs ─► errors ─► validation.csv, report.html       exit 0, 2, 130

A missed goal is a finding, not a failure: it stands in the table and the report, with its cause.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.cli.terms import AsJson, Overrides, Results, told
from bench.errors import RunError
from bench.experiment import capacity, prepare, progress, series
from bench.experiment.journal import Commit
from bench.experiment.lock import machine_lock
from bench.experiment.prepare import Question
from bench.experiment.room import told_where_full
from bench.measure import host
from bench.records import SCHEMA_VERSION, read_json, write_json
from bench.simulation import twins
from bench.simulation.calibration import calibrate as fitted
from bench.simulation.costs import CostsFile, host_slug, read_costs, write_costs
from bench.simulation.observed import observe
from bench.stats import prediction
from bench.stats.prediction import Compared

SHORT = {
    "latency_mean_ms": "mean ms", "latency_p50_ms": "p50 ms", "latency_p95_ms": "p95 ms",
    "latency_p99_ms": "p99 ms", "age_mean_ms": "age ms", "age_excess_mean_ms": "excess age ms",
    "bytes_per_update": "bytes", "server_cpu_us_per_update": "CPU µs", "knee_clients": "knee",
}
"""Quantities on the terminal."""
VERDICTS = {"yes": "met", "no": "missed", "open": "open"}
Wait = Annotated[bool, typer.Option(
    "--wait", help="Wait for a run that is under way on this machine, instead of refusing.")]


def calibrate(
    runs: Annotated[list[Path] | None, typer.Argument(
        metavar="[RUN]...", help="Folders of measured runs to fit to, in place of measuring.")] = None,
    scenario: Annotated[str, typer.Option(
        help="What to measure: a folder below scenarios/, or one scenario.")] = "calibration",
    to: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Where the costs are written, in place of costs-HOST.json in the results "
        "folder.")] = None,
    overrides: Overrides = None,
    wait: Wait = False,
    as_json: AsJson = False,
    results: Results = Path("results"),
) -> None:
    """Measure what work costs the servers on this machine; simulate takes it from there.

    Short trials at few clients; then the servers' CPU is fitted to the counts of ticks, requests, updates,
    bytes, connections and wake-ups. About five minutes.

    Examples:

        tickertape calibrate
        tickertape calibrate --set trials.count=6
        tickertape calibrate results/20261122T180054Z-default

    Exit status: 0 the costs are written; 2 a mistake; 130 interrupted.
    """
    with told():
        if not runs:
            asked = _checked(series.questions(scenario, overrides or ()), results)
            with machine_lock(wait=wait, say=_say), told_where_full("the same command"):
                folder = series.begin(results, "calibration")
                under_way = series.create(folder, asked, sys.argv[1:])
                _say(f"{folder}: what does work cost the servers here?")
                series.execute(under_way, progress.reporter)
            runs = [each.folder for each in under_way]
        found = costs_of(runs)
        path = to or results / f"costs-{host_slug()}.json"
        write_costs(path, found)
        _print_costs(found, path, as_json)


def costs_of(runs: Sequence[Path]) -> CostsFile:
    """The costs that measured runs show; they must all be of this project's records and of one host."""
    observations = [each for run in runs for each in observe(run.resolve())]
    said = [read_json(run.resolve() / "manifest.json") for run in runs]
    hosts = {str([each["host"].get(name) for name in ("cpu_model", "cores", "machine")]) for each in said}
    if len(hosts) > 1:
        raise RunError(f"{', '.join(map(str, runs))}: host: found {len(hosts)} different ones, allowed is "
                       "one: costs are true for one machine")
    here = host.describe()
    name = host_slug() if here["cpu_model"] == said[0]["host"].get("cpu_model") else "another-host"
    return fitted(observations, name, said[0]["host"], f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                  Commit.read().commit, said[0]["versions"])


def validate(
    folder: Annotated[Path | None, typer.Argument(
        metavar="[VALIDATION]", help="A validation's folder, to predict and judge again what it "
        "measured.")] = None,
    costs: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Take these costs, and don't calibrate.")] = None,
    scenario: Annotated[str, typer.Option(
        help="What to predict and measure: a folder below scenarios/, or one "
        "scenario.")] = "validation",
    overrides: Overrides = None,
    wait: Wait = False,
    as_json: AsJson = False,
    results: Results = Path("results"),
) -> None:
    """Check what the simulator foretells against what is measured, on this machine.

    Costs are calibrated with few clients; then cells with several times as many, named beforehand, are
    predicted and measured. Prints each error with its 95 % interval, and whether its goal is met. About a
    quarter of an hour.

    Examples:

        tickertape validate
        tickertape validate --costs results/costs-here.json
        tickertape validate results/20261122T190000Z-validation

    Exit status: 0 the table is made, whatever it says; 2 a mistake; 130 interrupted.
    """
    # It imports matplotlib, which a command that draws nothing should not pay for.
    from bench.simulation import validation

    with told():
        if folder is None:
            with machine_lock(wait=wait, say=_say), told_where_full("the same command"):
                folder = _measured(scenario, costs, overrides or (), results)
        elif costs is not None:
            raise RunError(f"{folder}: --costs goes with measuring; a validation keeps its own costs.json")
        judged = validation.judge(folder, progress.reporter, _say)
        _print_errors(judged.rows, folder, as_json)


def _measured(scenario: str, costs: Path | None, overrides: Sequence[str], results: Path) -> Path:
    """The folder of a validation, with all that is measured for it."""
    held_out = _checked(series.questions(scenario, overrides), results)
    searches = _checked(series.searches(scenario), results)
    calibration = [] if costs is not None else _checked(series.questions("calibration", overrides), results)
    cells = [cell for each in held_out for cell in twins.cells_of(each)]
    known = twins.fitted_cells(costs) if costs is not None else [
        cell for each in calibration for cell in twins.cells_of(each)]
    twins.refuse_overlap(cells, known, scenario)
    folder = series.begin(results, "validation")
    runs = series.create(folder, [*calibration, *held_out, *searches], sys.argv[1:])
    names = [each.folder.name for each in runs]
    write_json(folder / "held-out.json", {
        "schema_version": SCHEMA_VERSION,
        "named_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "calibration": names[: len(calibration)],
        "held_out": names[len(calibration) : len(calibration) + len(held_out)],
        "searches": names[len(calibration) + len(held_out) :],
        "cells": [f"{cell.transport}, {cell.clients} clients, {cell.rate_per_s or 'replayed'} ticks/s"
                  for cell in cells],
    })
    _say(f"{folder}: does the simulator foresee what is measured?")
    planned = runs[: len(calibration) + len(held_out)]
    series.execute(planned, progress.reporter)
    for run in runs[len(planned) :]:
        capacity.execute(run, _say)
    of_calibration = [run.folder for run in runs[: len(calibration)]]
    write_costs(folder / "costs.json", read_costs(costs) if costs is not None else costs_of(of_calibration))
    return folder


def _checked(asked: Sequence[Question], results: Path) -> list[Question]:
    for question in asked:
        prepare.refuse_unless_fits(question, results)
    return list(asked)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _print_costs(found: CostsFile, path: Path, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"costs": str(path), "transports": {
            str(each.kind): {name: cost.value for name, cost in each.costs.items()}
            for each in found.transports}}))
        return
    names = ("tick_s", "request_s", "answer_s", "update_s", "connection_s")
    table = Table(box=None, padding=(0, 1, 0, 0), caption_justify="left", caption=(
        "CPU in µs for each, with 95 % intervals; fit: how far the trials are from it (root mean square)."))
    for heading in ("", *(name.removesuffix("_s") for name in names), "byte (ns)", "fit"):
        table.add_column(heading, justify="left" if not heading else "right")
    for each in found.transports:
        cells = [_cost(each.costs[name].value, each.costs[name].low, each.costs[name].high, 1e6)
                 for name in names]
        byte = each.costs["byte_s"]
        table.add_row(str(each.kind), *cells, _cost(byte.value, byte.low, byte.high, 1e9),
                      f"{100 * each.residual_share:.0f} %")
    console = Console(markup=False)
    console.print(table)
    console.print(f"Costs: {path}", highlight=False, soft_wrap=True)


def _print_errors(rows: Sequence[Compared], folder: Path, as_json: bool) -> None:
    from bench.report import style  # it imports matplotlib, as `validation` does

    if as_json:
        frame = prediction.table(rows).astype(object)
        cells = frame.where(frame.notna(), None).to_dict("records")
        typer.echo(json.dumps({"validation": str(folder), "report": str(folder / "report.html"),
                               "rows": cells}))
        return
    table = Table(box=None, padding=(0, 1, 0, 0), caption_justify="left", caption=(
        "Predicted over measured, less 1, with its 95 % interval between pairs of trials. Met: all of it "
        "within the goal. Open: it reaches across."))
    for heading in ("", "clients", "load", "", "measured", "predicted", "error", "95 %", "goal"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for row in rows:
        bounds = "–" if math.isnan(row.interval_low) else (
            f"{100 * row.interval_low:+.0f} … {100 * row.interval_high:+.0f}")
        verdict = f"{100 * row.goal:.0f} % {VERDICTS[row.met]}" if row.met else ""
        table.add_row(
            row.transport, f"{row.clients:,}", _percent(row.load, "{:.0f}"), SHORT[row.quantity],
            style.number(row.measured), style.number(row.predicted), _percent(row.error, "{:+.1f}"), bounds,
            verdict)
    console = Console(markup=False)
    console.print(table)
    console.print(f"Report: {folder / 'report.html'}", highlight=False, soft_wrap=True)


def _percent(share: float, form: str) -> str:
    return "–" if math.isnan(share) else form.format(100 * share) + " %"


def _cost(value: float, low: float, high: float, unit: float) -> str:
    bounds = f"\n{low * unit:.3g}…{high * unit:.3g}" if low == low else ""
    return f"{value * unit:.3g}{bounds}"


VERBS = (calibrate, validate)
