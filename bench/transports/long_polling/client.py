"""A long-polling client: it always has a request at the server.

A response is followed by the next request at once, for the ticks that came while there was no request. The
server holds that request until there is news or its hold time is over. The first request, without a cursor,
subscribes. After a response that is an error the next request waits for a pause (`clients.pause_ns`).

With entity tags, a request names its cursor's tag in `If-None-Match`, and a request that was held without
news ends with a 304 in place of an empty batch.
"""

from __future__ import annotations

import random

from bench.transports import NEVER, ClientMachine, ClientSpec, Sink
from bench.transports.clients import Poller, pause_ns
from bench.transports.outgoing import Outgoing
from bench.transports.posting import Poster
from bench.wire.options import HttpWire, message_head


class Client(Poller):
    """See `transports.ClientMachine`."""

    __slots__ = ()

    def __init__(self, spec: ClientSpec, options: HttpWire, sink: Sink, rng: random.Random) -> None:
        super().__init__(spec, options, sink, rng)
        self.counts.may_wait = True

    def answered(self, now_ns: int, good: bool) -> None:
        """Ask again: at once after a good response, else after a pause."""
        if good:
            self.ask(now_ns)
        else:
            self.asks_ns = now_ns + pause_ns(self.failures, self._rng)

    def ask_in_time(self, now_ns: int) -> None:
        """Ask again: the pause is over."""
        self.asks_ns = NEVER
        self.ask(now_ns)


def two_way(
    spec: ClientSpec, options: HttpWire, sink: Sink, rng: random.Random, outgoing: Outgoing
) -> tuple[ClientMachine, ...]:
    """Return a client and the further connection on which it sends; see `transports.TwoWay`."""
    return Client(spec, options, sink, rng), Poster(spec, message_head(options, spec.host), rng, outgoing)
