"""The WebSocket server on the `websockets` library; `bench.serving.fanout` decides what is pushed to which
connection.

The connections are the library's, with the limits that a server of this kind must set itself:

- Data frames are written straight to the transport. The connection is open, no window is kept and no fragmented
  message is ever under way, so a frame is the same bytes for all clients with the same extension. Where a window is
  kept (`context_takeover`), the library compresses and frames each message for each client.
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
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidMessage
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Upgrade
from websockets.http11 import Response
from websockets.protocol import CONNECTING, OPEN
from websockets.server import ServerProtocol

from bench.serving.admission import LEAVE, NOT_HTTP, PREFLIGHT, page_fields
from bench.serving.chassis import Chassis, Service
from bench.serving.config import MESSAGE_BYTES
from bench.serving.fanout import WRITE_BUFFER_BYTES, Fanout
from bench.serving.sockets import BACKLOG
from bench.serving.target import parse_query
from bench.serving.upgrade import read_heads_with
from bench.transports.websocket.protocol import (
    UPGRADE_TO,
    VERSION,
    VERSION_SPOKEN,
    Deflate,
    Options,
    accepted,
    hello_frame,
    keep_alive,
    shared_bytes,
    text_frame,
)
from bench.wire.contract import REFUSALS, Batch, Cursor, Refusal, Request, Subscription, encode_batch
from bench.wire.options import response_headers

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
    """A connection that is pushed to (see `fanout.Member`), with the time of its last sign of life."""

    write: Callable[[bytes], None]

    def __init__(self, pusher: Pusher, protocol: ServerProtocol, server: Server, **options: Any) -> None:
        super().__init__(protocol, server, **options)
        self.pusher = pusher
        self.asked = Request(Subscription(), None)
        """The request that the upgrade made."""
        self.cursor: Cursor | None = None
        self.variant: Deflate | None = None
        """The compression that was agreed on in the handshake."""
        self.ended = False
        """True if the client closed its side before its request was answered."""
        self.heard_s = self.pinged_s = self.loop.time()
        self.head = read_heads_with(protocol)
        setattr(protocol, "reject", self.reject)  # noqa: B010  (mypy: cannot assign to a method)
        setattr(protocol, "send_eof", self._send_eof)  # noqa: B010

    @property
    def subscription(self) -> Subscription:
        """Return the part of the feed that the client asked for."""
        return self.asked.subscription

    @property
    def is_open(self) -> bool:
        """Return True until a close frame was sent or received."""
        return self.protocol.state is OPEN

    def refuse(self, refusal: Refusal) -> None:
        """Close the connection with the refusal's code, in the background."""
        self.pusher.say_goodbye(self, refusal)

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
        self.write = self.transport.write

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that is gone."""
        self.pusher.chassis.counts.connections_open -= 1
        super().connection_lost(exc)

    def greet(self, batch: Batch) -> None:
        """Write the first message, in the compression that was agreed on."""
        for extension in self.protocol.extensions:
            self.variant = Deflate.of(cast(PerMessageDeflate, extension))
        if self.variant is not None and self.variant.context_takeover:
            self.write = self._write_compressed
            self.write(encode_batch(batch))
        else:
            self.write(hello_frame(batch, self.variant))

    def _write_compressed(self, message: bytes) -> None:
        """Write a message's frame, compressed by the library with this connection's window."""
        frame = Frame(Opcode.TEXT, message)
        self.transport.write(frame.serialize(mask=False, extensions=self.protocol.extensions))

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
        """Close the connection of a client that closed its side, after it got its response."""
        super().eof_received()
        self.transport.close()

    def pause_writing(self) -> None:
        """Stop writing because the write buffer is full, and stop reading bytes that would need a response."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on: the client has taken the buffered bytes, which is also a sign of life."""
        super().resume_writing()
        self.transport.resume_reading()
        self.heard_s = self.loop.time()
        if self.cursor is not None:
            self.loop.call_soon(self.pusher.fanout.catch_up, self)


class Pusher:
    """The WebSocket service: accepts connections, and gives them to the fan-out."""

    def __init__(self, chassis: Chassis, options: Options) -> None:
        self.chassis = chassis
        self.options = options
        self.fanout: Fanout[Client] = Fanout(chassis, shared_bytes, options.flush_ms)
        self._goodbyes: set[asyncio.Task[None]] = set()

    async def start(self, sock: socket.socket) -> None:
        """Begin to serve on `sock`."""
        limits, extension = self.chassis.config.limits, accepted(self.options)
        self._server = await serve(
            self.attend,
            sock=sock,
            ssl=self.chassis.tls,
            backlog=BACKLOG,
            process_request=self.admit,
            process_response=self.complete,
            compression=None,
            extensions=[extension] if extension is not None else None,
            server_header="tickertape",
            open_timeout=limits.head_s,
            ping_interval=None,
            close_timeout=limits.close_s,
            max_size=MESSAGE_BYTES,
            write_limit=WRITE_BUFFER_BYTES,
            create_connection=cast(type[ServerConnection], partial(Client, self)),
        )
        self._tasks = [asyncio.create_task(self._sweep()), asyncio.create_task(self.fanout.keep_turning())]

    async def stop(self) -> None:
        """Close every connection with 1001; abort those whose client does not answer."""
        for task in self._tasks:
            task.cancel()
        self._server.close(close_connections=False)
        for client in self.fanout.members():
            self.fanout.dismiss(client, Refusal("stopping", "the server stops"))
        if self._goodbyes:
            await asyncio.wait(self._goodbyes)

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
            return json_response(*self.chassis.page(path))
        except Refusal as refusal:
            self.chassis.counts.refuse(refusal)
            return json_response(refusal.status.http, refusal.to_json())

    def complete(self, connection: ServerConnection, upgrade: Upgrade, response: Response) -> None:
        """Add the scenario's header lines to the response to an upgrade, and the necessary ones to other
        responses."""
        fields: dict[str, str] = {}
        origins = upgrade.headers.get_all("Origin")
        if response.status_code == 101:
            if self.options.response_headers is not None:
                fields = response_headers(self.options, {}, keeps=False)
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
            client.greet(batch)
            self.fanout.begin(client, batch)
            if client.head.buffer and not client.head.eof:
                client.data_received(b"")   # bytes that came before the upgrade was answered
            if client.ended:
                client.hang_up()
            await self._listen(client)
        except Refusal as refusal:
            self.fanout.dismiss(client, refusal)
            await client.wait_closed()
        except ConnectionClosed:
            return
        finally:
            self.fanout.forget(client)

    async def _listen(self, client: Client) -> None:
        """Hand the messages of a client on until its connection ends.

        Raises `ConnectionClosed`, or `Refusal` at the first message to a server that takes none.
        """
        relay = self.chassis.relay
        if relay is None:
            await client.recv()
            raise Refusal("bad-request", "this server takes no messages")

        def reply(status: int, body: bytes) -> None:
            if client.is_open:
                client.transport.write(text_frame(body))

        bucket = relay.bucket(client.loop.time())
        while True:
            relay.take(await client.recv(decode=False), bucket, client.loop.time(), reply)

    def say_goodbye(self, client: Client, refusal: Refusal) -> None:
        """Close a connection with the refusal's code, without waiting for it."""
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
            for client in self.fanout.members():
                what = keep_alive(now_s, client.heard_s, client.pinged_s, interval_s)
                if what == "drop":
                    self.chassis.counts.timeouts += 1
                    client.transport.abort()
                elif what == "ping" and not client.paused and client.is_open:
                    client.pinged_s = now_s
                    client.protocol.send_ping(b"")
                    client.send_data()
            self.fanout.refuse_slow()


def json_response(status: int, body: bytes) -> Response:
    """Return an HTTP response before the upgrade; the connection is closed after it."""
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
