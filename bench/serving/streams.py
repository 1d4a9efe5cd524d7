"""Streams: responses in chunks that end when the client or the server ends them.

    GET /ticks ─► head, first chunk ─► member of the fan-out ─► last chunk, close
                                          │ a chunk, encoded once, is written to each transport

The service reads the request and keeps the connection; a stream's bytes go straight to the transport. A
transport provides their format (`Format`).

A stream is the last response of its connection. Bytes that the client sends meanwhile are discarded, so that no
queue of requests builds up. A client that closes its side gets what it asked for, and then the end of the
stream. One periodic task sends heartbeats for all streams, and ends those that are too slow where that is
the policy. An end has a deadline, since a client that reads nothing would never see it.

Known weakness: a heartbeat is due by the writes to a whole audience, so a stream that has just begun may get
its first one early.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Protocol

from bench.serving import openapi
from bench.serving.chassis import Chassis, HttpBase
from bench.serving.fanout import WRITE_BUFFER_BYTES, Fanout
from bench.serving.responses import accepts, http_date, stream_head
from bench.wire.contract import Batch, Cursor, Refusal, Request
from bench.wire.options import PushWire

LAST_CHUNK = b"0\r\n\r\n"
"""The end of a stream (RFC 9112, section 7.1)."""


class Format(Protocol):
    """The bytes of a transport's streams. `coding` is the compression of a stream, or `none`."""

    options: PushWire
    coding: str
    """The compression that the server uses where a client accepts it, or `none`."""
    heartbeat_s: float
    """The time without a chunk after which a heartbeat is due."""
    headers: Mapping[str, str]
    """The head's own fields, with the media type as `Content-Type`."""

    def resumed(self, asked: Request, last_event_id: str | None) -> Request:
        """Return the request, changed by its header of this name. Raises `Refusal`."""

    def first(self, batch: Batch, coding: str) -> bytes:
        """Return the chunk that begins a stream."""

    def push(self, batch: Batch, coding: str) -> bytes:
        """Return the chunk of a later batch."""

    def heartbeat(self, coding: str) -> bytes:
        """Return a chunk without content."""

    def refusal(self, refusal: Refusal, after: Cursor | None, coding: str, begins: bool) -> bytes | None:
        """Return the chunk that names the reason for a stream's end.

        `after` is the cursor of the client, if it is known. `begins`: the chunk begins the stream, too. None: no
        stream is begun for this reason, and the refusal is an HTTP error.
        """


class Carrier(Protocol):
    """The connection under a stream."""

    transport: asyncio.Transport | None

    def carry(self, stream: Stream) -> None:
        """Hand all that happens to the connection to the stream from here on."""

    def stream_ended(self) -> None:
        """Close the connection once everything is written."""


class Stream:
    """One client's stream, which the fan-out writes to (`fanout.Member`)."""

    __slots__ = (
        "_carrier", "_streams", "_transport", "cursor", "is_open", "paused", "subscription", "variant", "write",
    )
    write: Callable[[bytes], None]

    def __init__(self, streams: Streams, carrier: Carrier, asked: Request, coding: str) -> None:
        assert carrier.transport is not None
        self._streams = streams
        self._carrier = carrier
        self._transport = carrier.transport
        self.write = carrier.transport.write
        self.subscription = asked.subscription
        self.variant = coding
        self.cursor: Cursor | None = None
        self.paused = False
        self.is_open = True

    def received(self, data: bytes) -> None:
        """Discard bytes of the client."""

    def ended(self) -> None:
        """Handle the client's closing of its side."""
        self.finish()

    def pause(self) -> None:
        """Handle a full write buffer."""
        self.paused = True

    def resume(self) -> None:
        """Handle a write buffer that has drained."""
        self.paused = False
        if self.cursor is not None:
            asyncio.get_running_loop().call_soon(self._streams.fanout.catch_up, self)

    def lost(self) -> None:
        """Handle the loss of the connection."""
        self.is_open = False
        self._streams.fanout.forget(self)

    def refuse(self, refusal: Refusal) -> None:
        """End the stream, and name the reason first."""
        self.finish(self._streams.format.refusal(refusal, self.cursor, self.variant, begins=False) or b"")

    def finish(self, data: bytes = b"") -> None:
        """End the stream after `data`."""
        if self.is_open:
            self.is_open = False
            self._streams.fanout.forget(self)
            self.write(data + LAST_CHUNK)
            asyncio.get_running_loop().call_later(self._streams.close_s, self._transport.abort)
            self._carrier.stream_ended()


class Streams:
    """All streams of a server."""

    def __init__(self, chassis: Chassis, format: Format) -> None:
        self.chassis = chassis
        self.format = format
        self.close_s = chassis.config.limits.close_s
        self.fanout: Fanout[Stream] = Fanout(chassis, self._push, format.options.flush_ms)
        self._tasks: list[asyncio.Task[None]] = []

    def _push(self, batch: Batch, coding: Hashable) -> bytes:
        return self.format.push(batch, str(coding))

    def begin(
        self, carrier: Carrier, asked: Request, header: Callable[[str], str | None], origin: str | None
    ) -> Stream | None:
        """Begin a stream, and return it; None if all of it is written: it names the reason for its end.

        `header` returns a header of the request, from all its lines, `origin` is that of an allowed page. Raises
        `Refusal` if the response is an HTTP error.
        """
        format, transport = self.format, carrier.transport
        assert transport is not None
        presses = format.coding != "none" and accepts(header("Accept-Encoding"), format.coding)
        coding = format.coding if presses else "none"
        head = stream_head(format.options, format.headers, coding, origin, http_date(int(time.time())))
        try:
            asked = format.resumed(asked, header("Last-Event-ID"))
            batch = self.chassis.read(asked)
        except Refusal as refusal:
            reason = format.refusal(refusal, asked.after, coding, begins=True)
            if reason is None:
                raise
            self.chassis.counts.refuse(refusal)
            transport.write(head + reason + LAST_CHUNK)
            return None
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        stream = Stream(self, carrier, asked, coding)
        carrier.carry(stream)
        stream.write(head + format.first(batch, coding))
        self.fanout.begin(stream, batch)
        return stream

    def start(self) -> None:
        """Start the periodic tasks."""
        self._tasks = [asyncio.create_task(self._sweep()), asyncio.create_task(self.fanout.keep_turning())]

    def stop(self) -> None:
        """Stop the periodic tasks, and end all streams."""
        for task in self._tasks:
            task.cancel()
        for stream in self.fanout.members():
            self.fanout.dismiss(stream, Refusal("stopping", "the server stops"))

    async def _sweep(self) -> None:
        """Send heartbeats, and end streams that are too slow, until cancelled."""
        loop, interval_s = asyncio.get_running_loop(), self.format.heartbeat_s
        while True:
            await asyncio.sleep(min(1.0, interval_s / 4))
            self.fanout.heartbeat(loop.time(), interval_s, lambda coding: self.format.heartbeat(str(coding)))
            self.fanout.refuse_slow()


class Streaming(HttpBase):
    """Adds streams to an HTTP service, which is the next base: they begin after it, and end before it."""

    def __init__(self, chassis: Chassis, format: Format) -> None:
        in_stream = [code for code in openapi.OF_A_READ
                     if format.refusal(Refusal(code, ""), None, "none", begins=True) is not None]
        super().__init__(chassis, openapi.document(
            chassis.config.transport, stream=format.headers["Content-Type"],
            takes_messages=chassis.relay is not None, in_stream=in_stream))
        self.streams = Streams(chassis, format)

    async def start(self, sock: socket.socket) -> None:
        """Begin to serve on `sock`."""
        await super().start(sock)
        self.streams.start()

    async def stop(self) -> None:
        """End all streams, and close all connections."""
        self.streams.stop()
        await super().stop()
