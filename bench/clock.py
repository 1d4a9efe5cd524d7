"""One timeline for all processes of a run.

The run clock is an int64 count of nanoseconds: `CLOCK_MONOTONIC` minus the origin that is recorded in
the run's manifest. `CLOCK_MONOTONIC` is one clock for all processes of a host, so instants taken in two
processes can be subtracted from each other.

The kernel stamps arrivals in `CLOCK_REALTIME`. These stamps are converted with the offset

    offset = realtime − monotonic,   read as (monotonic, realtime, monotonic).

The narrowest of several such brackets is kept. Its error is at most half the width of the bracket (tens
of nanoseconds), whereas a single reading can be wrong by the length of a preemption.

Known weakness: between two readings the offset is assumed to be constant. A clock that is slewed at
500 ppm moves by 50 µs in the 100 ms between two readings. A clock that is stepped moves at once, and
every stamp until the next reading is wrong by the step. `OffsetTrack` therefore keeps all readings, and
`step_ns` says how far apart they are: a trial in which this exceeds 100 µs is not trustworthy.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

NO_STAMP = -(2**63)
"""The kernel instant of a read that carried no stamp."""
OFFSET_INTERVAL_NS = 100_000_000
"""The longest time, in ns, for which an offset is used before it is read again."""


@dataclass(frozen=True, slots=True)
class RunClock:
    """The run's timeline: nanoseconds since `origin_ns` on `CLOCK_MONOTONIC`."""

    origin_ns: int

    @classmethod
    def start(cls) -> RunClock:
        """Return a clock whose zero is now."""
        return cls(time.monotonic_ns())

    def now_ns(self) -> int:
        """Return the present instant on the run clock, in ns."""
        return time.monotonic_ns() - self.origin_ns


def realtime_offset_ns(brackets: int = 8) -> int:
    """Return `CLOCK_REALTIME` minus `CLOCK_MONOTONIC`, in ns, from the narrowest of `brackets` readings."""
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
    """The offset readings of one process; converts kernel stamps with the latest of them."""

    clock: RunClock
    readings: list[tuple[int, int]] = field(default_factory=list)
    """(run clock, offset) pairs in ns, in the order in which they were read."""
    _shift_ns: int = 0

    def read(self) -> None:
        """Read the offset. Must be called at least every `OFFSET_INTERVAL_NS` while stamps are converted."""
        offset = realtime_offset_ns()
        self.readings.append((self.clock.now_ns(), offset))
        self._shift_ns = offset + self.clock.origin_ns

    def to_run_clock(self, realtime_ns: int) -> int:
        """Convert a kernel stamp (`CLOCK_REALTIME`, ns) to the run clock (ns), with the latest reading."""
        return realtime_ns - self._shift_ns

    @property
    def step_ns(self) -> int:
        """Return the largest offset read minus the smallest, in ns; 0 without readings."""
        offsets = [offset for _, offset in self.readings]
        return max(offsets) - min(offsets) if offsets else 0
