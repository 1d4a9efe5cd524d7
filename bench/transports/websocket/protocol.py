"""WebSocket: one connection, over which the server pushes.

    client   upgrade ─┐                                       pong
    server            └► batch (hello, backlog) │ tick │ tick │ ping │ batch of what came at once …

The first message is always a batch: it names the epoch and the cursor, and carries the ticks since `after`.
After that a message is a bare tick if there is nothing else to report, and otherwise a batch. Messages are
text and whole (FIN set, never fragmented). A frame is built once and written to every client that is up to
date. This holds for compressed frames too, because each message is compressed by itself (RFC 7692 with
`server_no_context_takeover`). One compression context per client would compress better, but cost the server
the memory and one compression per client and message.

A client is a cursor on the tape (the ticks that the server still holds). Clients that are up to date move
together. A client whose connection is congested stays at its cursor, and continues from the tape when its
connection has drained. The policy for slow clients is applied there, in `Tape.read`, and no queue builds up
for any client.
"""

from __future__ import annotations

import zlib
from binascii import a2b_base64
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.headers import build_extension, parse_extension
from websockets.utils import accept_key

from bench.scenario.fields import Positive
from bench.wire.contract import Batch, Refusal, encode_batch
from bench.wire.options import PushWire

VERSION, VERSION_SPOKEN = "Sec-WebSocket-Version", "13"
UPGRADE_TO = {"Upgrade": "websocket", "Connection": "Upgrade, close", VERSION: VERSION_SPOKEN}
"""Header lines of an answer that asks for an upgrade (RFC 9110, section 15.5.22; RFC 6455, section 4.4)."""

TEXT = 0x81
"""FIN and the opcode of a text frame (RFC 6455 §5.2)."""
COMPRESSED = 0x40
"""RSV1, with which a compressed message begins (RFC 7692 §6)."""

OFFERED = ClientPerMessageDeflateFactory()
OFFER = build_extension([(OFFERED.name, list(OFFERED.get_request_params()))])
"""The offer that a browser makes too: compression, with any window."""
TAKEN_UP = ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)
"""The parameters to which a server that compresses agrees."""


class Options(PushWire):
    """`[transports.<label>]` of a WebSocket subject."""

    compression: Literal["none", "permessage-deflate"] = "none"
    """If `permessage-deflate`, the server compresses its messages (RFC 7692) where that makes them
    smaller."""
    ping_interval_s: Positive = 20.0
    """The server pings a client from which nothing came for this long, and drops it after twice that time."""


def offers(options: Options) -> bool:
    """Return True if the client offers compression: if the scenario asks for it, or like every browser."""
    return options.compression != "none" or (options.headers != "bare" and options.request_headers is None)


def accept(key: str | None) -> str:
    """Return the proof that an upgrade with this key was read (RFC 6455 §4.2.2). Raises `Refusal`."""
    try:
        nonce = a2b_base64(key or "", strict_mode=True)
    except ValueError:
        nonce = b""
    if key is None or len(nonce) != 16:
        raise Refusal("bad-request", "an upgrade has one Sec-WebSocket-Key of 16 bytes in Base64")
    return accept_key(key)


@lru_cache(maxsize=64)
def take_up(offers: Sequence[str]) -> str | None:
    """Return the answer to the values of `Sec-WebSocket-Extensions`, or None if compression is not agreed on.

    Raises `Refusal` if they can't be read.
    """
    try:
        offered = [each for text in offers for each in parse_extension(text)]
    except InvalidHeader:
        raise Refusal("bad-request", "Sec-WebSocket-Extensions is a list of extensions") from None
    for name, parameters in offered:
        if name == TAKEN_UP.name:
            try:
                agreed, _ = TAKEN_UP.process_request_params(parameters, [])
            except NegotiationError:
                continue
            return build_extension([(name, agreed)])
    return None


def text_frame(payload: bytes, first: int = TEXT) -> bytes:
    """Return a whole, unmasked text frame (RFC 6455 §5.2), as a server sends it."""
    length = len(payload)
    if length < 126:
        return b"%c%c%b" % (first, length, payload)
    if length < 1 << 16:
        return b"%c%c%b%b" % (first, 126, length.to_bytes(2, "big"), payload)
    return b"%c%c%b%b" % (first, 127, length.to_bytes(8, "big"), payload)


def message_frame(message: bytes, deflate: bool) -> bytes:
    """Return a message's frame, compressed if `deflate` and if that makes it smaller (RFC 7692 §7.2.1)."""
    if deflate:
        press = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        pressed = (press.compress(message) + press.flush(zlib.Z_SYNC_FLUSH))[:-4]
        if len(pressed) < len(message):
            return text_frame(pressed, TEXT | COMPRESSED)
    return text_frame(message)


def hello_frame(batch: Batch, deflate: bool = False) -> bytes:
    """Return the frame of a connection's first message: a batch, even if it is empty."""
    return message_frame(encode_batch(batch), deflate)


@lru_cache(maxsize=256)
def _tick_frame(line: bytes, deflate: bool) -> bytes:
    """Return a bare tick's frame; built once, although it may be sent to many sets of subscribers."""
    return message_frame(line, deflate)


def push_frame(batch: Batch, deflate: bool = False) -> bytes:
    """Return the frame of a later message: the bare tick if there is nothing else to report, else a batch."""
    if batch.bare:
        return _tick_frame(batch.ticks[0], deflate)
    return message_frame(encode_batch(batch), deflate)


def keep_alive(
    now_s: float, heard_s: float, pinged_s: float, interval_s: float
) -> Literal["ping", "drop", "wait"]:
    """Return the action for a connection, given the instants of its last received bytes and its last ping.

    A client is never dropped before it was pinged: a server that was itself stopped for long pings first.
    """
    if now_s - heard_s >= 2 * interval_s and pinged_s > heard_s:
        return "drop"
    return "ping" if now_s - max(heard_s, pinged_s) >= interval_s else "wait"
