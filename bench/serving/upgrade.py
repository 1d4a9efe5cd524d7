"""Reads the request before an upgrade, so that requests that `websockets` rejects get a response, too.

The library reads a head and goes on to frames at once. Its reader is replaced by one that

- hides the announcement of a body from the library, which would close the connection without a response,
  and remembers it;
- keeps the bytes after the head until the head is answered: a second request is then discarded with the
  connection, gracefully, and is not taken for a frame.

Known weakness: a plain request's response closes the connection, so of several requests that come together
only the first is answered (RFC 9112, section 9.3.2, has clients send the rest again).
"""

from __future__ import annotations

from collections.abc import Generator

from websockets.protocol import CONNECTING
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

NO_BODY = b"Content-Length: 0\r\n"


class HeadReader(StreamReader):
    """The bytes that a connection sends: one head, and the bytes after it once the head is answered."""

    def __init__(self, protocol: ServerProtocol) -> None:
        super().__init__()
        self._protocol = protocol
        self.has_body = False
        """True if the head announces a body."""

    def read_line(
        self, m: int, too_long_exc_type: type[Exception] = RuntimeError
    ) -> Generator[None, None, bytearray]:
        """See `StreamReader`. A line that announces a body is replaced by one that announces none."""
        line = yield from super().read_line(m, too_long_exc_type)
        if announces_body(line):
            self.has_body = True
            return bytearray(NO_BODY)
        return line

    def at_eof(self) -> Generator[None, None, bool]:
        """See `StreamReader`. As long as the head is not answered, nothing more is read."""
        while not self._is_served and not self.eof:
            yield
        if not self._is_served:
            self.discard()   # the connection broke
        return (yield from super().at_eof())

    @property
    def _is_served(self) -> bool:
        return self._protocol.state is not CONNECTING or self._protocol.eof_sent


def announces_body(line: bytes | bytearray) -> bool:
    """Return True if a header line announces a body (RFC 9112, section 6.3)."""
    name, _, text = line.partition(b":")
    name = name.lower()
    return name == b"transfer-encoding" or (name == b"content-length" and text.strip() != b"0")


def read_heads_with(protocol: ServerProtocol) -> HeadReader:
    """Give a connection's protocol a `HeadReader` before any bytes have come, and return the reader."""
    reader = protocol.reader = HeadReader(protocol)
    protocol.parser = protocol.parse()   # the parser that was already started reads from the old reader
    next(protocol.parser)
    return reader
