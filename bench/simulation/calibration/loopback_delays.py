"""Delays of the loopback, from the instants of single ticks.

A tick is **alone** if the one before it and the one after it are at least `ALONE_S` away, so that its whole
fan-out is over before anything else happens. For such a tick with n arrivals, in the order of the kernel:

    due ──feed── worker has it ──tick, response── k₁ ──response── k₂ ─ … ─ kₙ      kernel of the clients
                                                └─wake─ a₁ …                   the load client reads

    first      k₁ − due           the feed's delay, the work on the tick, and the first response
    spacing    (kₙ − k₁)/(n − 1)  the worker's time per response, which separates it from the request
    wake       a₁ − k₁            from a response's arrival until an idle load client reads it
    reading    (aₙ − a₁)/(n − 1)  the load client's time per response, where it is slower than the worker

A server that has slept is cold (`bench.simulation.engine.server_queue`), and its fan-outs are slower by a share,
`cold_share`. Given how fast it cools, it is the slope of their spacings over the coldness at their start, over all
ticks that found the server asleep: Theil's estimate, a median, since a server stalls at times. Where clients ask
again, this takes about as long as answering them did, and the sleep begins after it.

For polls, which are answered one by one, `wake` is the median of app − kernel, and the way up is the rest
of a request's duration after service and wake.

Known weakness: kernel instants are stamped within the server's own system call on loopback, so the way down
to a client's kernel takes no time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy

from bench.clock import NO_STAMP
from bench.simulation.engine.server_queue import coldness
from bench.stats.trial.arrays import TrialArrays

ALONE_S = 0.02
SLEEPS_LEAST = 10
"""The fan-outs after a sleep, and the clients, below which no slope is estimated."""
NS = 1e9


@dataclass(frozen=True, slots=True)
class Instants:
    """The delays that the instants of one trial show; NaN where they show none."""

    first_s: float = math.nan
    spacing_s: float = math.nan
    wake_s: float = math.nan
    reading_s: float = math.nan
    lag_s: float = math.nan
    """Median of app − kernel over all arrivals."""
    alone: int = 0
    """Number of ticks that were alone."""
    slept_s: float = math.nan
    """Median of the server's sleeps before the ticks that were alone."""
    fan_outs: tuple[tuple[float, float], ...] = ()
    """The server's sleep before, and the spacing of, each fan-out that found it asleep, in seconds; none if they are
    fewer than `SLEEPS_LEAST`."""

    def cold_share(self, cooling_s: float) -> float:
        """Return the additional time of a cold server's fan-outs, as a share of a warm one's, if it cools with this
        time constant; NaN where nothing shows it."""
        if not self.fan_outs:
            return math.nan
        slept_s, spacing_s = np.array(self.fan_outs).T
        cold = coldness(slept_s, cooling_s)
        if np.ptp(cold) == 0:
            return math.nan
        with np.errstate(invalid="ignore"):   # its interval, which is not used
            slope, warm, *_ = scipy.stats.theilslopes(spacing_s, cold)
        return float(slope / warm) if warm > 0 else math.nan


def instants(trial: TrialArrays, asks_again: bool = False) -> Instants:
    """Return the medians over the window's ticks that were alone and reached several clients; `asks_again`
    says whether each response is followed by a request at once."""
    arrivals = trial.arrivals
    stamped = arrivals.kernel_ns != NO_STAMP
    if not stamped.any():
        return Instants()
    lag_s = float(np.median((arrivals.app_ns - arrivals.kernel_ns)[stamped])) / NS
    rows = [row for tick in _alone(trial).tolist() if (row := _of_tick(trial, tick, asks_again)) is not None]
    if not rows:
        return Instants(lag_s=lag_s)
    first, spacing, wake, reading, slept = (np.median(np.array(rows), axis=0) / NS).tolist()
    return Instants(first, spacing, wake, reading, lag_s, len(rows), slept,
                    _fan_outs(trial, asks_again))


def _fan_outs(trial: TrialArrays, asks_again: bool) -> tuple[tuple[float, float], ...]:
    """Return the sleep before, and the spacing of, each fan-out to all clients that found the server asleep."""
    arrivals, due_ns = trial.arrivals, trial.ticks.due_ns
    order = np.lexsort((arrivals.kernel_ns, arrivals.tick))
    kernel = arrivals.kernel_ns[order]
    ticks, begin, count = np.unique(arrivals.tick[order], return_index=True, return_counts=True)
    first, last = kernel[begin], kernel[begin + count - 1]
    asleep_from = np.maximum.accumulate(last + (last - first) * asks_again)
    slept_s = (due_ns[ticks][1:] - asleep_from[:-1]) / NS
    whole = (slept_s > 0) & (count[1:] == count.max()) & (first[1:] != NO_STAMP)
    if whole.sum() < SLEEPS_LEAST or count.max() < SLEEPS_LEAST:
        return ()
    spacing_s = (last - first)[1:][whole] / NS / (count.max() - 1)
    return tuple(zip(slept_s[whole].tolist(), spacing_s.tolist(), strict=True))


def _alone(trial: TrialArrays) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the places of the window's ticks that were alone."""
    due_ns, windows = trial.ticks.due_ns, trial.windows
    gaps = np.diff(due_ns, prepend=due_ns[:1] - 10**12, append=due_ns[-1:] + 10**12)
    alone = (gaps[:-1] >= ALONE_S * NS) & (gaps[1:] >= ALONE_S * NS)
    return np.flatnonzero(alone & (due_ns >= windows.t0_ns) & (due_ns < windows.t1_ns))


def _of_tick(trial: TrialArrays, tick: int, asks_again: bool) -> tuple[float, ...] | None:
    """Return first, spacing, wake, reading and the server's sleep before one tick, in ns; None where too few
    clients had it, or stamps are missing.

    The sleep is taken to begin when a fan-out as long as this one would be over.
    """
    arrivals, due_ns = trial.arrivals, trial.ticks.due_ns[tick]
    mine = arrivals.tick == tick
    kernel = np.sort(arrivals.kernel_ns[mine])
    if len(kernel) < 5 or kernel[0] == NO_STAMP:
        return None
    app = np.sort(arrivals.app_ns[mine])
    spacing, reading = ((each[-1] - each[0]) / (len(each) - 1) for each in (kernel, app))
    busy = (kernel[-1] - due_ns) * (1 + asks_again)
    slept = max(due_ns - trial.ticks.due_ns[tick - 1] - busy, 0) if tick else math.inf
    return float(kernel[0] - due_ns), float(spacing), float(app[0] - kernel[0]), float(reading), float(slept)
