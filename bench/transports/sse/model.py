"""Closed forms for Server-Sent Events: those of a push (`bench.transports.pushing`), and its own sizes.

    stream   request (Last-Event-ID) ─► head of the response ─► retry and a batch
    push     chunk size · id · data: tick or batch · blank line
    closing  the client hangs up: there is no goodbye

Sizes come from the encoders in `protocol` and from `serving.responses` (`bench.transports.push_sizes`).

Known weakness: heartbeats, which a client gets only if it hears nothing else for long, are left out. All
events of a server that compresses are counted as compressed, as they are, but one of a few bytes is taken to be
no larger than without.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

from bench.serving.responses import stream_head
from bench.transports import pushing
from bench.transports.cycle import Cycle
from bench.transports.poll_sizes import batches, posted
from bench.transports.push_sizes import push_sizes
from bench.transports.pushing import *  # noqa: F403 (the forms of every push)
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
from bench.wire.contract import Batch, Request
from bench.wire.http_client import encode_request
from bench.wire.options import stream_head as request_head
from bench.wire.sizes import CLIENT_FIRST, Conversation, Sizes

DIGITS = 7
"""The largest number of hexadecimal digits of a chunk's size."""
FRAMES = tuple((16.0**digits - 1, digits + 4.0) for digits in range(1, DIGITS + 1))
"""The bytes around a chunk's content by its size: the size in hexadecimal, and two line ends."""


def cycle(options: Options) -> Cycle:   # type: ignore[no-redef]
    """Return the cycle of a push whose clients send their messages as requests."""
    return replace(pushing.cycle(options), posts=True)


def wire(options: Options, said: Conversation) -> Sizes:
    """Return the sizes on the wire of a request, the beginning of its stream, and a push."""
    deflates = options.compression != "none"
    request = encode_request(
        f"/ticks?{Request(said.subscription, None).to_query()}".removesuffix("?"),
        request_head(options, said.host, CONTENT_TYPE, options.compression),
        f"{LAST_EVENT_ID}: {said.cursor}\r\n".encode())

    def pressed(data: bytes) -> float:
        """Return the size of a compressed event without the bytes around its chunk."""
        whole = chunk(event(data, said.cursor), deflate=True)
        return float(len(whole) - whole.index(b"\r\n") - 4)

    own = Sizes(
        frames=FRAMES, wrapping_bytes=len(event(b"", said.cursor)), closing=CLIENT_FIRST,
        uplink=posted(options, said),
        hello_bytes_up=len(request),
        hello_bytes_down=len(stream_head(options, HEADERS, options.compression)),
        greeting_bytes=len(first_chunk(options, hello_event(Batch(said.cursor)), deflates)),
        pressed=batches(said, pressed) if deflates else (),
        pressed_bare_bytes=fmean(map(pressed, said.lines)) if deflates and said.lines else 0.0,
    )
    return push_sizes(options, said, own)
