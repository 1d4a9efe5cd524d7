"""Server-Sent Events: one HTTP response that does not end, over which the server pushes events.

    client   GET /ticks ─┐                                          (reads only; asks again when the stream ends)
    server               └► head │ retry, batch (backlog) │ tick │ tick │ : │ batch of what came at once …

The stream is `text/event-stream` as the WHATWG's HTML standard defines it (section 9.2, Server-sent events),
over HTTP/1.1 in chunks. So a browser's `EventSource` reads it without a library:

    retry: 1000                                   once, first: the pause before the client asks again
    id: 9f2c:57                                   the cursor that this event leads to
    data: {"index":56,"seq":57,…}                 a bare tick, or a batch
                                                  (a blank line ends the event)
    :                                             a comment: a heartbeat, when nothing else was sent for long

As over a WebSocket the first event is a batch, even if it is empty, and a later one is the tick's own line
if there is nothing else to report, else a batch. A client that asks again sends the last id that it got as
`Last-Event-ID`; that cursor counts in place of `after`, since an `EventSource` repeats its first address.

**Refusals.** A browser's page can't read an HTTP error, and its `EventSource` never asks again after one. So
a refusal after which a client should ask again (409, 410, 503) is an event `refusal` in a 200 stream,
which then ends. If it names a cursor to continue from, that is its `id`, and `retry: 0` asks the client to do so at
once: a client that waits first may be too far behind again. So an `EventSource` that knows nothing of this
contract continues from there too; the stream after it restores the pause. Other refusals are the client's
mistakes, and HTTP errors.

**Compression.** All events of a stream are one body in `gzip` or `deflate`, but each is compressed by itself
(no reference to what came before, flushed to a whole byte). So an event is compressed once for all clients,
after a prefix that is the same for each. The body's checksum is left out, since the stream has no end.

An event is built once, as a whole chunk, and written to every client that is up to date. A client is a
cursor on the tape (the ticks that the server still holds), as over a WebSocket.

Known weakness: events are one chunk each, also where several could share one. A proxy may join and split
chunks; the events survive that.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field

from bench.scenario.fields import Positive
from bench.wire.contract import Batch, Cursor, Refusal, Request, encode_batch
from bench.wire.options import PushWire

CONTENT_TYPE = "text/event-stream"
HEADERS = {
    "Content-Type": CONTENT_TYPE,
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "Server": "tickertape",
}
"""Header fields of a stream. `X-Accel-Buffering` keeps nginx, and proxies that follow it, from buffering."""
LAST_EVENT_ID = "Last-Event-ID"

HEARTBEAT = b":\n\n"
"""A comment, which a client ignores."""

PREFIXES: Mapping[str, bytes] = {
    "none": b"",
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
    "deflate": b"\x78\x9c",
}
"""The beginning of a body by its coding: the header of RFC 1952 (no time, unknown system), of RFC 1950."""


class Options(PushWire):
    """`[transports.<label>]` of a Server-Sent Events subject."""

    compression: Literal["none", "gzip", "deflate"] = "none"
    """The coding with which the server compresses its streams. Each event is compressed by itself, once for
    all clients."""
    heartbeat_s: Positive = 15.0
    """The server sends a comment to a client to which it has sent nothing for this long, so that no proxy in
    between takes the connection for idle."""
    retry_s: Annotated[float, Field(strict=True, ge=0.001, le=3600)] = 1.0
    """The pause after the end of a stream before the client asks again. The server sends it (`retry`);
    without it browsers wait 3 to 5 s."""


def event(data: bytes, cursor: Cursor | None, kind: str = "") -> bytes:
    """Return an event of one line of data. `cursor` is its id; `kind` its type, by default a message."""
    name = b"event: %b\n" % kind.encode() if kind else b""
    identity = b"id: %b\n" % str(cursor).encode() if cursor is not None else b""
    return b"%b%bdata: %b\n\n" % (name, identity, data)


def hello_event(batch: Batch) -> bytes:
    """Return a stream's first event: a batch, even if it is empty."""
    return event(encode_batch(batch), batch.cursor)


def push_event(batch: Batch) -> bytes:
    """Return a later event: the bare tick if there is nothing else to report, else a batch."""
    return event(batch.ticks[0] if batch.bare else encode_batch(batch), batch.cursor)


def refusal_event(refusal: Refusal, after: Cursor | None) -> bytes:
    """Return the event that refuses to continue; `after` is the cursor of the client, if it is known.

    If the client may continue from a cursor, the event asks it to do so at once.
    """
    at_once = b"retry: 0\n" if refusal.resume is not None else b""
    return at_once + event(refusal.to_json(), refusal.resume or after, "refusal")


def chunk(events: bytes, deflate: bool = False) -> bytes:
    """Return the chunk that holds these events, compressed by themselves if `deflate`."""
    return _framed(_pressed(events) if deflate else events)


def first_chunk(options: Options, events: bytes, deflate: bool = False) -> bytes:
    """Return the chunk that begins a stream: the client's pause before it asks again, and these events."""
    begun = b"retry: %d\n%b" % (round(options.retry_s * 1000), events)
    return _framed(PREFIXES[options.compression] + _pressed(begun) if deflate else begun)


def push_chunk(batch: Batch, deflate: bool = False) -> bytes:
    """Return the chunk of a later event."""
    return _tick_chunk(batch.ticks[0], batch.cursor, deflate) if batch.bare else chunk(push_event(batch), deflate)


@lru_cache(maxsize=256)
def _tick_chunk(line: bytes, cursor: Cursor, deflate: bool) -> bytes:
    """Return a bare tick's chunk; built once, although it may be sent to many sets of subscribers."""
    return chunk(event(line, cursor), deflate)


def _framed(content: bytes) -> bytes:
    """Return a chunk (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(content), content)


def _pressed(events: bytes) -> bytes:
    """Return a part of a compressed body that refers to no other part (RFC 1951), up to a whole byte."""
    press = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return press.compress(events) + press.flush(zlib.Z_SYNC_FLUSH)


def resumed(request: Request, last_event_id: str | None) -> Request:
    """Return the request with the cursor of the client's last event in place of `after`, if it names one.

    Raises `Refusal` (`bad-cursor`) if it is not a cursor.
    """
    return replace(request, after=Cursor.parse(last_event_id)) if last_event_id else request


def is_streamed(refusal: Refusal) -> bool:
    """Return True if a refusal is an event in a stream: the client is to ask again, perhaps from elsewhere."""
    return refusal.status.http in (409, 410, 503)


class EventFormat:
    """The format of a server's streams (see `bench.serving.streams.Format`)."""

    headers: Mapping[str, str] = HEADERS

    def __init__(self, options: Options) -> None:
        self.options: PushWire = options
        self.coding: str = options.compression
        self.heartbeat_s = options.heartbeat_s
        self._options = options

    def resumed(self, asked: Request, last_event_id: str | None) -> Request:
        """Return the request with the cursor of its last event."""
        return resumed(asked, last_event_id)

    def first(self, batch: Batch, coding: str) -> bytes:
        """Return the chunk that begins a stream."""
        return first_chunk(self._options, hello_event(batch), coding != "none")

    def push(self, batch: Batch, coding: str) -> bytes:
        """Return the chunk of a later batch."""
        return push_chunk(batch, coding != "none")

    def heartbeat(self, coding: str) -> bytes:
        """Return a chunk that says nothing."""
        return chunk(HEARTBEAT, coding != "none")

    def refusal(self, refusal: Refusal, after: Cursor | None, coding: str, begins: bool) -> bytes | None:
        """Return the chunk that names the reason for a stream's end; None if the reason is no event."""
        if begins and not is_streamed(refusal):
            return None
        refused = refusal_event(refusal, after)
        return first_chunk(self._options, refused, coding != "none") if begins else chunk(refused, coding != "none")
