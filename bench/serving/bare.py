"""The bare HTTP service: an `asyncio.Protocol` on uvloop, and httptools for heads; no library between them and
the transports.

    bytes ─► head_end ─► parse_head ─► admission ─► page, or ticks(connection, query, head)
                                                      │
                        answer now · park it · give the connection to a `Receiver` (stream, WebSocket)

It serves as `serving.http` does: the same pages, limits, refusals and bytes of the responses. It has no task and
no timer for a connection: one periodic task looks for connections whose time is over. So it shows a transport's
own cost, beside that of its library.

Requests that come together are answered in order. While one waits for its response, or responses are not read, the
bytes of the next ones are kept, and reading pauses once there are many. A response that closes the connection
before all of the request was read has its end announced first, and what still comes is discarded; else
the kernel would reset the connection, and the response could be lost.

Known weakness: over TLS the end of one side is the end of both.
"""

from __future__ import annotations

import asyncio
import socket
import time
from functools import partial
from typing import Protocol, cast

from bench.serving import openapi
from bench.serving.admission import PREFLIGHT, page_fields
from bench.serving.chassis import RESPONSES_MAX, Chassis, HttpBase
from bench.serving.config import MESSAGE_BYTES
from bench.serving.request_head import RequestHead, head_end, parse_head
from bench.serving.responses import BODILESS, HEADERS, BatchResponse, Representer, encode_head, http_date
from bench.serving.sockets import BACKLOG
from bench.serving.streams import Streaming
from bench.serving.target import parse_query
from bench.uplink.relay import Bucket, Relay, content_length
from bench.wire.contract import Refusal
from bench.wire.options import HttpWire

PENDING_BYTES = 64 * 1024
"""The most bytes of further requests that are kept before reading pauses."""
ASKS_LEAVE = PREFLIGHT.lower().encode()


class Receiver(Protocol):
    """The owner of a connection after a request that was its last."""

    def received(self, data: bytes) -> None:
        """Handle bytes of the client."""

    def ended(self) -> None:
        """Handle the client's closing of its side."""

    def pause(self) -> None:
        """Handle a full write buffer."""

    def resume(self) -> None:
        """Handle a write buffer that has drained."""

    def lost(self) -> None:
        """Handle the end of the connection."""


class Connection(asyncio.Protocol):
    """One connection: the bytes of its next request, and what it waits for."""

    bucket: Bucket
    """The messages that this connection may still send; set with its first one."""
    __slots__ = (
        "_due_s", "_idle", "_lingers", "_pending", "bucket", "busy", "ended", "keeps", "origin", "paused", "receiver",
        "service", "transport", "unread",
    )

    def __init__(self, service: BareService) -> None:
        self.service = service
        self.transport: asyncio.Transport | None = None
        self.receiver: Receiver | None = None
        self.busy = False
        """True while a request is answered."""
        self.ended = False
        """True once the client has closed its side."""
        self.paused = False
        """True while the write buffer is full."""
        self.keeps = False
        """True if the connection is kept after the response under way."""
        self.origin: str | None = None
        """The origin of an allowed page that asks."""
        self.unread = True
        """True if more of the present request may come than was read."""
        self._pending = b""
        self._idle = False
        """True from a response to the first byte of the next request."""
        self._lingers = False
        """True once the last response was written; what comes then is discarded."""
        self._due_s = 0.0
        """The instant at which the present head must be whole, on the loop's clock."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count a client that has connected; from here on a head is due."""
        self.transport = cast(asyncio.Transport, transport)
        service = self.service
        service.chassis.counts.connections += 1
        service.chassis.counts.connections_open += 1
        service.connections.add(self)
        self._due_s = service.loop.time() + service.limits.head_s

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection that is gone."""
        self.transport = None
        service = self.service
        service.chassis.counts.connections_open -= 1
        service.connections.discard(self)
        if self.receiver is not None:
            self.receiver.lost()
        elif self.busy:
            service.abandon(self)
        if service.all_gone is not None and not service.connections:
            service.all_gone.set()

    def data_received(self, data: bytes) -> None:
        """Answer the requests in `data`, or hand it to the receiver."""
        if self.receiver is not None:
            self.receiver.received(data)
        elif not self._lingers:
            self._serve(self._pending + data if self._pending else data)

    def eof_received(self) -> bool:
        """Handle the client's closing of its side. Return True if responses are still due to it."""
        self.ended = True
        if self.receiver is not None:
            self.receiver.ended()
            return True
        if self.busy:
            self.service.hurry(self)
            return True
        return self.paused and not self._lingers

    def pause_writing(self) -> None:
        """Serve nothing until the client reads its responses."""
        self.paused = True
        if self.receiver is not None:
            self.receiver.pause()

    def resume_writing(self) -> None:
        """Go on once the client has read its responses."""
        self.paused = False
        if self.receiver is not None:
            self.receiver.resume()
        elif not self.busy:
            self._go_on()

    def _serve(self, data: bytes) -> None:
        """Answer the requests whose heads are whole, and keep the rest."""
        self._pending = b""
        while data and not (self.busy or self.paused or self._lingers) and self.receiver is None:
            if data[0] in b"\r\n":
                data = data.lstrip(b"\r\n")   # RFC 9112, section 2.2
                continue
            try:
                end = head_end(data)
            except Refusal as refusal:
                self._give_up(refusal)
                return
            if not end:
                break
            head, data = data[:end], data[end:]
            self.busy = True
            self.service.serve(self, head, bool(data))
        if self.receiver is not None:
            if data:
                self.receiver.received(data)
        elif not self._lingers:
            self.keep(data)

    def _give_up(self, refusal: Refusal) -> None:
        """Refuse a head that is not whole, and close the connection."""
        self.keeps, self.unread, self.origin = False, True, None
        self.service.refuse(self, refusal)

    def keep(self, data: bytes) -> None:
        """Keep the bytes of requests that can't be answered yet."""
        self._pending = data
        if data and self._idle:
            self._idle = False
            self._due_s = self.service.loop.time() + self.service.limits.head_s
        if len(data) > PENDING_BYTES and (self.busy or self.paused) and self.transport is not None:
            self.transport.pause_reading()
        if self.ended and not (self.busy or self.paused) and self.transport is not None:
            self.transport.close()

    def _go_on(self) -> None:
        """Serve the requests that were kept."""
        if self.transport is not None and not (self._lingers or self.busy or self.paused):
            if not self.transport.is_reading() and not self.ended:
                self.transport.resume_reading()
            self._serve(self._pending)

    def respond(self, data: bytes) -> None:
        """Write the response to the present request, and close the connection if it is not kept."""
        if self.transport is None:
            return
        self.transport.write(data)
        self.busy = False
        if not self.keeps:
            self.close()
            return
        self._idle = True
        self._due_s = self.service.loop.time() + self.service.limits.idle_s
        if self._pending or self.ended:
            self.service.loop.call_soon(self._go_on)

    def close(self) -> None:
        """Close the connection once everything is written."""
        transport, self._lingers = self.transport, True
        if transport is None:
            return
        unread, self._pending = self.unread or bool(self._pending), b""
        if unread and transport.can_write_eof() and not self.ended:
            transport.write_eof()
            self.service.loop.call_later(self.service.limits.close_s, transport.abort)
        else:
            transport.close()

    def carry(self, stream: Receiver) -> None:
        """Hand all that happens to the connection to `stream` from here on."""
        self.receiver = stream

    def stream_ended(self) -> None:
        """Close the connection once everything is written (see `streams.Carrier`)."""
        if self.transport is not None:
            self.transport.close()

    def check(self, now_s: float) -> None:
        """Give up a head that takes too long, and an idle connection."""
        if now_s < self._due_s or self.busy or self._lingers or self.receiver is not None or self.transport is None:
            return
        if self._idle:
            self.transport.close()
            return
        self.service.chassis.counts.timeouts += 1
        if self._pending:
            self._give_up(Refusal("timeout", "the request's head took too long"))
        else:
            self.transport.close()


class Body:
    """The body of a message while it comes (a `Receiver`); then the message waits for its response."""

    def __init__(self, service: BareService, connection: Connection, relay: Relay, size: int) -> None:
        self._service, self._connection, self._relay = service, connection, relay
        self._size = size
        self._data = b""
        self._timer = service.loop.call_later(service.limits.head_s, self._give_up)

    def received(self, data: bytes) -> None:
        """Handle bytes of the client: hand the message on once it is whole."""
        self._data += data
        if len(self._data) < self._size:
            return
        self._timer.cancel()
        connection, now_s = self._connection, self._service.loop.time()
        connection.receiver, connection.unread = None, False
        connection.keep(self._data[self._size :])
        if not hasattr(connection, "bucket"):
            connection.bucket = self._relay.bucket(now_s)
        self._relay.take(self._data[: self._size], connection.bucket, now_s, self._reply)

    def _reply(self, status: int, answered: bytes) -> None:
        """Write the response to the message."""
        self._service.send(self._connection, status, HEADERS, answered)

    def _give_up(self) -> None:
        """Refuse a message that takes too long."""
        connection = self._connection
        connection.receiver, connection.keeps = None, False
        self._service.refuse(connection, Refusal("timeout", "the message took too long"))

    def ended(self) -> None:
        """Handle the client's closing of its side in the middle of a message."""
        if self._connection.transport is not None:
            self._connection.transport.close()

    def pause(self) -> None:
        """Handle a full write buffer: nothing is written meanwhile."""

    def resume(self) -> None:
        """Handle a write buffer that has drained."""

    def lost(self) -> None:
        """Forget a message whose connection is gone."""
        self._timer.cancel()


class BareService(HttpBase):
    """Serves the pages of every server, and at `GET /ticks` whatever `ticks` answers."""

    keeps = True
    """True if a connection is kept after a response where the client keeps it."""

    def __init__(self, chassis: Chassis, description: bytes | None) -> None:
        super().__init__(chassis, description)
        self.limits = chassis.config.limits
        self.connections: set[Connection] = set()
        self.all_gone: asyncio.Event | None = None
        """Set when the last connection ends, once the server stops."""

    def ticks(self, connection: Connection, query: str, head: RequestHead) -> None:
        """Answer a request for ticks, now or later, or set the connection's receiver. Raises `Refusal`."""
        raise NotImplementedError

    def hurry(self, connection: Connection) -> None:
        """Answer now: the client of a request that waits for its response has closed its side."""

    def abandon(self, connection: Connection) -> None:
        """Forget a request that waits for its response: its connection is gone."""

    async def start(self, sock: socket.socket) -> None:
        """Begin to serve on `sock`."""
        self.loop = asyncio.get_running_loop()
        self._server = await self.loop.create_server(
            partial(Connection, self), sock=sock, ssl=self.chassis.tls, backlog=BACKLOG
        )
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Close idle connections, wait a little for responses under way, and cut off the rest."""
        self._sweeper.cancel()
        self._server.close()
        self.all_gone = asyncio.Event()
        for connection in list(self.connections):
            connection.keeps = False
            if connection.transport is not None and connection.receiver is None and not connection.busy:
                connection.transport.close()
        if self.connections:
            try:
                async with asyncio.timeout(self.limits.close_s):
                    await self.all_gone.wait()
            except TimeoutError:
                for connection in list(self.connections):
                    if connection.transport is not None:
                        connection.transport.abort()

    def serve(self, connection: Connection, data: bytes, more: bool) -> None:
        """Serve the request whose head `data` is. `more`: further bytes came with it."""
        connection.origin, connection.keeps, connection.unread = None, False, True
        try:
            head = parse_head(data)
            has_body, origins = head.has_body, head.values(b"origin")
            connection.keeps, connection.unread = self.keeps and head.keeps and not has_body, has_body or more
            if origins and self.chassis.admission.admits(origins):
                connection.origin = origins[0]
            asked = self.chassis.admission.admit(
                head.method, head.target, head.values(b"host"), origins, has_body=has_body,
                old=head.version == "1.0", asks_leave=head.method == "OPTIONS" and head.value(ASKS_LEAVE) is not None,
            )
            if asked is None:
                self.send(connection, 204, BODILESS | self.chassis.admission.leave(head.target), None)
                return
            path, query = asked
            if path == "/ticks":
                self.chassis.counts.requests += 1
                self.ticks(connection, query, head)
            elif head.method == "POST":   # admission lets no other in
                self._take_post(connection, head)
            else:
                self._serve_page(connection, path)
        except Refusal as refusal:
            self.refuse(connection, refusal)

    def _take_post(self, connection: Connection, head: RequestHead) -> None:
        """Wait for the body of a message. Raises `Refusal` if it has no length, or one above the limit."""
        relay = self.chassis.relay
        assert relay is not None, "admission lets a POST in only where there is one"
        size = content_length(head.values(b"content-length"), MESSAGE_BYTES)
        if head.value(b"transfer-encoding") is not None:
            raise Refusal("bad-request", "a message has a Content-Length, and no Transfer-Encoding")
        connection.keeps = self.keeps and head.keeps
        body = connection.receiver = Body(self, connection, relay, size)
        body.received(b"")

    def _serve_page(self, connection: Connection, path: str) -> None:
        status, body = self.chassis.page(path, self.description)
        self.send(connection, status, HEADERS, body)

    def send(self, connection: Connection, status: int, fields: dict[str, str], body: bytes | None) -> None:
        """Write a response with these header fields and those that every response has."""
        connection.respond(self.encode(connection, status, fields, body))

    def encode(self, connection: Connection, status: int, fields: dict[str, str], body: bytes | None) -> bytes:
        """Return the bytes of a response. `body` None: it has none, and no length."""
        if connection.origin is not None:
            fields = fields | page_fields(connection.origin, fields.get("Vary"), "ETag" in fields)
        length = None if body is None else len(body)
        return encode_head(status, fields, length, connection.keeps, http_date(int(time.time()))) + (body or b"")

    def refuse(self, connection: Connection, refusal: Refusal) -> None:
        """Count a refusal, and write it."""
        self.chassis.counts.refuse(refusal)
        if refusal.code in ("too-large", "stopping", "upgrade-required"):
            connection.keeps = False
        self.send(connection, refusal.status.http, self.refusal_fields(refusal), refusal.to_json())

    def refusal_fields(self, refusal: Refusal) -> dict[str, str]:
        """Return the header fields of a refusal."""
        return HEADERS | ({"Allow": refusal.allowed} if refusal.code == "method-not-allowed" else {})

    async def _sweep(self) -> None:
        """Look for connections whose time is over, until cancelled."""
        while True:
            await asyncio.sleep(min(1.0, self.limits.head_s / 4, self.limits.idle_s / 4))
            now_s = self.loop.time()
            for connection in list(self.connections):
                connection.check(now_s)


class BarePollService(BareService):
    """Answers requests for ticks with batches; a transport decides when."""

    def __init__(self, chassis: Chassis, options: HttpWire) -> None:
        super().__init__(chassis, openapi.document(
            chassis.config.transport, options.entity_tags, takes_messages=chassis.relay is not None))
        self._representer = Representer(options)
        self._encoded: dict[tuple[object, ...], tuple[BatchResponse, int, bytes]] = {}
        self._encoded_s = 0
        """The second in which these responses were dated."""
        chassis.on_news(self._encoded.clear)

    def deliver(
        self, connection: Connection, response: BatchResponse, if_none_match: str | None, accept_encoding: str | None
    ) -> None:
        """Write a response to a request with these headers; encoded once for all who ask the same.

        The response's identity is part of the key, and the response is kept with its status and bytes, so that no other
        one gets the same identity.
        """
        now_s = int(time.time())
        if now_s != self._encoded_s or len(self._encoded) >= RESPONSES_MAX:
            self._encoded.clear()
            self._encoded_s = now_s
        key = (id(response), if_none_match, accept_encoding, connection.keeps, connection.origin)
        found = self._encoded.get(key)
        if found is None:
            status, fields, body = self._representer.represent(response, if_none_match, accept_encoding)
            data = self.encode(connection, status, fields, None if status == 304 else body)
            found = self._encoded[key] = response, status, data
        self.chassis.counts.respond(response.batch, found[1])
        connection.respond(found[2])


class BareStreamService(Streaming, BareService):
    """Answers each request for ticks with a stream in a transport's format."""

    def ticks(self, connection: Connection, query: str, head: RequestHead) -> None:
        """Begin a stream."""
        if head.version == "1.0":
            raise Refusal("bad-request", "a stream is a response of HTTP/1.1")
        if self.streams.begin(connection, parse_query(query), head.header, connection.origin) is None:
            connection.close()
