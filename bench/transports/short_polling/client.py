"""A short polling client: asks on a schedule of its own, or so long after each answer.

The first request, without a cursor, subscribes. After it, at a fixed rate, polls are due at

    start + phase + k · interval + a draw within ± jitter · interval / 2,    phase even in [0, interval)

A poll that is still under way when the next is due makes that one late: it is counted, and sent as soon
as the answer is in. Further instants that pass meanwhile collapse into it, and the poll after it keeps
its instant, so a slow server never shifts the schedule.

What the schedule itself got to more than 20 ms after its instant is counted apart, as overdue: that is the
generator's fault and not the server's.

With a fixed delay the first poll is due at its phase too, and each further one an interval (and a draw)
after the answer, so that none is ever late, and a slow server is asked less often. A batch that was cut
(`more`) is followed up at once, outside the schedule.

With entity tags, a poll names its cursor's tag in `If-None-Match`, and gets 304 where nothing is new.
"""

from __future__ import annotations

import random

from bench.transports import NEVER, ClientSpec, Sink
from bench.transports.clients import Poller
from bench.transports.short_polling.protocol import Options, moved_ns

OVERDUE_NS = 20_000_000
"""So much after its instant, a poll is the generator's fault: what the audit allows its queue, too."""


class Client(Poller):
    """See `transports.ClientMachine`."""

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
        """At a fixed rate nothing: the schedule says when to ask next."""
        if self._options.pace == "delay" and self.asks_ns == NEVER:
            self._plan(now_ns + self._interval_ns)

    def ask_in_time(self, now_ns: int) -> None:
        """Poll, and plan the next."""
        self.counts.polls_overdue += now_ns - self.asks_ns > OVERDUE_NS
        if self._options.pace == "delay":
            self.asks_ns = NEVER   # until there is an answer
        else:
            passed = max(now_ns - self._instant_ns, 0) // self._interval_ns + 1
            self._plan(self._instant_ns + passed * self._interval_ns)
            if self.asking and not self.wanted:
                self.counts.polls_late += 1
        self.ask(now_ns)

    def _plan(self, instant_ns: int) -> None:
        """The next poll is due at `instant_ns`, moved by a draw."""
        self._instant_ns = self.asks_ns = instant_ns
        if self._options.jitter:
            self.asks_ns += moved_ns(self._options, self._rng.random())
