"""The finding of a run that has each transport with our own client and a page: how much later a page has an update.

    delays (bench.report.data.page_delay) ─► answer   a sentence on the medians at the shown client count
                                          └─► lines    a line for each client count and value

Nothing here depends on the name of a transport: exchange the records of two, and the finding is exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.report import style
from bench.report.data.page_delay import FIGURES, MEDIAN, PageDelay, delays, pairs_of
from bench.report.data.run import RunData, shown_clients
from bench.report.text.findings import spread_text

NOUNS = {MEDIAN: "median latency", "latency_p90_ms": "90th percentile of latency",
         "age_excess_mean_ms": "mean excess age"}


def answer(run: RunData) -> str:
    """Return the finding as one sentence; empty where not every subject has a counterpart, or nothing is known."""
    found = _of(run, MEDIAN, shown_clients(run))
    if not found or 2 * len(pairs_of(run)) != len(run.transports):
        return ""
    parts = [f"{_added_text(each)} with {style.title(each.pair.ours)}" for each in found]
    return f"In a page of a browser the {NOUNS[MEDIAN]} differs from that of our own clients by {style.listed(parts)}."


def lines(run: RunData) -> list[str]:
    """Return a line for each value and client count: both values of each pair, and their difference."""
    found = []
    for figure in FIGURES:
        for clients in run.clients:
            parts = [f"{style.title(each.pair.ours)} {style.number(each.ours.estimate)} and "
                     f"{style.number(each.page.estimate)} ms, so {_added_text(each)}"
                     for each in _of(run, figure, clients)]
            found += [f"{style.sentence(NOUNS[figure])} of {style.counted(clients, 'client')}, ours and pages: "
                      f"{'; '.join(parts)}."] * bool(parts)
    return found


def _of(run: RunData, figure: str, clients: int) -> Sequence[PageDelay]:
    return [each for each in delays(run)
            if (each.figure, each.clients) == (figure, clients) and not math.isnan(each.added.estimate)]


def _added_text(each: PageDelay) -> str:
    """Return a difference in words: `+0.8 ms (n = 3: 0.7, 0.8, 0.9)`."""
    sign = "+" if each.added.estimate >= 0 else ""
    return f"{sign}{style.number(each.added.estimate)} ms{spread_text(each.added)}"
