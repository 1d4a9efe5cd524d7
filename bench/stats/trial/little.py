"""Little's law: what is under way must be what comes in, times how long it stays.

    L = λ W        requests in flight = requests a second × mean duration of a request

It holds for whatever goes on in between, as long as both sides speak of the same span. They are counted
apart: L from the number of requests under way, integrated over time without looking at any single one; λW
from the requests that got their answer, each with its overlap with the window:

    ──────┤t0                                  t1├──────
      ├═══╪════┤          ├════┤           ├═════╪═══┤
          └─ overlap ┘    └──┘             └ open ┘

Where they disagree, some requests were under way that no answer tells of: they hung, or were given up. A
mean duration that leaves those out is too good to be true (coordinated omission).

The request that is open at t1 counts like the others, since its answer will come: it may just wait for the
next update, for as long as the feed is quiet. It has hung where an answer was owed and did not come within
`HANGS_S`; then what lies between the two, of the window, is the part that no answer tells of. An answer is
owed

    at once, when the request went out            where answers do not wait for news
    when the next tick of its client was due      where they do

Known weakness: a request that hangs while nothing is due for its client, and that may wait, is taken for a
waiting one; nothing is missed by it. A fault that is shorter than a fifth of the time that requests are under
way does not show. A run from before overlaps were counted is not assessed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.stats.trial.arrays import Bools, Ints, TrialArrays

HANGS_S = 0.5
"""So long after it was owed, an answer has not come because its request hung."""
SUMMED = ("responses", "request_duration_ns", "in_flight_ns")


@dataclass(frozen=True, slots=True)
class InFlight:
    """Both sides of the law; NaN where they were not counted."""

    in_flight: float = math.nan
    """L: mean number of requests under way, over all clients."""
    rate_per_s: float = math.nan
    """λ, by the answers."""
    mean_s: float = math.nan
    """W: mean duration of what was answered in the window, the part before it too."""
    gap_share: float = math.nan
    """|L − λW| as a share of the larger one, by overlaps; NaN where they were not counted."""


def in_flight(clients: pa.Table, trial: TrialArrays) -> InFlight:
    """Both sides, from the clients' counters over the window; each client has its own two looks."""
    sums = {name: _sum(clients, name) for name in SUMMED}
    begin, end = _instants(clients, "counted_from_ns"), _instants(clients, "counted_to_ns")
    answers, under_way_ns = sums["responses"], sums["in_flight_ns"]
    window_ns = float((end - begin).mean()) if len(begin) and (end > 0).all() else 0.0
    if not window_ns or not under_way_ns > 0:
        return InFlight()
    mean_s = sums["request_duration_ns"] / 1e9 / answers if answers else math.nan
    told_ns = _sum(clients, "request_overlap_ns") + float(open_ns(clients, trial, begin, end).sum())
    gap = abs(under_way_ns - told_ns) / max(under_way_ns, told_ns)
    return InFlight(under_way_ns / window_ns, answers / window_ns * 1e9, mean_s, gap)


def open_ns(clients: pa.Table, trial: TrialArrays, begin: Ints, end: Ints) -> Ints:
    """For each client, the overlap with [begin, end) of the request that is open at the end, up to where it
    hung; 0 where none is open."""
    asked = _instants(clients, "open_asked_ns")
    ended = _instants(clients, "open_ended_ns")
    owed = owed_ns(clients, trial, asked, end)
    hung = (ended - owed > HANGS_S * 1e9) & (asked > 0)
    overlap = np.where(asked > 0, end - np.maximum(asked, begin), 0)
    return overlap - np.where(hung, np.clip(end - np.maximum(owed, begin), 0, overlap), 0)


def owed_ns(clients: pa.Table, trial: TrialArrays, asked: Ints, end: Ints) -> Ints:
    """When the open request of each client was owed an answer; its `end` where it waits for news, and none
    was due for it until then."""
    waits = np.asarray(clients.column("open_may_wait").fill_null(False).to_numpy(), dtype=np.bool_)
    owed = np.where(waits, end, asked)
    ticks, subscribed = trial.ticks, trial.clients.subscribed
    first, beyond = np.searchsorted(ticks.due_ns, asked), np.searchsorted(ticks.due_ns, end)
    place = np.searchsorted(trial.clients.numbers, clients.column("client").to_numpy())
    for row in np.flatnonzero(waits):
        due = _first(subscribed[place[row]], ticks.symbol[first[row]:beyond[row]])
        if due is not None:
            owed[row] = ticks.due_ns[first[row] + due]
    return owed


def _first(subscribed: Bools, symbols: Ints) -> int | None:
    """The place of the first symbol that is subscribed to."""
    wanted = subscribed[symbols]
    return int(np.argmax(wanted)) if wanted.any() else None


def _sum(clients: pa.Table, name: str) -> float:
    """A column's sum; NaN where it is not known of everybody."""
    if name not in clients.column_names or clients.column(name).null_count:
        return math.nan
    return float(pc.sum(clients.column(name)).as_py() or 0)


def _instants(clients: pa.Table, name: str) -> Ints:
    """A column of instants, 0 where there is none."""
    return np.asarray(clients.column(name).fill_null(0).to_numpy(), dtype=np.int64)
