"""The client's side of HTTP/1.1, without I/O: one request at a time on one connection.

    encode_request(…) ──────────► bytes to send
    ResponseReader.feed(bytes) ───► None (more is needed) or one response: its head and its body
    StreamReader.feed(bytes) ───► the next bytes of the body of a response that may never end
    expand(body, coding) ───────► the content of a compressed body
    Expander.feed(bytes) ───────► the next bytes of the content of a compressed body

The accepted responses (RFC 9112) are: a status line, headers, and a body whose end is given by
`Content-Length`, by `Transfer-Encoding: chunked`, or by a status that has no body (1xx, 204, 304). Interim
responses (1xx) are skipped, except 101: after it the connection uses another protocol, and `rest` holds the
first bytes of that. Anything else is a `BadResponse`. This includes a body that only ends with the connection
(a cut one could not be distinguished from a whole one), two lengths, and unexpected bytes.

Every byte is counted once. After a response, a `BadResponse` or `abandon()` of a `ResponseReader`

    header_bytes + body_bytes + len(rest) = bytes fed since the reader was made

where headers reach from the start line to the blank line, and the body is everything else, including the
sizes and line ends of chunks.

This code is written here instead of taken from a library, because it is on the path that is measured and
because no parser reports where a head ends. A whole response in one read costs one search, and a head that
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


class BadResponse(Exception):
    """The server's bytes are not an HTTP response to the request."""


@dataclass(frozen=True, slots=True)
class Head:
    """A response's status line and headers."""

    status: int
    headers: Mapping[bytes, bytes]
    """Values by name, in lower case."""
    closes: bool
    """True if the server closes the connection after the response."""
    coding: bytes | None
    """The compression of the body; None if there is none."""
    length: int | None
    """Bytes of the body; None if it is chunked, or if this is not the response yet (1xx)."""


Response = tuple[Head, bytes]
"""A complete response, head and body; a plain tuple, since creating an object of a class takes much longer."""


def encode_request(target: str, head: bytes, more: bytes = b"") -> bytes:
    """Return a GET request with the header lines `head` and `more`. It has no body, so these are all its
    bytes."""
    return b"GET %b HTTP/1.1\r\n%b%b\r\n" % (target.encode("ascii"), head, more)


def expand(body: bytes, coding: bytes) -> bytes:
    """Return the content of a body that was compressed with `gzip` or `deflate` (RFC 9110, section 8.4.1).

    Raises `BadResponse` for another coding, a damaged body, or more than `EXPANDED_MAX` bytes.
    """
    reader = _decompressor(coding)
    try:
        expanded = reader.decompress(body, EXPANDED_MAX)
    except zlib.error as error:
        raise BadResponse(f"not {coding.decode()}: {error}") from error
    if not reader.eof or reader.unused_data:
        raise BadResponse(f"a compressed body that is cut, too long, or expands to over {EXPANDED_MAX} bytes")
    return expanded


class Expander:
    """Decompresses a body as it comes. A body that is cut is no mistake: a stream may end at any time."""

    def __init__(self, coding: bytes) -> None:
        """Begin a body. Raises `BadResponse` for a coding other than `gzip` and `deflate`."""
        self._reader = _decompressor(coding)

    def feed(self, data: bytes) -> bytes:
        """Return the content that `data` completes. Raises `BadResponse` for a damaged body, or for more than
        `EXPANDED_MAX` bytes at once."""
        try:
            expanded = self._reader.decompress(data, EXPANDED_MAX)
        except zlib.error as error:
            raise BadResponse(f"a damaged compressed body: {error}") from error
        if self._reader.unconsumed_tail or self._reader.unused_data:
            raise BadResponse(f"a compressed body that is too long, or expands to over {EXPANDED_MAX} bytes")
        return expanded


def _decompressor(coding: bytes) -> zlib._Decompress:
    """Return a decompressor for `gzip` or `deflate`, whichever the first bytes show."""
    if coding.lower() not in (b"gzip", b"deflate"):
        raise BadResponse(f"a body in the coding {coding[:80]!r}")
    return zlib.decompressobj(zlib.MAX_WBITS | 32)


@lru_cache(1024)
def _parse_line(line: bytes) -> tuple[bytes, bytes]:
    """Return the name and value of a header. Cached, since different heads have most of their lines in
    common."""
    name, colon, value = line.partition(b":")
    if not colon or not FIELD_NAME.fullmatch(name) or b"\r" in value or b"\n" in value or b"\0" in value:
        raise BadResponse(f"not a header: {line[:80]!r}")
    return name.lower(), value.strip(b" \t")


@lru_cache(1024)
def _parse_head(text: bytes) -> Head:
    """Return the head that `text` encodes, without its blank line. Cached, since many clients get the same
    head."""
    first, *lines = text.split(b"\r\n")
    status_line = STATUS_LINE.fullmatch(first)
    if status_line is None:
        raise BadResponse(f"not a status line: {first[:80]!r}")
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
            raise BadResponse(f"the body's end is given by {coding[:80]!r} and {length!r}")
        return None
    if length is None:
        raise BadResponse("a body without a length")
    if not length.isdigit() or len(length) > 15:
        raise BadResponse(f"not a length: {length[:80]!r}")
    return int(length)


def _final_head(data: bytes | bytearray, searched: int) -> tuple[Head | None, int]:
    """Return the first head at the start of `data` that is not interim, and the position after it.

    The head is None where it is not complete; the position is then where it begins. `searched` bytes are known
    to hold no complete head.
    """
    at = 0
    while (end := data.find(b"\r\n\r\n", max(at, searched - 3))) >= 0:
        head = _parse_head(bytes(data[at:end]))
        at, searched = end + 4, 0
        if head.status >= 200 or head.status == 101:
            return head, at
    if len(data) - at > HEAD_MAX:
        raise BadResponse(f"a head of over {HEAD_MAX} bytes")
    return None, at


class ChunkReader:
    """Reads the chunks of one body (RFC 9112, section 7.1), in any splitting of its bytes."""

    def __init__(self) -> None:
        self.ended = False
        """True once the last chunk and the trailers were read."""
        self._left = 0
        """Bytes of the present chunk that are still to come."""
        self._line: bytes | None = b""
        """The beginning of a size line or trailer; None inside a chunk."""
        self._closes = False
        """True if the next line is the end of a chunk."""
        self._trailers = False

    @property
    def between(self) -> bool:
        """Return True if the next byte begins a chunk."""
        return self._line == b"" and not (self._closes or self._trailers)

    def feed(self, data: bytes) -> bytes:
        """Return the content that `data` holds. Raises `BadResponse`, also for bytes after the end."""
        parts, at, size = [], 0, len(data)
        while at < size and not self.ended:
            if self._line is None:
                part = data[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                if not self._left:
                    self._line, self._closes = b"", True
                continue
            line_end = data.find(b"\n", at)
            if line_end < 0:
                self._line += data[at:]
                self._check(self._line)
                break
            self._end_line(self._line + data[at : line_end + 1])
            at = line_end + 1
        if at < size and self.ended:
            raise BadResponse(f"{size - at} bytes that were not asked for")
        return b"".join(parts)

    def _check(self, line: bytes) -> None:
        """Raise `BadResponse` if the beginning of a line can't become a whole one."""
        if self._closes and line != b"\r":
            raise BadResponse("a chunk that is longer than its size")
        if len(line) > CHUNK_LINE_MAX:
            raise BadResponse("a chunk's size or a trailer without an end")

    def _end_line(self, line: bytes) -> None:
        """Process a whole line, with its end."""
        self._line = b""
        text = line.removesuffix(b"\r\n")
        if self._closes:
            if line != b"\r\n":
                raise BadResponse("a chunk that is longer than its size")
            self._closes = False
        elif text == line or len(line) > CHUNK_LINE_MAX:
            raise BadResponse(f"not a chunk's size or a trailer: {line[:80]!r}")
        elif self._trailers:
            self.ended = not text
        else:
            size_line = CHUNK_LINE.fullmatch(text)
            if size_line is None:
                raise BadResponse(f"not a chunk's size: {text[:80]!r}")
            self._left = int(size_line[1], 16)
            self._trailers = self._left == 0
            self._line = b"" if self._trailers else None


class ResponseReader:
    """Reads the responses of one connection, in any splitting of the bytes."""

    def __init__(self) -> None:
        self.header_bytes = 0
        self.body_bytes = 0
        self.rest = b""
        """The bytes after a 101: the first bytes of the other protocol."""
        self.fed = 0
        """All bytes so far, including those of an incomplete response."""
        self._pending = bytearray()
        self._head: Head | None = None
        self._chunks: ChunkReader | None = None
        self._parts: list[bytes] = []
        self._searched = 0

    def feed(self, data: bytes) -> Response | None:
        """Process received bytes. Return a response when it is complete, once; else None. Raises
        `BadResponse`."""
        size = len(data)
        self.fed += size
        whole: bytes | bytearray = data
        try:
            if self._pending:
                self._pending += data
                whole = self._pending
            elif self._head is None:
                # One whole response of a stated length: the frequent case, which has to be fast.
                text, blank_line, body = data.partition(b"\r\n\r\n")
                if blank_line:
                    head, length = _parse_head(text), len(body)
                    if head.length == length:
                        self.header_bytes += size - length
                        self.body_bytes += length
                        return head, body
            response, used = self._read(whole)
        except BadResponse:
            self.abandon()
            raise
        if response is not None:
            self.abandon()
        elif whole is data:
            self._pending = bytearray(data[used:])
        else:
            del self._pending[:used]
        return response

    def abandon(self) -> None:
        """Count the bytes of an incomplete response, of which no more will come, and expect a new response."""
        self.body_bytes = self.fed - self.header_bytes - len(self.rest)
        self._pending = bytearray()
        self._head = None
        self._chunks = None
        self._parts = []
        self._searched = 0

    def _read(self, data: bytes | bytearray) -> tuple[Response | None, int]:
        """Return the response at the start of `data`, if it is complete, and the number of bytes consumed."""
        at = 0
        if self._head is None:
            self._head, at = _final_head(data, self._searched)
            self.header_bytes += at
            self._searched = len(data) - at
            if self._head is None:
                return None, at
        return self._read_body(self._head, data, at)

    def _read_body(self, head: Head, data: bytes | bytearray, at: int) -> tuple[Response | None, int]:
        """Return the response whose body begins at `at`, if it is complete, and the number of bytes
        consumed."""
        if head.status == 101:
            self.rest = bytes(data[at:])
            return (head, b""), len(data)
        if head.length is None:
            if self._chunks is None:
                self._chunks = ChunkReader()
            self._parts.append(self._chunks.feed(bytes(data[at:])))
            return ((head, b"".join(self._parts)) if self._chunks.ended else None), len(data)
        end = at + head.length
        if len(data) < end:
            return None, at
        if len(data) > end:
            raise BadResponse(f"{len(data) - end} bytes that were not asked for")
        return (head, bytes(data[at:end])), end


class StreamReader:
    """Reads one response and hands its body on as it comes, in any splitting of the bytes."""

    def __init__(self) -> None:
        self.header_bytes = 0
        """Bytes of the heads read, interim ones included."""
        self.head: Head | None = None
        """The response's head once it is complete."""
        self.ended = False
        """True once the whole body was handed on."""
        self._chunks = ChunkReader()
        self._left = 0
        self._pending = bytearray()
        self._searched = 0

    @property
    def between(self) -> bool:
        """Return True if the next byte begins a chunk of the body."""
        return self.head is not None and self.head.length is None and self._chunks.between

    def feed(self, data: bytes) -> bytes:
        """Return the bytes of the body that `data` holds. Raises `BadResponse`, also for bytes after the end."""
        if self.head is None:
            self._pending += data
            self.head, at = _final_head(self._pending, self._searched)
            self.header_bytes += at
            data = bytes(self._pending[at:])
            if self.head is None:
                self._pending = bytearray(data)
                self._searched = len(data)
                return b""
            if self.head.status == 101:
                raise BadResponse("101 to nothing that was asked")
            self._pending.clear()
            self._left = self.head.length or 0
        if self.head.length is None:
            content = self._chunks.feed(data)
            self.ended = self._chunks.ended
            return content
        if len(data) > self._left:
            raise BadResponse(f"{len(data) - self._left} bytes that were not asked for")
        self._left -= len(data)
        self.ended = not self._left
        return data
