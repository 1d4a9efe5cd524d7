"""The report of a run: the order of its sections, and the files.

    at a glance      a row per transport, findings as sentences
    figures          each with its question, units and a caption
    in full          every cell, fates, closed forms, comparisons
    what was run     scenario, host, versions, verdicts, caveats

One `RunPage` of plain data is filled into two templates. The HTML holds its figures and its style and needs no
other file. The Markdown has its figures beside it in `figures/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from bench.report import style
from bench.report.data.run import RunData, write_condensed
from bench.report.figures import cost, load, speed
from bench.report.pages import answer, capacity, render
from bench.report.pages.render import PageFigure
from bench.report.tables import bytes, capacity_plan, claims, host_speed, model_accuracy, server
from bench.report.tables import run as tables
from bench.report.tables.run import TextTable
from bench.report.text import simulated
from bench.report.text.findings import Finding, findings


@dataclass(frozen=True, slots=True)
class FigureSpec:
    """A figure of the report: its name, the function that draws it, and a caption that says how to read
    it."""

    name: str
    draw: Callable[[RunData], Figure]
    caption: str


PLATES = (
    FigureSpec("latency-percentiles", speed.percentiles, (
        "Latency runs from the instant at which an update was due to the moment the client's code had it. At "
        "99 %, one update in a hundred took longer. Bands are 95 % intervals between trials. A line ends at "
        "the highest of the percentiles 50, 90, 95, 99 and 99.9 that is known to ± 25 %, or, where marked, "
        "because the rest was lost.")),
    FigureSpec("latency-by-clients", speed.latency_by_clients, (
        "Mean latency of what arrived. Bars are 95 % intervals between trials. Dashed, in a darker shade of "
        "its transport's colour: the closed form of polling, where there is one for the feed's schedule, "
        "without any fitting: the wait for the next poll, plus the measured mean of the pushing transport as "
        "the delay to the client.")),
    FigureSpec("age-by-clients", speed.age_by_clients, (
        "Age of information: how long ago the newest update that a client has was due, averaged over time, "
        "clients and symbols. Left, all of it: a quiet symbol is old for everyone. Right, only what the "
        "transport adds. Bars are 95 % intervals between trials. Dashed: the closed form of what is added, on "
        "the left added to the measured age of an ideal client.")),
    FigureSpec("bytes-per-update", cost.bytes_per_update, (
        "Bytes on the wire, counted by the kernel on every connection, per update that arrived. Down is to the "
        "client. The parts add up to the bar; the table of the same name has the numbers.")),
    FigureSpec("server-by-clients", cost.server_by_clients, (
        "CPU time of the server's process over the measuring window per update that arrived, and how much "
        "its resident memory has grown since before the first client came, divided by the clients. So memory "
        "per client includes a share of the server's fixed memory and of its tape (the ticks that it still "
        "holds), a larger one with fewer clients; with several client counts, what each further one takes "
        "is in the first table. Bars are 95 % intervals between trials. Over loopback, a part of the "
        "clients' receiving is charged to the server.")),
    FigureSpec("deliveries-over-time", speed.deliveries_over_time, (
        "One trial of each transport, all clients together, in steps of 100 ms. Where the fill leaves the "
        "line, updates waited. What is lost or conflated never fills it: then the filled area is smaller.")),
)


SIMULATED_PLATES = (
    FigureSpec("worker-load", load.worker_load, (
        "CPU of each worker, with its idle base. Marks: simulated, one for each client count. Fine lines: "
        "closed forms. Dotted, with the number of clients at its top: where a worker's work would take all of "
        "its core, if no work waited. Near it polls come late, and long polls and pushes share reads, so the "
        "load grows more slowly.")),
    FigureSpec("in-vain", load.in_vain, (
        "Left: updates that did not arrive, because newer ones replaced them or they were lost. Middle: "
        "answers to polls without an update. Right: sockets open at the servers. Fine lines: closed forms.")),
)
"""The further figures of a simulated run."""
SEARCH_PLATES = (FigureSpec("capacity", capacity.against_level, capacity.CAPTION),)
"""The figures of a search for the capacity limit, in place of all others."""


@dataclass(frozen=True, slots=True)
class RunPage:
    """The data that the templates of a report fill in."""

    question: str
    subtitle: str
    verdict: str
    answer: str
    """The answer in words; empty for a measured run, whose findings come first."""
    notice: str
    """The notice that the run is simulated, with the source of its costs; empty for a measured run."""
    glance: TextTable
    leading: list[TextTable]
    """Tables before all others: the capacity plan of a simulated run whose scenario has prices."""
    following: list[TextTable]
    """Tables after the findings: the plan of a scenario without prices, and the model's accuracy."""
    findings: list[Finding]
    claims: TextTable | None
    """The verdicts on claims; None where the scenario has none."""
    plates: list[PageFigure]
    sections: list[TextTable]
    caveats: tuple[str, ...]


def page(run: RunData) -> RunPage:
    """Return the report of a run as plain data."""
    searched = run.knees is not None
    drawn = []
    for plate in SEARCH_PLATES if searched else (*PLATES, *SIMULATED_PLATES * run.simulated):
        figure = plate.draw(run)
        simulated.mark(figure, run)
        caption = simulated.caption(run, plate.name, plate.caption)
        drawn.append(render.drawn(plate.name, figure, caption))
    return RunPage(
        question=str(run.manifest["scenario"]["question"]),
        subtitle=tables.subtitle(run),
        verdict=tables.verdict_line(run) + host_speed.drift_sentence(run),
        answer=answer.sentence(run),
        notice=simulated.notice(run),
        glance=model_accuracy.marked(capacity.glance(run), run) if searched else _glance(run),
        leading=_plan(run) if run.priced else [],
        following=[*([] if run.priced else _plan(run)), *_belief(run)],
        findings=capacity.findings(run) if searched else findings(run),
        claims=claims.table(run),
        plates=drawn,
        sections=[*(capacity.sections(run) if searched else _sections(run)), *_pace(run)],
        caveats=simulated.CAVEATS if run.simulated else tables.CAVEATS,
    )


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


def _belief(run: RunData) -> list[TextTable]:
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
    render.write(run.folder, page(run), "report")
