"""What a process costs: CPU time and resident memory, read from outside.

CPU time comes from the process's own CPU clock, which counts nanoseconds of everything that its
threads ran, kernel and user, the ended ones too. Its id is made from the process id as in
`clock_getcpuclockid(3)`:

    clock id = (~pid) << 3 | CPUCLOCK_SCHED (2)

The user/system split stands only in /proc/<pid>/stat, in steps of 10 ms: good for a proportion over
seconds, useless for a cost of microseconds.

A server may be more than one process (a launcher and its workers). A `Meter` therefore reads the
process and its descendants, as they are when it is made or last asked to `gather`.

Known weakness: resident memory is summed, so pages that several processes share count once each; a
process that starts after `gather` is not read. Off Linux everything here is None.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.clock import RunClock
from bench.records import Usage

CPUCLOCK_SCHED = 2
LINUX = sys.platform == "linux"
SAMPLE_INTERVAL_NS = 100_000_000
"""Between two looks at a process."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a process; None where it could not be had."""

    at_ns: int
    cpu_ns: int | None
    rss_bytes: int | None


def cpu_ns(pid: int) -> int | None:
    """CPU time of the process so far, in ns; None when it has ended, or off Linux."""
    if not LINUX:
        return None
    try:
        return time.clock_gettime_ns((~pid) << 3 | CPUCLOCK_SCHED)
    except OSError:
        return None


def split_ns(pid: int) -> tuple[int, int] | None:
    """User and system time so far, in ns by steps of 10 ms; None when it has ended, or off Linux."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    return int(fields[11]) * tick_ns, int(fields[12]) * tick_ns


def rss_bytes(pid: int) -> int | None:
    """Resident memory now, in bytes; None when it has ended, or off Linux."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> tuple[int, ...]:
    """The process and its descendants; empty when it has ended."""
    try:
        process = psutil.Process(pid)
        return (pid, *(child.pid for child in process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return ()


def _sum(values: Sequence[int | None]) -> int | None:
    """The sum, or None where one of them is missing: a part is not the whole."""
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
        """Find the descendants anew (it looks at every process of the host: some milliseconds)."""
        self._pids = family(self.pid)

    def look(self) -> Reading:
        """Take a reading and keep it."""
        now_ns = self.clock.now_ns()
        cpu = _sum([cpu_ns(pid) for pid in self._pids])
        reading = Reading(now_ns, cpu, _sum([rss_bytes(pid) for pid in self._pids]))
        self.readings.append(reading)
        return reading

    def split(self) -> tuple[int, int] | None:
        """User and system time so far, of all together."""
        splits = [split_ns(pid) for pid in self._pids]
        user = _sum([None if split is None else split[0] for split in splits])
        system = _sum([None if split is None else split[1] for split in splits])
        return None if user is None or system is None else (user, system)


def usage(
    readings: Sequence[Reading],
    splits: tuple[tuple[int, int] | None, tuple[int, int] | None],
    rss_before_bytes: int | None,
) -> Usage:
    """A process over the window whose first and last readings these are.

    `splits` are user and system time at both ends, `rss_before_bytes` its memory before any client.
    """
    first, last = readings[0], readings[-1]
    cpu = None if first.cpu_ns is None or last.cpu_ns is None else last.cpu_ns - first.cpu_ns
    begin, end = splits
    user, system = (None, None) if begin is None or end is None else (end[0] - begin[0], end[1] - begin[1])
    rss = [reading.rss_bytes for reading in readings if reading.rss_bytes is not None]
    return Usage(cpu, user, system, sum(rss) // len(rss) if rss else None, rss_before_bytes)
