"""The one loop over all sockets of a load process, living among Locust's greenlets.

    reader   hub.wait(epoll readable) ─► one bounded turn ─► hub.wait …        level-triggered: what is
    ticker   sleep to the next deadline, 5 ms at most ─► run_timers ─► …       left wakes it at once

Users own lives and the reactor owns sockets: a greenlet for each connection costs ten times as much for
an update, and its place in gevent's queue shows up as latency. After at most 64 sockets the reader goes
back to the hub, so Locust's own greenlets (spawning, heartbeats, the web interface) get their turn; a
`sleep(0)` in its place would hold the loop for 5 ms at a time, and draining until empty for as long as
updates keep coming.

The time between two turns of either greenlet is recorded (`bench.load.turns`); the ticker sees to it that there is one
every 5 ms even when nothing arrives.

Known weakness: gevent's timers are as coarse as its loop, about 1 ms, so a poll may go out that late.
"""

from __future__ import annotations

import select
import traceback
from collections.abc import Callable

import gevent
from gevent.monkey import get_original

from bench.clock import RunClock
from bench.load.turns import TurnGaps
from bench.transports.driver import Driver

TICK_NS = 5_000_000
"""The longest time until the next turn, in ns."""
_READABLE = 1


def spawn(function: Callable[[], None], on_crash: Callable[[str], None]) -> None:
    """Run in a greenlet on which everything depends: `on_crash` receives the traceback of a bug in it."""

    def guarded() -> None:
        try:
            function()
        except Exception:  # noqa: BLE001 - gevent would print it and go on without the greenlet
            on_crash(traceback.format_exc())

    gevent.spawn(guarded)


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
