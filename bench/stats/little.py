"""Little's law: what is under way must be what comes in, times how long it stays.

    L = λ W        requests in flight = requests a second × mean duration of a request

It holds for whatever goes on in between, as long as as much goes out as comes in. The two sides are
counted apart: W from the duration of each request that got its answer, L from the number of requests
under way, integrated over time without looking at any single one. Where they disagree, some requests
were under way that no answer's duration tells of: they hung, or were given up. A mean duration that
leaves those out is too good to be true (coordinated omission).

At the window's edges the sides differ by right: an answer brings the time from before t0 along, and one
that is still to come has not been counted. If all clients wait for the same tick, that is up to a few W
in one direction, so the law is assessed only over windows of at least `WINDOW_DURATIONS` · W; and not for
pushed updates, which nobody asked for.

Known weakness: a fault that is shorter than a fifth of the window does not show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

ANSWERS_LEAST = 100
WINDOW_DURATIONS = 30.0
NEEDED = ("responses", "request_duration_ns", "in_flight_ns", "counted_from_ns", "counted_to_ns")


@dataclass(frozen=True, slots=True)
class InFlight:
    """Both sides of the law; NaN where they were not counted."""

    in_flight: float = math.nan
    """L: mean number of requests under way, over all clients."""
    rate_per_s: float = math.nan
    """λ, by the answers."""
    mean_s: float = math.nan
    """W."""
    gap_share: float = math.nan
    """|L − λW| as a share of the larger one; NaN where there is too little to say."""


def in_flight(clients: pa.Table) -> InFlight:
    """Both sides, from the clients' counters over the window; each client has its own two looks."""
    if any(name not in clients.column_names or clients.column(name).null_count for name in NEEDED):
        return InFlight()
    sums = {name: float(pc.sum(clients.column(name)).as_py() or 0) for name in NEEDED[:3]}
    length_ns = pc.subtract(clients.column("counted_to_ns"), clients.column("counted_from_ns"))
    window_s = float(pc.mean(length_ns).as_py() or 0) / 1e9
    answers, under_way_s = sums["responses"], sums["in_flight_ns"] / 1e9
    if not window_s or not under_way_s:
        return InFlight()
    mean_s = sums["request_duration_ns"] / 1e9 / answers if answers else math.nan
    left, right = under_way_s / window_s, sums["request_duration_ns"] / 1e9 / window_s
    gap = abs(left - right) / max(left, right)
    # Under way is also what never came back: then W by the answers is too small to measure a window with.
    longest_s = max(mean_s, 0.0) if answers >= ANSWERS_LEAST else math.inf
    assessed = window_s >= WINDOW_DURATIONS * longest_s
    return InFlight(left, answers / window_s, mean_s, gap if assessed else math.nan)
