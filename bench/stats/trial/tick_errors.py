"""How well a trial's percentiles are known: bootstrapped over its ticks and its clients.

    a tick       reaches all clients by one fan-out, in one order, behind the same others: its updates are one
                 observation of the feed, however many clients there are
    a poller     asks at its own phase of the interval, for the whole trial: its updates are one, too

So a percentile of clients × ticks updates rests on far fewer. Here ticks are drawn anew with replacement, and
so are clients, `DRAWS` times, each update counting as often as its tick times as often as its client; the
percentile is taken each time. The error is half the width of the middle 95 %, on a logarithmic scale, as a
share. How trials and their ticks are put together stands in `bench.stats.run.summary`.

Many ticks or clients are drawn in groups: neighbours in time, since what queues meets its neighbours, and
clients taken at intervals of their numbers. Latencies are in bins of 2 %. Draws have a fixed seed, so that a
report is the same each time.

Known weakness: no draw is slower than the slowest tick that was seen, so a percentile that hangs on two or
three ticks is worse known than this says; with fewer than `TICKS_LEAST` ticks nothing is said at all. Lost
updates are taken as spread evenly over ticks and clients.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

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
    """The error of each percentile (thousandths, by name), as a share: 0.25 is ± 25 %. Infinite where a draw
    falls among the lost, or with too few ticks; NaN where nothing arrived."""
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
    clients, ticks, bins = counts.shape
    random = np.random.default_rng(SEED)
    of_clients, of_ticks = (random.multinomial(size, np.full(size, 1 / size), DRAWS).astype(np.float32)
                            for size in (clients, ticks))
    drawn = (of_clients @ counts.reshape(clients, -1)).reshape(DRAWS, ticks, bins)
    below = np.cumsum(np.einsum("dt,dtb->db", of_ticks, drawn), axis=1, dtype=np.float64)
    whole = below[:, -1] + lost
    found = {}
    for name, thousandths in levels.items():
        rank = np.maximum(np.ceil(whole * thousandths / 1000), 1)
        logarithms = values[(below < rank[:, np.newaxis]).sum(axis=1)]
        low, high = np.quantile(logarithms, (TAIL, 1 - TAIL), method="nearest")
        found[name] = math.inf if math.isinf(high) else math.expm1((high - low) / 2)
    return found


def _counted(tick: Ints, client: Ints, latency_ns: Ints) -> tuple[npt.NDArray[np.float32], Floats]:
    """Updates by client group, tick group and bin of latency; and the logarithm of each bin, the last one
    infinite: it is for what lies beyond all."""
    number = (np.log(np.maximum(latency_ns, LEAST_NS) / LEAST_NS) / math.log(BIN_RATIO)).astype(np.int64)
    held, place = np.unique(number, return_inverse=True)
    shape = (int(client.max()) + 1, int(tick.max()) + 1, len(held))
    cell = (client * shape[1] + tick) * shape[2] + place
    counts = np.bincount(cell, minlength=math.prod(shape)).reshape(shape).astype(np.float32)
    return counts, np.append(held * math.log(BIN_RATIO), math.inf)
