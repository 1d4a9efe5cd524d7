"""The page of a validation: what the simulator predicted, what was measured, the errors, and their causes.

    validation.csv rows · reasons · source of the costs ─► Page ─► report.html  report.md  figures/

The figure shows every prediction over the measurement, in one panel per quantity. A mark on the diagonal was
predicted exactly; a mark in the band was predicted to within the goal.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.report import style
from bench.report.figures.spec import FigureSpec
from bench.report.figures.validation import HEADINGS, goal_text, predicted_over_measured
from bench.report.pages import render
from bench.report.pages.render import Page
from bench.report.tables.run import TextTable
from bench.stats.run.prediction import FULL, LIMIT, QUANTITIES, ValidationRow, ambiguous, verdict_text

CAVEATS = (
    "The costs were fitted to other cells than these, which were named before the first trial. Measured and "
    "simulated trials have the same ticks, clients and seeds, and the same statistics.",
    "Inside with proof means that the whole 95 % interval of the error, between pairs of trials, lies within "
    "the goal; outside with proof, that all of it is outside. Where the interval is partly within, more trials "
    "would be needed to decide; inside or outside then refers to the point estimate.",
    f"A goal on latency holds where the server was busy for less than {100 * FULL:.0f} % of the time. Above, "
    "waiting grows so steeply that only the capacity limit is predicted.",
    "The capacity limit is known as a bracket: the highest level that held and the lowest that broke, both searches by "
    "the same rule. Its interval is that of the two brackets.",
    "The load client is simulated as a queue of its own, since it is part of what was measured. It shares a "
    "core with the publisher and the runner, which are not.",
)


@dataclass(frozen=True, slots=True)
class ValidationPage:
    """The data that the page is made from."""

    name: str
    """The name of the validation."""
    costs: str
    """The source of the costs, in words."""
    rows: Sequence[ValidationRow]
    reasons: Mapping[tuple[str, str, int, str], str]
    """The cause of each goal that was not shown to be met, by the key of its row."""
    notes: Sequence[str] = ()
    """Further notes: trials that were not VALID, searches that found nothing."""


FIGURES = (
    FigureSpec[ValidationPage](
        "predicted-over-measured", "How close are predictions to measurements?",
        lambda judged: predicted_over_measured(judged.rows),
        "Each mark is a cell: the simulator's prediction against the measurement on the same ticks. On the "
        "diagonal both agree; the grey band is the goal. Hollow marks are cells without a goal. Bars are 95 % "
        "intervals of the error."),
)
"""The figures of the page."""


def page(judged: ValidationPage) -> Page:
    """Return the page as plain data; the cells of a transport are together, those with few clients first."""
    places = list(dict.fromkeys(row.transport for row in judged.rows))
    judged = replace(judged, rows=sorted(
        judged.rows, key=lambda row: (row.quantity == LIMIT.name, places.index(row.transport), row.clients)))
    return Page(
        question="How well does the simulator predict what is measured?",
        subtitle=f"Validation {judged.name}",
        notice=f"Predicted values are simulated, with {judged.costs}.",
        summary=[f"Goals: {verdict_text([row.standing for row in judged.rows])}.", *_findings(judged),
                  *judged.notes],
        leading=[_goals(judged)],
        figures=render.drawn_all(FIGURES, judged),
        sections=[_misses(judged), _full(judged)],
        caveats=CAVEATS, files=["validation.csv"],
    )


def write(folder: Path, judged: ValidationPage) -> None:
    """Write the page, and the figure beside it, into `folder`."""
    render.write(folder, page(judged))


def _findings(judged: ValidationPage) -> list[str]:
    """Return a sentence for each quantity with a goal: its median and its largest error."""
    names = _names(judged.rows)
    found = []
    for quantity in (*QUANTITIES, LIMIT):
        mine = [row for row in judged.rows if row.quantity == quantity.name and not math.isnan(row.goal)
                and not math.isnan(row.error)]
        if not mine:
            continue
        worst = max(mine, key=lambda row: abs(row.error))
        middle = statistics.median(abs(row.error) for row in mine)
        found.append(
            f"{style.sentence(HEADINGS[quantity.name])}: off by {style.percent(middle, signed=False)} in the "
            f"median of {style.counted(len(mine), 'cell')}, at worst by {style.percent(worst.error)} "
            f"({names[worst.key]}, {style.counted(worst.clients, 'client')}); "
            f"{goal_text(worst.goal)}: {verdict_text([row.standing for row in mine])}.")
    return found


def _goals(judged: ValidationPage) -> TextTable:
    """Return the table of errors: a row per cell, an error and its verdict for each quantity with a goal."""
    quantities = [each.name for each in QUANTITIES if each.goal is not None]
    names = _names(judged.rows)
    cells = dict.fromkeys(row.key[:3] for row in judged.rows if row.quantity != LIMIT.name)
    by_key = {row.key: row for row in judged.rows}
    rows = []
    for cell in cells:
        mine = [by_key[(*cell, name)] for name in quantities]
        rows.append((names[mine[0].key], f"{mine[0].clients:,}", style.percent(mine[0].load, 0, signed=False),
                     *map(_error, mine)))
    return TextTable(
        "errors", "Errors, cell by cell",
        ("", "clients", "load", *(HEADINGS[name] for name in quantities)),
        tuple(rows), note=(
            "Predicted ÷ measured − 1, with its 95 % interval between pairs of trials, and where it is "
            "relative to its goal. Load: share of the time that the server was busy."))


def _names(rows: Sequence[ValidationRow]) -> dict[tuple[str, str, int, str], str]:
    """Return the name of each row's transport by the row's key; with the run where several runs have that cell."""
    several = ambiguous(rows)
    return {row.key: style.title(row.transport)
            + (f" ({row.run})" if (row.transport, row.clients) in several else "") for row in rows}


def _error(row: ValidationRow) -> str:
    if math.isnan(row.error):
        return "–"
    bounds = "" if math.isnan(row.interval_low) else (
        f" [{style.percent(row.interval_low)}, {style.percent(row.interval_high)}]")
    verdict = f" {row.standing}" if row.met else ""
    return f"{style.percent(row.error)}{bounds}{verdict}"


def _misses(judged: ValidationPage) -> TextTable:
    """Return the table of the goals that were not shown to be met, and the causes."""
    names = _names(judged.rows)
    rows = [
        (names[row.key], f"{row.clients:,}", HEADINGS[row.quantity], style.percent(row.error),
         row.standing, judged.reasons.get(row.key, "")
         or "No other measurement explains it.")
        for row in judged.rows if row.met in ("no", "open")
    ]
    return TextTable("misses", "Goals that were not shown to be met, and why",
                     ("", "clients", "", "error", "goal", "other measurements of the cell"), tuple(rows))


def _full(judged: ValidationPage) -> TextTable:
    """Return the table of every quantity of every cell."""
    names = _names(judged.rows)
    rows = [
        (names[row.key], f"{row.clients:,}", HEADINGS[row.quantity], style.number(row.measured),
         style.number(row.predicted), _error(row))
        for row in judged.rows
    ]
    return TextTable("all", "All predictions",
                     ("", "clients", "", "measured", "predicted", "error"), tuple(rows),
                     note="validation.csv has the same values.")


