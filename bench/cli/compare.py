"""The verb `compare`: the values that have become worse from one run to another."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bench.cli.options import (
    AsJson,
    end,
    print_json,
    reported_errors,
)
from bench.experiment.disk_full import report_disk_full
from bench.output import terminal
from bench.report.pages import compare as comparing
from bench.scenario.parsing import count_text, list_text
from bench.stats.run import regressions


def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="The folder of the earlier run.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="The folder of the run that is compared with it.")],
    threshold_percent: Annotated[float, typer.Option(
        "--threshold", metavar="PERCENT", min=0, help="Smaller relative changes are not reported.")] = (
            100 * regressions.THRESHOLD),
    force: Annotated[bool, typer.Option(
        "--force", help="Compare runs that are not alike, too: another host, scenario, schema or feed "
        "file, or one that is simulated with one that is measured.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the values that have become worse from one run to another.

    Prints the change of each value of a cell with its interval between trials (Welch's t), and whether it is
    significant; interval and verdict are corrected over all changes by Holm's method. A value has regressed if
    its change is significant and larger than the threshold. The same is written as a page with a figure,
    AFTER/compared/BEFORE/report.html.

    Examples:

        tickertape compare results/reference results/latest
        tickertape compare before after --threshold 10 --json

    Exit status: 0 nothing regressed, 1 something did, 2 a mistake, or runs that are not alike.
    """
    if not math.isfinite(threshold_percent):   # with which nothing would ever have regressed
        raise typer.BadParameter(f"--threshold: found {threshold_percent:g}, allowed is a number of 0 or more")
    with reported_errors():
        threshold = threshold_percent / 100
        found = comparing.compare(before.resolve(), after.resolve(), threshold=threshold, force=force)
        with report_disk_full(f"tickertape compare {before} {after}"):
            written = comparing.write(found)
    for sentence in (*(f"not alike: {each}" for each in found.unlike), *found.notes):
        terminal.say(sentence, err=True)
    if as_json:
        print_json(comparing.as_json(found) | {"report": str(written)})
    else:
        console = terminal.console(markup=False)
        console.print(_changes_table(found))
        console.print(comparing.summary(found), highlight=False)
        console.print(f"Report: {written}", highlight=False, soft_wrap=True)
    worse = list(dict.fromkeys(f"{each.figure} of {each.label}, {each.clients:,} clients"
                               for each in found.regressed))
    end(f"{count_text(len(worse), 'value has', 'values have')} become worse: {list_text(worse)}"
        if worse else None)


def _changes_table(found: comparing.RunComparison) -> Table:
    """Return the table of changes, 80 columns wide, with a group of rows for each cell."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    for name in comparing.COLUMNS:
        table.add_column(name, justify="right" if name in ("before", "after") else "left", no_wrap=True)
    for cell, rows in comparing.rows(found).items():
        table.add_row(cell, style="bold")
        for row in rows:
            table.add_row(*row)
    return table
