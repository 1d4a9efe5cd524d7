"""A reader of a Poisson feed, simulated tick by tick, with which the models' closed forms are compared.

One loop covers every transport: serve, be away for a gap, park until a tick if nothing came (or don't).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Played:
    """The figures of a long simulation."""

    latency_mean_s: float
    latency_mean_latest_s: float
    conflated_share: float
    age_excess_mean_s: float
    age_mean_s: float
    requests_per_s: float
    empty_share: float


def play(rate_per_s: float, symbols: int, gap_s: float, park: bool, delay_s: float, hold_s: float = np.inf,
         ticks: int = 200_000, seed: int = 1) -> Played:
    """Play `ticks` ticks through serve–gap–park cycles."""
    rng = np.random.default_rng(seed)
    due = np.cumsum(rng.exponential(1 / rate_per_s, ticks))
    symbol = rng.integers(0, symbols, ticks)
    served = np.empty(ticks)
    now, place, cycles, empty = gap_s * rng.random(), 0, 0, 0
    while place < ticks:
        begin = now
        end = int(np.searchsorted(due, begin, side="right"))
        if end == place and park:
            now = min(due[place], begin + hold_s)
            end = place + (now == due[place])
        served[place:end] = now
        empty += end == place
        cycles += 1
        place = end
        now += gap_s
    latency = served - due + delay_s
    newest = np.zeros(ticks, dtype=bool)
    areas, own_areas, length = 0.0, 0.0, due[-1]
    for name in range(symbols):
        mine = np.flatnonzero(symbol == name)
        newest[mine] = np.append(served[mine][1:] != served[mine][:-1], True)
        gaps = np.diff(due[mine], prepend=0.0)
        areas += float((gaps * latency[mine]).sum())
        own_areas += float((gaps**2).sum()) / 2
    return Played(
        latency_mean_s=float(latency.mean()), latency_mean_latest_s=float(latency[newest].mean()),
        conflated_share=1 - float(newest.mean()), age_excess_mean_s=areas / (symbols * length),
        age_mean_s=(areas + own_areas) / (symbols * length), requests_per_s=cycles / length,
        empty_share=empty / cycles,
    )
