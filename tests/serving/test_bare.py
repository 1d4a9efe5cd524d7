from __future__ import annotations

import re

import pytest
from memory_transport import MemoryTransport, chassis_of, connected, in_loop, publish
from servers import ScriptedFeed, ServerProcess, running_server

from bench.serving.bare import PENDING_BYTES, BarePollService, BareService, Connection
from bench.serving.request_head import RequestHead
from bench.serving.target import parse_query
from bench.wire.options import HttpWire

SITE = "https://ticker.example"
HEAD = b"GET /ticks?after=e1:0 HTTP/1.1\r\nHost: localhost\r\n"
GET = HEAD + b"\r\n"


class Echo(BarePollService):
    """Answers at once, or parks all requests."""

    def __init__(self, parks: bool = False) -> None:
        super().__init__(chassis_of("short_polling"), HttpWire())
        self.parks = parks
        self.parked: list[Connection] = []

    def ticks(self, connection: Connection, query: str, head: RequestHead) -> None:
        if self.parks:
            self.parked.append(connection)
        else:
            self.deliver(connection, self.chassis.response(parse_query(query)), head.combined(b"if-none-match"), None)

    def release(self) -> None:
        connection = self.parked.pop(0)
        self.deliver(connection, self.chassis.response(parse_query("after=e1:0")), None, None)

    def hurry(self, connection: Connection) -> None:
        self.parked.remove(connection)
        self.deliver(connection, self.chassis.response(parse_query("after=e1:0")), None, None)


def statuses(transport: MemoryTransport) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 (\d+) ", transport.taken())


def test_requests_that_come_together_are_answered_in_order_however_they_are_cut() -> None:
    def act(service: BareService) -> None:
        data = GET + HEAD.replace(b"/ticks", b"/nowhere") + b"\r\n" + HEAD + b"Connection: close\r\n\r\n"
        for step in (1, 7, 100, len(data)):
            connection, transport = connected(service)
            for begin in range(0, len(data), step):
                connection.data_received(data[begin : begin + step])
            assert statuses(transport) == [b"200", b"404", b"200"]
            assert transport.closed

    in_loop(Echo, act)


def test_while_an_answer_is_not_read_nothing_is_served_and_little_is_kept() -> None:
    def act(service: BareService) -> None:
        connection, transport = connected(service)
        connection.pause_writing()
        connection.data_received(GET)
        assert (statuses(transport), transport.reading) == ([], True)
        connection.data_received(GET * (PENDING_BYTES // len(GET) + 1))
        assert not transport.reading
        connection.resume_writing()
        assert len(statuses(transport)) == PENDING_BYTES // len(GET) + 2
        assert transport.reading

    in_loop(Echo, act)


def test_a_request_that_comes_while_one_is_parked_waits_for_its_turn() -> None:
    service = Echo(parks=True)

    def act(_: BareService) -> None:
        connection, transport = connected(service)
        connection.data_received(GET)
        connection.data_received(GET)
        assert (len(service.parked), statuses(transport)) == (1, [])
        service.release()
        connection._go_on()
        assert (len(service.parked), statuses(transport)) == (1, [b"200"])
        connection.eof_received()
        connection._go_on()
        assert (statuses(transport), transport.closed) == ([b"200"], True)

    in_loop(lambda: service, act)


def test_an_answer_is_encoded_once_for_all_who_ask_the_same_until_there_is_news() -> None:
    def act(service: BareService) -> None:
        assert isinstance(service, Echo)
        encoded = []
        encode = service.encode
        service.encode = lambda *a: encoded.append(a) or encode(*a)   # type: ignore[func-returns-value,method-assign]
        for _ in range(3):
            connection, transport = connected(service)
            connection.data_received(GET)
            assert b'"ticks":[]' in transport.written
        assert len(encoded) <= 2, "once, or twice where the second changed"
        publish(service.chassis, "AAA")
        connection.data_received(GET)
        assert b'"ticks":[1]' in transport.taken()
        connection.data_received(HEAD + b'If-None-Match: "e1:1"\r\n\r\n')
        assert statuses(transport) == [b"304"]

    in_loop(Echo, act)


@pytest.mark.parametrize("data", [
    HEAD + b"Content-Length: 5\r\n\r\n", b"hello\r\n\r\n", GET + b"\x16\x03", HEAD + b"X: " + b"x" * 9000,
])
def test_where_more_of_a_request_may_come_the_end_is_announced_before_the_connection_is_closed(data: bytes) -> None:
    def act(service: BareService) -> None:
        connection, transport = connected(service)
        connection.data_received(data)
        assert transport.ended
        assert not transport.closed
        connection.data_received(b"what still comes")
        assert statuses(transport)[-1] in (b"400", b"413", b"431")
        assert not connection.eof_received(), "then the transport closes"

    in_loop(Echo, act)


def test_the_time_for_a_head_runs_from_its_first_byte_and_that_for_the_next_one_from_the_answer() -> None:
    def act(service: BareService) -> None:
        limits, begun = service.limits, service.loop.time()
        silent, dripping, idle = (connected(service) for _ in range(3))
        dripping[0].data_received(HEAD)
        idle[0].data_received(GET)
        for connection, _ in (silent, dripping, idle):
            connection.check(begun + limits.head_s - 1)
        assert not silent[1].closed
        assert not dripping[1].ended
        for connection, _ in (silent, dripping, idle):
            connection.check(begun + limits.head_s + 1)
        assert (silent[1].closed, silent[1].written) == (True, b"")
        assert statuses(dripping[1]) == [b"408"]
        assert not idle[1].closed
        idle[0].check(begun + limits.idle_s + 1)
        assert idle[1].closed
        assert service.chassis.counts.timeouts == 2

    in_loop(Echo, act)


TICKS = "/ticks?after=e1:0"
ASKED = [
    ("GET", "/ticks", {}),
    ("GET", TICKS, {}),
    ("GET", TICKS, {"Accept-Encoding": "gzip"}),
    ("GET", "/ticks?after=e1:20", {"If-None-Match": '"e1:20"'}),
    ("GET", TICKS, {"Origin": SITE}),
    ("GET", TICKS, {"Connection": "close"}),
    ("GET", "/ticks?symbols=ZZZ", {}),
    ("GET", "/ticks?after=zz:0", {"Origin": SITE}),
    ("GET", "/health", {}),
    ("GET", "/openapi.json", {}),
    ("POST", "/ticks", {}),
    ("GET", "/ticks", {"Origin": "https://evil.example"}),
    ("OPTIONS", "/ticks", {"Origin": SITE, "Access-Control-Request-Method": "GET"}),
]


def answers(server: ServerProcess) -> list[tuple[list[bytes], bytes]]:
    """Return the header lines, sorted and without the date, and the body of each answer."""
    found = []
    for method, target, headers in ASKED:
        with server.connect() as sock:
            lines = {"Host": "localhost", "Connection": "keep-alive"} | headers
            sock.sendall(f"{method} {target} HTTP/1.1\r\n".encode())
            sock.sendall("".join(f"{name}: {text}\r\n" for name, text in lines.items()).encode() + b"\r\n")
            sock.shutdown(1)
            head, _, body = sock.makefile("rb").read().partition(b"\r\n\r\n")
            status, *fields = head.split(b"\r\n")
            found.append(([status, *sorted(re.sub(rb"(?<=^Date: ).*", b"", field) for field in fields)], body))
    return found


@pytest.mark.process
@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"entity_tags": False}, {
    "response_headers": ["X-Own: 1", "Server: other"]}], ids=str)
def test_both_makes_answer_with_the_same_bytes(feed: ScriptedFeed, options: dict[str, object]) -> None:
    found = []
    feed.publish(*["AAA", "BBB"] * 10)
    for make in ("short_polling/library", "short_polling/bare"):
        with running_server(feed, make, options=options, origins=[SITE]) as server:
            server.wait_for_head()
            found.append(answers(server))
    for (method, target, headers), library, bare in zip(ASKED, *found, strict=True):
        assert bare == library, f"{method} {target} {headers}"
