from __future__ import annotations

import random

import pytest

from bench.clock import NO_STAMP
from bench.feed.tick import Tick, encode
from bench.measure.recording import Recorder
from bench.transports import NEVER, Action, ClientSpec
from bench.transports.long_polling.client import Client
from bench.transports.long_polling.protocol import Options
from bench.wire.contract import Batch, Cursor, Refusal, Subscription, encode_batch


def answer(batch: Batch) -> bytes:
    body = encode_batch(batch)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def subscribed() -> tuple[Client, Recorder]:
    """Return a client whose first answer has come and whose next request is out."""
    recorder = Recorder()
    client = Client(ClientSpec(0, "h:1", Subscription()), Options(), recorder, random.Random(1))
    client.start(0)
    client.action = Action.NONE
    client.opened(0)
    assert sent(client).startswith("GET /ticks HTTP/1.1\r\n")
    client.receive(answer(Batch(Cursor("a", 7))), NO_STAMP, 1)
    assert client.subscribed
    assert sent(client).startswith("GET /ticks?after=a:7 ")
    return client, recorder


def sent(client: Client) -> str:
    text = client.outbox.decode()
    client.outbox.clear()
    return text


def test_each_answer_is_followed_by_a_request_at_once() -> None:
    client, recorder = subscribed()
    line = encode(Tick(8, 9, 100, "A", 1.0, 1))
    client.receive(answer(Batch(Cursor("a", 9), [line])), 3, 5)
    request = sent(client)
    assert request.startswith("GET /ticks?after=a:9 ")
    assert 'If-None-Match: "a:9"' in request
    rows = next(recorder.deliveries_since(0))
    assert rows.tolist() == [(0, 8, 100, 3, 5)]


def test_a_request_that_was_held_in_vain_is_sent_again() -> None:
    client, _ = subscribed()
    client.receive(b"HTTP/1.1 304 Not Modified\r\n\r\n", NO_STAMP, 5)
    assert sent(client).startswith("GET /ticks?after=a:7 ")
    assert client.deadline_ns == NEVER


def test_an_error_is_followed_by_a_pause() -> None:
    client, _ = subscribed()
    pauses = []
    now_ns = 1000
    for _ in range(4):
        client.receive(b"HTTP/1.1 503 Stopping\r\nContent-Length: 0\r\n\r\n", NO_STAMP, now_ns)
        assert sent(client) == ""
        pauses.append(client.deadline_ns - now_ns)
        now_ns = client.deadline_ns
        client.timer(now_ns - 1)
        assert sent(client) == ""
        client.timer(now_ns)
        assert sent(client).startswith("GET /ticks?after=a:7 ")
    assert 50_000_000 <= pauses[0] <= 150_000_000
    assert 400_000_000 <= pauses[3] <= 1_200_000_000
    assert client.counts.errors == {"http-503": 4}


def test_another_epoch_is_followed() -> None:
    client, _ = subscribed()
    body = Refusal("other-epoch", "a new life", Cursor("b", 0)).to_json()
    client.receive(b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body), NO_STAMP, 5)
    assert sent(client).startswith("GET /ticks?after=b:0 ")


@pytest.mark.parametrize("reason", ["eof", "reset"])
def test_a_request_that_meets_the_close_of_a_persistent_connection_is_repeated_once_at_once(reason: str) -> None:
    client, _ = subscribed()
    client.closed(10, reason)
    assert client.action is Action.OPEN
    client.action = Action.NONE
    client.opened(12)
    assert sent(client).startswith("GET /ticks?after=a:7 ")
    assert (client.counts.retries, client.counts.errors) == (1, {})
    assert (client.counts.connections, client.counts.requests, client.counts.responses) == (2, 3, 1)
    client.closed(20, reason)   # the second in a row, on a connection that has answered nothing
    assert client.action is Action.NONE
    assert (client.counts.retries, client.counts.errors) == (1, {reason: 1})
    client.timer(client.deadline_ns)
    assert client.action is Action.OPEN
    client.opened(200_000_000)
    assert sent(client).startswith("GET /ticks?after=a:7 ")
    assert sent(client) == ""


@pytest.mark.parametrize("asked", [False, True])
def test_a_408_on_a_persistent_connection_is_its_close_and_no_answer(asked: bool) -> None:
    client, _ = subscribed()
    if not asked:
        client.receive(b"HTTP/1.1 503 Slow\r\nContent-Length: 0\r\n\r\n", NO_STAMP, 2)   # then it pauses
    client.receive(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", NO_STAMP, 3)
    assert client.action is Action.CLOSE
    client.action = Action.NONE
    client.closed(4, "closed")
    assert client.action is (Action.OPEN if asked else Action.NONE)
    assert client.counts.retries == asked
    assert client.counts.errors == ({} if asked else {"http-503": 1})


@pytest.mark.parametrize(("came", "reason"), [
    (b"H", "reset"), (b"HTTP/1.1 100 Continue\r\n\r\n", "eof"), (b"", "timeout"), (b"", "tls"),
])
def test_nothing_else_is_repeated_without_an_error(came: bytes, reason: str) -> None:
    client, _ = subscribed()
    client.receive(came, NO_STAMP, 5)
    client.closed(10, reason)
    assert client.action is Action.NONE
    assert (client.counts.retries, client.counts.errors) == (0, {reason: 1})


def test_a_request_that_is_repeated_is_under_way_from_the_first_time_on() -> None:
    client, _ = subscribed()   # asks again at 1
    client.closed(10, "reset")
    client.opened(15)
    client.receive(answer(Batch(Cursor("a", 7))), NO_STAMP, 21)
    client.counts.gauge(21, 0)
    assert client.counts.request_duration_ns == client.counts.in_flight_ns == 21


def test_a_repeat_that_finds_nobody_is_an_error_and_no_longer_under_way() -> None:
    client, _ = subscribed()
    client.counts.begin_stretch(5)
    client.closed(10, "reset")
    assert (client.counts.in_flight, client.counts.open_ended_ns) == (1, NEVER)
    client.closed(12, "refused")
    assert (client.counts.retries, client.counts.errors) == (1, {"refused": 1})
    assert (client.counts.in_flight, client.counts.open_ended_ns) == (0, 12)


def test_what_never_left_is_no_request_and_no_retry() -> None:
    recorder = Recorder()
    client = Client(ClientSpec(0, "h:1", Subscription()), Options(), recorder, random.Random(1))
    client.start(0)
    client.opened(0)
    size = len(sent(client))
    client.receive(answer(Batch(Cursor("a", 7))), NO_STAMP, 1)
    client.closed(2, "reset")   # the next request is still in the outbox
    counts = client.counts
    assert (counts.requests, counts.header_bytes_up, counts.retries, counts.errors) == (1, size, 0, {})
    assert (client.action, bytes(client.outbox)) == (Action.OPEN, b"")


@pytest.mark.parametrize("goodbye", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 499 Client Closed Request\r\nContent-Length: 3\r\n\r\nbye",
    b"no HTTP",
    answer(Batch(Cursor("a", 9), [encode(Tick(8, 9, 100, "A", 1.0, 1))])),
])
def test_nothing_that_comes_after_stop_is_judged_and_all_of_it_is_counted(goodbye: bytes) -> None:
    client, recorder = subscribed()
    before = client.counts.header_bytes_down + client.counts.body_bytes_down
    client.stop(3)
    assert client.action is Action.CLOSE
    client.action = Action.NONE
    client.receive(goodbye, NO_STAMP, 5)
    client.closed(6, "reset")
    assert client.counts.errors == {}
    assert (client.action, client.deadline_ns, recorder.delivered) == (Action.NONE, NEVER, 0)
    assert client.counts.header_bytes_down + client.counts.body_bytes_down == before + len(goodbye)


def test_with_new_connections_the_next_request_waits_for_one() -> None:
    options = Options(connection="new")
    client = Client(ClientSpec(0, "h:1", Subscription()), options, Recorder(), random.Random(1))
    client.start(0)
    client.action = Action.NONE
    client.opened(0)
    assert "\r\nConnection: close\r\n" in sent(client)
    closing = answer(Batch(Cursor("a", 7))).replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
    client.receive(closing, NO_STAMP, 1)
    assert (client.action, sent(client)) == (Action.CLOSE, "")
    client.action = Action.NONE
    client.closed(2, "closed")
    assert client.action is Action.OPEN   # at once: what comes meanwhile waits for this request
    client.opened(3)
    assert sent(client).startswith("GET /ticks?after=a:7 ")
    assert not client.counts.errors
