"""A poster: the second connection of a client over HTTP, on which it sends its messages.

    due ─► POST /messages ─► 202 {"accepted":…} or a refusal ─► the next message

A page that polls or listens to a stream sends with a `fetch` of its own, and its browser uses a second connection for
it, since the first one is busy with a request that may be parked. This machine is that connection. It is opened with
the client, kept, and opened again when there is something to send after the server closed it. It has one request
under way at a time, as HTTP/1.1 demands, so a message that is due meanwhile waits for the answer to the one before.

A POST is repeated after a lost connection, which HTTP allows only where that is known to be harmless (RFC 9110,
section 9.2.2): here a message has an identity. The first time, on a connection that had answered before, it is
repeated at once, and counts as a retry; later ones wait as `clients.pause_ns` says.

Known weakness: a browser may open more connections for several messages at once, up to six to a server.
"""

from __future__ import annotations

import random

from bench.transports import NEVER, Action, ClientCounts, ClientSpec
from bench.transports.clients import CLOSES, IN_ORDER, pause_ns
from bench.transports.outgoing import Outgoing, Uplink
from bench.uplink.message import Answer, answer_of
from bench.wire.http_client import BadResponse, Response, ResponseReader

REFUSED_MIN = 400
"""The least status of a refusal."""


def post_request(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Return the head and the body of a message's request; `head` are its other header lines."""
    length = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    return b"POST /messages HTTP/1.1\r\n%b%b\r\n" % (head, length), body


class Poster:
    """See `ClientMachine`. `head` are the header lines of its requests, without those of the body."""

    def __init__(self, spec: ClientSpec, head: bytes, rng: random.Random, outgoing: Outgoing) -> None:
        self.spec = spec
        self.outgoing = outgoing
        self.counts = ClientCounts()
        self.outbox = bytearray()
        self.action = Action.NONE
        self.deadline_ns = NEVER
        self.subscribed = True
        self._head = head
        self._rng = rng
        self._reader = ResponseReader()
        self._open = False
        self._opening = False
        self._asking: Uplink | None = None
        """The message under way."""
        self._reused = False
        """True once the connection has answered."""
        self._failures = 0
        self._reopen_ns = 0
        """No connection is opened before this instant."""
        self._stopped = False

    def start(self, now_ns: int) -> None:
        """See `ClientMachine`. The connection is opened before there is a message."""
        self._begin()

    def opened(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self.counts.connections += 1
        self._open, self._opening, self._reused = True, False, False
        self._go_on(now_ns)

    def receive(self, data: bytes, kernel_ns: int, app_ns: int) -> None:
        """See `ClientMachine`."""
        counts, reader = self.counts, self._reader
        try:
            response = reader.feed(data)
            if response is not None and self._open and not self._stopped:
                self._take(response, app_ns)
        except (BadResponse, ValueError):
            if self._open and not self._stopped:
                counts.errors["bad-answer"] += 1
                self._pause(app_ns)
                self._close()
        counts.header_bytes_down, counts.body_bytes_down = reader.header_bytes, reader.body_bytes
        self._go_on(app_ns)

    def _take(self, found: Response, now_ns: int) -> None:
        """Handle a response of the server. Raises `BadResponse` or `ValueError` if it answers no message."""
        head, body = found
        if head.status == 408 and self._reused and self._asking is None:
            self._close()   # it announces the end of a connection that was not used
            return
        uplink = self._asking
        if uplink is None:
            raise BadResponse(f"{head.status} to nothing that was asked")
        said = answer_of(body)
        if (said.refusal is None) != (head.status < REFUSED_MIN) or said.index not in (uplink.index, None):
            raise BadResponse(f"{head.status}, and {body[:80]!r}")
        self.counts.answered(now_ns)
        self._asking, self._reused, self._failures = None, True, 0
        self.outgoing.answered(Answer(uplink.index, said.refusal), now_ns)
        if head.closes:
            self._close()

    def closed(self, now_ns: int, reason: str) -> None:
        """See `ClientMachine`."""
        counts, unsent, never_left = self.counts, len(self.outbox), False
        if unsent and self._asking is not None:
            body = min(unsent, len(self._asking.body))   # what was put in last was not sent first
            counts.body_bytes_up -= body
            counts.header_bytes_up -= unsent - body
            never_left = unsent == len(self._asking.body) + self._head_size
            counts.requests -= never_left
        self.outbox.clear()
        self._reader.abandon()
        counts.body_bytes_down = self._reader.body_bytes
        was_open, reused = self._open, self._reused
        self._open = self._opening = self._reused = False
        lost, self._asking = self._asking, None
        self.outgoing.lost(int(never_left))
        if self._stopped:
            self._gauge(now_ns)
            return
        if lost is not None:
            counts.unanswered(now_ns)
        if was_open and reused and reason in CLOSES:
            counts.retries += lost is not None and not never_left
        elif reason not in IN_ORDER or (was_open and lost is not None):
            counts.errors[reason] += 1
            self._pause(now_ns)
        self._go_on(now_ns)

    def _pause(self, now_ns: int) -> None:
        """Open no connection for a while: one more has failed."""
        self._failures += 1
        self._reopen_ns = now_ns + pause_ns(self._failures, self._rng)

    def timer(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self._go_on(now_ns)

    def stop(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self._stopped = True
        self.deadline_ns = NEVER
        self.action = Action.CLOSE

    def _begin(self) -> None:
        self._opening = True
        self.action = Action.OPEN

    def _close(self) -> None:
        self._open = False
        self._opening = True   # `closed` will be called
        self.action = Action.CLOSE

    def _go_on(self, now_ns: int) -> None:
        """Send the next message, or open the connection for it, if it is time; set the deadline."""
        if self._stopped:
            return
        outgoing = self.outgoing
        if self._open and self._asking is None and (uplink := outgoing.take(now_ns)) is not None:
            self._send(uplink, now_ns)
        next_ns = max(outgoing.next_ns, 0 if self._open else self._reopen_ns)
        if self._opening or self._asking is not None:
            next_ns = NEVER   # `opened`, `closed` or `receive` comes before anything is to be done
        elif not self._open and now_ns >= next_ns:
            self._begin()
            next_ns = NEVER
        self.deadline_ns = next_ns
        self._gauge(now_ns)

    def _send(self, uplink: Uplink, now_ns: int) -> None:
        head, body = post_request(self._head, uplink.body)
        self.outbox += head + body
        self._asking, self._head_size = uplink, len(head)
        counts = self.counts
        counts.requests += 1
        counts.header_bytes_up += len(head)
        counts.body_bytes_up += len(body)
        counts.asked_ns = now_ns

    def _gauge(self, now_ns: int) -> None:
        under_way = int(self._asking is not None)
        if self.counts.in_flight != under_way:
            self.counts.gauge(now_ns, under_way)
