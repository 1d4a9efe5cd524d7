"""The bare server's own work; `test_library` holds both implementations to the same conversations."""

from __future__ import annotations

from memory_transport import chassis_of, connected, in_loop, publish

from bench.serving.bare import BareService
from bench.transports.long_polling.protocol import Options
from bench.transports.long_polling.servers.bare import BareLongPolling, install

ASK = b"GET /ticks?after=e1:0 HTTP/1.1\r\nHost: localhost\r\n\r\n"


def service() -> BareService:
    made = install(chassis_of("long_polling"), Options())
    assert isinstance(made, BareService)
    return made


def test_one_timer_serves_all_parked_requests_and_a_connection_that_is_lost_leaves_nothing_behind() -> None:
    def act(service: BareService) -> None:
        assert isinstance(service, BareLongPolling)
        connections = [connected(service) for _ in range(3)]
        for connection, _ in connections:
            connection.data_received(ASK)
        assert (len(service.polls), len(service.waiting)) == (3, 3)
        assert service._timer is not None
        gone, _ = connections.pop()
        gone.connection_lost(None)
        assert (len(service.polls), len(service.waiting)) == (2, 2)
        publish(service.chassis, "AAA")
        assert [transport.taken().endswith(b'"ticks":[1]}') for _, transport in connections] == [True, True]
        assert (len(service.polls), len(service.waiting)) == (0, 0)

    in_loop(service, act)


def test_a_request_whose_client_has_closed_its_side_is_not_parked() -> None:
    def act(service: BareService) -> None:
        connection, transport = connected(service)
        connection.data_received(ASK + ASK)
        assert connection.eof_received(), "an answer is due"
        connection._go_on()
        assert transport.taken().count(b'"ticks":[]}') == 2
        assert transport.closed

    in_loop(service, act)
