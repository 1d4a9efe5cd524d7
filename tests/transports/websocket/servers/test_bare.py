"""The bare server's own work; `test_library` holds both implementations to the same conversations."""

from __future__ import annotations

import pytest
from memory_transport import MemoryTransport, chassis_of, connected, in_loop, publish

from bench.serving.bare import BareService, Connection
from bench.serving.fanout import WRITE_BUFFER_BYTES
from bench.transports.websocket import model
from bench.transports.websocket.protocol import Options, hello_frame
from bench.transports.websocket.servers.bare import BareWebSocket, install
from bench.wire.contract import Batch, Cursor
from bench.wire.options import upgrade_head
from bench.wire.sizes import Conversation

KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
UPGRADE = (b"GET /ticks HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\n")
HELLO = hello_frame(Batch(Cursor("e1", 0)))
CLOSE = b"\x88\x82" + bytes(4) + b"\x03\xe8"


def service(**options: object) -> BareService:
    made = install(chassis_of("websocket", limits={"close_s": 0.001}), Options.model_validate(options))
    assert isinstance(made, BareService)
    return made


def opened(service: BareService) -> tuple[Connection, MemoryTransport]:
    connection, transport = connected(service)
    connection.data_received(UPGRADE + KEY + b"\r\n")
    assert transport.taken().endswith(b"\r\n\r\n" + HELLO)
    return connection, transport


def test_an_upgrade_is_served_with_the_proof_that_it_was_read() -> None:
    def act(service: BareService) -> None:
        connection, transport = connected(service)
        connection.data_received(UPGRADE + KEY + b"\r\n")
        assert transport.written.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in transport.written   # RFC 6455 §1.3
        assert transport.high == WRITE_BUFFER_BYTES

    in_loop(service, act)


@pytest.mark.parametrize("options", [
    {}, {"compression": "permessage-deflate"}, {"compression": "permessage-deflate", "context_takeover": True},
    {"response_headers": ("X-Own: 1", "Server: other")}], ids=str)
def test_the_answer_is_as_long_as_that_of_the_library(options: dict[str, object]) -> None:
    asked = Options.model_validate(options)
    offer = model.OFFER if asked.compression != "none" else None
    sizes = model.wire(asked, Conversation((b"{}",), host="localhost"))

    def act(service: BareService) -> None:
        connection, transport = connected(service)
        connection.data_received(b"GET /ticks HTTP/1.1\r\n" + upgrade_head(asked, "localhost", offer) + KEY + b"\r\n")
        head, _, _ = transport.written.partition(b"\r\n\r\n")
        assert len(head) + 4 == sizes.hello_bytes_down

    in_loop(lambda: service(**options), act)


@pytest.mark.parametrize(("request_of", "status"), [
    (UPGRADE + b"\r\n", b"400"),
    (UPGRADE + KEY + KEY + b"\r\n", b"400"),
    (UPGRADE + b"Sec-WebSocket-Key: dG9vIHNob3J0\r\n\r\n", b"400"),
    (UPGRADE + b"Sec-WebSocket-Key: ???\r\n\r\n", b"400"),
    (UPGRADE.replace(b": websocket", b": h2c") + KEY + b"\r\n", b"426"),
    (UPGRADE.replace(b", Upgrade", b"") + KEY + b"\r\n", b"426"),
    (UPGRADE.replace(b": 13", b": 8") + KEY + b"\r\n", b"426"),
])
def test_what_is_no_upgrade_is_refused_and_the_connection_closed(request_of: bytes, status: bytes) -> None:
    def act(service: BareService) -> None:
        connection, transport = connected(service)
        connection.data_received(request_of)
        assert transport.written.split(b" ")[1] == status
        assert transport.closed

    in_loop(service, act)


def test_a_close_frame_is_served_and_a_second_goodbye_is_not_sent() -> None:
    def act(service: BareService) -> None:
        assert isinstance(service, BareWebSocket)
        connection, transport = opened(service)
        connection.data_received(CLOSE)
        assert (transport.taken(), transport.closed) == (b"\x88\x02\x03\xe8", True)
        assert service.fanout.members() == []

    in_loop(service, act)


def test_after_our_goodbye_only_the_clients_counts() -> None:
    def act(service: BareService) -> None:
        assert isinstance(service, BareWebSocket)
        connection, transport = opened(service)
        connection.data_received(b"\x81\x82" + bytes(4) + b"hi")
        assert transport.taken()[2:4] == (1008).to_bytes(2, "big")
        publish(service.chassis, "AAA")
        connection.data_received(b"\x89\x80" + bytes(4))
        assert (transport.taken(), transport.closed) == (b"", False)
        connection.data_received(CLOSE)
        assert (transport.taken(), transport.closed) == (b"", True)
        assert service.chassis.counts.refused == {"bad-request": 1}

    in_loop(service, act)


def test_nothing_is_read_from_a_client_that_reads_nothing() -> None:
    def act(service: BareService) -> None:
        connection, transport = opened(service)
        connection.pause_writing()
        assert not transport.reading
        publish(service.chassis, "AAA")
        assert transport.taken() == b""
        connection.resume_writing()
        assert transport.reading

    in_loop(service, act)
