"""Closed forms for Server-Sent Events: those of a push (`bench.transports.pushing`), and its own sizes.

    stream   request (Last-Event-ID) ─► head of the answer ─► retry and a batch
    push     chunk size · id · data: tick or batch · blank line
    closing  the client hangs up: there is no goodbye

Sizes come from the encoders in `protocol` and from `serving.answers`.

Known weakness: heartbeats, which a client gets only if it hears nothing else for long, are left out. All
events of a server that compresses are counted as compressed, as they are, but one of a few bytes is taken to be
no larger than without.
"""

from __future__ import annotations

from itertools import cycle as repeated
from itertools import islice

from bench.serving.answers import stream_head
from bench.transports.poll_sizes import BATCHES, skips
from bench.transports.pushing import (
    age_excess_mean_s,
    at_interval,
    conflated_share,
    cycle,
    empty_share,
    latency_mean_s,
    latency_worst_s,
    messages,
    requests_per_s,
    server_s,
)
from bench.transports.sse.protocol import (
    CONTENT_TYPE,
    HEADERS,
    LAST_EVENT_ID,
    Options,
    chunk,
    event,
    first_chunk,
    hello_event,
)
from bench.transports.tls_sizes import handshake
from bench.wire.contract import Batch, Request, encode_batch
from bench.wire.http_client import encode_request
from bench.wire.options import stream_head as request_head
from bench.wire.sizes import CLIENT_FIRST, Conversation, Sizes, Steps

__all__ = [
    "age_excess_mean_s", "at_interval", "conflated_share", "cycle", "empty_share", "latency_mean_s",
    "latency_worst_s", "messages", "requests_per_s", "server_s", "wire",
]

DIGITS = 7
"""The largest number of hexadecimal digits of a chunk's size."""
FRAMES = tuple((16.0**digits - 1, digits + 4.0) for digits in range(1, DIGITS + 1))
"""The bytes around a chunk's content by its size: the size in hexadecimal, and two line ends."""


def wire(options: Options, said: Conversation) -> Sizes:
    """Return the sizes on the wire of a request, the beginning of its stream, and a push."""
    deflates = options.compression != "none"
    request = encode_request(
        f"/ticks?{Request(said.subscription, None).to_query()}".removesuffix("?"),
        request_head(options, said.host, CONTENT_TYPE, options.compression),
        f"{LAST_EVENT_ID}: {said.cursor}\r\n".encode())
    declaring, skip = skips(said)
    bare = [_pressed(event(line, said.cursor)) for line in said.lines]
    plain = Sizes(
        batch_bytes=len(encode_batch(Batch(said.cursor))),
        declaring_bytes=declaring, skip_bytes=skip,
        frames=FRAMES, wrapping_bytes=len(event(b"", said.cursor)), bare=True, pushes=True,
        closing=CLIENT_FIRST,
        hello_bytes_up=len(request),
        hello_bytes_down=len(stream_head(options, HEADERS, options.compression)),
        greeting_bytes=len(first_chunk(options, hello_event(Batch(said.cursor)), deflates)),
        pressed=_pressed_batches(said) if deflates else (),
        pressed_bare_bytes=sum(bare) / len(bare) if deflates and bare else 0.0,
    )
    return handshake(said.host.rpartition(":")[0]).around(plain) if options.tls else plain


def _pressed(events: bytes) -> float:
    """Return the size of compressed events, without the bytes around their chunk."""
    whole = chunk(events, deflate=True)
    return float(len(whole) - whole.index(b"\r\n") - 4)


def _pressed_batches(said: Conversation) -> Steps:
    """Return the size of a compressed event of a batch, in bytes, by its number of ticks."""
    found = []
    for count in BATCHES:
        batch = Batch(said.cursor, tuple(islice(repeated(said.lines), count)))
        found.append((float(count), _pressed(event(encode_batch(batch), said.cursor))))
    return tuple(found)
