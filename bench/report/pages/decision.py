"""The report of a decision: which transport to take, what it costs, and what would change the answer.

    manifest.json  decision.csv  decision_turns.csv  decision_frontier.csv ─► report.html  report.md

Everything on the page is computed from the tables by `bench.report.text.decision`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.records import manifest as manifests
from bench.records.manifest import Manifest
from bench.report.data.table_files import read_csv
from bench.report.figures import decision as figures
from bench.report.figures.spec import FigureSpec
from bench.report.pages import render
from bench.report.pages.render import Page
from bench.report.tables import model_accuracy
from bench.report.tables.run import TextTable
from bench.report.text import decision as text
from bench.report.text.simulated import conditions_text

FILES = {
    "decision.csv": (
        "role", "transport", "possible", "why_not", "chosen", "cheapest", "least_share", "interval_s", "flush_ms",
        "workers", "workers_low", "workers_high", "clients_per_worker", "cores", "cores_low", "cores_high",
        "bytes_down_per_s", "bytes_down_per_s_low", "bytes_down_per_s_high", "bytes_up_per_s", "bytes_up_per_s_low",
        "bytes_up_per_s_high", "requests_per_s", "messages_per_s", "sent_per_s", "message_cpu_known",
        "price_month", "price_month_low", "price_month_high", "latency_mean_ms", "latency_p50_ms", "latency_p99_ms",
        "latency_worst_ms", "age_excess_ms", "age_excess_ms_low", "age_excess_ms_high", "memory_bytes_per_client",
        "checked_clients_max", "checked_load_max"),
    "decision_turns.csv": ("axis", "transport", "value", "rising", "begins"),
    "decision_frontier.csv": (
        "transport", "within_ms", "interval_s", "flush_ms", "workers", "cores", "price_month", "latency_mean_ms",
        "latency_worst_ms", "age_excess_ms"),
}
"""The tables of a decision, with their columns; all but the first may be empty."""
BEYOND = ("* A worker of it is beyond the range in which the model was checked, by the factors that the report has, or "
          "nothing of it was checked; no band includes the unknown error.")
CAVEATS = (
    "These are closed forms and simulations, from costs of servers as they were measured. Servers of another make have "
    "other costs: calibrate with yours, or choose --make.",
    "Staleness is that of an update while no worker is overloaded. Loss, jitter and slow clients come on top; ticks "
    "are a Poisson process, and real ones come in bursts.",
    "Without prices the cost is the number of workers: a share of a core is not for sale.",
)


@dataclass(frozen=True, slots=True)
class DecisionRun:
    """The files of a decision. The frames' columns are described in `docs/results.md`."""

    folder: Path
    manifest: Manifest
    table: pd.DataFrame
    turns: pd.DataFrame
    frontier: pd.DataFrame

    @property
    def asked(self) -> text.Asked:
        """Return the situation."""
        scenario = self.manifest.scenario
        assert scenario.decision is not None, "a run of another kind"
        prices = scenario.simulation.prices
        return text.Asked(scenario.load.clients[0], scenario.feed.rate_per_s, scenario.decision.within_ms,
                          scenario.simulation.rtt_ms or 1.0, scenario.decision.now, prices.currency if prices else "",
                          scenario.decision.room_clients)

    @property
    def cost(self) -> tuple[str, str]:
        """Return the column of the cost that is drawn, and its unit."""
        return ("price_month", f"{self.asked.currency} per month") if self.asked.currency else ("cores", "CPU cores")


def open_decision(folder: Path) -> DecisionRun:
    """Read the files of a decision; raises `RunError` where one is missing or damaged."""
    table, turns, frontier = (read_csv(folder / name, columns, may_be_empty=name != "decision.csv")
                              for name, columns in FILES.items())
    table["why_not"] = table["why_not"].astype(object).fillna("")
    return DecisionRun(folder, manifests.read(folder), table, turns, frontier)


def build(folder: Path) -> DecisionRun:
    """Write the report of the decision in `folder`, and return the decision."""
    run = open_decision(folder)
    render.write(folder, page(run))
    return run


FIGURES = (
    FigureSpec[DecisionRun](
        "frontier", lambda run: f"What does freshness cost {run.asked.clients:,} clients?",
        lambda run: figures.frontier(run.table, run.frontier, run.asked.within_ms, *run.cost),
        "Each point of a line is a transport's least expensive setting for that staleness: the poll interval, or the "
        "time between flushes, is chosen. The large markers are the rows of the table; the vertical line is the "
        "staleness that is allowed, a star what is used now. A line ends where the transport can't be fresher."),
)


def findings(run: DecisionRun) -> list[str]:
    """Return the answer, and what would change it."""
    return [text.sentence(run.table, run.asked), *text.turned(run.turns, run.asked)]


def options_table(run: DecisionRun) -> TextTable:
    """Return a row for each transport at its best, and for what is used now."""
    columns, rows = text.rows(run.table, run.asked)
    far = any(text.beyond(row) for _, row in run.table.iterrows())
    note = ("Staleness p50 and p99 are simulated; the longest is by a closed form, while no update waits for another. "
            f"Bands are 95 %. {_memory_text(run)}")
    notes = " ".join(filter(None, (note, text.counted(run.table, run.asked), BEYOND * far)))
    return TextTable("options", "Each transport at its best", tuple(columns), tuple(rows), notes)


def _memory_text(run: DecisionRun) -> str:
    """Return the sentence on the source of the memory."""
    beside = run.manifest.measured
    if beside is None or not beside.memory_bytes_per_client:
        return "Memory: no measured run tells it."
    host = f" on {beside.host}" if beside.host else ""
    return f"Memory: that of each further client at the server, measured in the run {beside.run}{host}."


def beyond_table(run: DecisionRun) -> TextTable:
    """Return how far each worker is outside the range that was checked."""
    rows = [(text.name_of(row), text.beyond(row) or "within") for _, row in run.table.iterrows()]
    return TextTable("range", "How far to believe it", ("", "a worker has, against the cells that were checked"),
                     tuple(rows))


def unmeasured_table() -> TextTable:
    """Return what no number tells, with sources."""
    return TextTable("unmeasured", "What no number tells", ("", "what to know", "source"), text.UNMEASURED)


def page(run: DecisionRun) -> Page:
    """Return the report as plain data."""
    source = conditions_text(run.manifest)
    return Page(
        question=run.manifest.question, subtitle=render.subtitle(run.manifest),
        answer=text.sentence(run.table, run.asked), notice=f"Computed and simulated, not measured, with {source}.",
        summary=text.turned(run.turns, run.asked), leading=[options_table(run)],
        figures=render.drawn_all(FIGURES, run, f"computed, with {source}"),
        sections=[unmeasured_table(), beyond_table(run), model_accuracy.costs_table(run.manifest)],
        caveats=CAVEATS, files=render.files_of(run.folder, tuple(FILES)))
