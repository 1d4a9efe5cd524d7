"""The report itself: what stands where, and the files.

    at a glance      a row a transport, findings as sentences
    figures          each with its question, units and a caption
    in full          every cell, fates, closed forms, comparisons
    what was run     scenario, host, versions, verdicts, caveats

One `Page` of plain data is filled into two templates. The HTML holds its figures and its style and
needs nothing else; the Markdown has the figures beside it in `figures/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from bench.report import style
from bench.report.data.run import Run, write_condensed
from bench.report.figures import cost, load, speed
from bench.report.pages import answer, capacity, render
from bench.report.pages.render import Drawn
from bench.report.tables import bytes, capacity_plan, claims, host_speed, model_accuracy, server
from bench.report.tables import run as tables
from bench.report.tables.run import Table
from bench.report.text import simulated
from bench.report.text.findings import Finding, findings


@dataclass(frozen=True, slots=True)
class Plate:
    """A figure of the report: how it is drawn, and how it is read."""

    name: str
    draw: Callable[[Run], Figure]
    caption: str


PLATES = (
    Plate("latency-percentiles", speed.percentiles, (
        "Latency runs from the instant at which an update was due to the moment the client's code had it. "
        "Read across: at 99 %, one update in a hundred took longer. Bands are 95 % intervals between "
        "trials. A line ends at the highest of the percentiles 50, 90, 95, 99 and 99.9 that ticks, clients "
        "and trials tell to ± 25 %, or, where it says so, because the rest was lost.")),
    Plate("latency-by-clients", speed.latency_by_clients, (
        "Mean latency of what arrived. Bars are 95 % intervals between trials. Dashed, in a darker shade of "
        "its transport's colour: the closed form of polling, where there is one for the feed's schedule, "
        "with nothing fitted to it: the wait for the next poll, plus the measured mean of the pushing "
        "transport as the way to the client.")),
    Plate("age-by-clients", speed.age_by_clients, (
        "Age of information: how long ago the newest update that a client has was due, averaged over time, "
        "clients and symbols. Left, all of it: a quiet symbol is old for everyone. Right, only what the "
        "transport adds. Bars are 95 % intervals between trials. Dashed: the closed form of what is added, "
        "on the left upon the age that an ideal client was measured to have.")),
    Plate("bytes-per-update", cost.bytes_per_update, (
        "Bytes on the wire, counted by the kernel on every connection, for each update that arrived. Down "
        "is to the client. The parts add up to the bar; the table of the same name has them in numbers.")),
    Plate("server-by-clients", cost.server_by_clients, (
        "CPU time of the server's process over the measuring window for each update that arrived, and how "
        "much its resident memory has grown since before the first client came, divided by the clients. So "
        "a client bears its share of what the server takes once and of its tape, the more the fewer they "
        "are; with several client counts, what each further one takes stands in the first table. Bars are "
        "95 % intervals between trials. Over loopback, a part of the clients' receiving is charged to the "
        "server.")),
    Plate("deliveries-over-time", speed.deliveries_over_time, (
        "One trial of each transport, all clients together, in steps of 100 ms. Where the fill leaves the "
        "line, updates waited. What is lost or conflated never fills it: then the filled area is smaller.")),
)


SIMULATED_PLATES = (
    Plate("worker-load", load.worker_load, (
        "CPU of each worker, with its idle base. Marks: simulated, one for each client count. Fine lines: "
        "closed forms. Dotted, with the number of clients at its top: where a worker's work would take all "
        "of its core, if none of it waited. Near it polls come late, and long polls and pushes share reads, "
        "so that the load bends.")),
    Plate("in-vain", load.in_vain, (
        "Left: updates that no client got, since newer ones took their place or they were lost. Middle: "
        "answers to polls that brought nothing. Right: sockets open at the servers. Fine lines: closed "
        "forms.")),
)
"""What is drawn of a simulated run as well."""
SEARCH_PLATES = (Plate("capacity", capacity.against_level, capacity.CAPTION),)
"""What is drawn of a search for the knee, in place of all others."""


@dataclass(frozen=True, slots=True)
class Page:
    """All that the templates fill in."""

    question: str
    subtitle: str
    verdict: str
    answer: str
    """In a sentence; empty for a measured run, whose findings come first."""
    notice: str
    """That it is simulated, and with whose costs; empty for a measured run."""
    glance: Table
    leading: list[Table]
    """Before all others: the capacity plan of a simulated run that asks for one."""
    following: list[Table]
    """After the findings: the plan of one that doesn't; how far to believe it."""
    findings: list[Finding]
    claims: Table | None
    """Only where the scenario has any."""
    plates: list[Drawn]
    sections: list[Table]
    caveats: tuple[str, ...]


def page(run: Run) -> Page:
    """The report of a run as plain data."""
    searched = run.knees is not None
    drawn = []
    for plate in SEARCH_PLATES if searched else (*PLATES, *SIMULATED_PLATES * run.simulated):
        figure = plate.draw(run)
        simulated.mark(figure, run)
        caption = simulated.caption(run, plate.name, plate.caption)
        drawn.append(render.drawn(plate.name, figure, caption))
    return Page(
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


def _glance(run: Run) -> Table:
    """The first table; a simulated one says how many workers it is of, since the plan may have others."""
    table = tables.glance(run)
    workers = f" on {style.counted(run.fleet[0].workers_simulated, 'worker')}" if run.fleet else ""
    return model_accuracy.marked(replace(table, heading=table.heading + workers), run)


def _plan(run: Run) -> list[Table]:
    """The capacity plan of a simulated run."""
    return [model_accuracy.marked(capacity_plan.table(run.fleet, run.manifest), run)] if run.fleet else []


def _belief(run: Run) -> list[Table]:
    """How far to believe a simulated run."""
    table = model_accuracy.in_short(run)
    return [model_accuracy.marked(table, run)] if table.rows else []


def _pace(run: Run) -> list[Table]:
    """How fast the host was, where that was recorded."""
    return [each for each in (host_speed.table(run),) if each.rows and not run.simulated]


def _sections(run: Run) -> list[Table]:
    """The tables in full: every cell, where its bytes went, what its server paid, and all others."""
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


def write(run: Run) -> None:
    """Write the tables, both reports and the Markdown's figures into the run's folder."""
    write_condensed(run)
    render.write(run.folder, page(run), "report")
