"""The polls that a load client's timer sends together: the share of these bursts that wake the server.

    turn ── G ── turn ── G ── turn        b = ΛG polls on average in each, (1 − exp(−ΛG))/G turns per second have any

A burst finds the server asleep unless the one before is still being worked on. That takes B G + p w, with B the share
of the time that the work itself takes and w the CPU seconds of a wake-up, give or take a normal error of B G/√b. So the
share p that wakes it is

    p = Φ((1 − B − p w/G) √b / B)

Known weakness: a burst meets the one before, and none earlier.
"""

from __future__ import annotations

import math
from statistics import NormalDist


def bursts_that_wake(work: float, waking: float, polls: float) -> float:
    """Return the share of a load client's bursts that find the server asleep.

    `work` and `waking` are how long the server works on a burst, and how long a wake-up takes, as shares of the
    time between two turns; `polls` is the mean number of polls in a burst.
    """
    low, high, per_error = 0.0, 1.0, math.sqrt(polls) / max(work, 1e-9)
    for _ in range(40):
        middle = (low + high) / 2
        found = NormalDist().cdf((1 - work - middle * waking) * per_error)
        low, high = (middle, high) if found > middle else (low, middle)
    return low
