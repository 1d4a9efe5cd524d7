"""The closed forms and the sizes of the WebSocket: those of a push, and its own frames.

    client   upgrade ─┐
    server            └► 101 │ greeting (a batch) │ frame │ frame …      a frame: header, and a bare tick or a batch

Its times and counts are those of every push (`bench.transports.pushing`). Only the sizes are its own. They are
computed with the encoders of the client, the contract and the server (`bench.transports.push_sizes`).

Where a connection keeps its compressor's window, the size of a message depends on those before it. So a real
compressor is run over the sample of the feed's lines, as single ticks and as batches, and what the later half of
it takes is the size: by then the window has what it usually has.

Known weakness: the mean size of a frame's header is that of a message of mean size. With a kept window, a message is
taken to follow others of its own kind.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from itertools import cycle as repeated
from itertools import islice
from statistics import fmean

from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Upgrade
from websockets.server import ServerProtocol

from bench.transports.poll_sizes import BATCHES, reply_to
from bench.transports.push_sizes import push_sizes
from bench.transports.pushing import *  # noqa: F403 (the forms of every push)
from bench.transports.websocket.protocol import (
    OFFER,
    Compressor,
    Deflate,
    Options,
    accepted,
    hello_frame,
    message_frame,
    offers,
)
from bench.wire.contract import Batch, Cursor, Request, encode_batch
from bench.wire.http_client import encode_request
from bench.wire.options import response_headers, upgrade_head
from bench.wire.sizes import SERVER_FIRST, Conversation, Sizes, Steps, UplinkSizes

KEY = b64encode(bytes(16)).decode()
"""A key of the usual length: 16 bytes in Base64."""
SERVER = "tickertape"
FRAMES = ((125.0, 2.0), (65_535.0, 4.0), (2.0**63, 10.0))
"""The size of a frame's header by the length of its message, in bytes (RFC 6455 §5.2)."""


def wire(options: Options, said: Conversation) -> Sizes:
    """Return the sizes on the wire of an upgrade and a push."""
    deflate = Deflate(context_takeover=options.context_takeover) if options.compression != "none" else None
    hello = encode_request(
        f"/ticks?{Request(said.subscription, said.cursor).to_query()}",
        upgrade_head(options, said.host, OFFER if offers(options) else None),
        f"Sec-WebSocket-Key: {KEY}\r\n".encode())
    own = Sizes(
        frames=FRAMES, closing=SERVER_FIRST, uplink=_framed(said),
        hello_bytes_up=len(hello),
        hello_bytes_down=len(_agreed(options, hello)),
        greeting_bytes=len(_greeting(said, deflate)),
        pressed=_pressed_batches(said, deflate) if deflate else (),
        pressed_bare_bytes=_pressed(said.lines, said, deflate) if deflate and said.lines else 0.0,
    )
    return push_sizes(options, said, own)


def _agreed(options: Options, hello: bytes) -> bytes:
    """Return the response to an upgrade, as the server's library and our server produce it."""
    extension = accepted(options)
    protocol = ServerProtocol(extensions=[extension] if extension is not None else None)
    protocol.receive_data(hello)
    (upgrade,) = protocol.events_received()
    assert isinstance(upgrade, Upgrade)
    response = protocol.accept(upgrade)
    response.headers["Server"] = SERVER
    if options.response_headers is not None:
        for name, text in response_headers(options, {}, keeps=False).items():
            response.headers.pop(name, None)
            response.headers[name] = text
    return response.serialize()


def _framed(said: Conversation) -> UplinkSizes:
    """Return the sizes of a client's message, which is masked and never compressed, and of its answer."""
    around = len(Frame(Opcode.TEXT, said.message).serialize(mask=True)) - len(said.message)
    return UplinkSizes(around_bytes=around, reply_bytes=len(Frame(Opcode.TEXT, reply_to(said.message)).serialize(
        mask=False)))


def _greeting(said: Conversation, deflate: Deflate | None) -> bytes:
    """Return the frame of a connection's first message, without ticks."""
    batch = Batch(said.cursor)
    kept = deflate is not None and deflate.context_takeover
    return Compressor().frame(encode_batch(batch)) if kept else hello_frame(batch, deflate)


def _pressed(messages: Sequence[bytes], said: Conversation, deflate: Deflate) -> float:
    """Return the mean size of compressed messages without their frame headers, in bytes; with a kept window, that
    of the later half of them."""
    if not deflate.context_takeover:
        return fmean(_content_bytes(message_frame(message, deflate)) for message in messages)
    compressor = Compressor()
    compressor.frame(encode_batch(Batch(said.cursor)))
    sizes = [_content_bytes(compressor.frame(message)) for message in messages]
    return fmean(sizes[len(sizes) // 2:])


def _content_bytes(frame: bytes) -> int:
    """Return the size of a frame without its header."""
    return len(frame) - (2 if frame[1] < 126 else 4 if frame[1] == 126 else 10)


def _pressed_batches(said: Conversation, deflate: Deflate) -> Steps:
    """Return the size of a compressed batch, in bytes, by its number of ticks."""
    return tuple((float(count), _pressed(_batches(said, count, deflate), said, deflate)) for count in BATCHES)


def _batches(said: Conversation, count: int, deflate: Deflate) -> list[bytes]:
    """Return batches of `count` ticks each: one, or those of the whole sample in turn where a window is kept.

    Lines are repeated where there are too few of them. Those that fill no batch are the first one.
    """
    lines, seq = said.lines, said.cursor.seq
    if not deflate.context_takeover or len(lines) <= count:
        return [encode_batch(Batch(said.cursor, tuple(islice(repeated(lines), count))))]
    left = len(lines) % count
    ends = [*([left] if left else []), *range(left + count, len(lines) + 1, count)]
    return [encode_batch(Batch(Cursor(said.cursor.epoch, seq + end), lines[max(end - count, 0):end])) for end in ends]
