"""The finding of a run whose clients send: how soon an author has its own message back, over each transport.

    trials ─► round trips, ranked as any measure of the first screen
                ├─► answer   the median: which transport has the lowest, and how many times as long the others take
                └─► lines    the 99th percentile, where enough messages determine it

It is the first sentence of such a report, since clients that send wait for what comes back; the answer of any other
run follows it. Transports that can't be separated tie. Nothing here depends on the name of a transport: exchange the
records of two, and the finding is exchanged.

Known weakness: a round trip has two ways, and this does not say which of them took the time; the table of messages
does.
"""

from __future__ import annotations

from bench.report.data.run import RunData, shown_clients
from bench.report.text import first_screen
from bench.report.text.findings import ComparedFigure
from bench.report.text.first_screen import FRESHNESS

MEDIAN = ComparedFigure("round_trip_p50_ms", "median round trip", "median round trip", "ms")
TAIL = ComparedFigure("round_trip_p99_ms", "p99 round trip", "99th percentile of round trips", "ms")
MESSAGES_LEAST = 500
"""The messages of a cell from which its 99th percentile is shown: with fewer, it depends on fewer than five of them."""


def sends(run: RunData) -> bool:
    """Return True if clients of the run send messages."""
    return "uplinks_due" in run.valid and bool(run.valid["uplinks_due"].notna().any())


def answer(run: RunData) -> str:
    """Return what differs in round trips, as one sentence; empty where clients only listen."""
    return " ".join(_lines_on(run, MEDIAN))


def lines(run: RunData) -> list[str]:
    """Return a line on the 99th percentile; none where clients only listen, or a transport has too few messages."""
    if not sends(run):
        return []
    here = run.valid[run.valid["clients"] == shown_clients(run)]
    messages = here.groupby("transport")["uplinks_due"].sum()
    return _lines_on(run, TAIL) if len(messages) and messages.min() >= MESSAGES_LEAST else []


def _lines_on(run: RunData, figure: ComparedFigure) -> list[str]:
    """Return a line on one value as a list; an empty one where no transport has it."""
    if not sends(run):
        return []
    return [first_screen.line(each) for each in first_screen.measured(run, [(figure, FRESHNESS)])]
