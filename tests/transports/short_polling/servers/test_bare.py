"""The bare server's own work; `test_library` holds both implementations to the same conversations."""

from __future__ import annotations

from memory_transport import chassis_of, connected, in_loop, publish

from bench.serving.bare import BareService
from bench.transports.short_polling.protocol import Options
from bench.transports.short_polling.servers.bare import install
from bench.wire.contract import Batch, Cursor, encode_batch


def service() -> BareService:
    made = install(chassis_of("short_polling"), Options())
    assert isinstance(made, BareService)
    return made


def test_a_request_is_served_before_the_next_bytes_are_read() -> None:
    def act(service: BareService) -> None:
        connection, transport = connected(service)
        publish(service.chassis, "AAA", "BBB")
        connection.data_received(b"GET /ticks?after=e1:0&symbols=BBB HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert transport.taken().endswith(b"\r\n\r\n" + encode_batch(Batch(Cursor("e1", 2), (b"2",))))
        assert service.chassis.counts.deliveries == 1

    in_loop(service, act)
