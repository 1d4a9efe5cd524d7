"""The error of a trial's percentiles, bootstrapped over its ticks and its clients.

    a tick       reaches all clients by one fan-out, in one order, after the same other ticks: its updates
                 are one observation of the feed, however many clients there are
    a poller     asks at its own phase of the interval for the whole trial: its updates are also one
                 observation

So a percentile of clients × ticks updates rests on far fewer independent observations. Here ticks and clients
are resampled with replacement, `DRAWS` times. An update then counts as often as its tick was drawn, times as
often as its client was drawn, and the percentile is computed. The error is half the width of the middle 95 %,
on a logarithmic scale, as a share. `bench.stats.run.summary` combines the errors of several trials.

Many ticks or clients are drawn in groups: ticks with their neighbours in time, since they queue behind each
other, and clients at regular intervals of their numbers. Latencies are in bins of 2 %. Draws have a fixed
seed, so that a report is the same each time.

Known weakness: no draw is slower than the slowest tick that was seen, so for a percentile that depends on
two or three ticks the true error is larger; with fewer than `TICKS_LEAST` ticks it is infinite. Lost updates
are assumed to be spread uniformly over ticks and clients.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bench.stats.trial.arrays import Floats, Ints, TrialArrays
from bench.stats.trial.fates import arrived_in_time

DRAWS = 200
SEED = 20_260
TICKS_LEAST = 10
TICK_GROUPS, CLIENT_GROUPS = 128, 32
BIN_RATIO = 1.02
LEAST_NS = 1000.0
TAIL = 0.025


def error_shares(trial: TrialArrays, lost: int, levels: Mapping[str, int]) -> dict[str, float]:
    """Return the error of each percentile, as a share: 0.25 is ± 25 %; `levels` has the percentiles'
    thousandths by name.

    An error is infinite where a draw falls among the lost updates, or with fewer than `TICKS_LEAST`
    ticks; NaN where nothing arrived.
    """
    delivered, late = arrived_in_time(trial)
    arrived = delivered | late
    tick = trial.arrivals.tick[arrived]
    if not len(tick):
        return dict.fromkeys(levels, math.nan)
    latency_ns = trial.arrivals.app_ns[arrived] - trial.ticks.due_ns[tick]
    numbers, place = np.unique(tick, return_inverse=True)
    if len(numbers) < TICKS_LEAST:
        return dict.fromkeys(levels, math.inf)
    return _errors(place * min(len(numbers), TICK_GROUPS) // len(numbers),
                   trial.arrivals.client[arrived] % CLIENT_GROUPS, latency_ns, lost, levels)


def _errors(tick: Ints, client: Ints, latency_ns: Ints, lost: int, levels: Mapping[str, int]
            ) -> dict[str, float]:
    counts, values = _counted(tick, client, latency_ns)
    weights = _resampled(int(client.max()) + 1, int(tick.max()) + 1)
    below = np.cumsum(weights @ counts, axis=1, dtype=np.float64)
    whole = below[:, -1] + lost
    found = {}
    for name, thousandths in levels.items():
        rank = np.maximum(np.ceil(whole * thousandths / 1000), 1)
        logarithms = values[(below < rank[:, np.newaxis]).sum(axis=1)]
        low, high = np.quantile(logarithms, (TAIL, 1 - TAIL), method="nearest")
        found[name] = math.inf if math.isinf(high) else math.expm1((high - low) / 2)
    return found


@lru_cache(maxsize=8)
def _resampled(clients: int, ticks: int) -> npt.NDArray[np.float32]:
    """Return how often each draw (row) counts the updates of each pair of a client group and a tick group: always
    the same for as many groups."""
    random = np.random.default_rng(SEED)
    of_clients, of_ticks = (random.multinomial(size, np.full(size, 1 / size), DRAWS).astype(np.float32)
                            for size in (clients, ticks))
    return (of_clients[:, :, np.newaxis] * of_ticks[:, np.newaxis]).reshape(DRAWS, -1)


def _counted(tick: Ints, client: Ints, latency_ns: Ints) -> tuple[npt.NDArray[np.float32], Floats]:
    """Return the updates by pair of a client group and a tick group (rows) and by bin of latency, and the logarithm
    of each bin; a last, infinite one is for the lost."""
    number = (np.log(np.maximum(latency_ns, LEAST_NS) / LEAST_NS) / math.log(BIN_RATIO)).astype(np.int64)
    held, place = np.unique(number, return_inverse=True)
    ticks = int(tick.max()) + 1
    shape = ((int(client.max()) + 1) * ticks, len(held))
    cell = (client * ticks + tick) * shape[1] + place
    counts = np.bincount(cell, minlength=math.prod(shape)).reshape(shape).astype(np.float32)
    return counts, np.append(held * math.log(BIN_RATIO), math.inf)
