from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from servers import MAKES, Answer, ScriptedFeed, ServerProcess, running_server, wait_until

pytestmark = pytest.mark.process


@pytest.fixture(params=[make for make in MAKES if make.startswith("long_polling/")])
def make(request: pytest.FixtureRequest) -> str:
    """Each implementation of the server."""
    return str(request.param)


@pytest.fixture
def server(feed: ScriptedFeed, make: str) -> Iterator[ServerProcess]:
    with running_server(feed, make, options={"hold_s": 60.0}) as server:
        yield server


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def asked(server: ServerProcess, pool: ThreadPoolExecutor, *targets: str) -> list[Future[Answer]]:
    """Return requests that the server has, and has not answered."""
    before = server.counts["requests"]
    answers = [pool.submit(server.get, target) for target in targets]
    wait_until(lambda: server.counts["requests"] == before + len(targets), "the requests to arrive")
    assert not any(answer.done() for answer in answers)
    return answers


def test_a_parked_request_is_served_by_the_next_tick(
    server: ServerProcess, pool: ThreadPoolExecutor
) -> None:
    answers = asked(server, pool, *["/ticks?after=e1:0"] * 8)
    server.publish("AAA")
    for answer in answers:
        assert answer.result().seqs == [1]
    assert server.counts["deliveries"] == 8


def test_only_a_subscribed_tick_wakes(server: ServerProcess, pool: ThreadPoolExecutor) -> None:
    (answer,) = asked(server, pool, "/ticks?after=e1:0&symbols=BBB")
    server.publish("AAA")
    server.publish("AAA", "AAA")
    assert not answer.done()
    server.publish("BBB")
    assert (answer.result().seqs, answer.result().json["cursor"]) == ([4], "e1:4")


def test_what_came_in_the_gap_goes_out_at_once_as_one_batch(server: ServerProcess) -> None:
    server.publish("AAA", "BBB")
    server.publish("AAA")
    assert server.get("/ticks?after=e1:0").seqs == [1, 2, 3]


def test_a_request_without_a_cursor_is_served_at_once(server: ServerProcess) -> None:
    server.publish("AAA")
    assert server.get("/ticks").json == {"cursor": "e1:1", "more": False, "ticks": []}


@pytest.mark.parametrize(("tags", "status"), [(True, 304), (False, 200)])
def test_after_the_hold_time_the_answer_is_empty(feed: ScriptedFeed, make: str, tags: bool, status: int) -> None:
    options = {"hold_s": 0.3, "entity_tags": tags}
    with running_server(feed, make, options=options) as server:
        began = time.monotonic()
        answer = server.get("/ticks?after=e1:0", If_None_Match='"e1:0"')
        assert time.monotonic() - began >= 0.3
        assert answer.status == status
        assert server.counts["answers_empty"] == 1


def test_hold_times_end_one_by_one(feed: ScriptedFeed, make: str, pool: ThreadPoolExecutor) -> None:
    with running_server(feed, make, options={"hold_s": 0.3}) as server:
        first = asked(server, pool, "/ticks?after=e1:0")
        second = asked(server, pool, "/ticks?after=e1:0&symbols=AAA", "/ticks?after=e1:0")
        for answer in first + second:
            assert answer.result().seqs == []


def test_a_client_that_hangs_up_is_released_and_takes_no_other_with_it(
    server: ServerProcess, pool: ThreadPoolExecutor
) -> None:
    waiting = asked(server, pool, *["/ticks?after=e1:0"] * 3)
    gone = [server.connect() for _ in range(5)]
    for sock in gone:
        sock.sendall(b"GET /ticks?after=e1:0 HTTP/1.1\r\nHost: [::1]\r\n\r\n")
    wait_until(lambda: server.counts["requests"] == 8, "all requests to arrive")
    for sock in gone:
        sock.close()
    wait_until(lambda: server.counts["connections_open"] == 4, "the five to be noticed")
    assert not any(answer.done() for answer in waiting)
    server.publish("AAA")
    for answer in waiting:
        assert answer.result().seqs == [1]
    assert server.counts["deliveries"] == 3


def test_a_client_that_closes_its_side_alone_is_served_at_once(server: ServerProcess) -> None:
    with server.connect() as sock:
        for _ in range(2):
            sock.sendall(b"GET /ticks?after=e1:0 HTTP/1.1\r\nHost: [::1]\r\n\r\n")
        wait_until(lambda: server.counts["requests"] == 1, "the first request to be parked")
        sock.shutdown(1)
        answers = sock.makefile("rb").read()
    assert answers.count(b"HTTP/1.1 200 OK") == answers.count(b'"cursor":"e1:0"') == 2
    wait_until(lambda: server.counts["connections_open"] == 1, "the client to be forgotten")


def test_parked_requests_hear_of_a_new_epoch(
    feed: ScriptedFeed, server: ServerProcess, pool: ThreadPoolExecutor
) -> None:
    (answer,) = asked(server, pool, "/ticks?after=e1:0&symbols=AAA")
    feed.begin_anew("e2")
    assert (answer.result().status, answer.result().json["resume"]) == (409, "e2:0")


def test_parked_requests_are_told_when_the_server_stops(
    server: ServerProcess, pool: ThreadPoolExecutor
) -> None:
    answers = asked(server, pool, "/ticks?after=e1:0", "/ticks?after=e1:0&symbols=AAA")
    counts = server.stop()
    for answer in answers:
        assert (answer.result().status, answer.result().json["error"]) == (503, "stopping")
    assert counts["refused_stopping"] == 2


def test_a_next_request_sent_early_does_not_end_the_one_that_is_parked(feed: ScriptedFeed, make: str) -> None:
    limits = {"head_s": 0.2}
    with running_server(feed, make, options={"hold_s": 1.0}, limits=limits) as server:
        with server.connect() as sock:
            sock.sendall(b"GET /ticks?after=e1:0 HTTP/1.1\r\nHost: [::1]\r\n\r\n")
            wait_until(lambda: server.counts["requests"] == 1, "the request to arrive")
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n")
            answers = sock.makefile("rb").read()
        assert answers.count(b"HTTP/1.1 200 OK") == 2


def test_many_parked_requests_are_woken_by_one_tick(server: ServerProcess) -> None:
    sockets = [server.connect() for _ in range(300)]
    for sock in sockets:
        sock.sendall(b"GET /ticks?after=e1:0 HTTP/1.1\r\nHost: [::1]\r\n\r\n")
    wait_until(lambda: server.counts["requests"] == len(sockets), "all requests to arrive")
    server.feed.publish("AAA")
    for sock in sockets:
        assert b'"seq":1,' in sock.recv(65536)
        sock.close()
    assert server.counts["deliveries"] == len(sockets)
