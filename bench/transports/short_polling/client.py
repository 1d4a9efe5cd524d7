"""A short polling client: asks on a fixed schedule, whatever the answers do.

The first request, without a cursor, subscribes. After it polls are due at

    start + phase + k · interval,    phase drawn evenly from [0, interval)

A poll that is still under way when the next is due makes that one late: it is counted, and sent as soon
as the answer is in. Further instants that pass meanwhile collapse into it, and the poll after it keeps
its instant, so a slow server never shifts the schedule. A batch that was cut (`more`) is followed up at
once, outside the schedule.

With entity tags, a poll names its cursor's tag in `If-None-Match`, and gets 304 where nothing is new.
"""

from __future__ import annotations

import random

from bench.transports import NEVER, ClientSpec, Sink
from bench.transports.clients import Poller
from bench.transports.short_polling.protocol import Options


class Client(Poller):
    """See `transports.ClientMachine`."""

    def __init__(self, spec: ClientSpec, options: Options, sink: Sink, rng: random.Random) -> None:
        super().__init__(spec, options.entity_tags, sink, rng)
        self._interval_ns = round(options.interval_s * 1e9)
        self._next_ns = NEVER

    def start(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        super().start(now_ns)
        self._next_ns = now_ns + int(self._rng.random() * self._interval_ns)

    def answered(self, now_ns: int, good: bool) -> None:
        """Nothing: the schedule says when to ask next."""

    def asks_at(self, now_ns: int) -> int:
        """Poll if it is time to; the next instant of the schedule."""
        if now_ns >= self._next_ns:
            passed = (now_ns - self._next_ns) // self._interval_ns + 1
            self._next_ns += passed * self._interval_ns
            if self.asking and not self.wanted:
                self.counts.polls_late += 1
            self.ask()
        return self._next_ns
