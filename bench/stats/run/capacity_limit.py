"""The capacity limit and its interval, from steps that held or broke: a fitted probability of holding.

    P(a step at level x holds) = LAPSE + (1 − 2 LAPSE) · Φ((ln limit − ln x) / spread)

The **limit** is the level at which a step holds with probability ½. The spread is the distance, as a share,
between the limits of two trials, which have different coincidences of ticks. LAPSE is the share of steps that
hold or break for a reason that has nothing to do with the level.

Both are unknown. The prior of the limit is uniform, on a logarithmic scale, over the levels tried and some
way beyond; that of the spread is about 0.15, within a factor of 2. Each pair of the two on a grid is weighted by
the probability that it gives to the observed steps. The limit's estimate is the median of these weights, its
interval the middle 95 % of them; so the interval includes the uncertainty of the spread, and needs no large
number of steps. `tests/stats/run/test_capacity_limit.py` draws searches with known limits and spreads: about
95 % of the intervals hold the limit, or more, for spreads up to 0.3.

Known weakness: the host is assumed not to change. A drift makes the spread, and with it the interval, wider, but
an offset of the whole search (another host, another day) is in no interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from bench.stats.trial.arrays import Bools, Floats

LAPSE = 0.02
SPREAD, SPREAD_FACTOR = 0.15, 2.0
"""The prior of the spread: its median, and the factor of one standard deviation."""
SPREADS = np.geomspace(0.01, 1.0, 14)[:, np.newaxis]
BEYOND = math.log(4.0)
"""Logarithm of the factor beyond the levels tried within which the limit may lie."""
POINTS = 300
TAIL = 0.025


@dataclass(frozen=True, slots=True)
class CapacityLimit:
    """The level at which a step holds with probability ½, and its 95 % interval."""

    estimate: float
    low: float
    high: float

    @property
    def reach(self) -> float:
        """Return half the width of the interval on a logarithmic scale, as a share: 0.15 is about ±
        15 %."""
        return math.sqrt(self.high / self.low) - 1


def limit(levels: Sequence[float] | Floats, held: Sequence[bool] | Bools) -> CapacityLimit:
    """Return the limit estimated from steps at these levels.

    If no step held, or none broke, the interval is open on that side and extends to the end of the grid.
    """
    limits, weights = _weights(levels, held)
    return CapacityLimit(*(_quantile(limits, weights, share) for share in (0.5, TAIL, 1 - TAIL)))


def quantile(levels: Sequence[float] | Floats, held: Sequence[bool] | Bools, share: float) -> float:
    """Return the level below which the limit lies with this probability."""
    return _quantile(*_weights(levels, held), share)


def _weights(levels: Sequence[float] | Floats, held: Sequence[bool] | Bools) -> tuple[Floats, Floats]:
    """Return the limits on a grid (logarithms) and the probability of each over all spreads; the
    probabilities sum to 1."""
    assert len(levels) > 0, "no steps"
    at, place = np.unique(np.log(np.asarray(levels, dtype=np.float64)), return_inverse=True)
    kept = np.bincount(place, np.asarray(held, dtype=np.float64), len(at))[:, np.newaxis, np.newaxis]
    broke = np.bincount(place, minlength=len(at))[:, np.newaxis, np.newaxis] - kept
    limits = np.linspace(at[0] - BEYOND, at[-1] + BEYOND, POINTS)
    holding = ndtr((limits - at[:, np.newaxis, np.newaxis]) / SPREADS)
    of_steps = (kept * np.log(LAPSE + (1 - 2 * LAPSE) * holding)
                + broke * np.log(1 - LAPSE - (1 - 2 * LAPSE) * holding)).sum(axis=0)
    beforehand = -0.5 * (np.log(SPREADS / SPREAD) / math.log(SPREAD_FACTOR)) ** 2
    together = beforehand + of_steps
    weights = np.exp(together - together.max()).sum(axis=0)
    return limits, weights / weights.sum()


def _quantile(limits: Floats, weights: Floats, share: float) -> float:
    """Return a quantile of a distribution of which each point of the grid represents a step of it, half on either
    side."""
    return math.exp(np.interp(share, np.cumsum(weights) - weights / 2, limits))
