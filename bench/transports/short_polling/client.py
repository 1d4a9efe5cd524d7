"""A short-polling client: it asks on its own schedule, or at a fixed delay after each response.

The first request, without a cursor, subscribes. After it, at a fixed rate, polls are due at

    start + phase + k · interval + a draw within ± jitter · interval / 2,    phase uniform in [0, interval)

A poll that is still under way when the next is due makes the next one late: it is counted, and sent as soon
as the response has come. Further instants that pass meanwhile collapse into it, and the poll after it keeps
its instant, so a slow server never shifts the schedule.

Polls that the schedule itself started more than 20 ms after their instant are counted separately, as
overdue: they are the load generator's fault, not the server's.

With a fixed delay the first poll is due at its phase too. Each further poll is due one interval (and a draw)
after the response, so that none is ever late, and a slow server is asked less often. A batch that was cut
(`more`) is followed up at once, outside the schedule.

With entity tags, a poll names its cursor's tag in `If-None-Match`, and gets a 304 where nothing is new.
"""

from __future__ import annotations

import random

from bench.transports import NEVER, ClientMachine, ClientSpec, Sink
from bench.transports.clients import Poller
from bench.transports.outgoing import Outgoing
from bench.transports.posting import Poster
from bench.transports.short_polling.protocol import Options, moved_ns
from bench.wire.options import message_head

OVERDUE_NS = 20_000_000
"""A poll that starts more than this after its instant is the load generator's fault, in ns.

The audit allows the generator's queue the same time.
"""


class Client(Poller):
    """See `transports.ClientMachine`."""

    __slots__ = ("_instant_ns", "_interval_ns", "_options")

    def __init__(self, spec: ClientSpec, options: Options, sink: Sink, rng: random.Random) -> None:
        super().__init__(spec, options, sink, rng)
        self._options = options
        self._interval_ns = round(options.interval_s * 1e9)
        self._instant_ns = NEVER
        """The schedule's next instant, before any draw."""

    def start(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        super().start(now_ns)
        self._plan(now_ns + int(self._rng.random() * self._interval_ns))

    def answered(self, now_ns: int, good: bool) -> None:
        """Plan the next poll if the delay is fixed. At a fixed rate do nothing: the schedule has the next
        instant."""
        if self._options.pace == "delay" and self.asks_ns == NEVER:
            self._plan(now_ns + self._interval_ns)

    def ask_in_time(self, now_ns: int) -> None:
        """Poll, and plan the next poll."""
        self.counts.polls_overdue += now_ns - self.asks_ns > OVERDUE_NS
        if self._options.pace == "delay":
            self.asks_ns = NEVER   # until there is a response
        else:
            passed = max(now_ns - self._instant_ns, 0) // self._interval_ns + 1
            self._plan(self._instant_ns + passed * self._interval_ns)
            if self.asking and not self.wanted:
                self.counts.polls_late += 1
        self.ask(now_ns)

    def _plan(self, instant_ns: int) -> None:
        """Set the next poll to `instant_ns`, moved by a draw."""
        self._instant_ns = self.asks_ns = instant_ns
        if self._options.jitter:
            self.asks_ns += moved_ns(self._options, self._rng.random())


def two_way(
    spec: ClientSpec, options: Options, sink: Sink, rng: random.Random, outgoing: Outgoing
) -> tuple[ClientMachine, ...]:
    """Return a client and the further connection on which it sends; see `transports.TwoWay`."""
    return Client(spec, options, sink, rng), Poster(spec, message_head(options, spec.host), rng, outgoing)
