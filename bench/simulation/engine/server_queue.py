"""A worker's queue: one job after the other, in order of arrival, exactly and all at once.

Lindley's recursion says when each job begins: when it is there, and the one before is done.

    startₖ = max(arrivalₖ, startₖ₋₁ + serviceₖ₋₁)

With Sₖ the service of all jobs before k, startₖ − Sₖ is a running maximum, which needs no loop:

    startₖ = Sₖ + max_{i ≤ k} (arrivalᵢ − Sᵢ)

A fan-out is one job that brings others, which are served right behind it, before whatever came meanwhile.

A worker that has slept is cold: its caches hold others' data, its core runs slower. After a sleep of g
seconds

    κ = (1 − exp(−g / COOLING_S)) · exp(−b / WARMING_S)     the coldness, b seconds after it woke
    service · (1 + κ · cold_share)                          a job that begins then
    service · (1 + κ · cold_share) + κ · wake               the one that woke it

which depends on when the job before was done. So the recursion is solved again with the services that its
last solution brings, until nothing changes. Each time at least one job more is right for good; mostly a few
times do, since a sleep that is a little longer makes a job hardly longer. What a job brings is served as
cold as the job.

Where sleeps are exponential, as they are between Poisson arrivals, with mean g the mean of κ is
g / (g + COOLING_S): a sleeper wakes before it is cold, or after.

Known weakness: how fast a worker gets warm was not measured, only that it does: it must be slower than a
fan-out of 20 ms, whose answers keep their distance, and one that is full for seconds is warm, or it would
never catch up with what it missed while it was cold. Sums of service begin anew in each call, so what is
rounded away stays below 10⁻¹² s.
"""

from __future__ import annotations

import math

import numpy as np

from bench.simulation.engine.inputs import Bools, Floats

COOLING_S = 0.012
"""How fast a sleeping worker gets cold. In measured fan-outs the spacing of the answers grows with the sleep
before, in this time by 63 % of what it ever grows; anything from 8 to 24 ms would do nearly as well."""
WARMING_S = 0.05
"""How fast a busy worker gets warm."""
SETTLED_S = 1e-11


def coldness(slept_s: Floats | float) -> Floats:
    """How cold a worker is that slept so long: from 0 to 1."""
    return np.asarray(-np.expm1(-np.maximum(slept_s, 0.0) / COOLING_S))


def warmed(cold: Floats | float, busy_s: Floats | float) -> Floats:
    """How cold one is that woke so cold, and was busy for so long since."""
    return np.asarray(cold * np.exp(-np.asarray(busy_s) / WARMING_S))


def mean_coldness(asleep_s: float, sleeps: float) -> float:
    """The same at the end of exponential sleeps: so many, so long together."""
    return asleep_s / (asleep_s + sleeps * COOLING_S) if asleep_s > 0 else 0.0


class Worker:
    """The queue of one event loop, and what it was busy with in [t0, t1)."""

    def __init__(self, t0_s: float, t1_s: float, wake_s: float = 0.0, cold_share: float = 0.0) -> None:
        self._t0_s, self._t1_s = t0_s, t1_s
        self._wake_s, self._cold_share = wake_s, cold_share
        self._cold = 0.0
        """How cold it was when it woke."""
        self._woke_s = 0.0
        self.free_s = -math.inf
        """When the last job that has come is done."""
        self.jobs = 0
        self.busy_s = 0.0
        self.wait_max_s = 0.0

    def serve(self, arrival_s: Floats, service_s: Floats) -> Floats:
        """Serve jobs in the order of their arrivals; when each is done."""
        done, finish = self._done(arrival_s, service_s)
        if self._wake_s or self._cold_share:
            warm_s, settled = service_s, False
            while not settled:
                cold, wakes = self._coldness(arrival_s, np.concatenate([[self.free_s], finish[:-1]]))
                service_s = warm_s * (1 + self._cold_share * cold) + self._wake_s * cold * wakes
                before, (done, finish) = finish, self._done(arrival_s, service_s)
                settled = bool(np.abs(finish - before).max() <= SETTLED_S)
            last = len(wakes) - 1 - int(np.argmax(wakes[::-1]))
            if wakes[last]:
                self._cold, self._woke_s = float(cold[last]), float(arrival_s[last])
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

    def _coldness(self, arrival_s: Floats, free_s: Floats) -> tuple[Floats, Bools]:
        """How cold each job finds the worker, if it is free then; and which of them wake it."""
        slept_s = arrival_s - free_s
        wakes = slept_s > 0
        cold = coldness(slept_s)
        awake = np.flatnonzero(~wakes)
        if len(awake):
            woken = np.maximum.accumulate(np.where(wakes, np.arange(len(wakes)), -1))[awake]
            began = np.where(woken < 0, self._cold, cold[woken])
            woke_s = np.where(woken < 0, self._woke_s, arrival_s[woken])
            cold[awake] = warmed(began, free_s[awake] - woke_s)
        return cold, wakes

    def _done(self, arrival_s: Floats, service_s: Floats) -> tuple[Floats, Floats]:
        """The sums of service, and when each job is done."""
        done = np.cumsum(service_s)
        ready = np.maximum(arrival_s, self.free_s)
        ready -= done
        ready += service_s
        finish = np.maximum.accumulate(ready, out=ready)
        finish += done
        return done, finish

    def fan_out(self, arrival_s: float, first_s: float, service_s: Floats) -> Floats:
        """Serve one job, and right behind it those that it brings; when each of these is done."""
        start_s = max(arrival_s, self.free_s)
        if self._wake_s or self._cold_share:
            wakes = arrival_s > self.free_s
            if wakes:
                self._cold, self._woke_s = float(coldness(arrival_s - self.free_s)), arrival_s
            cold = float(warmed(self._cold, start_s - self._woke_s))
            slower = 1 + self._cold_share * cold
            first_s += self._wake_s * cold * wakes / slower
            first_s, service_s = first_s * slower, service_s * slower
        finish = start_s + first_s + np.cumsum(service_s)
        self.jobs += 1 + len(finish)
        self.free_s = float(finish[-1]) if len(finish) else start_s + first_s
        last_s = float(service_s[-1]) if len(finish) else first_s
        self.wait_max_s = max(self.wait_max_s, self.free_s - last_s - arrival_s)
        self.busy_s += max(0.0, min(self.free_s, self._t1_s) - max(start_s, self._t0_s))
        return np.asarray(finish, dtype=np.float64)
