"""Disturbances of a trial from outside: other load, a hypervisor, throttling, swapping.

Two readings of the kernel's counters, at t0 and t1, give what happened in between:

    others_share     CPU that processes outside of the run used      ÷ all cores' time
    steal_share      time that a hypervisor gave to others           ÷ all cores' time
    throttled_ms     time for which the cgroup's CPU quota was used up
    swapped_pages    pages that went to swap or came back, of any process

A probe spins on each of the run's cores before the first process of the trial has started and after the
last has ended, reading the clock as fast as it can. Whoever takes the core from it leaves a gap:

    probe_gap_share  the probe's time that lay in gaps of over 100 µs
    probe_gap_max_us the longest of them
    probe_slowdown   how much longer the fastest thousand readings took on one side of the trial than on
                     the other: a processor that lowered its frequency
    probe_spin_before_us, probe_spin_after_us
                     the median time of a thousand readings on either side, the mean over the cores: how
                     fast the host was, in the same piece of work each time

An interrupt takes a few µs, another process or another virtual machine at least some hundred, so 100 µs
tells the two apart.

Known weakness: the probe measures before and after the trial, not during it, and the counters step by 10 ms. What can't
be read (another system, no cgroup) is None, and not assessed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median_low

import psutil

from bench.measure import cgroup
from bench.measure.host import LINUX

PROBE_NS = 25_000_000
"""Duration of the probe's spin on each core."""
GAP_NS = 100_000
"""A longer time than this between two readings of the clock is a gap."""
READINGS = 1000
"""The number of consecutive readings whose total time measures a core's speed."""


@dataclass(frozen=True, slots=True)
class KernelCounters:
    """The kernel's counters at one instant; CPU in seconds over all cores, by steps of 10 ms."""

    at_s: float
    busy_s: float
    steal_s: float
    throttled_ns: int | None = None
    swapped_pages: int | None = None

    @classmethod
    def read(cls) -> KernelCounters:
        """Return the counters now."""
        times = psutil.cpu_times()
        busy = sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq"))
        return cls(time.monotonic(), busy, getattr(times, "steal", 0.0), cgroup.throttled_ns(),
                   swapped_pages())


def swapped_pages(path: str = "/proc/vmstat") -> int | None:
    """Return the number of pages swapped in or out so far."""
    fields = cgroup.fields(Path(path))
    return fields["pswpin"] + fields["pswpout"] if "pswpin" in fields else None


def shares(before: KernelCounters, after: KernelCounters, own_s: float, core_count: int) -> dict[str, float]:
    """Return the shares of all cores' time between two readings that other processes used and that a
    hypervisor took.

    `own_s` is the CPU time of the run's own processes in between, in s.
    """
    whole = max(after.at_s - before.at_s, 1e-9) * core_count
    others = max(0.0, after.busy_s - before.busy_s - own_s)
    return {"others_share": others / whole, "steal_share": (after.steal_s - before.steal_s) / whole}


def between(before: KernelCounters, after: KernelCounters, own_s: float, core_count: int) -> dict[str, float | None]:
    """Return all disturbances between two readings: `shares`, throttling and swapping."""
    throttled = _growth(before.throttled_ns, after.throttled_ns)
    return {
        **shares(before, after, own_s, core_count),
        "throttled_ms": None if throttled is None else throttled / 1e6,
        "swapped_pages": _growth(before.swapped_pages, after.swapped_pages),
    }


def _growth(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


@dataclass(frozen=True, slots=True)
class Probe:
    """The result of spinning on one core."""

    spun_ns: int
    gap_ns: int
    """Sum of the gaps."""
    gap_max_ns: int
    """The longest time between two readings, a gap or not."""
    fastest_ns: int
    """The fastest `READINGS` readings in a row."""
    usual_ns: int
    """The median time of `READINGS` consecutive readings."""


def spin(length_ns: int = PROBE_NS) -> Probe:
    """Read the clock repeatedly for a given time, on the core that this process is on."""
    now_ns = time.monotonic_ns
    began_ns = last_ns = mark_ns = now_ns()
    gap_ns = gap_max_ns = 0
    took_ns = []
    while last_ns - began_ns < length_ns:
        for _ in range(READINGS):
            at_ns = now_ns()
            passed_ns = at_ns - last_ns
            if passed_ns > gap_max_ns:
                gap_max_ns = passed_ns
            if passed_ns > GAP_NS:
                gap_ns += passed_ns
            last_ns = at_ns
        took_ns.append(last_ns - mark_ns)
        mark_ns = last_ns
    return Probe(last_ns - began_ns, gap_ns, gap_max_ns, min(took_ns), median_low(took_ns))


def probe(cores: Iterable[int]) -> list[Probe]:
    """Spin on each of the cores in their order; without a choice of cores, on the current one."""
    if not LINUX:
        return [spin()]
    before = os.sched_getaffinity(0)
    try:
        found = []
        for core in cores:
            os.sched_setaffinity(0, {core})
            found.append(spin())
        return found or [spin()]
    finally:
        os.sched_setaffinity(0, before)


def jitter(before: Sequence[Probe], after: Sequence[Probe]) -> dict[str, float]:
    """Return the machine's jitter from the probes before and after a trial; both cover the same cores."""
    both = (*before, *after)
    paces = [(early.fastest_ns, late.fastest_ns) for early, late in zip(before, after, strict=True)]
    return {
        "probe_gap_share": sum(each.gap_ns for each in both) / sum(each.spun_ns for each in both),
        "probe_gap_max_us": max(each.gap_max_ns for each in both) / 1000,
        "probe_slowdown": max(max(pace) / min(pace) for pace in paces),
        "probe_spin_before_us": fmean(each.usual_ns for each in before) / 1000,
        "probe_spin_after_us": fmean(each.usual_ns for each in after) / 1000,
    }
