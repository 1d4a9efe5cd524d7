"""The client's side of HTTP/1.1, without I/O: one request at a time on one connection.

    encode_request(…) ──────────► bytes to send
    AnswerReader.feed(bytes) ───► None (more is needed) or one answer: its head and its body
    expand(body, coding) ───────► the content of a compressed body

The accepted answers (RFC 9112) are: a status line, headers, and a body whose end is given by
`Content-Length`, by `Transfer-Encoding: chunked`, or by a status that has no body (1xx, 204, 304). Interim
answers (1xx) are skipped, except 101: after it the connection uses another protocol, and `rest` holds the
first bytes of that. Anything else is a `BadAnswer`. This includes a body that only ends with the connection
(a cut one could not be distinguished from a whole one), two lengths, and unexpected bytes.

Every byte is counted once. After an answer, a `BadAnswer` or `abandon()`

    header_bytes + body_bytes + len(rest) = bytes fed since the reader was made

where headers reach from the start line to the blank line, and the body is everything else, including the
sizes and line ends of chunks.

This code is written here instead of taken from a library, because it is on the path that is measured and
because no parser reports where a head ends. A whole answer in one read costs one search, and a head that
other clients received too is parsed only once.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

HEAD_MAX = 65_536
"""The longest head that is accepted, in bytes."""

EXPANDED_MAX = 16 * 2**20
"""The largest size of a body after decompression, in bytes."""

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\r\n\0]*)?")
FIELD_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\r\n]*)?")
CHUNK_LINE_MAX = 1024


class BadAnswer(Exception):
    """The server's bytes are not an HTTP answer to the request."""


@dataclass(frozen=True, slots=True)
class Head:
    """An answer's status line and headers."""

    status: int
    headers: Mapping[bytes, bytes]
    """Values by name, in lower case."""
    closes: bool
    """True if the server closes the connection after the answer."""
    coding: bytes | None
    """The compression of the body; None if there is none."""
    length: int | None
    """Bytes of the body; None if it is chunked, or if this is not the answer yet (1xx)."""


Answer = tuple[Head, bytes]
"""A complete answer, head and body; a plain tuple, since creating an object of a class takes much longer."""


def encode_request(target: str, head: bytes, more: bytes = b"") -> bytes:
    """Return a GET request with the header lines `head` and `more`. It has no body, so these are all its
    bytes."""
    return b"GET %b HTTP/1.1\r\n%b%b\r\n" % (target.encode("ascii"), head, more)


def expand(body: bytes, coding: bytes) -> bytes:
    """Return the content of a body that was compressed with `gzip` or `deflate` (RFC 9110, section 8.4.1).

    Raises `BadAnswer` for another coding, a damaged body, or more than `EXPANDED_MAX` bytes.
    """
    if coding.lower() not in (b"gzip", b"deflate"):
        raise BadAnswer(f"a body in the coding {coding[:80]!r}")
    reader = zlib.decompressobj(zlib.MAX_WBITS | 32)   # either coding, detected from the first bytes
    try:
        expanded = reader.decompress(body, EXPANDED_MAX)
    except zlib.error as error:
        raise BadAnswer(f"not {coding.decode()}: {error}") from error
    if not reader.eof or reader.unused_data:
        raise BadAnswer(f"a compressed body that is cut, too long, or expands to over {EXPANDED_MAX} bytes")
    return expanded


@lru_cache(1024)
def _parse_line(line: bytes) -> tuple[bytes, bytes]:
    """Return the name and value of a header. Cached, since different heads have most of their lines in
    common."""
    name, colon, value = line.partition(b":")
    if not colon or not FIELD_NAME.fullmatch(name) or b"\r" in value or b"\n" in value or b"\0" in value:
        raise BadAnswer(f"not a header: {line[:80]!r}")
    return name.lower(), value.strip(b" \t")


@lru_cache(1024)
def _parse_head(text: bytes) -> Head:
    """Return the head that `text` encodes, without its blank line. Cached, since many clients get the same
    head."""
    first, *lines = text.split(b"\r\n")
    status_line = STATUS_LINE.fullmatch(first)
    if status_line is None:
        raise BadAnswer(f"not a status line: {first[:80]!r}")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, value = _parse_line(line)
        headers[name] = headers[name] + b", " + value if name in headers else value
    status = int(status_line[2])
    connection = headers.get(b"connection", b"").lower()
    closes = b"close" in connection if status_line[1] == b"1" else b"keep-alive" not in connection
    return Head(status, headers, closes, headers.get(b"content-encoding"), _body_length(status, headers))


def _body_length(status: int, headers: Mapping[bytes, bytes]) -> int | None:
    """Return the number of bytes of body that follow; None for chunks, or for a further head."""
    if status < 200:
        return None
    if status in (204, 304):
        return 0
    length = headers.get(b"content-length")
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        if length is not None or coding.lower() != b"chunked":
            raise BadAnswer(f"the body's end is told by {coding[:80]!r} and {length!r}")
        return None
    if length is None:
        raise BadAnswer("a body without a length")
    if not length.isdigit() or len(length) > 15:
        raise BadAnswer(f"not a length: {length[:80]!r}")
    return int(length)


class _Chunks:
    """The chunks of one body (RFC 9112, section 7.1), read from a buffer as it grows."""

    def __init__(self, at: int) -> None:
        self.at = at
        """The position up to which the buffer has been parsed."""
        self._parts: list[bytes] = []
        self._trailers = False

    def read(self, data: bytes | bytearray) -> bytes | None:
        """Return the whole body once its last chunk and trailers are in `data`, else None."""
        while True:
            line_end = data.find(b"\r\n", self.at)
            if line_end < 0:
                if len(data) - self.at > CHUNK_LINE_MAX:
                    raise BadAnswer("a chunk's size or a trailer without an end")
                return None
            line = bytes(data[self.at : line_end])
            if self._trailers:
                self.at = line_end + 2
                if not line:
                    return b"".join(self._parts)
                continue
            size_line = CHUNK_LINE.fullmatch(line)
            if size_line is None:
                raise BadAnswer(f"not a chunk's size: {line[:80]!r}")
            size = int(size_line[1], 16)
            if size == 0:
                self._trailers = True
                self.at = line_end + 2
                continue
            begin, end = line_end + 2, line_end + 2 + size
            if len(data) < end + 2:
                return None
            if data[end : end + 2] != b"\r\n":
                raise BadAnswer("a chunk that is longer than its size")
            self._parts.append(bytes(data[begin:end]))
            self.at = end + 2


class AnswerReader:
    """Reads the answers of one connection, in any splitting of the bytes."""

    def __init__(self) -> None:
        self.header_bytes = 0
        self.body_bytes = 0
        self.rest = b""
        """The bytes after a 101: the first bytes of the other protocol."""
        self.fed = 0
        """All bytes so far, including those of an incomplete answer."""
        self._pending = bytearray()
        self._head: Head | None = None
        self._chunks: _Chunks | None = None
        self._searched = 0

    def feed(self, data: bytes) -> Answer | None:
        """Process received bytes. Return an answer when it is complete, once; else None. Raises
        `BadAnswer`."""
        size = len(data)
        self.fed += size
        whole: bytes | bytearray = data
        try:
            if self._pending:
                self._pending += data
                whole = self._pending
            elif self._head is None:
                # One whole answer of a stated length: the frequent case, which has to be fast.
                text, blank_line, body = data.partition(b"\r\n\r\n")
                if blank_line:
                    head, length = _parse_head(text), len(body)
                    if head.length == length:
                        self.header_bytes += size - length
                        self.body_bytes += length
                        return head, body
            answer, used = self._read(whole)
        except BadAnswer:
            self.abandon()
            raise
        if answer is not None:
            self.abandon()
        elif whole is data:
            self._pending = bytearray(data[used:])
        else:
            del self._pending[:used]
        return answer

    def abandon(self) -> None:
        """Count the bytes of an incomplete answer, of which no more will come, and expect a new answer."""
        self.body_bytes = self.fed - self.header_bytes - len(self.rest)
        self._pending = bytearray()
        self._head = None
        self._chunks = None
        self._searched = 0

    def _read(self, data: bytes | bytearray) -> tuple[Answer | None, int]:
        """Return the answer at the start of `data`, if it is complete, and the number of bytes consumed."""
        at = 0
        while self._head is None:
            end = data.find(b"\r\n\r\n", max(at, self._searched - 3))
            if end < 0:
                if len(data) - at > HEAD_MAX:
                    raise BadAnswer(f"a head of over {HEAD_MAX} bytes")
                self._searched = len(data) - at
                return None, at
            head = _parse_head(bytes(data[at:end]))
            self.header_bytes += end + 4 - at
            at = end + 4
            self._searched = 0
            if head.status >= 200 or head.status == 101:
                self._head = head
        return self._read_body(self._head, data, at)

    def _read_body(self, head: Head, data: bytes | bytearray, at: int) -> tuple[Answer | None, int]:
        """Return the answer whose body begins at `at`, if it is complete, and the number of bytes
        consumed."""
        if head.status == 101:
            self.rest = bytes(data[at:])
            return (head, b""), len(data)
        if head.length is not None:
            end = at + head.length
            if len(data) < end:
                return None, at
            body = bytes(data[at:end])
        else:
            if self._chunks is None:
                self._chunks = _Chunks(0)
            # Positions count from the body's first byte, which begins the buffer once the head is removed.
            joined = self._chunks.read(data[at:] if at else data)
            if joined is None:
                return None, at
            body = joined
            end = at + self._chunks.at
        if len(data) > end:
            raise BadAnswer(f"{len(data) - end} bytes that nobody asked for")
        return (head, body), end
