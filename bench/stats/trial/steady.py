"""Checks for a steady state of a trial: no trend within the window, and a warm-up that was long enough.

**Trend.** The window is cut into bins of one second by the updates' due instants; a bin's value is the
median of its latencies, so that a single stall weighs as one bin. A burst is answered more slowly than a
quiet stretch, and one late in the window would look like a trend. So a least-squares fit explains the values
by the time and by the feed's load in each bin; k is the number of ticks due in the bin:

    value = a + slope · bin + b · k + c · ln(1 + k)

Reported is the rise or fall over the whole window, as a share of the mean, less its margin of error:

    trend = max(0, |slope| − t · se) · n / mean     t: Student's, 99.9 %, n less the fitted parameters

Neighbouring bins are alike, so se is that of n (1 − ρ)/(1 + ρ) independent values, ρ being the
correlation of neighbouring residuals where it is positive. A plain significance test would
reject every window that is long enough; this asks for a trend that is both proven and large. Below 30 bins
no trend is computed.

**Warm-up.** MSER-5 (White 1997) cuts a series where the rest has the smallest standard error,

    cut = argmin over d ≤ n/2 of  Σ_{i>d} (y_i − mean_{>d})² / (n − d)²,    y: means of 5 values in a row

here of the latencies by due instant in bins of 100 ms, from the beginning of warm-up to t1. The cut
is reported with the configured warm-up; a single one says little, but cuts after t0 in most trials of a
cell mean that `windows.warmup_s` is too short. The opening ticks, which come all at once where warm-up
begins, are left out.

Tests for a unit root (ADF) are not made: rejecting a unit root does not show that a warm-up is over.

Known weakness: a trend that reverses within the window is not a straight line, and is not detected. Nor is
one that follows the feed's own rate: a queue that grows while the rate rises is explained by the feed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from bench.stats.trial.arrays import Floats, Ints, TrialArrays

BIN_NS = 1_000_000_000
BINS_LEAST = 30
"""One-second bins below which a trend is not assessed."""
CONFIDENCE = 0.999
WARMUP_BIN_NS = 100_000_000
BATCH = 5

Summary = Callable[[Floats], Any]


@dataclass(frozen=True, slots=True)
class Steadiness:
    """The measures of steadiness of a trial; NaN where there is too little data."""

    bins: int
    """One-second bins of the window that contain latencies."""
    trend_share: float
    """Rise or fall over the window beyond its margin of error, as a share of the mean."""
    warmup_cut_s: float
    """The cut by MSER-5, in s from the beginning of warm-up."""


def steadiness(trial: TrialArrays) -> Steadiness:
    """Return the measures of steadiness from a trial's arrivals."""
    windows = trial.windows
    due_ns = trial.ticks.due_ns[trial.arrivals.tick]
    latency_ns = (trial.arrivals.app_ns - due_ns).astype(np.float64)
    length_ns, ticks_ns = windows.t1_ns - windows.t0_ns, trial.ticks.due_ns - windows.t0_ns
    numbers, medians = binned(due_ns - windows.t0_ns, latency_ns, length_ns, BIN_NS, np.median)
    due = np.bincount(ticks_ns[(ticks_ns >= 0) & (ticks_ns < length_ns)] // BIN_NS)
    since_ns = due_ns - windows.warmup_ns
    drawn = since_ns > 0
    places, means = binned(
        since_ns[drawn], latency_ns[drawn], windows.t1_ns - windows.warmup_ns, WARMUP_BIN_NS, np.mean)
    cut = mser5(means)
    cut_s = math.nan if cut is None else float(places[cut]) * WARMUP_BIN_NS / 1e9
    return Steadiness(len(medians), trend_share(medians, due[numbers].astype(np.float64)), cut_s)


def binned(at_ns: Ints, values: Floats, length_ns: int, bin_ns: int, summary: Summary
           ) -> tuple[Ints, Floats]:
    """Return the numbers and summaries, in order, of the non-empty whole bins of [0, length_ns)."""
    within = (at_ns >= 0) & (at_ns < length_ns // bin_ns * bin_ns)
    place = at_ns[within] // bin_ns
    counts = np.bincount(place)
    numbers = np.flatnonzero(counts)
    order = np.argsort(place.astype(np.min_scalar_type(len(counts))), kind="stable")   # few bits sort in one pass
    parts = np.split(values[within][order], np.cumsum(counts[numbers])[:-1]) if len(numbers) else []
    return numbers, np.array([summary(part) for part in parts], dtype=np.float64)


def trend_share(values: Floats, due: Floats) -> float:
    """Return the rise or fall of the values with time beyond its margin of error, divided by their mean.

    `due` is the number of ticks due in the bin of each value. NaN with fewer than `BINS_LEAST`
    values, a mean that is not positive, or a feed whose rate is itself a straight line in time.
    """
    count = len(values)
    mean = float(values.mean()) if count else 0.0
    if count < BINS_LEAST or mean <= 0:
        return math.nan
    asked = np.column_stack([np.ones(count), due, np.log1p(due)])
    at = _unexplained(np.arange(count, dtype=np.float64), asked)
    rest = _unexplained(values, asked)
    spread = float(at @ at)
    if spread < 1e-9 * count:
        return math.nan   # the feed's rate is a straight line itself
    slope = float(at @ rest) / spread
    residuals = rest - slope * at
    square, freedom = float(residuals @ residuals), count - 1 - int(np.linalg.matrix_rank(asked))
    alike = max(0.0, float(residuals[1:] @ residuals[:-1]) / square) if square else 0.0
    error = math.sqrt(square / freedom / spread * (1 + alike) / max(1e-9, 1 - alike))
    doubt = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    return max(0.0, abs(slope) - doubt) * count / mean


def _unexplained(values: Floats, by: Floats) -> Floats:
    """Return the residuals of the values after a least-squares fit by the columns of `by`."""
    fitted: Floats = values - by @ np.linalg.lstsq(by, values, rcond=None)[0]
    return fitted


def mser5(values: Floats) -> int | None:
    """Return the number of values to leave out at the beginning; None with fewer than four batches."""
    count = len(values) // BATCH
    if count < 4:
        return None
    batches = values[: count * BATCH].reshape(count, BATCH).mean(axis=1)
    left = [batches[cut:] for cut in range(count // 2 + 1)]
    errors = [float(((rest - rest.mean()) ** 2).sum()) / len(rest) ** 2 for rest in left]
    return int(np.argmin(errors)) * BATCH
