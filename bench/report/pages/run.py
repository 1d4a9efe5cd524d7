"""The report of a run: the order of its sections, and the files.

    first screen     the answer, its conditions, the panel, a line for each measure
    at a glance      a row per transport; of a simulated run also its plan and its model's accuracy
    measure by measure  every transport against the best, as sentences
    figures          each with its question, units and a caption
    in full          every cell, fates, closed forms, comparisons
    what was run     scenario, host, versions, verdicts, caveats
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.report import style
from bench.report.data.run import RunData, write_condensed
from bench.report.figures import run as figures
from bench.report.figures.spec import FigureSpec
from bench.report.figures.speed import run_styles
from bench.report.pages import answer, capacity, render
from bench.report.pages.render import Page, PageFigure
from bench.report.tables import bytes, capacity_plan, claims, host_speed, messages, model_accuracy, server
from bench.report.tables import run as tables
from bench.report.tables.panel import panel
from bench.report.tables.run import TextTable
from bench.report.text import (
    conditions,
    equal_staleness,
    first_screen,
    library_share,
    option_effects,
    page_delay,
    round_trips,
    simulated,
    thresholds,
)
from bench.report.text.findings import findings
from bench.report.text.first_screen import RankedMeasure

FILES = ("trials.csv", "summary.csv", "capacity.csv", "claims.csv", "fleet.csv", "measured.csv", "validation.csv",
         "closed_forms.csv", "other_rates.csv", "distributions.parquet", "timelines.parquet", "manifest.json")
"""The files of a run that its page links to, where they are there."""


def page(run: RunData) -> Page:
    """Return the report of a run as plain data."""
    if run.capacity_limits is not None:
        return _of_search(run)
    ranked = first_screen.ranked(run)
    sentence, limits = _answer(run, ranked)
    return Page(
        question=run.manifest.question,
        answer=sentence,
        conditions=limits,
        notice=simulated.notice(run),
        thresholds=thresholds.lines(run),
        panel=panel(ranked, run_styles(run)),
        summary=[*_finding_lines(run), *first_screen.lines(run, ranked)],
        subtitle=_subtitle(run),
        leading=_leading(run),
        details=findings(run),
        figures=_figures(run, figures.of(run)),
        sections=[*_sections(run), *_pace(run)],
        caveats=simulated.CAVEATS if run.simulated else tables.CAVEATS,
        files=render.files_of(run.folder, FILES),
    )


def _of_search(run: RunData) -> Page:
    """Return the report of a search for the capacity limit."""
    return Page(
        question=run.manifest.question,
        notice=simulated.notice(run),
        summary=[finding.headline for finding in capacity.findings(run)],
        subtitle=_subtitle(run),
        leading=[model_accuracy.marked(capacity.glance(run), run), *_accuracy(run), *_claims(run)],
        figures=_figures(run, capacity.FIGURES),
        sections=[*capacity.sections(run), *_pace(run)],
        caveats=simulated.CAVEATS if run.simulated else tables.CAVEATS,
        files=render.files_of(run.folder, FILES),
    )


def answer_text(run: RunData) -> str:
    """Return the answer as a terminal prints it: the sentence of the page, and its conditions.

    An empty text for a search for the capacity limit, whose answer is a table.
    """
    if run.capacity_limits is not None:
        return ""
    return " ".join(_answer(run, first_screen.ranked(run)))


def _answer(run: RunData, ranked: Sequence[RankedMeasure]) -> tuple[str, str]:
    """Return the answer and its conditions: together one sentence, for a simulated run several.

    Where clients send, a sentence on the round trips comes first.
    """
    predicted, given = answer.sentence(run), conditions.conditions(run)
    first = round_trips.answer(run)
    if predicted:
        return f"{first} {predicted}".strip(), f"Simulated {given}."
    found = (equal_staleness.answer(run) or option_effects.answer(run) or library_share.answer(run)
             or page_delay.answer(run) or first_screen.answer(ranked))
    return f"{first} {found.removesuffix('.')} –".strip(), f"{given}."


def _finding_lines(run: RunData) -> list[str]:
    """Return the lines of findings on round trips, a sweep, options, libraries or pages; an empty list for others."""
    return [*round_trips.lines(run), *equal_staleness.lines(run),
            *(option_effects.lines(run) or library_share.lines(run) or page_delay.lines(run))]


def _subtitle(run: RunData) -> str:
    verdicts = tables.verdict_line(run) + host_speed.drift_sentence(run)
    return f"{tables.subtitle(run)}. {verdicts} Only valid trials are in any figure"


def _figures(run: RunData, specs: tuple[FigureSpec[RunData], ...]) -> list[PageFigure]:
    """Return the figures that say something of this run; those of a simulated run say that it is one."""
    found = []
    for spec in (each for each in specs if each.worth(run)):
        figure = figures.drawn(spec, run)
        title = figure.get_suptitle().replace("\n", " ")
        found.append(PageFigure(spec.name, title, spec.caption_of(run), style.svg(figure, spec.name)))
    return found


def _leading(run: RunData) -> list[TextTable]:
    """Return the tables before the figures: a capacity plan with prices comes first, one without follows."""
    plan = _plan(run)
    sent = [each for each in (messages.table(run),) if each is not None]
    return [*plan * run.priced, _glance(run), *sent, *plan * (not run.priced), *_accuracy(run), *_claims(run)]


def _claims(run: RunData) -> list[TextTable]:
    """Return the verdicts on claims as a list of one table; an empty list where the scenario has none."""
    return [each for each in (claims.table(run),) if each is not None]


def _glance(run: RunData) -> TextTable:
    """Return the first table.

    For a simulated run its heading gives the number of workers, since the plan may have another.
    """
    table = tables.glance(run)
    workers = f" on {style.counted(run.fleet[0].workers_simulated, 'worker')}" if run.fleet else ""
    return model_accuracy.marked(replace(table, heading=table.heading + workers), run)


def _plan(run: RunData) -> list[TextTable]:
    """Return the capacity plan of a simulated run as a list of one table; an empty list where there is
    none."""
    return [model_accuracy.marked(capacity_plan.table(run.fleet, run.manifest), run)] if run.fleet else []


def _accuracy(run: RunData) -> list[TextTable]:
    """Return the table on the accuracy of a simulated run's model, if it has rows."""
    table = model_accuracy.in_short(run)
    return [model_accuracy.marked(table, run)] if table.rows else []


def _pace(run: RunData) -> list[TextTable]:
    """Return the table of the host's speed, where that was recorded."""
    return [each for each in (host_speed.table(run),) if each.rows and not run.simulated]


def _sections(run: RunData) -> list[TextTable]:
    """Return the tables in full: every cell, its bytes, its server's costs, and all others."""
    cells, *others = tables.sections(run)
    costs = [each for each in (bytes.bytes_table(run), bytes.connections_table(run), server.table(run))
             if each.rows]
    known = {each.name for each in tables.background(run)}
    whole = [each if each.name in known else model_accuracy.marked(each, run)
             for each in (cells, *costs, *others)]
    if run.simulated:
        far = model_accuracy.marked(model_accuracy.how_far(run), run)
        whole += [*filter(lambda table: table.rows, [far]),
                  model_accuracy.costs_table(run.manifest)]
    return whole


def write(run: RunData) -> None:
    """Write the tables, both reports and the figures of the Markdown into the run's folder."""
    write_condensed(run)
    render.write(run.folder, page(run))
