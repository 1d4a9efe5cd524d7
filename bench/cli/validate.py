"""The verb `validate`: the simulator's predictions, compared with measurements on this machine.

    held-out cells, named ─► calibration and held-out trials, block by block ─► the same cells simulated with
    those costs ─► errors ─► validation.csv, report.html      exit 0: written, 2: a mistake, 130: interrupted

A missed goal is a result, not a failure: the table and the report list it with its cause.
"""

from __future__ import annotations

import math
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
from bench.cli.series import Force, Resume, checked, costs_of, measure, refuse_idle_options
from bench.experiment import progress, series
from bench.experiment.disk_full import report_disk_full
from bench.experiment.effect import refuse_without_effect, typed_fields
from bench.experiment.machine_lock import folder_lock
from bench.experiment.series import Series
from bench.output import terminal
from bench.records.trial_record import SCHEMA_VERSION, write_json
from bench.simulation.calibration.costs import read_costs, write_costs
from bench.simulation.validation import resimulate
from bench.stats.run import prediction
from bench.stats.run.prediction import ValidationRow

SHORT = {
    "latency_mean_ms": "mean ms", "latency_p50_ms": "p50 ms", "latency_p95_ms": "p95 ms",
    "latency_p99_ms": "p99 ms", "age_mean_ms": "age ms", "age_excess_mean_ms": "excess age ms",
    "bytes_per_update": "bytes", "server_cpu_us_per_update": "CPU µs", "round_trip_p50_ms": "round trip ms",
    "knee_clients": "limit",
}
"""Short names of the quantities for the terminal."""

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
    measured. Prints each error with its 95 % interval, and whether its goal is met. Takes about forty minutes.

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
        refuse_idle_options(resume, force=force, results=results)
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
            measured = measure(held, begin, resume, "tickertape validate --resume",
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
    held_out = checked(asked, results)
    searches = checked(series.searches(scenario, overrides), results)
    calibration = [] if costs is not None else checked(series.questions("calibration", overrides), results)
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
            "cells": [f"{cell.kind}, {cell.clients} clients, {cell.rate_text}" for cell in cells],
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
    several = prediction.ambiguous(rows)
    for (run, transport, clients), mine in groupby(rows, key=lambda row: row.key[:3]):
        where = f" ({run})" if (transport, clients) in several else ""
        for place, row in enumerate(mine):
            if not place:
                load = f"load {_percent(row.load, '{:.0f}')}"
                table.add_row(f"{transport} {clients:,}{where}", load, style="bold")
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
