"""Backoff: a client's wait before its next attempt.

    v = min(cap, base · 2ⁿ)                      n = failures so far, from 0; u is uniform on [0, 1)

    fixed           base
    exponential     v
    equal           v/2 + u · v/2
    full            u · v
    decorrelated    min(cap, base + u · (3 · before − base))     before = the last wait, at first base

The formulas are those of M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015), whose
simulator is aws-samples/aws-arch-backoff-simulator. Draws are indexed by (seed, n, client), so that
compared policies get the same random numbers, whatever order their clients fail in.

Known weakness: none of these policies takes into account how many others are waiting. A window for the first
attempt, or a server that says when to come back, does.
"""

from __future__ import annotations

from array import array

import numpy as np

from bench.scenario.storm import Backoff

LARGEST_POWER = 60
"""Number of doublings after which any cap is reached; beyond it 2ⁿ would only overflow."""
FIRST_ATTEMPT = 0
WAIT = 1
"""Streams of draws."""


def wait_s(backoff: Backoff, failures: int, uniform: float, before_s: float) -> float:
    """Return the wait in seconds after `failures` earlier failures.

    `uniform` is a draw from [0, 1); `before_s` is the last wait, at first `base_s`.
    """
    if backoff.wait == "fixed":
        return backoff.base_s
    if backoff.wait == "decorrelated":
        return min(backoff.cap_s, backoff.base_s + uniform * (3 * before_s - backoff.base_s))
    longest: float = min(backoff.cap_s, backoff.base_s * 2 ** min(failures, LARGEST_POWER))
    if backoff.wait == "exponential":
        return longest
    if backoff.wait == "equal":
        return longest / 2 + uniform * longest / 2
    return uniform * longest


def is_drawn(backoff: Backoff) -> bool:
    """Return True if the policy's waits are random."""
    return backoff.wait not in ("fixed", "exponential")


def draws(seed: int, stream: int, number: int, clients: int) -> array[float]:
    """Return one uniform number from [0, 1) for each client."""
    evenly = np.random.default_rng([seed, stream, number]).random(clients)
    return array("d", evenly.tobytes())


class WaitDraws:
    """The draws of all waits; those of the n-th wait are made when the first client needs one."""

    def __init__(self, seed: int, clients: int) -> None:
        self._seed, self._clients = seed, clients
        self._made: list[array[float]] = []

    def of(self, failures: int, client: int) -> float:
        """Return the draw for this client's wait after `failures` failures."""
        while len(self._made) <= failures:
            self._made.append(draws(self._seed, WAIT, len(self._made), self._clients))
        return self._made[failures][client]
