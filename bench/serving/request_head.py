"""Reads the head of a request with httptools, for servers that read their own sockets.

    bytes so far ─► head_end ─► 0: more is needed │ the head's length │ a refusal
    whole head ──► parse_head ─► method, target, header fields │ a refusal

A head is parsed once it is whole, so nothing has to be kept for a connection but its bytes. What can't become
a head of the allowed size is refused before it is whole.

Known weakness: a head that comes in many pieces is searched again with each.
"""

from __future__ import annotations

import httptools

from bench.serving.admission import NOT_HTTP
from bench.serving.config import HEAD_LINE_BYTES, HEAD_LINES, TARGET_BYTES
from bench.wire.contract import Refusal

LINE_END = b"\r\n"
HEAD_END = b"\r\n\r\n"
AROUND_TARGET_BYTES = 64
"""More than a request line has beside its target: a method, a version and two spaces."""


class RequestHead:
    """The head of one request. httptools calls the methods that begin with `on_`."""

    __slots__ = ("_again", "_fields", "lines", "method", "target", "version")

    def __init__(self) -> None:
        self.method = self.target = self.version = ""
        self.lines = 0
        """The number of header lines."""
        self._fields: dict[bytes, bytes] = {}
        self._again: list[tuple[bytes, bytes]] = []
        """The fields whose name occurred before."""

    def on_url(self, part: bytes) -> None:
        """Take a part of the target."""
        self.target += part.decode("latin-1")

    def on_header(self, name: bytes, text: bytes) -> None:
        """Take a header line."""
        self.lines += 1
        name = name.lower()
        if name in self._fields:
            self._again.append((name, text))
        else:
            self._fields[name] = text

    def values(self, name: bytes) -> list[str]:
        """Return all values of a header; `name` in lower case."""
        first = self.value(name)
        if first is None:
            return []
        if not self._again:
            return [first]
        return [first, *(text.strip().decode("latin-1") for each, text in self._again if each == name)]

    def value(self, name: bytes) -> str | None:
        """Return the first value of a header, or None; `name` in lower case."""
        text = self._fields.get(name)
        return None if text is None else text.strip().decode("latin-1")

    def combined(self, name: bytes) -> str | None:
        """Return a header that is a list, from all its lines (RFC 9110, section 5.3), or None; `name` in lower case."""
        return ", ".join(self.values(name)) or None if self._again else self.value(name)

    def header(self, name: str) -> str | None:
        """Return a header from all its lines, or None; `name` in any case."""
        return self.combined(name.lower().encode())

    @property
    def has_body(self) -> bool:
        """Return True if the head announces a body (RFC 9112, section 6.3)."""
        return b"transfer-encoding" in self._fields or self._fields.get(b"content-length", b"0").strip() != b"0"

    @property
    def keeps(self) -> bool:
        """Return True if the client keeps its connection after the response (RFC 9112, section 9.3)."""
        return self.version == "1.1" and not (
            b"connection" in self._fields and "close" in self.tokens(b"connection"))

    def tokens(self, name: bytes) -> list[str]:
        """Return the members of a list in a header, in lower case."""
        return [token.strip().lower() for text in self.values(name) for token in text.split(",")]


def head_end(data: bytes) -> int:
    """Return the length of the head at the start of `data`, or 0 if it is not whole.

    Raises `Refusal` if it can't become one.
    """
    end = data.find(HEAD_END)
    if end >= 0:
        return end + len(HEAD_END)
    lines = data.count(LINE_END)
    if not (data[:1].isalpha() and data.count(b"\n") == lines):
        raise Refusal("bad-request", NOT_HTTP)
    if lines == 0 and len(data) > TARGET_BYTES + AROUND_TARGET_BYTES:
        raise too_long_target()
    if lines > HEAD_LINES + 1 or len(data) - (data.rfind(b"\n") + 1) > HEAD_LINE_BYTES + 1:   # its \r
        raise too_large(lines)
    return 0


def parse_head(data: bytes) -> RequestHead:
    """Return the head that `data` is. Raises `Refusal` if it is none, or too large."""
    head = RequestHead()
    parser = httptools.HttpRequestParser(head)
    if len(data) > HEAD_LINE_BYTES:
        first, *others = data.split(LINE_END)
        if len(first) > TARGET_BYTES + AROUND_TARGET_BYTES:
            raise too_long_target()
        if max(map(len, others)) > HEAD_LINE_BYTES:
            raise too_large(0)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass   # the bytes after the head are not in `data`
    except httptools.HttpParserError:
        raise Refusal("bad-request", NOT_HTTP) from None
    head.version = parser.get_http_version()
    if head.version not in ("1.1", "1.0"):
        raise Refusal("bad-request", NOT_HTTP)
    if head.lines > HEAD_LINES:
        raise too_large(head.lines)
    head.method = parser.get_method().decode("ascii")
    return head


def too_long_target() -> Refusal:
    """Return the refusal of a target that is too long."""
    return Refusal("target-too-long", f"a request's target has at most {TARGET_BYTES} bytes")


def too_large(lines: int) -> Refusal:
    """Return the refusal of a head of `lines` lines: there are too many, or one is too long."""
    if lines > HEAD_LINES:
        return Refusal("headers-too-large", f"a request has at most {HEAD_LINES} header lines")
    return Refusal("headers-too-large", f"a header line has at most {HEAD_LINE_BYTES} bytes")
