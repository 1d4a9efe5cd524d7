"""Reads the request before an upgrade, so that what `websockets` takes no request for gets an answer, too.

The library reads a head and goes on to frames at once. Its reader is replaced by one that

- hides a body's announcement from it, which it would close on without a word, and remembers it;
- keeps what comes after the head until that is answered: a second request is then thrown away with the
  connection, in order, and is not taken for a frame.

Known weakness: a plain request's answer closes the connection, so of requests that come together only the
first is answered (RFC 9112, section 9.3.2, has clients ask the rest again).
"""

from __future__ import annotations

from collections.abc import Generator

from websockets.protocol import CONNECTING
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

NO_BODY = b"Content-Length: 0\r\n"


class HeadReader(StreamReader):
    """What a connection sends: one head, and what follows it once that is answered."""

    def __init__(self, protocol: ServerProtocol) -> None:
        super().__init__()
        self._protocol = protocol
        self.has_body = False
        """Whether the head announces a body."""

    def read_line(
        self, m: int, too_long_exc_type: type[Exception] = RuntimeError
    ) -> Generator[None, None, bytearray]:
        """See `StreamReader`; a line that announces a body is read as one that says that there is none."""
        line = yield from super().read_line(m, too_long_exc_type)
        if announces_body(line):
            self.has_body = True
            return bytearray(NO_BODY)
        return line

    def at_eof(self) -> Generator[None, None, bool]:
        """See `StreamReader`; as long as the head is not answered nothing more is read."""
        while not self._is_answered and not self.eof:
            yield
        if not self._is_answered:
            self.discard()   # the connection broke
        return (yield from super().at_eof())

    @property
    def _is_answered(self) -> bool:
        return self._protocol.state is not CONNECTING or self._protocol.eof_sent


def announces_body(line: bytes | bytearray) -> bool:
    """Say whether a header line announces a body (RFC 9112, section 6.3)."""
    name, _, text = line.partition(b":")
    name = name.lower()
    return name == b"transfer-encoding" or (name == b"content-length" and text.strip() != b"0")


def read_heads_with(protocol: ServerProtocol) -> HeadReader:
    """Give a connection's protocol such a reader before anything has come."""
    reader = protocol.reader = HeadReader(protocol)
    protocol.parser = protocol.parse()   # the one that was begun reads from the reader before
    next(protocol.parser)
    return reader
