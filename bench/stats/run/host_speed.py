"""The speed of the host during a run, from the spin before and after each trial.

    pace of a trial   mean of probe_spin_before_us and probe_spin_after_us: a fixed piece of work, timed
    pace of a run     the median over its trials, with the least and the greatest
    drift             median over the last third of the trials ÷ median over the first third

A higher pace is a slower host. Every latency and CPU cost of a run scales with it, roughly, so two runs on
hosts of one name that differ by a fifth here may differ by a fifth in all they measured.

Known weakness: the spin reads the clock in a loop that fits the first cache, so a neighbour that takes memory
bandwidth or cache slows the trial more than the spin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

COLUMNS = ("probe_spin_before_us", "probe_spin_after_us")
TRIALS_LEAST = 6
"""The smallest number of trials for which thirds are compared."""
DRIFT = 1.1
"""A run is said to have drifted where its pace changed by more than this factor between its first and
last third."""


@dataclass(frozen=True, slots=True)
class HostSpeed:
    """The time of the spin over a run, in µs; more is slower."""

    median_us: float
    low_us: float
    high_us: float
    drift: float
    """Last third ÷ first third of the trials; NaN with too few of them."""

    @property
    def drifted(self) -> bool:
        """Return True where the host was clearly slower or faster at the end than at the beginning."""
        return not math.isnan(self.drift) and max(self.drift, 1 / self.drift) > DRIFT


def by_trial(trials: pd.DataFrame) -> pd.Series:
    """Return the pace of each trial, in the order of the rows; NaN where the spin was not recorded."""
    return trials.reindex(columns=list(COLUMNS)).astype("float64").mean(axis=1, skipna=False)


def speed(trials: pd.DataFrame) -> HostSpeed | None:
    """Return the pace of a run from its rows of `trials.csv`, in the order in which they were made;
    None where no trial has one (simulated, or of an older version)."""
    found = by_trial(trials).dropna()
    if found.empty:
        return None
    third, drift = len(found) // 3, math.nan
    if len(found) >= TRIALS_LEAST:
        drift = float(found.iloc[-third:].median() / found.iloc[:third].median())
    return HostSpeed(float(found.median()), float(found.min()), float(found.max()), drift)
