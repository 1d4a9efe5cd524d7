"""The driver over real sockets, against a server of a few lines that does as it is told."""

from __future__ import annotations

import random
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.clock import NO_STAMP, RunClock
from bench.feed.tick import Tick, encode
from bench.measure import tcp
from bench.measure.recording import Recorder
from bench.transports import Action, ClientSpec, driver
from bench.transports.link import Link
from bench.transports.long_polling.client import Client as LongPoller
from bench.transports.long_polling.protocol import Options as LongOptions
from bench.transports.short_polling.client import Client as ShortPoller
from bench.transports.short_polling.protocol import Options as ShortOptions
from bench.wire.contract import Batch, Cursor, Subscription, encode_batch

pytestmark = pytest.mark.skipif(not tcp.LINUX, reason="the driver needs epoll")
CLIENTS = 5
PATIENCE_NS = 20_000_000_000


class Server:
    """Answers each request with one tick more; `handle` may be another function of (socket, server).

    After `hold` it answers no more, so that no answer is under way when the clients are stopped.
    """

    def __init__(self, close_each: bool = False, body_bytes: int = 0) -> None:
        self.ticks = 0
        self.holds = False
        self.lock = threading.Lock()
        self.close_each = close_each
        self.padding = body_bytes // 9
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self.listener.getsockname()[1]
        self.handle: Callable[[socket.socket, Server], None] = answer_requests
        self.threads: list[threading.Thread] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self.handle, args=(sock, self), daemon=True))
            self.threads[-1].start()

    def hold(self) -> int:
        """Answer nothing from now on, and return the number of answers that were given."""
        with self.lock:
            self.holds = True
            return self.ticks

    def batch(self) -> bytes:
        with self.lock:
            if self.holds:
                return b""
            index = self.ticks
            self.ticks += 1
        line = encode(Tick(index, index + 1, 0, "A", 1.0, 1, bids=((1.5, 100),) * self.padding))
        return encode_batch(Batch(Cursor("a", index + 1), [line]))


def answer_requests(sock: socket.socket, server: Server) -> None:
    with sock:
        pending = b""
        while data := sock.recv(65536):
            pending += data
            while b"\r\n\r\n" in pending:
                pending = pending.split(b"\r\n\r\n", 1)[1]
                if not (body := server.batch()):
                    continue
                connection = b"close" if server.close_each else b"keep-alive"
                head = b"HTTP/1.1 200 OK\r\nConnection: %b\r\nContent-Length: %d" % (connection, len(body))
                sock.sendall(head + b"\r\n\r\n" + body)
                if server.close_each:
                    sock.shutdown(socket.SHUT_WR)


def reset_once(sock: socket.socket, server: Server) -> None:
    """Take a request and break the connection; from then on behave."""
    server.handle = answer_requests
    sock.recv(65536)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def drain(sock: socket.socket) -> None:
    """Read until the client leaves."""
    while sock.recv(65536):
        pass


def close_unannounced(reset: bool) -> Callable[[socket.socket, Server], None]:
    """Answer three requests of each connection and close it, as a server does whose patience is over."""

    def handle(sock: socket.socket, server: Server) -> None:
        with sock:
            for _ in range(3):
                if not sock.recv(65536):
                    return
                if not (body := server.batch()):
                    drain(sock)
                    return
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            if reset:
                sock.recv(1)   # the next request is there, and most of it is never read

    return handle


def answer_goodbye(goodbye: bytes) -> Callable[[socket.socket, Server], None]:
    """Answer one request of each connection, hold the next, and answer the client's leaving."""

    def handle(sock: socket.socket, server: Server) -> None:
        with sock:
            sock.recv(65536)
            body = server.batch()
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            drain(sock)
            sock.sendall(goodbye)

    return handle


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    started: list[Server] = []
    yield started
    for server in started:
        server.listener.close()


def long_pollers(recorder: Recorder, clients: int = CLIENTS) -> list[LongPoller]:
    return [
        LongPoller(ClientSpec(number, "h:1", Subscription()), LongOptions(), recorder, random.Random(number))
        for number in range(clients)
    ]


def patiently(condition: Callable[[], bool], clock: RunClock) -> Callable[[], bool]:
    """Return the condition, which must come true in time."""

    def until() -> bool:
        assert clock.now_ns() < PATIENCE_NS, "it never came"
        return condition()

    return until


def assert_counts_agree(link: Link) -> None:
    """Check that the machine counted what the kernel did, to the byte."""
    counts, counted = link.machine.counts, link.tcp_info()
    assert counted is not None
    assert counts.header_bytes_up + counts.body_bytes_up == counted.bytes_up
    assert counts.header_bytes_down + counts.body_bytes_down == counted.bytes_down


@pytest.mark.parametrize(("body_bytes", "answers"), [(0, 100), (200_000, 15)])
@pytest.mark.parametrize("close_each", [False, True])
def test_every_answer_is_recorded_once_and_counted_to_the_byte(
    servers: list[Server], close_each: bool, body_bytes: int, answers: int
) -> None:
    server = Server(close_each, body_bytes)
    servers.append(server)
    recorder, clock = Recorder(), RunClock.start()
    machines = long_pollers(recorder)

    def is_stamped() -> bool:   # a kernel that stamped for nobody begins a moment after it was asked to
        return any((rows["kernel_ns"] != NO_STAMP).any() for rows in recorder.deliveries_since(0))

    def is_enough() -> bool:
        return recorder.delivered >= answers and is_stamped() and recorder.delivered == server.hold()

    links = driver.run(machines, "127.0.0.1", server.port, patiently(is_enough, clock), clock)
    (rows,) = recorder.deliveries_since(0)
    assert sorted(rows["index"]) == list(range(len(rows)))
    for link in links:
        assert_counts_agree(link)
        assert not link.machine.counts.errors
        expected = link.machine.counts.responses if close_each else 1
        assert link.machine.counts.connections in (expected, expected + 1)
    stamped = rows[rows["kernel_ns"] != NO_STAMP]
    assert (stamped["kernel_ns"] <= stamped["app_ns"]).all()
    assert (rows["app_ns"] > 0).all()


def test_a_connection_that_is_not_up_at_once_is_waited_for(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "is_up", lambda info: False)   # as over a network
    server = Server(close_each=True)
    servers.append(server)
    recorder, clock = Recorder(), RunClock.start()
    machines = long_pollers(recorder)
    until = patiently(lambda: recorder.delivered >= 20, clock)
    for link in driver.run(machines, "127.0.0.1", server.port, until, clock):
        assert_counts_agree(link)
        assert not link.machine.counts.errors
        assert link.openings == link.machine.counts.connections


def test_a_connection_that_breaks_is_opened_again(servers: list[Server]) -> None:
    server = Server()
    server.handle = reset_once
    servers.append(server)
    recorder, clock = Recorder(), RunClock.start()
    (machine,) = machines = long_pollers(recorder, 1)
    driver.run(machines, "127.0.0.1", server.port, patiently(lambda: recorder.delivered >= 3, clock), clock)
    assert machine.counts.errors == {"reset": 1}
    assert machine.counts.connections == 2


@pytest.mark.parametrize("reset", [False, True])
def test_a_persistent_connection_that_the_server_closes_costs_a_retry_at_most(
    servers: list[Server], reset: bool
) -> None:
    server = Server()
    server.handle = close_unannounced(reset)
    servers.append(server)
    recorder, clock = Recorder(), RunClock.start()
    machines = long_pollers(recorder)
    until = patiently(lambda: recorder.delivered >= 100 and recorder.delivered == server.hold(), clock)
    links = driver.run(machines, "127.0.0.1", server.port, until, clock)
    (rows,) = recorder.deliveries_since(0)
    assert sorted(rows["index"]) == list(range(len(rows)))
    for link in links:
        assert_counts_agree(link)
        counts = link.machine.counts
        assert not counts.errors
        assert counts.requests in (counts.responses + counts.retries, counts.responses + counts.retries + 1)
        assert counts.connections > 1
    if reset:   # else the close may be seen before the next request leaves
        assert sum(link.machine.counts.retries for link in links) > 0


@pytest.mark.parametrize("status", [b"200 OK", b"499 Client Closed Request"])
def test_a_goodbye_that_is_served_is_no_error(servers: list[Server], status: bytes) -> None:
    server = Server()
    server.handle = answer_goodbye(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)
    servers.append(server)
    recorder, clock = Recorder(), RunClock.start()
    machines = long_pollers(recorder)
    until = patiently(lambda: recorder.delivered >= CLIENTS, clock)
    for link in driver.run(machines, "127.0.0.1", server.port, until, clock):
        assert_counts_agree(link)   # the goodbye's bytes are counted
        assert not link.machine.counts.errors
        assert link.machine.counts.responses == 1


def test_a_client_that_is_refused_tries_again_and_counts_each_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    clock = RunClock.start()
    (machine,) = machines = long_pollers(Recorder(), 1)
    errors = machine.counts.errors
    driver.run(machines, "127.0.0.1", port, patiently(lambda: errors["refused"] >= 2, clock), clock)
    assert set(machine.counts.errors) == {"refused"}
    assert machine.counts.connections == 0


class Talker(LongPoller):
    """Sends ten megabytes after its request, and may want to leave right away."""

    extra = bytes(range(256)) * 40_000
    leaves = False

    def opened(self, now_ns: int) -> None:
        super().opened(now_ns)
        self.outbox += self.extra
        if self.leaves:
            self.action = Action.CLOSE

    def closed(self, now_ns: int, reason: str) -> None:
        """Do nothing: it does not come back."""


@pytest.mark.parametrize("leaves", [False, True])
def test_what_the_kernel_takes_in_pieces_arrives_whole(servers: list[Server], leaves: bool) -> None:
    received = bytearray()

    def swallow(sock: socket.socket, _: Server) -> None:
        with sock:
            while data := sock.recv(65536):
                received.extend(data)

    server = Server()
    server.handle = swallow
    servers.append(server)
    clock = RunClock.start()
    machine = Talker(ClientSpec(0, "h:1", Subscription()), LongOptions(), Recorder(), random.Random(1))
    machine.leaves = leaves
    whole = patiently(lambda: len(received) > len(Talker.extra), clock)
    (link,) = driver.run([machine], "127.0.0.1", server.port, whole, clock)
    assert received.endswith(Talker.extra)
    counted = link.tcp_info()
    assert counted is not None
    assert counted.bytes_up == len(received)


def test_a_short_poller_keeps_its_schedule(servers: list[Server]) -> None:
    server = Server()
    servers.append(server)
    recorder, clock = Recorder(), RunClock.start()
    options = ShortOptions(interval_s=0.05)
    machine = ShortPoller(ClientSpec(0, "h:1", Subscription()), options, recorder, random.Random(1))
    driver.run([machine], "127.0.0.1", server.port, patiently(lambda: recorder.delivered >= 8, clock), clock)
    (rows,) = recorder.deliveries_since(0)
    last_ns, first_ns = int(rows["app_ns"][-1]), int(rows["app_ns"][1])
    assert last_ns - first_ns >= 0.05e9 * (len(rows) - 3)   # never faster than the schedule


def test_no_descriptor_is_left(servers: list[Server]) -> None:
    server = Server()
    servers.append(server)
    clock = RunClock.start()
    before = len(list(Path("/proc/self/fd").iterdir()))
    recorder = Recorder()
    machines = long_pollers(recorder)
    driver.run(machines, "127.0.0.1", server.port, patiently(lambda: recorder.delivered >= 10, clock), clock)
    for thread in server.threads:
        thread.join(20)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("read_size", [driver.READ_SIZE, 100])
def test_an_answer_and_the_end_behind_it_take_one_read_where_that_is_not_full(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch, read_size: int
) -> None:
    monkeypatch.setattr(driver, "READ_SIZE", read_size)
    server, clock = Server(close_each=True), RunClock.start()
    servers.append(server)
    (machine,) = long_pollers(Recorder(), 1)
    loop = driver.Driver("127.0.0.1", server.port, clock, select.epoll())
    try:
        link = loop.add(machine)
        sock = link.sock
        assert sock is not None
        has_ended = patiently(lambda: (tcp.read_info(sock) or b"")[0] != tcp.ESTABLISHED, clock)
        while not has_ended():
            pass   # the answer and the server's FIN behind it are there from here on
        loop.turn(1.0)
        if read_size == 100:
            assert (machine.counts.responses, link.sock) == (0, sock)   # there is more, so nothing has ended
        while machine.counts.responses == 0:
            loop.turn(1.0)
        assert machine.counts.connections == 2   # the next is up: the one before was closed in that very turn
        assert (link.openings, link.closings) == (2, 1)
        assert link.closing is not None
        assert (link.closing.control_segments_up, link.closing.control_segments_down) == (1, 1)
        assert (link.closing.bytes_up, link.closing.bytes_down) == (0, 0)
        loop.stop(link)
        while link.sock is not None:
            loop.turn(1.0)
        assert_counts_agree(link)
        assert not machine.counts.errors
    finally:
        loop.close()


def test_who_is_stopped_before_a_connection_was_opened_gets_none(servers: list[Server]) -> None:
    server = Server()
    servers.append(server)
    clock = RunClock.start()
    (machine,) = long_pollers(Recorder(), 1)
    loop = driver.Driver("127.0.0.1", server.port, clock, select.epoll())
    finished: list[str] = []

    def start_and_stop() -> None:
        link = Link(machine)
        loop.links.append(link)
        machine.start(0)
        loop._follow(link)
        loop.stop(link, lambda: finished.append("finished"))

    try:
        loop.call_at(0, start_and_stop)
        loop.run_timers()
        assert finished == ["finished"]
        assert machine.counts.connections == 0
        assert [link.sock for link in loop.links] == [None]
    finally:
        loop.close()
