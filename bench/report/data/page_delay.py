"""The delay that a browser adds: what its pages see of a transport, beside what our own clients see.

    trials ─► pairs of subjects that differ in their client alone: one of ours, and a page
                └─► for each client count and value: those of both, and page − ours within blocks

Both clients of a pair have the same server, options and ticks, so that what they differ in is the browser's: its
network process, its event loop, its timers. The difference is taken within blocks, which have the same ticks and a
common disturbance.

Known weakness: a page's instant is that at which its code has the parsed message, ours that at which the load process
has read its bytes. A page's error of the clock, about 0.1 ms, is in the difference (`load.clock_error_ns` of a trial).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from bench.report.data.run import RunData, counterparts
from bench.scenario.model import BROWSER, DEFAULT_CLIENT
from bench.stats.run.intervals import Interval, interval
from bench.stats.run.summary import cell_interval

MEDIAN = "latency_p50_ms"
FIGURES = (MEDIAN, "latency_p90_ms", "age_excess_mean_ms")
"""The values that are compared, all in ms."""


@dataclass(frozen=True, slots=True)
class PagePair:
    """One transport with the same server and options, measured by both clients, by the labels of the two subjects."""

    ours: str
    page: str


@dataclass(frozen=True, slots=True)
class PageDelay:
    """A value of a pair at one client count."""

    pair: PagePair
    clients: int
    figure: str
    ours: Interval
    page: Interval
    added: Interval
    """The page's value less ours, within blocks; NaN where one of them falls among lost updates."""


def pairs_of(run: RunData) -> list[PagePair]:
    """Return a pair for each transport of the run that both clients measured, in the run's order."""
    return [PagePair(*labels) for labels in counterparts(run, "client", DEFAULT_CLIENT, BROWSER)]


def delays(run: RunData) -> list[PageDelay]:
    """Return each value of each pair, by value, client count and pair; one that may not be printed is left out."""
    found = []
    for figure in FIGURES:
        for clients in run.clients:
            for pair in pairs_of(run):
                mine = {label: _cell(run, label, clients) for label in (pair.ours, pair.page)}
                ours, page = (cell_interval(mine[label], figure) for label in (pair.ours, pair.page))
                if not (math.isnan(ours.estimate) or math.isnan(page.estimate)):
                    added = _added(mine[pair.ours], mine[pair.page], figure)
                    found.append(PageDelay(pair, clients, figure, ours, page, added))
    return found


def _cell(run: RunData, label: str, clients: int) -> pd.DataFrame:
    return run.valid[(run.valid["transport"] == label) & (run.valid["clients"] == clients)]


def _added(ours: pd.DataFrame, page: pd.DataFrame, figure: str) -> Interval:
    """Return the page's value less ours in the blocks that have both."""
    by_block = [dict(zip(cell["block"], cell[figure].astype(float), strict=True)) for cell in (ours, page)]
    pairs = [(by_block[0][block], by_block[1][block]) for block in by_block[0] if block in by_block[1]]
    finite = all(math.isfinite(value) for pair in pairs for value in pair)
    return interval([theirs - own for own, theirs in pairs] if finite else [], logarithm=False)
