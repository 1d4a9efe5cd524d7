"""The verb `calibrate`: short trials, and the CPU costs of the servers' work fitted to them.

    trials ─► costs, fitted ─► results/costs-<host>.json      exit 0: written, 2: a mistake, 130: interrupted
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
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
    say,
)
from bench.cli.series import Force, Resume, checked, costs_of, measure, refuse_idle_options
from bench.errors import UserError
from bench.experiment import series
from bench.experiment.disk_full import report_disk_full
from bench.experiment.effect import refuse_without_effect, typed_fields
from bench.output import terminal
from bench.simulation.calibration.costs import CostsFile, host_slug, read_costs, write_costs
from bench.stats.run.uncertainty import number

Runs = Annotated[list[Path] | None, typer.Argument(
    metavar="[RUN]...", help="Folders of measured runs to fit to, in place of measuring.")]
ScenarioName = Annotated[str | None, typer.Option(
    help="What to measure: a folder below scenarios/, or one scenario; by default calibration.")]
Make = Annotated[str | None, typer.Option(
    metavar="NAME", help="Measure each transport on this implementation of its server, too (bare).")]
Also = Annotated[list[str] | None, typer.Option(
    metavar="TEXT", help="Measure a transport with these options, too, as in the last example; may be "
    "repeated.")]
To = Annotated[Path | None, typer.Option(
    metavar="FILE", help="Where the costs are written, in place of costs-HOST.json in the results "
    "folder.")]
Onto = Annotated[Path | None, typer.Option(
    metavar="FILE", help="Costs to keep as they are, and to add those of clients' messages to.")]

def calibrate(
    runs: Runs = None,
    scenario: ScenarioName = None,
    make: Make = None,
    also: Also = None,
    to: To = None,
    onto: Onto = None,
    overrides: Overrides = None,
    resume: Resume = None,
    force: Force = False,
    wait: Wait = False,
    as_json: AsJson = False,
    results: Results = None,
) -> None:
    """Measure the CPU costs of the servers' work on this machine, for simulate to use.

    Makes short trials, then fits the servers' CPU time to the counts of ticks, requests, updates, bytes,
    connections, wake-ups and messages of clients. Takes about a quarter of an hour, with --make about twice that.

    Examples:

        tickertape calibrate
        tickertape calibrate --make bare
        tickertape calibrate --set trials.count=6
        tickertape calibrate results/20261122T180054Z-default
        tickertape calibrate --resume results/20261122T190000Z-calibration
        tickertape calibrate results/RUN results/RUN --onto results/reference-costs.json
        tickertape calibrate --also "websocket compression=permessage-deflate context_takeover=true"

    Exit status: 0 the costs are written; 1 the disk filled; 2 a mistake; 130 interrupted.
    """
    with reported_errors():
        refuse_idle_options(resume, force=force, results=results)
        if resume is not None:
            refuse_beside_resume(resume, {
                "RUN": runs, "--scenario": scenario, "--make": make, "--also": also, "--set": overrides})
        place = results or (resume.resolve().parent if resume is not None else RESULTS)
        path, again = to or place / f"costs-{host_slug()}.json", "the same command"
        _refuse_unwritable(path)
        kept = None if onto is None else read_costs(onto)
        if runs:
            refuse_idle("with runs to fit to", "it with measuring",
                        {"--scenario": scenario, "--make": make, "--also": also, "--set": overrides, "--wait": wait})
        else:
            if resume is not None:
                begin = partial(series.resume, resume.resolve(), "calibration", force=force)
            else:
                further = [*([] if make is None else [f"{series.EVERY} server={make}"]), *(also or ())]
                asked = series.questions("calibration" if scenario is None else scenario, overrides or (), further)
                refuse_without_effect(asked, typed_fields({}, overrides or ()), "calibrate")
                begin = partial(series.create, place, "calibration", checked(asked, place), sys.argv[1:])
            command = _go_on(to, onto)
            with ExitStack() as held:
                made = measure(held, begin, resume, command,
                                "what does each kind of work cost the servers here?", wait)
            runs, again = [each.folder for each in made.runs], f"{command} {made.folder}"
        with report_disk_full(again):
            found, left_out = costs_of(runs, kept)
            write_costs(path, found)
        _print_costs(found, left_out, path, as_json)


def _go_on(to: Path | None, onto: Path | None) -> str:
    """Return the command that continues such a calibration, without its folder."""
    given = "".join(f" {name} {file}" for name, file in (("--to", to), ("--onto", onto)) if file)
    return f"tickertape calibrate{given} --resume"


def _refuse_unwritable(path: Path) -> None:
    """Raise `UserError`, before anything is measured, where the costs file could not be written."""
    there = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
    if path.is_dir() or (there != path and not there.is_dir()):
        raise UserError(f"{path}: the costs file: found a {'folder' if path.is_dir() else f'file, {there}'}, "
                        "allowed is a file in a folder")
    if not os.access(there, os.W_OK):
        raise UserError(f"{path}: the costs file: found no permission to write there, "
                        "allowed is a file that you may write")


def _print_costs(found: CostsFile, left_out: Sequence[str], path: Path, as_json: bool) -> None:
    for sentence in left_out:
        say(sentence)
    if as_json:
        print_json({"costs": str(path), "left_out": left_out, "transports": {
            str(each.kind): {name: cost.value for name, cost in each.costs.items()}
            for each in found.transports}})
        return
    names = ("tick_s", "request_s", "answer_s", "update_s", "connection_s", "message_s")
    table = Table(box=None, padding=(0, 1, 0, 0), caption_justify="left", caption=(
        "CPU in µs for each, with 95 % intervals; fit: the trials' distance from the fitted costs (root mean "
        "square)."))
    for heading in ("", *(name.removesuffix("_s") for name in names), "byte (ns)", "fit"):
        table.add_column(heading, justify="left" if not heading else "right")
    for each in found.transports:
        cells = [_cost(each.costs[name].value, each.costs[name].low, each.costs[name].high, 1e6)
                 if name in each.costs else "" for name in names]
        byte = each.costs["byte_s"]
        table.add_row(str(each.kind), *cells, _cost(byte.value, byte.low, byte.high, 1e9),
                      f"{100 * each.residual_share:.0f} %")
    console = terminal.console(markup=False)
    console.print(table)
    console.print(f"Costs: {path}", highlight=False, soft_wrap=True)


def _cost(value: float, low: float, high: float, unit: float) -> str:
    bounds = f"\n{number(low * unit)}…{number(high * unit)}" if low == low else ""
    return f"{number(value * unit)}{bounds}"
