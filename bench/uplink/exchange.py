"""The exchange: the process that numbers the messages of clients and hands them back as ticks.

    python -m bench.uplink.exchange CONFIG        started, stopped and restarted like `bench.feed.publisher`

    server   ─► {"index":41,"author":7,"symbol":"AAA","price":23.82,"size":100}     on its feed connection
    exchange ─► {"accepted":41}     or     {"error":"not-author","detail":"…","index":41}
             ─► {"index":41,"seq":9,"due_ns":…,"symbol":"AAA",…}                    to every server

It is the publisher of a feed with `source = "clients"`: it listens, speaks and logs as the publisher does, and only
what makes it send differs, a message instead of an instant. A tick has the due instant of the schedule, so latency
counts from there, and the content of its message. Where it is started for people who write by hand (`clients` is
None), a message takes the next free place and is due when it comes. Each line of a server is answered by one line, in
the order of the lines, before, between or after ticks, so a server needs no number to find what is answered.

A server that sends lines without an end, or does not read its answers, is disconnected; the others notice nothing.

Known weakness: messages that come at once from several servers are numbered one server after the other.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

import numpy as np

from bench.clock import RunClock
from bench.feed.log import FeedLog
from bench.feed.outlet import Outlet, Subscriber
from bench.feed.publisher import Life, PublisherConfig, lateness_ns, main
from bench.feed.tape import Tape
from bench.feed.tick import ENCODERS, Tick
from bench.uplink.authors import authors
from bench.uplink.ledger import Ledger, OpenLedger, numbered_before
from bench.uplink.message import accepted, decode, index_of, refused
from bench.wire.contract import Refusal

LINE_BYTES_MAX = 8192
"""The longest line that a server may send; one that sends a longer one is disconnected."""
RESPONSES_MAX = 10_000
"""The largest number of answers that wait for a server that does not read."""


class ExchangeConfig(PublisherConfig):
    """The configuration that the runner passes: a publisher's, and what the authors follow from."""

    clients: int | None
    """Number of clients, which are the authors; None: anybody, by hand."""
    symbols_per_client: int | None = None
    """Rooms of each client; None: all."""


class Exchange:
    """Numbers messages, puts them on the tape and into the log, and answers them. It has no socket of its own."""

    def __init__(
        self, ledger: Ledger | OpenLedger, places: int, clock: RunClock, tape: Tape, log: FeedLog,
        encode: Callable[[Tick], bytes] = ENCODERS["object"],
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._tape = tape
        self._log = log
        self._encode = encode
        self._warmup_ns: int | None = None
        self.published = 0
        self._late_ns = np.zeros(places, dtype=np.int64)

    def start(self, warmup_ns: int, first: int = 0) -> None:
        """Take messages from now on; the schedule's offset 0 is due at `warmup_ns`. `first` is for publishers."""
        self._warmup_ns = warmup_ns

    def stop(self) -> None:
        """Take no more messages."""
        self._warmup_ns = None

    def lateness_ns(self) -> dict[str, int | None]:
        """Return the times from the messages' due instants to their numbering: median, p99 and maximum, in ns."""
        return lateness_ns(self._late_ns[: self.published])

    def answer(self, line: bytes) -> bytes:
        """Number the message of a line if it is new, and return the answer to it."""
        try:
            if self._warmup_ns is None:
                raise Refusal("no-feed", "the feed has not begun, so send it again later, or has ended")
            message = self._ledger.placed(decode(line))
            index = message.index
            assert index is not None, "it has been placed"
            if not self._ledger.take(message):
                return accepted(index)
        except Refusal as refusal:
            return refused(refusal, index_of(line))
        seq = self._tape.head + 1
        due_ns = self._ledger.due_ns(index, self._warmup_ns, self._clock.now_ns())
        encoded = self._encode(Tick(index, seq, due_ns, message.symbol, message.price, message.size, text=message.text))
        sent_ns = self._clock.now_ns()
        self._log.record(index, seq, sent_ns, len(encoded))
        self._tape.append(seq, message.symbol, encoded)
        self._late_ns[self.published] = sent_ns - due_ns
        self.published += 1
        return accepted(index)


class Correspondent(Subscriber):
    """A server's connection: it follows the tape, sends messages, and is answered."""

    def __init__(self, outlet: Outlet, sock: socket.socket, exchange: Exchange) -> None:
        self._exchange = exchange
        self._answers: list[bytes] = []
        self._partial = b""
        super().__init__(outlet, sock)

    def heard(self, data: bytes) -> None:
        """Answer the lines that have come, and hand their messages to all servers."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._answers += [self._exchange.answer(line) for line in lines]
        if len(self._partial) > LINE_BYTES_MAX or len(self._answers) > RESPONSES_MAX:
            self.close()
        self._outlet.publish()
        if self._answers and self.is_current:
            self.pump()

    def _next_chunk(self) -> bool:
        """Take the answers that wait, and the next ticks off the tape; return False if there is neither."""
        found = super()._next_chunk()
        if self._answers:
            self._unsent = b"".join((*(answer + b"\n" for answer in self._answers), bytes(self._unsent)))
            self._answers.clear()
        return found or bool(self._unsent)

    def _become(self, current: bool) -> None:
        """See `Subscriber`. A server for which answers wait is not current: they go out once its socket takes them."""
        super()._become(current and not self._answers)


class ExchangeLife(Exchange):
    """An exchange with its outlet (`publisher.Sender`)."""

    def __init__(self, life: Life) -> None:
        config = life.config
        assert isinstance(config, ExchangeConfig), "the model that this module's command reads"
        schedule = life.schedule
        ledger: Ledger | OpenLedger
        if config.clients is None:
            ledger = OpenLedger(len(schedule), schedule.symbols)
        else:
            writers = authors(schedule, config.clients, config.symbols_per_client)
            ledger = Ledger(schedule, writers, numbered_before(config.folder, len(schedule)))
        super().__init__(ledger, len(schedule), life.clock, life.tape, life.log, ENCODERS[config.feed.encoding])
        self.outlet = Outlet(
            life.loop, life.tape, schedule.symbols, config.host, config.port,
            attend=lambda outlet, sock: Correspondent(outlet, sock, self),
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], ExchangeConfig, ExchangeLife))
