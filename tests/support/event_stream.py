"""A stream of events of a real server, read event by event."""

from __future__ import annotations

import socket
from collections import deque
from typing import Any

import orjson

from bench.transports.sse.client import Event, EventParser
from bench.wire.http_client import Expander, Head, StreamReader


class EventStream:
    """One request and its answer; a context that closes the connection."""

    def __init__(self, sock: socket.socket, query: str = "", **headers: str) -> None:
        self.sock = sock
        lines = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
        sock.sendall(f"GET /ticks{query} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        self.reader, self.parser = StreamReader(), EventParser()
        self.content = b""
        """All that came of the body, after decompression."""
        self._expander: Expander | None = None
        self._found: deque[Event] = deque()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.sock.close()

    def _read(self) -> bool:
        """Read once; False if the server has closed its side."""
        data = self.sock.recv(65_536)
        content = self.reader.feed(data) if data else b""
        head = self.reader.head
        if head is not None and head.coding is not None and self._expander is None:
            self._expander = Expander(head.coding)
        content = self._expander.feed(content) if self._expander else content
        self.content += content
        self._found += self.parser.feed(content)
        return bool(data)

    @property
    def head(self) -> Head:
        """The head of the answer."""
        while self.reader.head is None:
            assert self._read(), "no answer"
        return self.reader.head

    def event(self) -> Event:
        """Return the next event."""
        while not self._found:
            assert self._read(), "the stream has ended"
        return self._found.popleft()

    def data(self) -> Any:
        """Return the data of the next event, a message."""
        found = self.event()
        assert not found.kind
        return orjson.loads(found.data)

    def until(self, content: bytes) -> None:
        """Read until this has come."""
        while content not in self.content:
            assert self._read(), "the stream has ended"

    def rest(self) -> list[Event]:
        """Return all further events, up to the end of the stream and of the connection."""
        while self._read():
            pass
        assert self.reader.ended, "the stream was cut"
        return list(self._found)
