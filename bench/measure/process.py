"""The resources of a process: CPU time, resident memory, context switches, read from outside.

CPU time comes from the process's own CPU clock, which counts nanoseconds of everything that its
threads ran, kernel and user, the ended ones too. Its id is made from the process id as in
`clock_getcpuclockid(3)`:

    clock id = (~pid) << 3 | CPUCLOCK_SCHED (2)

The user/system split is only in /proc/<pid>/stat, in steps of 10 ms: good for a proportion over
seconds, useless for a cost of microseconds.

Context switches are counted for each thread (/proc/<pid>/task/*/status). A voluntary one is a thread that
went to sleep, so there is one for each time that it was woken: `wakeups`. An involuntary one is a thread
that had work to do and was taken off its core: `preemptions`.

    idle base      mark ── idle_s ── mark      all clients are connected, no ticks
    window         mark ── read ── read … ── mark

A server may be more than one process (a launcher and its workers). A `Meter` therefore reads the
process and its descendants, as they are when it is made or last asked to `gather`.

Known weakness: resident memory is summed, so pages that several processes share count once each; a
process that starts after `gather` is not read; the switches of a thread that has ended are gone, so a
server that starts a thread for each request shows too few. Off Linux everything here is None.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from bench.clock import RunClock
from bench.records.trial_record import Usage

CPUCLOCK_SCHED = 2
SWITCHES = re.compile(rb"^voluntary_ctxt_switches:\s*(\d+)\nnonvoluntary_ctxt_switches:\s*(\d+)$", re.MULTILINE)
"""The counts in a thread's `status`. Newer kernels have further lines after them (the processor's features, on x86)."""
LINUX = sys.platform == "linux"
SAMPLE_INTERVAL_NS = 100_000_000
"""Time between two readings of a process."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a process; None for values that are not available."""

    at_ns: int
    cpu_ns: int | None
    rss_bytes: int | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A fuller reading, for both ends of a stretch; None for values that are not available."""

    reading: Reading
    user_ns: int | None = None
    system_ns: int | None = None
    wakeups: int | None = None
    preemptions: int | None = None


def cpu_ns(pid: int) -> int | None:
    """Return the CPU time of the process so far, in ns; None when it has ended, or off Linux."""
    if not LINUX:
        return None
    try:
        return time.clock_gettime_ns((~pid) << 3 | CPUCLOCK_SCHED)
    except OSError:
        return None


def split_ns(pid: int) -> tuple[int, int] | None:
    """Return user and system time so far, in ns by steps of 10 ms; None when it has ended, or off
    Linux."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    return int(fields[11]) * tick_ns, int(fields[12]) * tick_ns


def switches(pid: int) -> tuple[int, int] | None:
    """Return voluntary and involuntary context switches of all its threads so far; None when it has
    ended."""
    voluntary = involuntary = 0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            slept, preempted = switches_of((task / "status").read_bytes())
            voluntary += slept
            involuntary += preempted
    except (OSError, ValueError):
        return None   # it ended meanwhile, or this system does not tell
    return voluntary, involuntary


def switches_of(status: bytes) -> tuple[int, int]:
    """Return the voluntary and involuntary context switches in a thread's `status`; raise `ValueError` without them."""
    found = SWITCHES.search(status)
    if found is None:
        raise ValueError("a status without context switches")
    return int(found[1]), int(found[2])


def rss_bytes(pid: int) -> int | None:
    """Return resident memory now, in bytes; None when it has ended, or off Linux."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> tuple[int, ...]:
    """Return the process and its descendants; empty when it has ended."""
    try:
        process = psutil.Process(pid)
        return (pid, *(child.pid for child in process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return ()


def _sum(values: Sequence[int | None]) -> int | None:
    """Return the sum, or None where one of the values is missing."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


@dataclass(slots=True)
class Meter:
    """Readings of one process and its descendants, over a trial."""

    name: str
    pid: int
    clock: RunClock
    readings: list[Reading] = field(default_factory=list)
    _pids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.gather()

    def gather(self) -> None:
        """Find the descendants again (this reads every process of the host: some milliseconds)."""
        self._pids = family(self.pid)

    def read(self) -> Reading:
        """Take a reading and keep it. Its instant is read after the CPU clocks, so that a stop of this
        process in between is seen as lateness."""
        cpu = _sum([cpu_ns(pid) for pid in self._pids])
        now_ns = self.clock.now_ns()
        reading = Reading(now_ns, cpu, _sum([rss_bytes(pid) for pid in self._pids]))
        self.readings.append(reading)
        return reading

    def mark(self) -> Mark:
        """Take a reading and keep it; return all else that is known at this instant."""
        reading = self.read()
        user, system = _sums([split_ns(pid) for pid in self._pids])
        wakeups, preemptions = _sums([switches(pid) for pid in self._pids])
        return Mark(reading, user, system, wakeups, preemptions)


def usage(
    readings: Sequence[Reading], begin: Mark, end: Mark, before: Reading | None = None,
    idle: tuple[Mark, Mark] | None = None, socket_bytes: Sequence[int | None] = (),
    opened_ns: int | None = None,
) -> Usage:
    """Return the resources that a process used between two marks.

    `readings` are those from `begin` to `end`; `before` was taken before any client connected. `idle`
    are the ends of the stretch in which all were connected and nothing was published. `socket_bytes`
    are the readings of its connections' kernel buffers. `opened_ns` is when the last client had
    connected: the CPU between then and the idle stretch counts as idle, not as opening.
    """
    rss = [reading.rss_bytes for reading in readings if reading.rss_bytes is not None]
    held = [bytes_ for bytes_ in socket_bytes if bytes_ is not None]
    used = Usage(
        cpu_ns=_growth(begin.reading.cpu_ns, end.reading.cpu_ns),
        user_ns=_growth(begin.user_ns, end.user_ns),
        system_ns=_growth(begin.system_ns, end.system_ns),
        rss_bytes=sum(rss) // len(rss) if rss else None,
        rss_before_bytes=before.rss_bytes if before else None,
        wakeups=_growth(begin.wakeups, end.wakeups),
        preemptions=_growth(begin.preemptions, end.preemptions),
        socket_bytes=sum(held) // len(held) if held else None,
    )
    if idle is None:
        return used
    first, last = idle
    idle_ns = last.reading.at_ns - first.reading.at_ns
    idle_cpu_ns = _growth(first.reading.cpu_ns, last.reading.cpu_ns)
    opening_cpu_ns = _growth(before.cpu_ns, first.reading.cpu_ns) if before else None
    if opening_cpu_ns is not None and opened_ns is not None and idle_cpu_ns is not None:
        waited_ns = max(0, first.reading.at_ns - opened_ns)
        opening_cpu_ns = max(0, opening_cpu_ns - round(idle_cpu_ns / idle_ns * waited_ns))
    return replace(
        used, idle_ns=idle_ns, idle_cpu_ns=idle_cpu_ns, idle_wakeups=_growth(first.wakeups, last.wakeups),
        opening_cpu_ns=opening_cpu_ns,
    )


def _sums(pairs: Sequence[tuple[int, int] | None]) -> tuple[int | None, int | None]:
    """Return both sums, or None where a process has no values."""
    return (_sum([pair and pair[0] for pair in pairs]), _sum([pair and pair[1] for pair in pairs]))


def _growth(begin: int | None, end: int | None) -> int | None:
    return None if begin is None or end is None else end - begin
