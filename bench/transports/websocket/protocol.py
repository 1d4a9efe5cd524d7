"""WebSocket: one connection, over which the server pushes.

    client   upgrade ─┐                                       pong
    server            └► batch (hello, backlog) │ tick │ tick │ ping │ batch of what came at once …

The first message is always a batch: it names the epoch and the cursor, and carries the ticks since `after`.
After that a message is a bare tick if there is nothing else to report, and otherwise a batch. Messages are
text and whole (FIN set, never fragmented). A frame is built once and written to every client that is up to
date. By default this holds for compressed frames too, because each message is compressed by itself (RFC 7692
with `server_no_context_takeover`).

**Context takeover.** With `context_takeover` a connection keeps its compressor's window from message to message,
as most servers that compress do. Ticks resemble each other, so messages get smaller, but each client has a compressor
and each message is compressed for each client. Then all messages of a connection have to be compressed, also those that
don't get smaller: what the server's window has, the client's must have too. Clients send nothing that would be
compressed, so they keep no window (`client_no_context_takeover`). The window and the compressor's memory are those that
the `websockets` library sets by default, far less than zlib's own.

A client is a cursor on the tape (the ticks that the server still holds). Clients that are up to date move
together. A client whose connection is congested stays at its cursor, and continues from the tape when its
connection has drained. The policy for slow clients is applied there, in `Tape.read`, and no queue builds up
for any client.
"""

from __future__ import annotations

import zlib
from binascii import a2b_base64
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from pydantic import model_validator
from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.headers import build_extension, parse_extension
from websockets.utils import accept_key

from bench.scenario.fields import Positive
from bench.scenario.parsing import FieldConflict
from bench.wire.contract import Batch, Refusal, encode_batch
from bench.wire.options import PushWire

VERSION, VERSION_SPOKEN = "Sec-WebSocket-Version", "13"
UPGRADE_TO = {"Upgrade": "websocket", "Connection": "Upgrade, close", VERSION: VERSION_SPOKEN}
"""Header lines of a response that asks for an upgrade (RFC 9110, section 15.5.22; RFC 6455, section 4.4)."""

TEXT = 0x81
"""FIN and the opcode of a text frame (RFC 6455 §5.2)."""
COMPRESSED = 0x40
"""RSV1, with which a compressed message begins (RFC 7692 §6)."""

OFFERED = ClientPerMessageDeflateFactory()
OFFER = build_extension([(OFFERED.name, list(OFFERED.get_request_params()))])
"""The offer that a browser makes too: compression, with any window."""
WINDOW_BITS, MEMORY_LEVEL = 12, 5
"""A kept window (4 KiB), and the memory for finding matches in it: the defaults of the `websockets` library."""
MESSAGE_ALONE = ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)
"""The parameters to which a server agrees that compresses each message by itself."""
WINDOW_KEPT = ServerPerMessageDeflateFactory(
    client_no_context_takeover=True, server_max_window_bits=WINDOW_BITS, compress_settings={"memLevel": MEMORY_LEVEL})
"""The parameters to which a server agrees that keeps a window for each client, unless the client forbids it."""


class Options(PushWire):
    """`[transports.<label>]` of a WebSocket subject."""

    compression: Literal["none", "permessage-deflate"] = "none"
    """If `permessage-deflate`, the server compresses its messages (RFC 7692) where that makes them
    smaller."""
    context_takeover: bool = False
    """If true, the server has a compressor for each client, which keeps its window from message to message: smaller
    messages, but each is compressed for each client. If false, it compresses each message by itself, once for all
    clients. Only with `compression`."""
    ping_interval_s: Positive = 20.0
    """The server pings a client from which nothing came for this long, and drops it after twice that time."""

    @model_validator(mode="after")
    def _takes_over_what_is_compressed(self) -> Options:
        if self.context_takeover and self.compression == "none":
            raise FieldConflict("context_takeover", True, 'false, or true together with compression = '
                                '"permessage-deflate"')
        return self


@dataclass(frozen=True, slots=True)
class Deflate:
    """The compression of a server's messages, as a handshake agreed on it (RFC 7692 §7.1)."""

    window_bits: int = zlib.MAX_WBITS
    """The base-2 logarithm of the window's size in bytes."""
    context_takeover: bool = False
    """True if the connection keeps the window from message to message."""

    @classmethod
    def of(cls, extension: PerMessageDeflate) -> Deflate:
        """Return what a server's extension was agreed to do."""
        return cls(extension.local_max_window_bits, not extension.local_no_context_takeover)


class Compressor:
    """The compressor of one connection, which keeps its window."""

    __slots__ = ("_press",)

    def __init__(self, window_bits: int = WINDOW_BITS) -> None:
        self._press = zlib.compressobj(wbits=-window_bits, memLevel=MEMORY_LEVEL)

    def frame(self, message: bytes) -> bytes:
        """Return the frame of the connection's next message (RFC 7692 §7.2.1)."""
        pressed = self._press.compress(message) + self._press.flush(zlib.Z_SYNC_FLUSH)
        return text_frame(pressed[:-4], TEXT | COMPRESSED)


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


def accepted(options: Options) -> ServerPerMessageDeflateFactory | None:
    """Return the extension that a server takes up where it is offered; None if it does not compress."""
    if options.compression == "none":
        return None
    return WINDOW_KEPT if options.context_takeover else MESSAGE_ALONE


@lru_cache(maxsize=64)
def take_up(offers: Sequence[str], accepts: ServerPerMessageDeflateFactory) -> tuple[str, Deflate] | None:
    """Return the response to the values of `Sec-WebSocket-Extensions`, and what it agrees on.

    None if nothing is agreed on. Raises `Refusal` if the values can't be read.
    """
    try:
        offered = [each for text in offers for each in parse_extension(text)]
    except InvalidHeader:
        raise Refusal("bad-request", "Sec-WebSocket-Extensions is a list of extensions") from None
    for name, parameters in offered:
        if name == accepts.name:
            try:
                agreed, extension = accepts.process_request_params(parameters, [])
            except NegotiationError:
                continue
            return build_extension([(name, agreed)]), Deflate.of(extension)
    return None


def text_frame(payload: bytes, first: int = TEXT) -> bytes:
    """Return a whole, unmasked text frame (RFC 6455 §5.2), as a server sends it."""
    length = len(payload)
    if length < 126:
        return b"%c%c%b" % (first, length, payload)
    if length < 1 << 16:
        return b"%c%c%b%b" % (first, 126, length.to_bytes(2, "big"), payload)
    return b"%c%c%b%b" % (first, 127, length.to_bytes(8, "big"), payload)


def message_frame(message: bytes, deflate: Deflate | None) -> bytes:
    """Return a message's frame, compressed by itself if `deflate` and if that makes it smaller (RFC 7692 §7.2.1)."""
    if deflate is not None:
        press = zlib.compressobj(wbits=-deflate.window_bits)
        pressed = (press.compress(message) + press.flush(zlib.Z_SYNC_FLUSH))[:-4]
        if len(pressed) < len(message):
            return text_frame(pressed, TEXT | COMPRESSED)
    return text_frame(message)


def hello_frame(batch: Batch, deflate: Deflate | None = None) -> bytes:
    """Return the frame of a connection's first message: a batch, even if it is empty."""
    return message_frame(encode_batch(batch), deflate)


@lru_cache(maxsize=256)
def _tick_frame(line: bytes, deflate: Deflate | None) -> bytes:
    """Return a bare tick's frame; built once, although it may be sent to many sets of subscribers."""
    return message_frame(line, deflate)


def push_frame(batch: Batch, deflate: Deflate | None = None) -> bytes:
    """Return the frame of a later message: the bare tick if there is nothing else to report, else a batch."""
    if batch.bare:
        return _tick_frame(batch.ticks[0], deflate)
    return message_frame(encode_batch(batch), deflate)


def shared_bytes(batch: Batch, variant: Hashable) -> bytes:
    """Return what all connections of a variant, a `Deflate` or None, have in common of a later message.

    It is the frame, or where each of them compresses with a window of its own, the message alone.
    """
    deflate = cast("Deflate | None", variant)
    if deflate is not None and deflate.context_takeover:
        return batch.ticks[0] if batch.bare else encode_batch(batch)
    return push_frame(batch, deflate)


def keep_alive(
    now_s: float, heard_s: float, pinged_s: float, interval_s: float
) -> Literal["ping", "drop", "wait"]:
    """Return the action for a connection, given the instants of its last received bytes and its last ping.

    A client is never dropped before it was pinged: a server that was itself stopped for long pings first.
    """
    if now_s - heard_s >= 2 * interval_s and pinged_s > heard_s:
        return "drop"
    return "ping" if now_s - max(heard_s, pinged_s) >= interval_s else "wait"
