"""The WebSocket server: pushes to all clients that are up to date, and lets the others catch up as they
drain.

    news ──► for each subscription: read the tape once, build one frame, write it to its audience
                                                     │ write buffer full
                                                     ▼
             lagging: a cursor of its own ──drained──► read on from the tape ──at the head──► audience

The connections are those of the `websockets` library, with the limits that a server of this kind must set
itself:

- Data frames are written straight to the transport. The connection is open, no compression context is kept
  and no fragmented message is ever under way, so a frame is the same bytes for all clients with the same
  extension.
- While a client takes no bytes nothing is read from it either, or a flood of pings would pile up pongs.
- One periodic task sends all pings, drops dead connections, and closes lagging clients where the policy is
  to disconnect.
- A close has a deadline: `close()` alone would wait without limit behind a congested buffer.
- A request that is not an upgrade is answered as by the other servers (`serving.upgrade`,
  `serving.admission`), and so is a client that closes its side right after its request.
"""

from __future__ import annotations

import asyncio
import http
import socket
from functools import partial
from typing import Any, cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidMessage
from websockets.http11 import Request as Upgrade
from websockets.http11 import Response
from websockets.protocol import CONNECTING, OPEN
from websockets.server import ServerProtocol

from bench.serving.admission import LEAVE, NOT_HTTP, PREFLIGHT, page_fields
from bench.serving.chassis import Chassis, Service
from bench.serving.config import MESSAGE_BYTES
from bench.serving.sockets import BACKLOG
from bench.serving.target import parse_query
from bench.serving.upgrade import read_heads_with
from bench.transports.websocket.protocol import (
    TAKEN_UP,
    Options,
    hello_frame,
    keep_alive,
    push_frame,
)
from bench.wire.contract import REFUSALS, Batch, Cursor, Refusal, Request, Subscription
from bench.wire.options import answer_headers

WRITE_BUFFER_BYTES = 16 * 1024
"""A client with more unsent bytes than this in the process counts as congested."""

VERSION, VERSION_SPOKEN = "Sec-WebSocket-Version", "13"
UPGRADE_TO = {"Upgrade": "websocket", "Connection": "Upgrade, close", VERSION: VERSION_SPOKEN}
"""Header lines of an answer that asks for an upgrade (RFC 9110, section 15.5.22; RFC 6455, section 4.4)."""

CODE_OF_STATUS = {
    403: "bad-origin",
    405: "method-not-allowed",
    414: "target-too-long",
    426: "upgrade-required",
    431: "headers-too-large",
    503: "stopping",
}
"""Our words for the refusals that the library makes by itself; any other is a `bad-request`."""


class Client(ServerConnection):
    """A connection with its cursor on the tape and the time of its last sign of life."""

    def __init__(self, pusher: Pusher, protocol: ServerProtocol, server: Server, **options: Any) -> None:
        super().__init__(protocol, server, **options)
        self.pusher = pusher
        self.asked = Request(Subscription(), None)
        """The request that the upgrade made."""
        self.cursor: Cursor | None = None
        """Everything up to here was written to this client. Set only while it lags; else its audience's
        cursor applies."""
        self.ended = False
        """True if the client closed its side before its request was answered."""
        self.heard_s = self.pinged_s = self.loop.time()
        self.head = read_heads_with(protocol)
        setattr(protocol, "reject", self.reject)  # noqa: B010  (mypy: cannot assign to a method)
        setattr(protocol, "send_eof", self._send_eof)  # noqa: B010

    @property
    def deflates(self) -> bool:
        """Return True if compression was agreed on in the handshake."""
        return bool(self.protocol.extensions)

    def reject(self, status: http.HTTPStatus | int, text: str) -> Response:
        """Return one of the library's own refusals as JSON, like all other refusals."""
        refusal = Refusal(CODE_OF_STATUS.get(int(status), "bad-request"), text.strip())
        self.pusher.chassis.counts.refuse(refusal)
        return json_response(int(status), refusal.to_json())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count a client that has connected."""
        counts = self.pusher.chassis.counts
        counts.connections += 1
        counts.connections_open += 1
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that is gone."""
        self.pusher.chassis.counts.connections_open -= 1
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Record a sign of life, whatever the bytes are, and process them."""
        self.heard_s = self.loop.time()
        super().data_received(data)

    def _send_eof(self) -> None:
        """Close our side; before that, send a refusal if the received bytes were not a request."""
        protocol = self.protocol
        if (
            protocol.state is CONNECTING and self.request is None and not self.head.eof
            and isinstance(protocol.handshake_exc, InvalidMessage)
        ):
            protocol.writes.append(self.reject(REFUSALS["bad-request"].http, NOT_HTTP).serialize())
        ServerProtocol.send_eof(protocol)

    def eof_received(self) -> bool:   # type: ignore[override]
        """Handle the client's closing of its side. Return True if its request is to be answered first."""
        if self.request is not None and self.protocol.state is CONNECTING and not self.protocol.eof_sent:
            self.ended = True
            return True
        super().eof_received()
        return False

    def hang_up(self) -> None:
        """Close the connection of a client that closed its side, after it got its answer."""
        super().eof_received()
        self.transport.close()

    def pause_writing(self) -> None:
        """Stop writing because the write buffer is full, and stop reading bytes that would need an answer."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on: the client has taken the buffered bytes, which is also a sign of life."""
        super().resume_writing()
        self.transport.resume_reading()
        self.heard_s = self.loop.time()
        if self.cursor is not None:
            self.loop.call_soon(self.pusher.catch_up, self)


class Audience:
    """The clients of one subscription that are up to date; those with and without compression are
    separate.

    Everything up to `cursor` was written to every member.
    """

    def __init__(self, cursor: Cursor, deflates: bool) -> None:
        self.cursor = cursor
        self.deflates = deflates
        """True if the members use compression."""
        self.members: set[Client] = set()


class Pusher:
    """The WebSocket service: pushes news to the audiences, and keeps the lagging clients apart."""

    def __init__(self, chassis: Chassis, options: Options) -> None:
        self.chassis = chassis
        self.options = options
        self.audiences: dict[tuple[Subscription, bool], Audience] = {}
        self.lagging: set[Client] = set()
        self._goodbyes: set[asyncio.Task[None]] = set()
        chassis.on_news(self.push)

    async def start(self, sock: socket.socket) -> None:
        """Begin to serve on `sock`."""
        limits = self.chassis.config.limits
        self._server = await serve(
            self.attend,
            sock=sock,
            ssl=self.chassis.tls,
            backlog=BACKLOG,
            process_request=self.admit,
            process_response=self.complete,
            compression=None,
            extensions=[TAKEN_UP] if self.options.compression != "none" else None,
            server_header="tickertape",
            open_timeout=limits.head_s,
            ping_interval=None,
            close_timeout=limits.close_s,
            max_size=MESSAGE_BYTES,
            write_limit=WRITE_BUFFER_BYTES,
            create_connection=cast(type[ServerConnection], partial(Client, self)),
        )
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Close every connection with 1001; abort those whose client does not answer."""
        self._sweeper.cancel()
        self._server.close(close_connections=False)
        for client in self.clients():
            self.dismiss(client, Refusal("stopping", "the server stops"))
        if self._goodbyes:
            await asyncio.wait(self._goodbyes)

    def clients(self) -> list[Client]:
        """Return all clients that are being served."""
        members = [client for audience in self.audiences.values() for client in audience.members]
        return [*members, *self.lagging]

    def admit(self, connection: ServerConnection, upgrade: Upgrade) -> Response | None:
        """Check the request before the upgrade. Return a page or a refusal, or None to continue with the
        upgrade."""
        client, headers = cast(Client, connection), upgrade.headers
        try:
            asked = self.chassis.admission.admit(
                upgrade.method, upgrade.path, headers.get_all("Host"), headers.get_all("Origin"),
                has_body=client.head.has_body, old=upgrade.protocol == "HTTP/1.0",
                asks_leave=PREFLIGHT in headers,
            )
            if asked is None:
                return Response(204, "No Content", Headers({"Connection": "close", **LEAVE}))
            path, query = asked
            if path == "/ticks":
                self.chassis.counts.requests += 1
                if "Upgrade" in headers and headers.get_all(VERSION) != [VERSION_SPOKEN]:
                    raise Refusal("upgrade-required", f"a WebSocket is opened by version {VERSION_SPOKEN}")
                client.asked = parse_query(query)
                self.chassis.read(client.asked)
                return None
            page = self.chassis.page(path)
            if page is None:
                raise Refusal("not-found", "there are /ticks, /health and /stats")
            return json_response(*page)
        except Refusal as refusal:
            self.chassis.counts.refuse(refusal)
            return json_response(refusal.status.http, refusal.to_json())

    def complete(self, connection: ServerConnection, upgrade: Upgrade, response: Response) -> None:
        """Add the scenario's header lines to the answer to an upgrade, and the necessary ones to other
        answers."""
        fields: dict[str, str] = {}
        origins = upgrade.headers.get_all("Origin")
        if response.status_code == 101:
            if self.options.response_headers is not None:
                fields = answer_headers(self.options, {}, keeps=False)
        elif self.chassis.admission.admits(origins):
            fields = page_fields(origins[0])
        if response.status_code == 426:
            fields |= UPGRADE_TO
        for name, text in fields.items():
            response.headers.pop(name, None)
            response.headers[name] = text
        client = cast(Client, connection)
        if client.ended and response.status_code != 101:
            client.loop.call_soon(client.hang_up)   # after it was written, which happens without interruption

    async def attend(self, connection: ServerConnection) -> None:
        """Serve one client after the upgrade. Pushing is done elsewhere: this task only listens."""
        client = cast(Client, connection)
        try:
            batch = self.chassis.read(client.asked)
            client.transport.write(hello_frame(batch, client.deflates))
            self.chassis.counts.hand_over(batch)
            client.cursor = batch.cursor
            self.lagging.add(client)
            self.catch_up(client)
            if client.head.buffer and not client.head.eof:
                client.data_received(b"")   # bytes that came before the upgrade was answered
            if client.ended:
                client.hang_up()
            await client.recv()
            raise Refusal("bad-request", "this server takes no messages")
        except Refusal as refusal:
            self.dismiss(client, refusal)
            await client.wait_closed()
        except ConnectionClosed:
            return
        finally:
            self._forget(client)

    def push(self) -> None:
        """Push new ticks to all audiences; also called when a new epoch has begun."""
        tape = self.chassis.tape
        for (subscription, deflates), audience in list(self.audiences.items()):
            cursor = audience.cursor
            if cursor.epoch == tape.epoch and not tape.has_news(subscription, cursor.seq):
                audience.cursor = Cursor(cursor.epoch, tape.head)
                continue
            try:
                self._push_to(subscription, audience)
            except Refusal as refusal:
                for client in list(audience.members):
                    self.dismiss(client, refusal)
            if not audience.members:
                self.audiences.pop((subscription, deflates), None)

    def _push_to(self, subscription: Subscription, audience: Audience) -> None:
        """Push everything up to the head to a whole audience."""
        tape, limit = self.chassis.tape, self.chassis.config.server.batch_max
        more = True
        while more and audience.members:
            batch = tape.read(subscription, audience.cursor, limit)
            self._broadcast(batch, audience)
            audience.cursor = batch.cursor
            more = batch.more

    def _broadcast(self, batch: Batch, audience: Audience) -> None:
        """Write one frame to every member; members that can't take it become lagging, with the present
        cursor."""
        if not batch.ticks:
            return
        frame = push_frame(batch, audience.deflates)
        written = 0
        behind = []
        for client in audience.members:
            if client.paused:
                behind.append(client)
            elif client.state is OPEN:
                client.transport.write(frame)
                written += 1
        for client in behind:
            client.cursor = audience.cursor
            self.lagging.add(client)
            audience.members.remove(client)
        self.chassis.counts.hand_over(batch, written)

    def catch_up(self, client: Client) -> None:
        """Write to a lagging client as much as it can take; once it is at the head, it joins its audience."""
        if client not in self.lagging:
            return
        try:
            while client.state is OPEN and not client.paused:
                batch = self.chassis.read(Request(client.asked.subscription, client.cursor))
                client.cursor = batch.cursor
                if not batch.ticks:
                    self._join(client, batch.cursor)
                    return
                client.transport.write(push_frame(batch, client.deflates))
                self.chassis.counts.hand_over(batch)
        except Refusal as refusal:
            self.dismiss(client, refusal)

    def _join(self, client: Client, head: Cursor) -> None:
        key = (client.asked.subscription, client.deflates)
        audience = self.audiences.setdefault(key, Audience(head, client.deflates))
        assert audience.cursor == head, "an audience is at the head between two pieces of news"
        audience.members.add(client)
        self.lagging.discard(client)
        client.cursor = None

    def _forget(self, client: Client) -> None:
        """Remove a client that is no longer served."""
        self.lagging.discard(client)
        key = (client.asked.subscription, client.deflates)
        audience = self.audiences.get(key)
        if audience is not None:
            audience.members.discard(client)
            if not audience.members:
                del self.audiences[key]

    def dismiss(self, client: Client, refusal: Refusal) -> None:
        """Stop serving the client, and close its connection with the refusal's code."""
        self._forget(client)
        if client.state is OPEN:
            self.chassis.counts.refuse(refusal)
        goodbye = asyncio.get_running_loop().create_task(self._close(client, refusal))
        self._goodbyes.add(goodbye)
        goodbye.add_done_callback(self._goodbyes.discard)

    async def _close(self, client: Client, refusal: Refusal) -> None:
        try:
            async with asyncio.timeout(self.chassis.config.limits.close_s):
                await client.close(refusal.status.close, refusal.to_reason())
        except TimeoutError:
            client.transport.abort()

    async def _sweep(self) -> None:
        """Ping silent clients, drop dead ones, and close those that lag too far where that is the policy."""
        interval_s = self.options.ping_interval_s
        while True:
            await asyncio.sleep(min(1.0, interval_s / 4))
            now_s = asyncio.get_running_loop().time()
            for client in self.clients():
                what = keep_alive(now_s, client.heard_s, client.pinged_s, interval_s)
                if what == "drop":
                    self.chassis.counts.timeouts += 1
                    client.transport.abort()
                elif what == "ping" and not client.paused and client.state is OPEN:
                    client.pinged_s = now_s
                    client.protocol.send_ping(b"")
                    client.send_data()
            for client in list(self.lagging):
                self._check(client)

    def _check(self, client: Client) -> None:
        """Refuse a lagging client that can't continue: too slow, another epoch, or its ticks have left the
        tape."""
        policy = self.chassis.config.server.slow_client
        if policy.policy != "disconnect":
            return
        try:
            self.chassis.read(Request(client.asked.subscription, client.cursor))
        except Refusal as refusal:
            self.dismiss(client, refusal)


def json_response(status: int, body: bytes) -> Response:
    """Return an HTTP answer before the upgrade; the connection is closed after it."""
    headers = Headers({
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    })
    if status == 405:
        headers["Allow"] = "GET"
    return Response(status, http.HTTPStatus(status).phrase, headers, body)


def install(chassis: Chassis, options: Options) -> Service:
    """Return the service of this transport."""
    return Pusher(chassis, options)
