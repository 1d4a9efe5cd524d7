"""Latency: from the instant at which a tick was due to its first arrival, over delivered and late.

    app latency     = app_ns − due_ns       when the client's code received it
    kernel latency  = kernel_ns − due_ns    when the client's kernel had the whole read that it came with

Lost updates have no latency; in a percentile each counts as +∞, so that losing the slow ones never
makes a transport look fast. A percentile that falls among them is infinite, and prints as `lost`. The
mean is over the updates that arrived; the share of lost updates is reported with it.

Percentiles follow numpy's `linear` rule. A percentile is computed only where at least `BEYOND_TRIAL` updates
of the trial lie beyond it, and printed only where its interval is narrow enough (`bench.stats.run.summary`):
the updates of one tick go to all clients together, so a large number of updates may still be few
independent observations.

Histograms have bins of a constant ratio: bin k holds [1 µs × 1.005^k, 1 µs × 1.005^(k+1)), so a
quantile read from one is off by at most 0.5 %. They merge by addition.

Known weakness: a read has one kernel stamp, that of its last segment, so the kernel latency is
an upper bound where several updates share a read. `shared_share` is the share of such updates; above
`SHARED_SHARE_MAX` the kernel latencies are marked as bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.clock import NO_STAMP
from bench.stats.trial.arrays import Floats, Ints, TrialArrays
from bench.stats.trial.fates import arrived_in_time

PERCENTILES: Mapping[str, int] = {"p50": 500, "p90": 900, "p95": 950, "p99": 990, "p999": 999}
"""The percentiles that are reported, in thousandths."""
BEYOND_TRIAL = 10
"""The smallest number of a trial's updates beyond a percentile for which it is computed."""
BEYOND_CELL = 100
"""The smallest number of a cell's updates (over all its trials) beyond a percentile for which it is
printed, where a run of an older version does not record the percentile's error."""
SHARED_SHARE_MAX = 0.01
"""Share of updates in shared reads above which kernel latencies are marked as bounds."""

BIN_RATIO = 1.005
BIN_ZERO_NS = 1000.0


@dataclass(frozen=True, slots=True)
class Latencies:
    """The latencies of a trial in ns. `app_ns` and `kernel_ns` are sorted; their lengths differ
    where reads carried no kernel timestamp."""

    app_ns: Ints
    kernel_ns: Ints
    lag_ns: Ints
    """app − kernel of the same update, sorted: the delay within the client. Updates that came too late to count are
    included, since the client itself may have delayed them."""
    lost: int
    shared_share: float
    """Share of the updates with a kernel timestamp that came in a read with others; NaN without any."""

    @property
    def kernel_lost(self) -> int:
        """Return the number of lost updates to append to `kernel_ns`: 0 where updates arrived but no
        read had a kernel timestamp, since then no kernel latency was measured at all."""
        return 0 if len(self.app_ns) and not len(self.kernel_ns) else self.lost


def latencies(trial: TrialArrays, lost: int) -> Latencies:
    """Return the latencies of a trial in which `lost` updates were lost, counted over all clients."""
    arrivals = trial.arrivals
    delivered, late = arrived_in_time(trial)
    arrived = delivered | late
    app_ns = arrivals.app_ns[arrived]
    kernel_ns = arrivals.kernel_ns[arrived]
    due_ns = trial.ticks.due_ns[arrivals.tick[arrived]]
    stamped = kernel_ns != NO_STAMP
    shared = arrivals.updates_in_read[arrived][stamped] > 1
    return Latencies(
        app_ns=np.sort(app_ns - due_ns),
        kernel_ns=np.sort((kernel_ns - due_ns)[stamped]),
        lag_ns=_lag_ns(trial),
        lost=lost,
        shared_share=float(shared.mean()) if len(shared) else math.nan,
    )


def _lag_ns(trial: TrialArrays) -> Ints:
    """Return app − kernel of all arrivals with a kernel timestamp that were due in the window, sorted."""
    arrivals, windows = trial.arrivals, trial.windows
    due_ns = trial.ticks.due_ns[arrivals.tick]
    counts = (due_ns >= windows.t0_ns) & (due_ns < windows.t1_ns) & (arrivals.kernel_ns != NO_STAMP)
    return np.asarray(np.sort((arrivals.app_ns - arrivals.kernel_ns)[counts]), dtype=np.int64)


def beyond(count: int, thousandths: int) -> float:
    """Return the number of `count` updates that lie beyond a percentile, which is given in thousandths."""
    return count * (1000 - thousandths) / 1000


def quantile(ordered: Ints | Floats, lost: int, thousandths: int) -> float:
    """Return a quantile of `ordered` (sorted) followed by `lost` infinities, by numpy's `linear` rule.

    It is infinite where it falls among the lost or between the last value and the first lost; NaN
    without any updates.
    """
    count = len(ordered) + lost
    if count == 0:
        return math.nan
    lower, rest = divmod((count - 1) * thousandths, 1000)
    upper = lower + (rest > 0)
    if upper >= len(ordered):
        return math.inf
    low, high = float(ordered[lower]), float(ordered[upper])
    return low + (high - low) * rest / 1000


def is_bound(row: Mapping[Any, object]) -> bool:
    """Return True where the kernel latencies in a row of `trials.csv` are only upper bounds: where
    over 1 % of the updates shared a read, or no read had a kernel timestamp."""
    shared = row.get("shared_read_share")
    return not isinstance(shared, int | float) or not shared <= SHARED_SHARE_MAX


def trial_percentiles(ordered: Ints, lost: int) -> dict[str, float]:
    """Return the percentiles of a trial in ns, by name.

    A percentile is infinite where it falls among the lost, and NaN where fewer than `BEYOND_TRIAL`
    updates lie beyond it.
    """
    count = len(ordered) + lost
    return {
        name: quantile(ordered, lost, level) if beyond(count, level) >= BEYOND_TRIAL else math.nan
        for name, level in PERCENTILES.items()
    }


def bins(values_ns: Ints) -> tuple[Ints, Ints]:
    """Return the histogram of latencies: the numbers of the non-empty bins, ascending, and their counts.

    Latencies below 1 µs, negative ones too, are in bin 0.
    """
    ratio = np.log(np.maximum(values_ns, BIN_ZERO_NS) / BIN_ZERO_NS) / math.log(BIN_RATIO)
    numbers, counts = np.unique(ratio.astype(np.int64), return_counts=True)
    return numbers, counts.astype(np.int64)


def bin_quantiles(numbers: Ints, counts: Ints, lost: int, shares: Floats) -> Floats:
    """Return quantiles (`shares` in 0…1) of a histogram followed by `lost` infinities, in ns.

    Each is the geometric middle of the bin that holds the value of that rank. All are NaN for an
    empty histogram without lost updates.
    """
    total = int(counts.sum()) + lost
    if total == 0:
        return np.full(len(shares), math.nan)
    rank = np.minimum(np.ceil(shares * total), total)
    place = np.searchsorted(np.cumsum(counts), np.maximum(rank, 1))
    values = np.append(BIN_ZERO_NS * BIN_RATIO ** (numbers + 0.5), math.inf)
    return np.asarray(values[place], dtype=np.float64)
