"""A worker's queue: one job after the other, in order of arrival, exactly and all at once.

Lindley's recursion says when each job begins: when it is there, and the one before is done.

    startₖ = max(arrivalₖ, startₖ₋₁ + serviceₖ₋₁)

With Sₖ the service of all jobs before k, startₖ − Sₖ is a running maximum, which needs no loop:

    startₖ = Sₖ + max_{i ≤ k} (arrivalᵢ − Sᵢ)

A fan-out is one job that brings others, which are served right behind it, before whatever came meanwhile.

Known weakness: sums of service begin anew in each call, so what is rounded away stays below 10⁻¹² s.
"""

from __future__ import annotations

import math

import numpy as np

from bench.simulation.world import Floats


class Worker:
    """The queue of one event loop, and what it was busy with in [t0, t1)."""

    def __init__(self, t0_s: float, t1_s: float) -> None:
        self._t0_s, self._t1_s = t0_s, t1_s
        self.free_s = -math.inf
        """When the last job that has come is done."""
        self.jobs = 0
        self.busy_s = 0.0
        self.wait_max_s = 0.0

    def serve(self, arrival_s: Floats, service_s: Floats) -> Floats:
        """Serve jobs in the order of their arrivals; when each is done."""
        done = np.cumsum(service_s)
        ready = np.maximum(arrival_s, self.free_s)
        ready -= done
        ready += service_s
        finish = np.maximum.accumulate(ready, out=ready)
        finish += done
        start = finish - service_s
        self.jobs += len(finish)
        self.wait_max_s = max(self.wait_max_s, float((start - arrival_s).max()))
        self.free_s = float(finish[-1])
        if start[0] >= self._t0_s and self.free_s <= self._t1_s:
            self.busy_s += float(done[-1])
        elif start[0] < self._t1_s and self.free_s > self._t0_s:
            clipped = np.clip(finish, self._t0_s, self._t1_s) - np.clip(start, self._t0_s, self._t1_s)
            self.busy_s += float(clipped.sum())
        return finish

    def fan_out(self, arrival_s: float, first_s: float, service_s: Floats) -> Floats:
        """Serve one job, and right behind it those that it brings; when each of these is done."""
        start_s = max(arrival_s, self.free_s)
        finish = start_s + first_s + np.cumsum(service_s)
        self.jobs += 1 + len(finish)
        self.free_s = float(finish[-1]) if len(finish) else start_s + first_s
        last_s = float(service_s[-1]) if len(finish) else first_s
        self.wait_max_s = max(self.wait_max_s, self.free_s - last_s - arrival_s)
        self.busy_s += max(0.0, min(self.free_s, self._t1_s) - max(start_s, self._t0_s))
        return np.asarray(finish, dtype=np.float64)
