"""Comparison of every two transports, value by value, claiming only what the trials show.

For one value (a column of `trials.csv`), all pairs of transports at all client counts are compared
within blocks (`intervals.effect`), and corrected together by Holm's method (`intervals.corrected`), so that among all
the claims of separability made about this value there is a false one in at most 5 % of runs.

A percentile that falls among lost updates in any valid trial is lost in the whole cell. Such a cell is
larger than any other, and no ratio is formed with it (`intervals.LOST`): one over the trials in which
the updates did arrive would compare something else.

A cell's value is over all of its blocks, a comparison over those that both cells have. Where one of them lacks a block
that was slow for all, the two may contradict each other (`Comparison.opposed`): such a pair is a tie, since either
could be called the lower.

Two transports that can be set to different freshness are compared at equal staleness (`at_equal_staleness`): each is
a curve of cost over staleness, a point for each value of its option, and what is compared within each block is the
mean cost along the staleness that all curves reach.

Known weakness: Holm's correction ignores that values are correlated; the 50th percentile and
the 99th are judged as if they were separate questions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from bench.stats.run.intervals import LOST, Effect, Interval, corrected, effect
from bench.stats.run.summary import cell_interval, valid


@dataclass(frozen=True, slots=True)
class Comparison:
    """`mine` against `theirs` at one client count."""

    figure: str
    clients: int
    mine: str
    theirs: str
    effect: Effect
    """`mine` ÷ `theirs`, or `mine` − `theirs` (see `Effect.kind`)."""

    @property
    def opposed(self) -> bool:
        """Return True where `mine`, whose cell has the larger value, has the smaller one in the blocks that both have.

        That happens where one of them lacks a block that was slow, or fast, for all; hardly ever of bytes, whose cells
        are arithmetic means.
        """
        return self.effect.interval.estimate < (1 if self.effect.kind == "ratio" else 0)

    @property
    def separable(self) -> bool:
        """Return True where the two are separable, in the order of their cells."""
        return self.effect.separable and not self.opposed

    def times(self, label: str) -> Interval:
        """Return the ratio of a label's value to the other's, as it is printed; the effect has to be a ratio."""
        found = self.effect.printed
        return found if label == self.mine else found.inverse


def comparisons(trials: pd.DataFrame, figure: str, order: Sequence[str]) -> list[Comparison]:
    """Return the effects for all pairs of `order` at all client counts; the larger value of a pair is
    `mine`.

    Cells in which the value may not be printed (too few updates beyond a percentile) are left out.
    """
    good = valid(trials)
    found = []
    for clients in sorted(set(good["clients"])):
        here = good[good["clients"] == clients]
        cells = {label: here[here["transport"] == label] for label in order}
        shown = {label: cell_interval(cell, figure).estimate for label, cell in cells.items()}
        present = [label for label in order if shown[label] == shown[label]]
        by_block = {label: dict(zip(cells[label]["block"], cells[label][figure].astype(float), strict=True))
                    for label in present}
        for one, other in combinations(present, 2):
            mine, theirs = (one, other) if shown[one] >= shown[other] else (other, one)
            both = [block for block in by_block[mine] if block in by_block[theirs]]
            columns = [[by_block[label][block] for block in both] for label in (mine, theirs)]
            between = LOST if math.isinf(shown[mine]) else effect(*columns)
            found.append(Comparison(figure, int(clients), mine, theirs, between))
    effects = corrected([each.effect for each in found])
    return [replace(each, effect=one) for each, one in zip(found, effects, strict=True)]


Points = Sequence[tuple[float, float]]
"""A curve in one block: for each value of an option its staleness and its cost, in any order."""


@dataclass(frozen=True, slots=True)
class EqualStaleness:
    """Curves of cost over staleness, compared where all of them have a point on either side."""

    low: float
    high: float
    """The range of staleness that all curves reach in all blocks, in the unit of their points."""
    costs: Mapping[str, tuple[float, ...]]
    """By curve, its mean cost along the range in each block, the cheapest curve first."""

    def effect(self, mine: str, theirs: str) -> Effect:
        """Return the ratio of two curves' costs, paired by block."""
        return effect(self.costs[mine], self.costs[theirs])


def at_equal_staleness(blocks: Sequence[Mapping[str, Points]]) -> EqualStaleness | None:
    """Return the mean costs of curves along the staleness that all of them reach in all blocks.

    `blocks` has the points of each curve, by its name, with positive numbers. The mean is geometric; between two
    points a curve is straight on logarithmic scales. Returns None where no staleness is reached by all.
    """
    curves = [[age for age, _ in points] for block in blocks for points in block.values()]
    if not curves or not all(curves):
        return None
    low, high = max(map(min, curves)), min(map(max, curves))
    if not 0 < low < high:
        return None
    costs = {name: tuple(_mean_cost(block[name], low, high) for block in blocks) for name in blocks[0]}
    by_cost = sorted(costs, key=lambda name: sum(map(math.log, costs[name])))
    return EqualStaleness(low, high, {name: costs[name] for name in by_cost})


def _mean_cost(points: Points, low: float, high: float) -> float:
    """Return the geometric mean of a curve's cost between two values of staleness, by trapezoids: it is exact."""
    ages, costs = np.log(sorted(points)).T
    ends = np.log([low, high])
    places = np.unique([*ends, *ages[(ages > ends[0]) & (ages < ends[1])]])
    return math.exp(np.trapezoid(np.interp(places, ages, costs), places) / (places[-1] - places[0]))
