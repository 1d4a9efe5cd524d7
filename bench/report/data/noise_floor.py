"""The smallest difference that this machine can claim: what one server seems to differ by from itself.

A run may hold the same thing twice, under two names (A/A: same transport, same options). The two are
compared like any others, within blocks, but here the answer is known: they don't differ. So whatever they
seem to differ by is the machine's doing, and so is the width of the interval:

    floor = the bound of their 95 % interval that lies farther from "no difference"

An effect between two others that is smaller than the floor, for the same figure and client count, is
called not claimable on this machine, even where a test calls it separable. With several such pairs the
widest counts.

Known weakness: with few blocks the floor is wide because the interval is; it says what can be claimed
with so many blocks, here, now.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from bench.report.data.run import Run
from bench.stats.run.comparison import Comparison, comparisons


@dataclass(frozen=True, slots=True)
class Floor:
    """What the same server under two names seems to differ by in one figure, at one client count."""

    comparison: Comparison

    @property
    def size(self) -> float:
        """The smallest claimable difference: a factor above 1 for a ratio, else an amount; NaN with fewer
        than two blocks."""
        effect = self.comparison.effect
        return max(_distance(effect.kind, bound) for bound in (effect.interval.low, effect.interval.high))

    def hides(self, other: Comparison) -> bool:
        """Whether the effect between two others is too small to be claimed."""
        mine, theirs = self.comparison.effect, other.effect
        if mine.kind != theirs.kind or math.isnan(self.size):
            return False
        return _distance(theirs.kind, theirs.interval.estimate) < self.size


def _distance(kind: str, value: float) -> float:
    """How far from no difference."""
    if math.isnan(value):
        return math.nan
    return max(value, 1 / value) if kind == "ratio" else abs(value)


def twins(run: Run) -> list[tuple[str, str]]:
    """Every two subjects of the run that are the same under two names."""
    manifest = run.manifest
    alike: dict[str, list[str]] = {}
    for label, subject in manifest["scenario"]["transports"].items():
        options = manifest.get("subjects", {}).get(label, {}).get("options", {})
        whole: dict[str, Any] = {**subject, **options, "transport": subject.get("transport") or label}
        alike.setdefault(json.dumps(whole, sort_keys=True), []).append(label)
    return [pair for labels in alike.values() for pair in combinations(labels, 2)]


def floors(run: Run, columns: Iterable[str]) -> list[Floor]:
    """The floor of each figure at each client count, one for each pair of twins."""
    pairs = {frozenset(pair) for pair in twins(run)}
    if not pairs:
        return []
    return [
        Floor(each) for column in columns
        for each in comparisons(run.trials, column, run.transports)
        if frozenset((each.mine, each.theirs)) in pairs
    ]


def floor_under(comparison: Comparison, found: Sequence[Floor]) -> Floor | None:
    """The widest floor that `comparison` lies below; None where it can be claimed, or is one of twins."""
    same = [floor for floor in found if floor.comparison.figure == comparison.figure
            and floor.comparison.clients == comparison.clients and floor.hides(comparison)]
    if any(floor.comparison == comparison for floor in found):
        return None
    return max(same, key=lambda floor: floor.size, default=None)
