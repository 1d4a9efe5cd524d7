"""WebSocket frames as a server reads them (RFC 6455, section 5), and the control frames that it writes.

    bytes ─► FrameReader.feed ─► PING, PONG, CLOSE, or the end of a message, whole and checked
                              └► BadFrame: the close code that the client gets

The size of a message is bounded, and it is handed over whole, without its compression. The reader works in any
splitting of the bytes.

Known weakness: text is checked once its message is whole, so a long wrong one is found late.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from enum import IntEnum

CONTROL_BYTES_MAX = 125
"""The largest payload of a control frame."""
NO_CODE = 1005
"""Stands for a close frame without a code; it is never sent."""
CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})
"""The close codes that an endpoint may send (RFC 6455, section 7.4, and its registry)."""
DEFLATE_TAIL = b"\x00\x00\xff\xff"
"""The end that a compressed message lacks (RFC 7692, section 7.2.2)."""


class Opcode(IntEnum):
    """The kinds of frames."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


Event = tuple[Opcode, bytes]
"""A control frame with its payload, or TEXT or BINARY with the payload of a whole message."""


class BadFrame(ValueError):
    """Bytes that break the protocol or a limit. `code` is the close code for them."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FrameReader:
    """Reads the frames of one client. `limit` is the largest message in bytes; `deflates`: the client may compress
    messages, each by itself."""

    __slots__ = ("_buffer", "_compressed", "_deflates", "_limit", "_message", "_opcode")

    def __init__(self, limit: int, deflates: bool = False) -> None:
        self._limit = limit
        self._deflates = deflates
        self._buffer = b""
        self._message = b""
        self._opcode: Opcode | None = None
        """The kind of the message under way."""
        self._compressed = False

    @property
    def is_empty(self) -> bool:
        """Return True if no frame or message is under way."""
        return not self._buffer and self._opcode is None

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield what `data` completes. Raises `BadFrame`, after which nothing more is to be fed."""
        self._buffer += data
        while (frame := self._next_frame()) is not None:
            first, payload = frame
            opcode, fin = Opcode(first & 0x0F), bool(first & 0x80)
            if opcode >= Opcode.CLOSE:
                yield opcode, payload
                continue
            if opcode is not Opcode.CONTINUATION:
                self._opcode, self._compressed = opcode, bool(first & 0x40)
            self._message += payload
            if fin:
                assert self._opcode is not None
                whole, kind = self._message, self._opcode
                self._message, self._opcode = b"", None
                yield kind, self._checked(kind, whole)

    def _next_frame(self) -> tuple[int, bytes] | None:
        """Return the first byte and the payload of the next frame, or None if it is not whole."""
        data = self._buffer
        if len(data) < 2:
            return None
        first, length = data[0], data[1] & 0x7F
        self._check(first, data[1], length)
        at = 2
        if length >= 126:
            at = 4 if length == 126 else 10
            if len(data) < at:
                return None
            length = int.from_bytes(data[2:at], "big")
        if first & 0x08 == 0 and len(self._message) + length > self._limit:
            raise BadFrame(1009, f"a message has at most {self._limit} bytes")
        end = at + 4 + length
        if len(data) < end:
            return None
        self._buffer = data[end:]
        return first, unmasked(data[at + 4 : end], data[at : at + 4])

    def _check(self, first: int, second: int, length: int) -> None:
        """Raise `BadFrame` if a frame can't begin with these bytes here."""
        opcode, begins = first & 0x0F, self._opcode is None
        if opcode not in Opcode.__members__.values():
            raise BadFrame(1002, f"there is no opcode {opcode}")
        compressed = self._deflates and opcode in (Opcode.TEXT, Opcode.BINARY)
        if first & (0x30 if compressed else 0x70):
            raise BadFrame(1002, "a reserved bit is set")
        if not second & 0x80:
            raise BadFrame(1002, "a frame of a client is masked")
        if opcode >= Opcode.CLOSE and (length > CONTROL_BYTES_MAX or not first & 0x80):
            raise BadFrame(1002, "a control frame is whole and has at most 125 bytes")
        if opcode < Opcode.CLOSE and (opcode == Opcode.CONTINUATION) is begins:
            raise BadFrame(1002, "a message is continued that has not begun, or begins before the last one ended")

    def _checked(self, kind: Opcode, message: bytes) -> bytes:
        """Return the content of a whole message. Raises `BadFrame` if it is damaged or not UTF-8."""
        if self._compressed:
            reader = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                message = reader.decompress(message + DEFLATE_TAIL, self._limit + 1)
            except zlib.error:
                raise BadFrame(1002, "a damaged compressed message") from None
            if len(message) > self._limit:
                raise BadFrame(1009, f"a message has at most {self._limit} bytes")
        if kind is Opcode.TEXT:
            check_text(message)
        return message


def unmasked(payload: bytes, key: bytes) -> bytes:
    """Return `payload` without its mask, the four bytes `key` (RFC 6455, section 5.3)."""
    size = len(payload)
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


def check_text(data: bytes) -> None:
    """Raise `BadFrame` if `data` is not UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        raise BadFrame(1007, "text is UTF-8") from None


def close_code(payload: bytes) -> int:
    """Return the code of a close frame, or `NO_CODE`. Raises `BadFrame` if it is not allowed."""
    if not payload:
        return NO_CODE
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or code not in CODES:
        raise BadFrame(1002, "a close frame has a code that an endpoint may send")
    check_text(payload[2:])
    return code


def control_frame(opcode: Opcode, payload: bytes = b"") -> bytes:
    """Return an unmasked control frame, as a server sends it."""
    assert len(payload) <= CONTROL_BYTES_MAX
    return bytes((0x80 | opcode, len(payload))) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame; its reason is cut to what fits. `NO_CODE`: it has none."""
    if code == NO_CODE:
        return control_frame(Opcode.CLOSE)
    text = reason.encode()[: CONTROL_BYTES_MAX - 2].decode(errors="ignore").encode()
    return control_frame(Opcode.CLOSE, code.to_bytes(2, "big") + text)
