"""The smallest difference that this machine can claim, found by comparing a server with itself.

A run may hold the same transport with the same options under two names (an A/A test). The two are compared
like any others, within blocks, but here the answer is known: they don't differ. So any difference that
appears between them is due to the machine, and so is the width of its interval:

    floor = the bound of their 95 % interval that lies farther from "no difference"

An effect between two other transports that is smaller than the floor, for the same value and client count,
is called not claimable on this machine, even where a test calls it separable. Where a run has several such
pairs, the widest floor counts.

Known weakness: with few blocks the floor is wide because the interval is wide. It holds only for this number
of blocks, on this machine, at this time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from bench.report.data.run import RunData, compared
from bench.stats.run.comparison import Comparison


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """The apparent difference of one server under two names, in one value at one client count."""

    comparison: Comparison

    @property
    def size(self) -> float:
        """Return the smallest claimable difference: a factor above 1 for a ratio, else an amount.

        NaN with fewer than two blocks.
        """
        effect = self.comparison.effect
        return max(_distance(effect.kind, bound) for bound in (effect.interval.low, effect.interval.high))

    def hides(self, other: Comparison) -> bool:
        """Return whether the effect between two others is too small to be claimed."""
        mine, theirs = self.comparison.effect, other.effect
        if mine.kind != theirs.kind or math.isnan(self.size):
            return False
        return _distance(theirs.kind, theirs.interval.estimate) < self.size


def _distance(kind: str, value: float) -> float:
    """Return the distance of an effect from no difference: a factor of 1 or more for a ratio, else an
    amount."""
    if math.isnan(value):
        return math.nan
    return max(value, 1 / value) if kind == "ratio" else abs(value)


def resimulated(run: RunData) -> list[tuple[str, str]]:
    """Return every pair of labels of the same transport with the same options."""
    alike: dict[str, list[str]] = {}
    for label, subject in run.scenario.transports.items():
        whole: dict[str, Any] = {**subject.model_dump(mode="json"), **run.manifest.subjects[label].options}
        alike.setdefault(json.dumps(whole, sort_keys=True), []).append(label)
    return [pair for labels in alike.values() for pair in combinations(labels, 2)]


def floors(run: RunData, columns: Iterable[str]) -> list[NoiseFloor]:
    """Return the floors of the given columns: one for each client count and pair of equal subjects."""
    pairs = {frozenset(pair) for pair in resimulated(run)}
    if not pairs:
        return []
    return [
        NoiseFloor(each) for column in columns
        for each in compared(run, column)
        if frozenset((each.mine, each.theirs)) in pairs
    ]


def floor_under(comparison: Comparison, found: Sequence[NoiseFloor]) -> NoiseFloor | None:
    """Return the widest floor that `comparison` lies below.

    Returns None where the difference can be claimed, and where `comparison` is itself one of a pair of
    equals.
    """
    same = [floor for floor in found if floor.comparison.figure == comparison.figure
            and floor.comparison.clients == comparison.clients and floor.hides(comparison)]
    if any(floor.comparison == comparison for floor in found):
        return None
    return max(same, key=lambda floor: floor.size, default=None)
