"""The verbs that fit the simulator to this machine and check it: `calibrate` and `validate`.

    calibrate   short trials ─► costs, fitted ─► results/costs-<host>.json
    validate    held-out cells, named ─► calibration and held-out trials, block by block ─► the same cells
                simulated with those costs ─► errors ─► validation.csv, report.html       exit 0, 2, 130

A missed goal is a result, not a failure: the table and the report list it with its cause.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bench.cli.options import (
    RESULTS,
    AsJson,
    Overrides,
    Results,
    Wait,
    print_json,
    refuse_beside_resume,
    refuse_idle,
    reported_errors,
    resume_hint,
    say,
)
from bench.errors import RunError, UserError
from bench.experiment import capacity_search, prepare, progress, series
from bench.experiment.disk_full import report_disk_full
from bench.experiment.effect import refuse_without_effect, typed_fields
from bench.experiment.machine_lock import begun, folder_lock, machine_lock
from bench.experiment.prepare import PreparedScenario
from bench.experiment.run_folder import Commit
from bench.experiment.series import Series
from bench.measure import host
from bench.output import terminal
from bench.records import manifest as manifests
from bench.records.trial_record import SCHEMA_VERSION, write_json
from bench.simulation.calibration import calibration
from bench.simulation.calibration.calibration import calibrate as fitted
from bench.simulation.calibration.costs import CostsFile, host_slug, read_costs, write_costs
from bench.simulation.calibration.observations import kinds_asked, observe
from bench.simulation.validation import resimulate
from bench.stats.run import prediction
from bench.stats.run.prediction import ValidationRow
from bench.stats.run.uncertainty import number

SHORT = {
    "latency_mean_ms": "mean ms", "latency_p50_ms": "p50 ms", "latency_p95_ms": "p95 ms",
    "latency_p99_ms": "p99 ms", "age_mean_ms": "age ms", "age_excess_mean_ms": "excess age ms",
    "bytes_per_update": "bytes", "server_cpu_us_per_update": "CPU µs", "knee_clients": "knee",
}
"""Short names of the quantities for the terminal."""
Resume = Annotated[Path | None, typer.Option(
    "--resume", metavar="FOLDER", help="Continue the interrupted one in this folder. A block that was "
    "interrupted is run again whole.")]
Force = Annotated[bool, typer.Option(
    "--force", help="Resume although commit or feed file differ from those that it began with.")]


def calibrate(
    runs: Annotated[list[Path] | None, typer.Argument(
        metavar="[RUN]...", help="Folders of measured runs to fit to, in place of measuring.")] = None,
    scenario: Annotated[str | None, typer.Option(
        help="What to measure: a folder below scenarios/, or one scenario; by default calibration.")] = None,
    to: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Where the costs are written, in place of costs-HOST.json in the results "
        "folder.")] = None,
    overrides: Overrides = None,
    resume: Resume = None,
    force: Force = False,
    wait: Wait = False,
    as_json: AsJson = False,
    results: Results = None,
) -> None:
    """Measure the CPU costs of the servers' work on this machine, for simulate to use.

    Makes short trials, then fits the servers' CPU time to the counts of ticks, requests, updates, bytes,
    connections and wake-ups. Takes about seven minutes.

    Examples:

        tickertape calibrate
        tickertape calibrate --set trials.count=6
        tickertape calibrate results/20261122T180054Z-default
        tickertape calibrate --resume results/20261122T190000Z-calibration

    Exit status: 0 the costs are written; 1 the disk filled; 2 a mistake; 130 interrupted.
    """
    with reported_errors():
        _refuse_idle(resume, force=force, results=results)
        if resume is not None:
            refuse_beside_resume(resume, {"RUN": runs, "--scenario": scenario, "--set": overrides})
        place = results or (resume.resolve().parent if resume is not None else RESULTS)
        path, again = to or place / f"costs-{host_slug()}.json", "the same command"
        _refuse_unwritable(path)
        if runs:
            refuse_idle("with runs to fit to", "it with measuring",
                        {"--scenario": scenario, "--set": overrides, "--wait": wait})
        else:
            if resume is not None:
                begin = partial(series.resume, resume.resolve(), "calibration", force=force)
            else:
                asked = series.questions("calibration" if scenario is None else scenario, overrides or ())
                refuse_without_effect(asked, typed_fields({}, overrides or ()), "calibrate")
                begin = partial(series.create, place, "calibration", _checked(asked, place), sys.argv[1:])
            command = f"tickertape calibrate{f' --to {to}' if to else ''} --resume"
            with ExitStack() as held:
                made = _measure(held, begin, resume, command,
                                "what does each kind of work cost the servers here?", wait)
            runs, again = [each.folder for each in made.runs], f"{command} {made.folder}"
        with report_disk_full(again):
            found, left_out = costs_of(runs)
            write_costs(path, found)
        _print_costs(found, left_out, path, as_json)


def _refuse_idle(resume: Path | None, *, force: bool, results: Path | None) -> None:
    """Raise `UserError` for --force without --resume, and for --results with it."""
    if resume is None:
        refuse_idle("without --resume", "it together with --resume", {"--force": force})
    else:
        refuse_idle("with --resume", "the folder in FOLDER, where it is", {"--results": results})


def _refuse_unwritable(path: Path) -> None:
    """Raise `UserError`, before anything is measured, where the costs file could not be written."""
    there = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
    if path.is_dir() or (there != path and not there.is_dir()):
        raise UserError(f"{path}: the costs file: found a {'folder' if path.is_dir() else f'file, {there}'}, "
                        "allowed is a file in a folder")
    if not os.access(there, os.W_OK):
        raise UserError(f"{path}: the costs file: found no permission to write there, "
                        "allowed is a file that you may write")


def _measure(held: ExitStack, begin: Callable[[], Series], resume: Path | None, command: str, prepared: str,
             wait: bool) -> Series:
    """Make all trials of a series that are not on disk yet, and keep it locked until `held` is closed.

    `command`, followed by the series' folder, is the command that continues it after an interruption.
    """
    with machine_lock(wait=wait, say=say):
        with report_disk_full("the same command"):
            under_way = begun(held, begin, resume and resume.resolve(), wait=wait, say=say)
        say(f"{under_way.folder}: {prepared}")
        go_on = f"{command} {under_way.folder}"
        with report_disk_full(go_on), resume_hint(go_on):
            searches = [run for run in under_way.runs if run.scenario.capacity is not None]
            series.execute([run for run in under_way.runs if run not in searches], progress.reporter)
            for run in searches:
                capacity_search.execute(run, say)
    return under_way


def costs_of(runs: Sequence[Path]) -> tuple[CostsFile, list[str]]:
    """Return the costs fitted to measured runs, and a sentence for each transport that was left out.

    Raises `RunError` where the runs are not all of one host.
    """
    observations = [each for run in runs for each in observe(run.resolve())]
    said = [manifests.read(run.resolve()) for run in runs]
    hosts = {str([each["host"].get(name) for name in ("cpu_model", "cores", "machine")]) for each in said}
    if len(hosts) > 1:
        raise RunError(f"{', '.join(map(str, runs))}: host: found {len(hosts)} different ones, allowed is "
                       "one: costs are valid for one machine")
    here = host.describe()
    name = host_slug() if here["cpu_model"] == said[0]["host"].get("cpu_model") else "another-host"
    found = fitted(observations, name, said[0]["host"], f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                   Commit.read().commit, said[0]["versions"])
    return found, calibration.left_out(kinds_asked(said), observations)


def validate(
    folder: Annotated[Path | None, typer.Argument(
        metavar="[VALIDATION]", help="A validation's folder, to predict its measured cells and judge the "
        "predictions again.")] = None,
    costs: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Use these costs instead of calibrating.")] = None,
    scenario: Annotated[str | None, typer.Option(
        help="What to predict and measure: a folder below scenarios/, or one scenario; by default "
        "validation.")] = None,
    overrides: Overrides = None,
    resume: Resume = None,
    force: Force = False,
    wait: Wait = False,
    as_json: AsJson = False,
    results: Results = None,
) -> None:
    """Compare the simulator's predictions with measurements on this machine.

    Calibrates the costs. Then other cells, named in advance and some with more clients, are predicted and
    measured. Prints each error with its 95 % interval, and whether its goal is met. Takes about a quarter of
    an hour.

    Examples:

        tickertape validate
        tickertape validate --costs results/costs-here.json
        tickertape validate results/20261122T190000Z-validation
        tickertape validate --resume results/20261122T190000Z-validation

    Exit status: 0 the table is made, whatever it says; 1 the disk filled; 2 a mistake; 130 interrupted.
    """
    # It imports matplotlib, which a command that draws nothing should not load.
    from bench.simulation.validation import validation

    with reported_errors(), ExitStack() as held:
        _refuse_idle(resume, force=force, results=results)
        asked = {"--costs": costs, "--scenario": scenario, "--set": overrides}
        if resume is not None:
            refuse_beside_resume(resume, {"VALIDATION": folder, **asked})
        if folder is not None:
            refuse_idle(f"with a validation to judge again, which keeps its own {validation.COSTS} and cells",
                        "it with measuring", {**asked, "--wait": wait, "--results": results})
            validation.named(folder)
            held.enter_context(folder_lock(folder.resolve(), say=say))
        else:
            name = "validation" if scenario is None else scenario
            begin = (partial(_resumed, resume.resolve(), force=force) if resume else
                     _beginning(name, costs, overrides or (), results or RESULTS))
            measured = _measure(held, begin, resume, "tickertape validate --resume",
                                "does the simulator predict what is measured?", wait)
            folder = measured.folder
            with report_disk_full(f"tickertape validate --resume {folder}"):
                _keep_costs(measured)
        again = f"tickertape validate {folder}"
        with report_disk_full(again), resume_hint(again):
            judged = validation.judge(folder, progress.reporter, say)
        _print_errors(judged.rows, folder, as_json)


def _beginning(scenario: str, costs: Path | None, overrides: Sequence[str], results: Path
               ) -> Callable[[], Series]:
    """Check everything that a new validation will measure, and return a function that makes its folder."""
    from bench.simulation.validation import validation

    typed = typed_fields({}, overrides)
    asked = series.questions(scenario, overrides)
    refuse_without_effect(asked, typed, "validate")
    held_out = _checked(asked, results)
    searches = _checked(series.searches(scenario, overrides), results)
    calibration = [] if costs is not None else _checked(series.questions("calibration", overrides), results)
    cells = [cell for each in held_out for cell in resimulate.cells_of(each)]
    given = None if costs is None else read_costs(costs)
    known = resimulate.fitted_cells(given) if given is not None else [
        cell for each in calibration for cell in resimulate.cells_of(each)]
    resimulate.refuse_overlap(cells, known, scenario)

    def begin() -> Series:
        made = series.create(results, "validation", [*calibration, *held_out, *searches], sys.argv[1:])
        if given is not None:
            write_costs(made.folder / validation.GIVEN, given)
        names = iter(each.folder.name for each in made.runs)
        roles = zip(validation.ROLES, (calibration, held_out, searches), strict=True)
        write_json(made.folder / validation.NAMED, {
            "schema_version": SCHEMA_VERSION,
            "named_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            **{role: list(islice(names, len(asked))) for role, asked in roles},
            "cells": [f"{cell.kind}, {cell.clients} clients, {cell.rate_per_s or 'replayed'} ticks/s"
                      for cell in cells],
        })
        return made

    return begin


def _resumed(folder: Path, *, force: bool) -> Series:
    """Prepare an interrupted validation to continue; its predicted cells were named before the first
    trial."""
    from bench.simulation.validation import validation

    found = series.resume(folder, "validation", force=force)
    validation.named(folder)
    return found


def _keep_costs(measured: Series) -> None:
    """Write the costs into the validation's folder: those that were given, or those that its calibration
    gives."""
    from bench.simulation.validation import validation

    folder = measured.folder
    given, path = folder / validation.GIVEN, folder / validation.COSTS
    if given.is_file():
        given.rename(path)
    elif not path.is_file():
        names = validation.named(folder)["calibration"]
        found, left_out = costs_of([folder / "runs" / name for name in names])
        for sentence in left_out:
            say(sentence)
        write_costs(path, found)


def _checked(asked: Sequence[PreparedScenario], results: Path) -> list[PreparedScenario]:
    for prepared in asked:
        prepare.refuse_unless_fits(prepared, results)
    return list(asked)


def _print_costs(found: CostsFile, left_out: Sequence[str], path: Path, as_json: bool) -> None:
    for sentence in left_out:
        say(sentence)
    if as_json:
        print_json({"costs": str(path), "left_out": left_out, "transports": {
            str(each.kind): {name: cost.value for name, cost in each.costs.items()}
            for each in found.transports}})
        return
    names = ("tick_s", "request_s", "answer_s", "update_s", "connection_s")
    table = Table(box=None, padding=(0, 1, 0, 0), caption_justify="left", caption=(
        "CPU in µs for each, with 95 % intervals; fit: the trials' distance from the fitted costs (root mean "
        "square)."))
    for heading in ("", *(name.removesuffix("_s") for name in names), "byte (ns)", "fit"):
        table.add_column(heading, justify="left" if not heading else "right")
    for each in found.transports:
        cells = [_cost(each.costs[name].value, each.costs[name].low, each.costs[name].high, 1e6)
                 for name in names]
        byte = each.costs["byte_s"]
        table.add_row(str(each.kind), *cells, _cost(byte.value, byte.low, byte.high, 1e9),
                      f"{100 * each.residual_share:.0f} %")
    console = terminal.console(markup=False)
    console.print(table)
    console.print(f"Costs: {path}", highlight=False, soft_wrap=True)


def _print_errors(rows: Sequence[ValidationRow], folder: Path, as_json: bool) -> None:
    from bench.report import style  # it imports matplotlib, as `validation` does

    if as_json:
        frame = prediction.table(rows).astype(object)
        cells = frame.where(frame.notna(), None).to_dict("records")
        print_json({"validation": str(folder), "report": str(folder / "report.html"), "rows": cells})
        return
    table = Table(box=None, padding=(0, 1, 0, 0), caption_justify="left", caption=(
        "Predicted ÷ measured − 1, with its 95 % interval between pairs of trials. With proof: the whole "
        "interval is on that side; otherwise only the point estimate is. "
        f"{style.sentence(prediction.verdict_text([row.standing for row in rows]))}."))
    for heading in ("", "measured", "predicted", "error", "95 %", "goal"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for (transport, clients), mine in groupby(rows, key=lambda row: (row.transport, row.clients)):
        for place, row in enumerate(mine):
            if not place:
                load = f"load {_percent(row.load, '{:.0f}')}"
                table.add_row(f"{transport} {clients:,}", load, style="bold")
            bounds = "–" if math.isnan(row.interval_low) else (
                f"{100 * row.interval_low:+.0f} … {100 * row.interval_high:+.0f}")
            table.add_row(
                f"  {SHORT[row.quantity]}", style.number(row.measured), style.number(row.predicted),
                _percent(row.error, "{:+.1f}"), bounds,
                f"{100 * row.goal:.0f} % {row.standing}" if row.met else "")
    console = terminal.console(markup=False)
    console.print(table)
    console.print(f"Report: {folder / 'report.html'}", highlight=False, soft_wrap=True)


def _percent(share: float, form: str) -> str:
    return "–" if math.isnan(share) else form.format(100 * share) + " %"


def _cost(value: float, low: float, high: float, unit: float) -> str:
    bounds = f"\n{number(low * unit)}…{number(high * unit)}" if low == low else ""
    return f"{number(value * unit)}{bounds}"


VERBS = (calibrate, validate)
