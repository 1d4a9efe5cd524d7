"""One run against another: the values that have become worse beyond doubt.

    for each cell and value      after ÷ before, by Welch's t between trials (`intervals.unpaired`)
    over all of them             Holm's correction
    regressed                    separable, and worse by more than a practical threshold

For every value here less is better. The threshold covers differences that intervals between trials can't show:
a machine that is a little slower today is so in all trials of a run. The share of updates lost is mostly zero,
so its change is absolute, and more than `SHARE_LEAST` of all updates is a regression.

A cell that had valid trials and has fewer than two now, or whose percentile now falls among lost updates,
is a regression too: a server that no longer answers must not pass because there is nothing to compare.

Known weakness: the more cells, the larger the smallest change that can be distinguished from chance. With five
trials on each side, 81 comparisons and trials that spread by 4 %, that is about 15 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from bench.stats.run.intervals import Effect, Interval, corrected, unpaired
from bench.stats.run.summary import cell_interval, valid

FIGURES = (
    "latency_mean_ms", "latency_p50_ms", "latency_p99_ms", "age_excess_mean_ms", "bytes_down_per_update",
    "bytes_up_per_update", "server_cpu_us_per_update", "server_rss_bytes_per_client", "lost_share",
)
"""Columns of `trials.csv` that are compared, and `lost_share`: lost ÷ updates_due."""
SHARES = frozenset({"lost_share"})
SHARE_LEAST = 0.001
THRESHOLD = 0.05
"""A smaller change is not reported as one, however certain it is."""
TRIALS_LEAST = 2


@dataclass(frozen=True, slots=True)
class Change:
    """One value of one cell in two runs."""

    label: str
    clients: int
    figure: str
    before: float
    """The cell's value; NaN where there is none, +∞ where it falls among lost updates."""
    after: float
    effect: Effect
    """after ÷ before, or after − before (see `Effect.kind`)."""
    vanished: bool = False
    """True where the cell had enough valid trials before, and has too few now."""

    def verdict(self, threshold: float = THRESHOLD) -> str:
        """Return `regressed`, `improved`, `no change`, or `not compared` where there are too few trials."""
        if self.vanished or (math.isinf(self.after) and math.isfinite(self.before)):
            return "regressed"
        if not self.effect.assessed:
            return "not compared"
        if not self.effect.separable or not self._matters(threshold):
            return "no change"
        worse = self.effect.interval.estimate > (1 if self.effect.kind == "ratio" else 0)
        return "regressed" if worse else "improved"

    def _matters(self, threshold: float) -> bool:
        estimate = self.effect.interval.estimate
        if self.figure in SHARES:
            return abs(self.after - self.before) > SHARE_LEAST
        if self.effect.kind == "ratio":
            return abs(math.log(estimate)) > math.log1p(threshold)
        return abs(estimate) > threshold * abs(self.before)


def changes(before: pd.DataFrame, after: pd.DataFrame, labels: Sequence[str]) -> list[Change]:
    """Return all values of all cells of either run, from the rows of `trials.csv` with their verdicts."""
    good = [_with_shares(valid(trials)) for trials in (before, after)]
    found: list[Change] = []
    for label in labels:
        for clients in sorted({int(count) for trials in (before, after) for count in
                               trials.loc[trials["transport"] == label, "clients"]}):
            cells = [trials[(trials["transport"] == label) & (trials["clients"] == clients)]
                     for trials in good]
            found.extend(_changes_of_cell(label, clients, *cells))
    effects = corrected([each.effect for each in found])
    return [replace(each, effect=one) for each, one in zip(found, effects, strict=True)]


def _changes_of_cell(
    label: str, clients: int, before: pd.DataFrame, after: pd.DataFrame
) -> Iterable[Change]:
    vanished = len(after) < TRIALS_LEAST <= len(before)
    for figure in FIGURES:
        was, now = (cell_interval(cell, figure).estimate for cell in (before, after))
        between = Effect("ratio", Interval(math.nan, math.nan, math.nan, 0), math.nan)
        if math.isfinite(was) and math.isfinite(now):
            between = unpaired(after[figure].to_numpy(), before[figure].to_numpy())
        if vanished or not math.isnan(was) or not math.isnan(now):
            yield Change(label, clients, figure, was, now, between, vanished)


def _with_shares(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.copy().assign(lost_share=trials["lost"] / trials["updates_due"])
