"""The head before an upgrade: bodies are seen, and what follows waits until the head is answered."""

from __future__ import annotations

import pytest
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from bench.serving.upgrade import announces_body, read_heads_with

HEAD = b"GET /ticks HTTP/1.1\r\nHost: a\r\n%b\r\n"


@pytest.mark.parametrize(("line", "announces"), [
    (b"Content-Length: 5\r\n", True), (b"CONTENT-LENGTH:5\r\n", True),
    (b"Transfer-Encoding: chunked\r\n", True),
    (b"Content-Length: 0\r\n", False), (b"Content-Length:  0 \r\n", False), (b"Host: a\r\n", False),
    (b"GET / HTTP/1.1\r\n", False), (b"\r\n", False),
])
def test_what_announces_a_body(line: bytes, announces: bool) -> None:
    assert announces_body(line) is announces


@pytest.mark.parametrize(("fields", "has_body"), [(b"", False), (b"Content-Length: 5\r\n", True)])
def test_a_head_is_read_and_what_follows_waits(fields: bytes, has_body: bool) -> None:
    protocol = ServerProtocol()
    reader = read_heads_with(protocol)
    for number in range(len(head := HEAD % fields)):
        protocol.receive_data(head[number : number + 1])
    protocol.receive_data(HEAD % b"")
    (request,) = protocol.events_received()
    assert isinstance(request, Request)
    assert (request.path, reader.has_body) == ("/ticks", has_body)
    protocol.send_response(Response(400, "Bad Request", request.headers))
    protocol.receive_data(b"more")
    assert not reader.buffer
    assert protocol.events_received() == []


def test_a_connection_that_breaks_before_its_answer_is_over() -> None:
    protocol = ServerProtocol()
    read_heads_with(protocol)
    protocol.receive_data(HEAD % b"" * 2)
    protocol.receive_eof()
    assert protocol.state.name == "CLOSED"
