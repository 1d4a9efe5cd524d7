"""The bare server's own work; `test_library` holds both implementations to the same conversations."""

from __future__ import annotations

from memory_transport import chassis_of, connected, in_loop, publish

from bench.serving.bare import BareService
from bench.serving.responses import stream_head
from bench.serving.streams import LAST_CHUNK
from bench.transports.sse.protocol import HEADERS, Options, first_chunk, hello_event, push_chunk
from bench.transports.sse.servers.bare import install
from bench.wire.contract import Batch, Cursor

ASK = b"GET /ticks HTTP/1.1\r\nHost: localhost\r\n"


def service() -> BareService:
    made = install(chassis_of("sse"), Options())
    assert isinstance(made, BareService)
    return made


def test_a_stream_is_written_as_the_library_writes_it() -> None:
    def act(service: BareService) -> None:
        connection, transport = connected(service)
        connection.data_received(ASK + b"\r\n")
        hello = first_chunk(Options(), hello_event(Batch(Cursor("e1", 0))))
        assert len(transport.written) == len(stream_head(Options(), HEADERS)) + len(hello)
        assert transport.taken().endswith(b"\r\n\r\n" + hello)
        publish(service.chassis, "AAA")
        assert transport.taken() == push_chunk(Batch(Cursor("e1", 1), (b"1",)))

    in_loop(service, act)


def test_bytes_of_the_client_are_discarded_and_its_end_ends_the_stream() -> None:
    def act(service: BareService) -> None:
        connection, transport = connected(service)
        connection.data_received(ASK + b"\r\n" + ASK)
        transport.taken()
        connection.data_received(ASK + b"\r\n")
        assert transport.taken() == b""
        connection.eof_received()
        assert (transport.taken(), transport.closed) == (LAST_CHUNK, True)
        connection.connection_lost(None)
        publish(service.chassis, "AAA")
        assert transport.written == b""

    in_loop(service, act)


def test_a_stream_that_is_refused_closes_its_connection() -> None:
    def act(service: BareService) -> None:
        connection, transport = connected(service)
        connection.data_received(ASK + b"Last-Event-ID: e0:7\r\n\r\n")
        assert b"event: refusal\n" in transport.written
        assert transport.written.endswith(LAST_CHUNK)
        assert transport.closed

    in_loop(service, act)
