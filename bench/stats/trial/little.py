"""Little's law: the mean number under way is the arrival rate times the mean time that each one stays.

    L = λ W        requests in flight = requests per second × mean duration of a request

It holds for any system, as long as both sides cover the same span of time. They are counted
independently: L from the number of requests under way, integrated over time without reference to single
requests; λW from the requests that got their response, each with its overlap with the window:

    ──────┤t0                                  t1├──────
      ├═══╪════┤          ├════┤           ├═════╪═══┤
          └─ overlap ┘    └──┘             └ open ┘

Where they disagree, some requests were under way that never got a response: they hung, or were given up. A
mean duration that leaves those out is too small (coordinated omission).

The request that is open at t1 counts like the others, since its response will come: it may be waiting for the
next update while the feed is quiet. It has hung where a response was owed and did not come within `HANGS_S`;
then the time in the window from the instant at which it was owed is not explained by any response. A response
is owed

    at once, when the request went out            where responses do not wait for news
    when the next tick of its client was due      where they do

Known weakness: a request that may wait, and that hangs while nothing is due for its client, is taken for a
waiting one; no update is missed by it. A fault that is shorter than a fifth of the time that requests are
under way does not show. A run of an older version, without overlaps, is not assessed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.stats.trial.arrays import Bools, Ints, TrialArrays

HANGS_S = 0.5
"""A request has hung where its response is missing for longer than this after it was owed."""
SUMMED = ("responses", "request_duration_ns", "in_flight_ns")


@dataclass(frozen=True, slots=True)
class InFlight:
    """Both sides of Little's law; NaN where they were not counted."""

    in_flight: float = math.nan
    """L: mean number of requests under way, over all clients."""
    rate_per_s: float = math.nan
    """λ: responses per second."""
    mean_s: float = math.nan
    """W: mean duration of the requests answered in the window, including the part before the window."""
    gap_share: float = math.nan
    """|L − λW| as a share of the larger one, by overlaps; NaN where they were not counted."""


def in_flight(clients: pa.Table, trial: TrialArrays) -> InFlight:
    """Return both sides of the law, from the clients' counters between each client's own two readings."""
    sums = {name: _sum(clients, name) for name in SUMMED}
    begin, end = _instants(clients, "counted_from_ns"), _instants(clients, "counted_to_ns")
    responses, under_way_ns = sums["responses"], sums["in_flight_ns"]
    window_ns = float((end - begin).mean()) if len(begin) and (end > 0).all() else 0.0
    if not window_ns or not under_way_ns > 0:
        return InFlight()
    mean_s = sums["request_duration_ns"] / 1e9 / responses if responses else math.nan
    answered_ns = _sum(clients, "request_overlap_ns") + float(open_ns(clients, trial, begin, end).sum())
    gap = abs(under_way_ns - answered_ns) / max(under_way_ns, answered_ns)
    return InFlight(under_way_ns / window_ns, responses / window_ns * 1e9, mean_s, gap)


def open_ns(clients: pa.Table, trial: TrialArrays, begin: Ints, end: Ints) -> Ints:
    """Return for each client the overlap (ns) with [begin, end) of the request that is open at the
    end, up to the instant at which it hung; 0 where no request is open."""
    asked = _instants(clients, "open_asked_ns")
    ended = _instants(clients, "open_ended_ns")
    owed = owed_ns(clients, trial, asked, end)
    hung = (ended - owed > HANGS_S * 1e9) & (asked > 0)
    overlap = np.where(asked > 0, end - np.maximum(asked, begin), 0)
    return overlap - np.where(hung, np.clip(end - np.maximum(owed, begin), 0, overlap), 0)


def owed_ns(clients: pa.Table, trial: TrialArrays, asked: Ints, end: Ints) -> Ints:
    """Return the instant (ns) at which each client's open request was owed a response; `end` where
    the request may wait for an update and none was due for the client until then."""
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
    """Return the place in `symbols` of the first one that is subscribed to; None without one."""
    wanted = subscribed[symbols]
    return int(np.argmax(wanted)) if wanted.any() else None


def _sum(clients: pa.Table, name: str) -> float:
    """Return a column's sum; NaN where the column is missing or has nulls."""
    if name not in clients.column_names or clients.column(name).null_count:
        return math.nan
    return float(pc.sum(clients.column(name)).as_py() or 0)


def _instants(clients: pa.Table, name: str) -> Ints:
    """Return a column of instants (ns), with 0 in place of nulls."""
    return np.asarray(clients.column(name).fill_null(0).to_numpy(), dtype=np.int64)
