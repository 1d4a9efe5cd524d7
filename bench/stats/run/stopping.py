"""The rule that ends a run: `until = "p99 ± 10 %"`.

Block after block is measured until, in every cell that the rule names, the interval between trials
(`intervals`) reaches no further than the requested share:

    high ÷ estimate − 1 ≤ share            on logarithms the lower half is then no longer either

The rule is applied only after whole blocks, from the scenario's `trials.count` on, and is a function of the
finished trials: an interrupted run ends where one that was not interrupted would have.

Known weakness: checking again and again until an interval is narrow favours those that are narrow by
chance. With five blocks before the first check, 95 % intervals hold the true value in about 94 % of runs
(a test measures it); with two it would be far fewer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from bench.scenario.stop_rule import StopRule
from bench.stats.run.summary import cell_interval, valid

Cell = tuple[str, int]
"""Label and client count."""


@dataclass(frozen=True, slots=True)
class IntervalWidths:
    """The present width of the intervals: the worst of all cells."""

    label: str
    clients: int
    reach: float
    """The share by which that cell's interval extends beyond its estimate; +∞ where there is none yet."""
    share: float
    """The share that the rule allows."""

    @property
    def reached(self) -> bool:
        """Return True where the interval is narrow enough."""
        return self.reach <= self.share


def standing(trials: pd.DataFrame, rule: StopRule, cells: Iterable[Cell]) -> IntervalWidths:
    """Return the worst of the `cells` that the rule names, from the rows of `trials.csv` so far."""
    good = valid(trials)
    named = [cell for cell in cells if rule.subject in (None, cell[0]) and rule.clients in (None, cell[1])]
    assert named, "the plan has made sure of it"
    reaches = {cell: _reach(good, rule.column, *cell) for cell in named}
    label, clients = max(reaches, key=lambda cell: reaches[cell])
    return IntervalWidths(label, clients, reaches[label, clients], rule.share)


def _reach(good: pd.DataFrame, column: str, label: str, clients: int) -> float:
    found = cell_interval(good[(good["transport"] == label) & (good["clients"] == clients)], column)
    if math.isnan(found.high) or found.estimate <= 0:
        return math.inf
    return found.high / found.estimate - 1


def ended_after(trials: pd.DataFrame, rule: StopRule, cells: Iterable[Cell], count: int) -> int | None:
    """Return the first block, not before number `count`, after which the rule holds; None: none yet."""
    cells = list(cells)
    for block in sorted({int(block) for block in trials["block"] if block >= count}):
        if standing(trials[trials["block"] <= block], rule, cells).reached:
            return block
    return None
