"""A worker's queue: one job after the other, in order of arrival, exactly.

By Lindley's recursion a job begins once it has arrived and the job before it is done.

    startₖ = max(arrivalₖ, startₖ₋₁ + serviceₖ₋₁)

With Sₖ the service of all jobs before k, startₖ − Sₖ is a running maximum, which needs no loop over the jobs:

    startₖ = Sₖ + max_{i ≤ k} (arrivalᵢ − Sᵢ)

A fan-out is one job that creates others. They are served right behind it, before jobs that arrived meanwhile.

A worker that has slept is cold: its caches hold data of other processes, its core runs slower. It cools with a time
constant τ (`cooling_s`), which is the machine's. After a sleep of g seconds

    κ = (1 − exp(−g / τ)) · exp(−b / WARMING_S)             the coldness, b seconds after it woke
    service · (1 + κ · cold_share)                          a job that begins then
    service · (1 + κ · cold_share) + switch + κ · wake      the job that woke it

A fan-out needs the data of all clients' connections. Its work is as cold as if the worker had slept since it last
served clients (a fan-out or requests), whatever it did meanwhile, or as cold as the worker where that is colder. What
it costs to wake the worker goes by the worker's own sleep. Only a worker that flushes pays `wake` where it hands out,
by the time since it last did, and none for a tick that it takes and keeps: most of `wake` is that the way to the
clients has left the caches, and such a tick does not go there.

`switch` does not depend on the length of the sleep: the worker goes to sleep and wakes, and its event loop
makes a turn for what has come. All jobs that arrive until it sleeps again share one. So a busy worker takes
less time for each job than one that wakes for every job.

Whether a job wakes the worker, and κ, depend on the instant at which the job before was done. So where sleeps
matter, the running maximum is solved in passes: each takes the sleeps and κ from the instants of the pass before,
until nothing changes. A job that is done δ later changes the services after it by a small part of δ (by
δ · wake / τ for the job that ends the next sleep), so about five passes are enough where nearly all jobs wake
the worker, or nearly all find it busy. Where both are frequent, a job that wakes the worker may take longer than
the time to the next one, which then finds it busy and does not wake it. This goes on from job to job, and each pass
corrects only one more of them. There, and where jobs are few, a loop serves them one by one. The jobs that a fan-out
creates are served with the coldness of the fan-out itself.

Where sleeps are exponential with mean g, as they are between Poisson arrivals, the mean of κ is g / (g + τ).

Known weakness: the speed at which a worker gets warm was not measured, only the fact that it does. Warming
must take longer than a fan-out of 20 ms, within which the spacing of the responses stays constant. And a worker
that is busy for seconds must be warm, or it would never catch up with the backlog from its cold time. A turn of
the event loop that follows another without a sleep costs nothing of its own, and `switch` is the same for all of
a worker's sleeps. Sums of service begin anew in each block of jobs, so the rounding error stays below 10⁻¹² s.
"""

from __future__ import annotations

import math

import numpy as np

from bench.simulation.engine.inputs import Floats

WARMING_S = 0.05
"""Time constant with which a busy worker gets warm."""
BLOCK_JOBS = 1 << 13
"""Number of jobs that a pass covers, so that their arrays stay in the processor's cache."""
PASSES_FROM_JOBS = 1 << 11
"""Number of jobs from which passes take less time than the loop."""
PASSES = 12
"""Number of passes that take about as long as the loop."""
MIXED_SHARE = 0.1
"""The loop serves a block where more than this share of its jobs wake the worker, and more than this share find it
busy."""
SETTLED_S = 1e-12
"""Largest change in a pass of instants that count as settled; the next pass would change them by a fifth of it at
most."""


def coldness(slept_s: Floats | float, cooling_s: float) -> Floats:
    """Return the coldness, from 0 to 1, of a worker that slept for `slept_s` and cools with this time constant."""
    return np.asarray(1 - np.exp(np.minimum(0.0, -slept_s) / cooling_s))


def warmed(cold: Floats | float, busy_s: Floats | float) -> Floats:
    """Return the coldness of a worker that woke with coldness `cold` and has been busy for `busy_s` since."""
    return np.asarray(cold * np.exp(-np.asarray(busy_s) / WARMING_S))


def mean_coldness(asleep_s: float, sleeps: float, cooling_s: float) -> float:
    """Return the mean coldness at the end of `sleeps` exponential sleeps that last `asleep_s` in total."""
    return asleep_s / (asleep_s + sleeps * cooling_s) if asleep_s > 0 else 0.0


def _without_sleeps(arrival_s: Floats, service_s: Floats, free_s: float) -> Floats:
    """Return when each job is done, where sleeps don't matter: the running maximum."""
    done = np.cumsum(service_s)
    ready = np.maximum(arrival_s, free_s)
    ready -= done
    ready += service_s
    finish: Floats = np.fmax.accumulate(ready, out=ready)   # np.maximum takes two to three times as long
    finish += done
    return finish


class ServerQueue:
    """The queue of one event loop, and the time for which it was busy in [t0, t1)."""

    def __init__(self, t0_s: float, t1_s: float, wake_s: float = 0.0, cold_share: float = 0.0,
                 switch_s: float = 0.0, *, cooling_s: float = 0.1, cools: bool = False) -> None:
        self._t0_s, self._t1_s = t0_s, t1_s
        self._wake_s, self._cold_share, self._switch_s = wake_s, cold_share, switch_s
        self._cooling_s = cooling_s
        self._sleeps = bool(wake_s or cold_share or switch_s or cools)
        """True if it matters whether the worker slept: to what any job takes, or (`cools`) to `cold_s` of
        `serve_one`."""
        self._cold = 0.0
        """Coldness at the instant of waking."""
        self._woke_s = 0.0
        self.free_s = -math.inf
        """The instant at which the last job so far is done."""
        self._served_s = -math.inf
        """The instant at which the worker was done with clients' connections: a fan-out or requests."""
        self.begun_s = -math.inf
        """The instant at which the first job that the last fan-out created began."""
        self.jobs = 0
        self.busy_s = 0.0
        self.wait_max_s = 0.0

    def _after(self, slept_s: float) -> float:
        """Return the coldness after this sleep."""
        return 1 - math.exp(-slept_s / self._cooling_s)

    def coldness_at(self, arrival_s: float) -> float:
        """Return the worker's coldness when it begins a job that arrives then, after all jobs so far."""
        if arrival_s > self.free_s:
            return self._after(arrival_s - self.free_s)
        return float(warmed(self._cold, self.free_s - self._woke_s))

    def would_be_done_s(self, arrival_s: float, service_s: float, cold_s: float) -> float:
        """Return when a job that arrives then, after all jobs so far, would be done if it were served by `serve_one`.
        """
        cold = self.coldness_at(arrival_s) if self._sleeps else 0.0
        woken_s = self._switch_s + cold * self._wake_s if arrival_s > self.free_s else 0.0
        return max(arrival_s, self.free_s) + service_s + cold * (self._cold_share * service_s + cold_s) + woken_s

    def serve(self, arrival_s: Floats, service_s: Floats, *, clients: bool = True) -> Floats:
        """Serve jobs in order of arrival, and return when each is done; all arrays have shape (jobs,). `clients` says
        whether they are clients' requests, and not ticks that are kept."""
        if self._sleeps:
            finish = self._with_sleeps(arrival_s, service_s, self._wake_s if clients else 0.0)
        else:
            finish = _without_sleeps(arrival_s, service_s, self.free_s)
        start = np.maximum(arrival_s, np.concatenate([[self.free_s], finish[:-1]]))
        self.jobs += len(finish)
        self.wait_max_s = max(self.wait_max_s, float((start - arrival_s).max()))
        self.free_s = float(finish[-1])
        if clients:
            self._served_s = self.free_s
        if start[0] >= self._t0_s and self.free_s <= self._t1_s:
            self.busy_s += float((finish - start).sum())
        elif start[0] < self._t1_s and self.free_s > self._t0_s:
            clipped = np.clip(finish, self._t0_s, self._t1_s) - np.clip(start, self._t0_s, self._t1_s)
            self.busy_s += float(clipped.sum())
        return finish

    def _with_sleeps(self, arrival_s: Floats, service_s: Floats, wake_s: float) -> Floats:
        """Return when each job is done, where sleeps matter: block by block, in passes or one by one."""
        blocks: list[Floats] = []
        free_s = self.free_s
        for first in range(0, len(arrival_s), BLOCK_JOBS):
            at_s, job_s = (column[first : first + BLOCK_JOBS] for column in (arrival_s, service_s))
            finish = self._in_passes(at_s, job_s, free_s, wake_s) if len(at_s) >= PASSES_FROM_JOBS else None
            blocks.append(self._one_by_one(at_s, job_s, free_s, wake_s) if finish is None else finish)
            free_s = float(blocks[-1][-1])
        return np.concatenate(blocks)

    def _in_passes(self, arrival_s: Floats, service_s: Floats, free_s: float, wake_s: float) -> Floats | None:
        """Return when each job is done, from passes over all of them; None where the loop takes less time."""
        count = len(arrival_s)
        woke_s, cold = np.append(arrival_s, self._woke_s), np.append(service_s, self._cold)   # last: before these jobs
        slower_s = self._cold_share * service_s
        warm_s, waking_s = service_s + self._switch_s, slower_s + wake_s
        finish = _without_sleeps(arrival_s, service_s, free_s)
        for _ in range(PASSES):
            before_s = np.concatenate([[free_s], finish[:-1]])
            busy = np.flatnonzero(before_s >= arrival_s)
            if MIXED_SHARE * count < len(busy) < (1 - MIXED_SHARE) * count:
                return None
            cold[:-1] = coldness(arrival_s - before_s, self._cooling_s)
            took_s = warm_s + waking_s * cold[:-1]
            first = np.flatnonzero(np.diff(busy, prepend=-2) > 1)   # of each stretch of jobs that find it busy
            by = np.repeat(busy[first] - 1, np.diff(first, append=len(busy)))   # the job that woke it, or −1
            took_s[busy] = service_s[busy] + slower_s[busy] * warmed(cold[by], before_s[busy] - woke_s[by])
            last_s, finish = finish, _without_sleeps(arrival_s, took_s, free_s)
            if float(np.abs(finish - last_s).max()) <= SETTLED_S:
                last = by[-1] if len(busy) and busy[-1] == count - 1 else count - 1
                self._cold, self._woke_s = float(cold[last]), float(woke_s[last])
                return finish
        return None

    def _one_by_one(self, arrival_s: Floats, service_s: Floats, free_s: float, wake_s: float) -> Floats:
        """Return when each job is done, from a loop over them."""
        switch_s, exp = self._switch_s, math.exp
        cold, woke_s = self._cold, self._woke_s
        cooling, warming = 1 / self._cooling_s, 1 / WARMING_S
        finish = []
        slower_s = (self._cold_share * service_s).tolist()
        for at_s, job_s, more_s in zip(arrival_s.tolist(), service_s.tolist(), slower_s, strict=True):
            if at_s > free_s:
                cold, woke_s = 1 - exp((free_s - at_s) * cooling), at_s
                free_s = at_s + job_s + switch_s + (more_s + wake_s) * cold
            else:
                free_s += job_s + more_s * cold * exp((woke_s - free_s) * warming)
            finish.append(free_s)
        self._cold, self._woke_s = cold, woke_s
        return np.array(finish)

    def fan_out(self, arrival_s: float, first_s: float, service_s: Floats, *, flushed: bool = False) -> Floats:
        """Serve one job, and right behind it the jobs that it creates; return when each of these is done. `flushed`
        says that a timer brings it, not a tick."""
        start_s = max(arrival_s, self.free_s)
        if self._sleeps:
            woken_s = self._woken_s(arrival_s, 0.0 if flushed else self._wake_s)
            cold = float(warmed(self._cold, start_s - self._woke_s))
            if len(service_s):
                unserved = self._after(start_s - self._served_s)
                cold = max(cold, unserved)
                woken_s += unserved * self._wake_s * flushed
            slower = 1 + self._cold_share * cold
            first_s, service_s = first_s * slower + woken_s, service_s * slower
        self.begun_s = start_s + first_s
        finish = self.begun_s + np.cumsum(service_s)
        last_s = float(service_s[-1]) if len(finish) else first_s
        self._count(arrival_s, start_s, float(finish[-1]) if len(finish) else self.begun_s, 1 + len(finish), last_s)
        if len(service_s):
            self._served_s = self.free_s
        return np.asarray(finish, dtype=np.float64)

    def serve_one(self, arrival_s: float, service_s: float, cold_s: float) -> float:
        """Serve one job that takes `cold_s` more on a wholly cold worker, beyond what any job does; return when it is
        done."""
        start_s, more_s = max(arrival_s, self.free_s), 0.0
        if self._sleeps:
            woken_s = self._woken_s(arrival_s, self._wake_s)
            cold = float(warmed(self._cold, start_s - self._woke_s))
            more_s = cold * (self._cold_share * service_s + cold_s) + woken_s
        self._count(arrival_s, start_s, start_s + service_s + more_s, 1, service_s + more_s)
        return self.free_s

    def _woken_s(self, arrival_s: float, wake_s: float) -> float:
        """Wake the worker for a job that arrives then, if it is asleep; return the seconds that this takes, `wake_s` of
        them where it is wholly cold."""
        if arrival_s <= self.free_s:
            return 0.0
        self._cold, self._woke_s = self._after(arrival_s - self.free_s), arrival_s
        return self._switch_s + wake_s * self._cold

    def _count(self, arrival_s: float, start_s: float, finish_s: float, jobs: int, last_s: float) -> None:
        """Count jobs that arrived together and were served from `start_s` to `finish_s`, the last for `last_s`."""
        self.jobs += jobs
        self.free_s = finish_s
        self.wait_max_s = max(self.wait_max_s, finish_s - last_s - arrival_s)
        self.busy_s += max(0.0, min(finish_s, self._t1_s) - max(start_s, self._t0_s))
