"""The bare WebSocket server: our own handshake and frames, on `bench.serving.bare`; `bench.serving.fanout` decides
what is pushed to which connection.

    open      ──close frame of the client──► answered, closed
    open      ──refusal: our close frame──► closing ──theirs, its end, or too long──► closed

A client of a ticker sends control frames alone, so its frames are rare, and a reader is made for each arrival of bytes
that holds no part of a frame from before. A client with which a kept window was agreed on has a compressor of its own:
the fan-out hands it messages in place of frames. While a client takes no bytes nothing is read from it either, or a
flood of pings would pile up pongs. One periodic task sends all pings and drops dead connections.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

from bench.serving.bare import BareService, Connection
from bench.serving.chassis import Chassis, Service
from bench.serving.config import MESSAGE_BYTES
from bench.serving.fanout import WRITE_BUFFER_BYTES, Fanout
from bench.serving.request_head import RequestHead
from bench.serving.responses import encode_head, http_date
from bench.serving.target import parse_query
from bench.transports.websocket.protocol import (
    UPGRADE_TO,
    VERSION_SPOKEN,
    Compressor,
    Deflate,
    Options,
    accept,
    accepted,
    hello_frame,
    keep_alive,
    shared_bytes,
    take_up,
    text_frame,
)
from bench.uplink.relay import Bucket
from bench.wire.contract import Batch, Cursor, Refusal, Request, encode_batch
from bench.wire.frames import BadFrame, FrameReader, Opcode, close_code, close_frame, control_frame
from bench.wire.options import response_headers


class Socket:
    """An open WebSocket: a member of the fan-out (`fanout.Member`), and the owner of its connection."""

    __slots__ = (
        "_compressor", "_is_deaf", "_reader", "_server", "_transport", "bucket", "cursor", "heard_s", "is_open",
        "paused", "pinged_s", "subscription", "variant", "write",
    )
    bucket: Bucket
    """The messages that this connection may still send; set with its first one."""
    write: Callable[[bytes], None]

    def __init__(self, server: BareWebSocket, connection: Connection, asked: Request, deflate: Deflate | None) -> None:
        assert connection.transport is not None
        self._server = server
        self._transport = connection.transport
        self.write = connection.transport.write
        self.subscription = asked.subscription
        self.variant = deflate
        self._compressor: Compressor | None = None
        if deflate is not None and deflate.context_takeover:
            self._compressor = Compressor(deflate.window_bits)
            self.write = compressing(self.write, self._compressor)
        self.cursor: Cursor | None = None
        self.paused = False
        self.is_open = True
        """True until a close frame was sent or received."""
        self.heard_s = self.pinged_s = server.loop.time()
        self._reader: FrameReader | None = None
        self._is_deaf = False
        """True once a client has broken the protocol; what else it sends is discarded."""

    def begin(self, head: bytes, batch: Batch) -> None:
        """Write the response to the upgrade and the first message."""
        hello = self._compressor.frame(encode_batch(batch)) if self._compressor else hello_frame(batch, self.variant)
        self._transport.write(head + hello)

    def received(self, data: bytes) -> None:
        """Record a sign of life, whatever the bytes are, and process the frames."""
        self.heard_s = self._server.loop.time()
        if self._is_deaf:
            return
        if self._reader is None:
            self._reader = FrameReader(MESSAGE_BYTES, self.variant is not None)
        try:
            for opcode, payload in self._reader.feed(data):
                self._handle(opcode, payload)
                if self._transport.is_closing():
                    return
        except BadFrame as bad:
            self._close(bad.code, bad.reason)
            self._is_deaf = True
            if self._transport.can_write_eof() and not self._transport.is_closing():
                self._transport.write_eof()
        if self._reader.is_empty:
            self._reader = None

    def _handle(self, opcode: Opcode, payload: bytes) -> None:
        """Handle a frame of the client. Raises `BadFrame` for a wrong one."""
        if opcode is Opcode.CLOSE:
            code = close_code(payload)
            if self.is_open:
                self._end(close_frame(code))
            self._transport.close()
        elif not self.is_open:
            return   # we said goodbye: only theirs counts
        elif opcode is Opcode.PING:
            self._transport.write(control_frame(Opcode.PONG, payload))
        elif opcode is not Opcode.PONG:
            self._take_message(payload)

    def _take_message(self, data: bytes) -> None:
        """Hand a message of the client on, or dismiss the client of a server that takes none."""
        relay = self._server.chassis.relay
        if relay is None:
            self._server.fanout.dismiss(self, Refusal("bad-request", "this server takes no messages"))
            return
        if not hasattr(self, "bucket"):
            self.bucket = relay.bucket(self.heard_s)
        relay.take(data, self.bucket, self.heard_s, self._reply)

    def _reply(self, status: int, reply: bytes) -> None:
        """Write the response to a message; the frame has no place for the status, which the response's word implies."""
        if self.is_open:
            self._transport.write(text_frame(reply))

    def ended(self) -> None:
        """Handle the client's closing of its side: there is nobody left to say goodbye to."""
        self._transport.close()

    def pause(self) -> None:
        """Stop writing because the write buffer is full, and stop reading bytes that would need a response."""
        self.paused = True
        self._transport.pause_reading()

    def resume(self) -> None:
        """Go on: the client has taken the buffered bytes, which is also a sign of life."""
        self.paused = False
        self._transport.resume_reading()
        self.heard_s = self._server.loop.time()
        if self.cursor is not None:
            self._server.loop.call_soon(self._server.fanout.catch_up, self)

    def lost(self) -> None:
        """Handle the end of the connection."""
        self.is_open = False
        self._server.fanout.forget(self)

    def refuse(self, refusal: Refusal) -> None:
        """Close the connection with the refusal's code."""
        self._close(refusal.status.close, refusal.to_reason())

    def _close(self, code: int, reason: str) -> None:
        """Send a close frame; cut the connection if the client does not answer in time."""
        if self.is_open:
            self._end(close_frame(code, reason))
            self._server.loop.call_later(self._server.limits.close_s, self._transport.abort)
        else:
            self._transport.close()

    def _end(self, frame: bytes) -> None:
        """Send the last frame."""
        self.is_open = False
        self._server.fanout.forget(self)
        self._transport.write(frame)

    def check(self, now_s: float, interval_s: float) -> None:
        """Ping a silent client, or drop a dead one."""
        action = keep_alive(now_s, self.heard_s, self.pinged_s, interval_s)
        if action == "drop":
            self._server.chassis.counts.timeouts += 1
            self._transport.abort()
        elif action == "ping" and not self.paused and self.is_open:
            self.pinged_s = now_s
            self._transport.write(control_frame(Opcode.PING))


class BareWebSocket(BareService):
    """The WebSocket service: accepts upgrades, and gives their connections to the fan-out."""

    keeps = takes_posts = False   # messages come over the WebSocket

    def __init__(self, chassis: Chassis, options: Options) -> None:
        super().__init__(chassis, None)
        self.options = options
        self._accepts = accepted(options)
        self._responses: dict[tuple[str | None, int], bytes] = {}
        self.fanout: Fanout[Socket] = Fanout(chassis, shared_bytes, options.flush_ms)

    async def start(self, sock: socket.socket) -> None:
        """Begin to serve on `sock`."""
        await super().start(sock)
        self._tasks = [asyncio.create_task(self._keep_alive()), asyncio.create_task(self.fanout.keep_turning())]

    async def stop(self) -> None:
        """Close every connection with 1001; abort those whose client does not answer."""
        for task in self._tasks:
            task.cancel()
        for member in self.fanout.members():
            self.fanout.dismiss(member, Refusal("stopping", "the server stops"))
        await super().stop()

    def ticks(self, connection: Connection, query: str, head: RequestHead) -> None:
        """Answer an upgrade with the first message, and make the connection a member of the fan-out."""
        if head.value(b"upgrade") is None or head.values(b"sec-websocket-version") != [VERSION_SPOKEN]:
            raise Refusal("upgrade-required", f"a WebSocket is opened by version {VERSION_SPOKEN}")
        asked = parse_query(query)
        batch = self.chassis.read(asked)
        if head.tokens(b"upgrade") != ["websocket"] or "upgrade" not in head.tokens(b"connection"):
            raise Refusal("upgrade-required", "an upgrade to a WebSocket is Upgrade: websocket, Connection: Upgrade")
        keys = head.values(b"sec-websocket-key")
        proof = accept(keys[0] if len(keys) == 1 else None)
        offers = tuple(head.values(b"sec-websocket-extensions"))
        agreed = take_up(offers, self._accepts) if offers and self._accepts is not None else None
        transport = connection.transport
        assert transport is not None
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        text, deflate = agreed or (None, None)
        member = connection.receiver = Socket(self, connection, asked, deflate)
        member.begin(self._respond(text, int(time.time())) % proof.encode(), batch)
        self.fanout.begin(member, batch)

    def _respond(self, agreed: str | None, now_s: int) -> bytes:
        """Return the head of a response to an upgrade, with `%b` for its proof; made once per second."""
        key = (agreed, now_s)
        if key not in self._responses:
            fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": "\0"}
            if agreed is not None:
                fields["Sec-WebSocket-Extensions"] = agreed
            fields |= response_headers(self.options, {}, keeps=False)
            head = encode_head(101, fields, None, date=http_date(now_s))
            self._responses = {key: head.replace(b"%", b"%%").replace(b"\0", b"%b")}
        return self._responses[key]

    def refusal_fields(self, refusal: Refusal) -> dict[str, str]:
        """Return the header fields of a refusal; one that asks for an upgrade says to which."""
        return super().refusal_fields(refusal) | (UPGRADE_TO if refusal.code == "upgrade-required" else {})

    async def _keep_alive(self) -> None:
        """Ping silent clients, drop dead ones, and close those that lag too far where that is the policy."""
        interval_s = self.options.ping_interval_s
        while True:
            await asyncio.sleep(min(1.0, interval_s / 4))
            now_s = self.loop.time()
            for member in self.fanout.members():
                member.check(now_s, interval_s)
            self.fanout.refuse_slow()


def compressing(write: Callable[[bytes], None], compressor: Compressor) -> Callable[[bytes], None]:
    """Return a function that writes the frame of a message."""
    def write_compressed(message: bytes) -> None:
        write(compressor.frame(message))

    return write_compressed


def install(chassis: Chassis, options: Options) -> Service:
    """Return the service of this transport."""
    return BareWebSocket(chassis, options)
