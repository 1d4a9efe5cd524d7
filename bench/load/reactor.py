"""The one loop over all sockets of a load process, living among Locust's greenlets.

    reader   hub.wait(epoll readable) ─► one bounded turn ─► hub.wait …        level-triggered: what is
    ticker   sleep to the next deadline, 5 ms at most ─► run_timers ─► …       left wakes it at once

Users own lives and the reactor owns sockets: a greenlet for each connection costs ten times as much for
an update, and its place in gevent's queue shows up as latency. After at most 64 sockets the reader goes
back to the hub, so Locust's own greenlets (spawning, heartbeats, the web interface) get their turn; a
`sleep(0)` in its place would hold the loop for 5 ms at a time, and draining until empty for as long as
updates keep coming.

`TurnGaps` records the time between two turns of either greenlet. The ticker sees to it that there is one
every 5 ms even when nothing arrives, so a longer gap means that the process was held up: by its own
work, by another greenlet, or by the machine. Arrivals that waited in the kernel meanwhile have a kernel
stamp that says so only for the last segment of a read, which is why this is reported with the stamps.

Known weakness: gevent's timers are as coarse as its loop, about 1 ms, so a poll may go out that late.
"""

from __future__ import annotations

import select
import traceback
from collections.abc import Callable

import gevent
from gevent.monkey import get_original

from bench.clock import RunClock
from bench.transports.driver import Driver

TICK_NS = 5_000_000
"""The longest time until the next turn, in ns."""
GAP_LIMIT_NS = 20_000_000
"""A longer gap than this is counted."""
_BIN_NS = 20_000
_BINS = 10_000

_READABLE = 1


def spawn(function: Callable[[], None], on_crash: Callable[[str], None]) -> None:
    """Run in a greenlet on which everything depends: `on_crash` receives the traceback of a bug in it."""

    def guarded() -> None:
        try:
            function()
        except Exception:  # noqa: BLE001 - gevent would print it and go on without the greenlet
            on_crash(traceback.format_exc())

    gevent.spawn(guarded)


class TurnGaps:
    """The times between two turns: a histogram in bins of 20 µs up to 0.2 s, and the longest."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._gap_ns: int | None = None
        self.clear()

    def clear(self) -> None:
        """Start again with the gap that has just ended, since it extends into the new stretch."""
        self._counts = [0] * (_BINS + 1)
        self._max_ns = 0
        self._over = 0
        if self._gap_ns is not None:
            self._count(self._gap_ns)

    def turn(self, now_ns: int) -> None:
        """Record a turn at this instant."""
        if self._last_ns is not None:
            self._gap_ns = gap_ns = now_ns - self._last_ns
            self._count(gap_ns)
        self._last_ns = now_ns

    def _count(self, gap_ns: int) -> None:
        self._counts[min(gap_ns // _BIN_NS, _BINS)] += 1
        if gap_ns > self._max_ns:
            self._max_ns = gap_ns
        if gap_ns > GAP_LIMIT_NS:
            self._over += 1

    def quantile_ns(self, share: float) -> int:
        """Return the gap that this share of all gaps does not exceed (the upper edge of its bin), in
        ns."""
        target = share * sum(self._counts)
        passed = 0
        for number, count in enumerate(self._counts[:_BINS]):
            passed += count
            if passed >= target:
                return min((number + 1) * _BIN_NS, self._max_ns)
        return self._max_ns

    def facts(self) -> dict[str, int]:
        """Return the figures for the trial's record."""
        return {
            "turns": sum(self._counts),
            "turn_gap_p99_ns": self.quantile_ns(0.99),
            "turn_gap_max_ns": self._max_ns,
            "turn_gaps_over_20ms": self._over,
        }


class Reactor:
    """A driver's turns and timers as two greenlets. `on_crash` is called for a bug that ended one of
    them."""

    def __init__(self, host: str, port: int, clock: RunClock, on_crash: Callable[[str], None]) -> None:
        epoll: select.epoll = get_original("select", "epoll")()
        self.driver = Driver(host, port, clock, epoll)
        self.gaps = TurnGaps()
        self._on_crash = on_crash

    def start(self) -> None:
        """Start both greenlets, for as long as the process lives."""
        spawn(self._read, self._on_crash)
        spawn(self._tick, self._on_crash)

    def _read(self) -> None:
        hub = gevent.get_hub()
        ready = hub.loop.io(self.driver.epoll.fileno(), _READABLE)
        while True:
            hub.wait(ready)
            self.gaps.turn(self.driver.clock.now_ns())
            self.driver.turn()

    def _tick(self) -> None:
        driver = self.driver
        while True:
            now_ns = driver.clock.now_ns()
            self.gaps.turn(now_ns)
            driver.run_timers()
            wait_ns = min(driver.next_ns - driver.clock.now_ns(), TICK_NS)
            gevent.sleep(max(wait_ns, 100_000) / 1e9)
