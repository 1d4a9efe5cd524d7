"""Latency: from the instant at which a tick was due to its first arrival, over delivered and late.

    app latency     = app_ns − due_ns       when the client's code saw it
    kernel latency  = kernel_ns − due_ns    when the client's kernel had all of the read it came with

Lost updates have no latency; in a percentile each counts as +∞, so that losing the slow ones never
makes a transport look fast. A percentile that falls among them is infinite, and prints as `lost`. The
mean is over what arrived; the share that was lost stands beside it.

Percentiles follow numpy's `linear` rule. One is only given where at least `BEYOND_TRIAL` updates of
the trial lie beyond it, and printed where its interval is narrow enough (`bench.stats.run.summary`):
updates of
one tick go to all clients together, so their number says little of what is known.

Histograms have bins of a constant ratio: bin k holds [1 µs × 1.005^k, 1 µs × 1.005^(k+1)), so a
quantile read from one is off by at most 0.5 %. They merge by addition.

Known weakness: a read has one kernel stamp, that of its last segment, so the kernel latency bounds
from above where several updates share a read. `shared_share` says how many did; above
`SHARED_SHARE_MAX` the figures are marked as bounds.
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
"""Fewest updates of a trial beyond a percentile."""
BEYOND_CELL = 100
"""Fewest updates of a cell (all its trials) beyond a percentile, where a run of an older version does not say
how well it is known."""
SHARED_SHARE_MAX = 0.01
"""Share of updates in shared reads above which kernel latencies are marked as bounds."""

BIN_RATIO = 1.005
BIN_ZERO_NS = 1000.0


@dataclass(frozen=True, slots=True)
class Latencies:
    """The latencies of a trial, in ns: `app_ns` and `kernel_ns` are sorted, and differ in length where
    reads carried no stamp."""

    app_ns: Ints
    kernel_ns: Ints
    lag_ns: Ints
    """app − kernel of the same update, sorted: what the client itself added."""
    lost: int
    shared_share: float
    """Share of the updates that came in a read with others; NaN where none was stamped."""

    @property
    def kernel_lost(self) -> int:
        """The lost updates to set behind `kernel_ns`: none where updates arrived but no read was stamped,
        since then the kernel's instants were not measured at all."""
        return 0 if len(self.app_ns) and not len(self.kernel_ns) else self.lost


def latencies(trial: TrialArrays, lost: int) -> Latencies:
    """The latencies of a trial in which `lost` updates were lost (over all clients)."""
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
        lag_ns=np.sort((app_ns - kernel_ns)[stamped]),
        lost=lost,
        shared_share=float(shared.mean()) if len(shared) else math.nan,
    )


def beyond(count: int, thousandths: int) -> float:
    """How many of `count` updates lie beyond a percentile."""
    return count * (1000 - thousandths) / 1000


def quantile(ordered: Ints | Floats, lost: int, thousandths: int) -> float:
    """A quantile of `ordered` (sorted) followed by `lost` infinities, by numpy's `linear` rule.

    Infinite where it falls among the lost or between the last and the first lost; NaN of nothing.
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
    """Whether the kernel latencies in a row of `trials.csv` are only bounds: where over 1 % of the updates
    shared a read, or none was stamped."""
    shared = row.get("shared_read_share")
    return not isinstance(shared, int | float) or not shared <= SHARED_SHARE_MAX


def trial_percentiles(ordered: Ints, lost: int) -> dict[str, float]:
    """The percentiles of a trial, in ns, by name: infinite where one falls among the lost, be it that all
    are; NaN where too few updates lie beyond one."""
    count = len(ordered) + lost
    return {
        name: quantile(ordered, lost, level) if beyond(count, level) >= BEYOND_TRIAL else math.nan
        for name, level in PERCENTILES.items()
    }


def bins(values_ns: Ints) -> tuple[Ints, Ints]:
    """The histogram of latencies: the bins that hold any, rising, and how many each holds.

    What is below 1 µs, negative ones too, is in bin 0.
    """
    ratio = np.log(np.maximum(values_ns, BIN_ZERO_NS) / BIN_ZERO_NS) / math.log(BIN_RATIO)
    numbers, counts = np.unique(ratio.astype(np.int64), return_counts=True)
    return numbers, counts.astype(np.int64)


def bin_quantiles(numbers: Ints, counts: Ints, lost: int, shares: Floats) -> Floats:
    """Quantiles (`shares` in 0…1) of a histogram followed by `lost` infinities, in ns.

    Each is the geometric middle of the bin that holds the value of that rank.
    """
    total = int(counts.sum()) + lost
    if total == 0:
        return np.full(len(shares), math.nan)
    rank = np.minimum(np.ceil(shares * total), total)
    place = np.searchsorted(np.cumsum(counts), np.maximum(rank, 1))
    values = np.append(BIN_ZERO_NS * BIN_RATIO ** (numbers + 0.5), math.inf)
    return np.asarray(values[place], dtype=np.float64)
