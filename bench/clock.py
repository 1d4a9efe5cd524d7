"""One timeline for all processes of a run.

The run clock is an int64 count of nanoseconds: `CLOCK_MONOTONIC` minus the origin that stands in the
run's manifest. `CLOCK_MONOTONIC` is one clock for all processes of a host, so two instants taken in
two processes can be subtracted.

The kernel stamps arrivals in `CLOCK_REALTIME`. They are brought over by the offset

    offset = realtime − monotonic,   read as (monotonic, realtime, monotonic),

of which the narrowest of several brackets is kept: its error is at most half the bracket's width
(tens of nanoseconds), while a single reading can be off by the length of a preemption.

Known weakness: between two readings the offset is taken as constant. A clock that is slewed at
500 ppm moves 50 µs in the 100 ms between readings; one that is stepped moves at once, and every
stamp until the next reading is wrong by the step. `OffsetTrack` therefore keeps all readings, and
`step_ns` says how far they moved: a trial in which that exceeds 100 µs is not to be believed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

NO_STAMP = -(2**63)
"""The kernel instant of a read that carried none."""
OFFSET_INTERVAL_NS = 100_000_000
"""The longest that an offset is used before it is read again."""


@dataclass(frozen=True, slots=True)
class RunClock:
    """The run's timeline: nanoseconds since `origin_ns` on `CLOCK_MONOTONIC`."""

    origin_ns: int

    @classmethod
    def start(cls) -> RunClock:
        """A clock whose zero is now."""
        return cls(time.monotonic_ns())

    def now_ns(self) -> int:
        """The present instant on the run clock."""
        return time.monotonic_ns() - self.origin_ns


def realtime_offset_ns(brackets: int = 8) -> int:
    """`CLOCK_REALTIME` minus `CLOCK_MONOTONIC`, in ns, from the narrowest of `brackets` readings."""
    best_width = 1 << 62
    best = 0
    for _ in range(brackets):
        before = time.monotonic_ns()
        real = time.time_ns()
        after = time.monotonic_ns()
        if after - before < best_width:
            best_width = after - before
            best = real - (before + after) // 2
    return best


@dataclass(slots=True)
class OffsetTrack:
    """The offset readings of one process, and the conversion of kernel stamps by the latest."""

    clock: RunClock
    readings: list[tuple[int, int]] = field(default_factory=list)
    """(run clock, offset) pairs in ns, in the order in which they were taken."""
    _shift_ns: int = 0

    def read(self) -> None:
        """Take a reading; due at least every `OFFSET_INTERVAL_NS` while stamps are converted."""
        offset = realtime_offset_ns()
        self.readings.append((self.clock.now_ns(), offset))
        self._shift_ns = offset + self.clock.origin_ns

    def to_run_clock(self, realtime_ns: int) -> int:
        """A kernel stamp (`CLOCK_REALTIME`, ns) on the run clock."""
        return realtime_ns - self._shift_ns

    @property
    def step_ns(self) -> int:
        """How far the offset moved over all readings: the largest minus the smallest, in ns."""
        offsets = [offset for _, offset in self.readings]
        return max(offsets) - min(offsets) if offsets else 0
