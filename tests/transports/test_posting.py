"""A poster without a server: its requests, one at a time, and its ways with a connection. Servers: test_two_way.py."""

from __future__ import annotations

import random

import pytest

from bench.transports import NEVER, Action, ClientSpec
from bench.transports.outgoing import Outgoing, Uplink
from bench.transports.posting import Poster, post_request
from bench.uplink.message import accepted, refused
from bench.wire.contract import Refusal, Subscription

HEAD = b"Host: here\r\n"
BODY = b'{"index":0}'


def answer(status: int, body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), more, body)


def poster(*due_ns: int) -> Poster:
    outgoing = Outgoing(random.Random(1))
    outgoing.plan([Uplink(index, at_ns, BODY) for index, at_ns in enumerate(due_ns)])
    machine = Poster(ClientSpec(0, "here", Subscription()), HEAD, random.Random(1), outgoing)
    machine.start(0)
    assert taken(machine) is Action.OPEN
    machine.opened(1)
    return machine


def taken(machine: Poster) -> Action:
    action, machine.action = machine.action, Action.NONE
    return action


def sent(machine: Poster) -> bytes:
    data = bytes(machine.outbox)
    machine.outbox.clear()
    return data


def test_a_message_is_one_request_and_the_next_waits_for_its_answer() -> None:
    machine = poster(5, 6)
    assert (sent(machine), machine.deadline_ns) == (b"", 5)
    machine.timer(7)
    head, body = post_request(HEAD, BODY)
    assert head == (b"POST /messages HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
                    b"Content-Length: 11\r\n\r\n")
    assert sent(machine) == head + body
    assert machine.deadline_ns == NEVER
    machine.receive(answer(202, accepted(0)), 9, 9)
    assert sent(machine) == head + body, "the second was due meanwhile"
    machine.receive(answer(429, refused(Refusal("too-many", "x"), 1)), 10, 10)
    assert [(each.sent_ns, each.answered_ns, each.refusal) for each in machine.outgoing.uplinks] == [
        (7, 9, None), (9, 10, "too-many")]
    counts = machine.counts
    assert (counts.requests, counts.responses, counts.request_duration_ns, counts.in_flight) == (2, 2, 3, 0)
    assert (counts.header_bytes_up, counts.body_bytes_up) == (2 * len(head), 2 * len(body))
    counts.gauge(20, 0)
    assert counts.in_flight_ns == counts.request_duration_ns, "Little's law"


@pytest.mark.parametrize("data", [
    b"no HTTP\r\n\r\n", answer(200, b"{}"), answer(202, accepted(7)), answer(400, accepted(0)),
    answer(202, refused(Refusal("too-many", "x"), 0)), answer(202, b"\xff"),
])
def test_an_answer_that_is_none_ends_the_connection_and_the_message_is_sent_again(data: bytes) -> None:
    machine = poster(1)
    machine.timer(2)
    first = sent(machine)
    machine.receive(data, 3, 3)
    assert taken(machine) is Action.CLOSE
    machine.closed(4, "closed")
    assert machine.counts.errors["bad-answer"] == 1
    machine.timer(machine.deadline_ns)
    assert taken(machine) is Action.OPEN
    machine.opened(10**10)
    assert sent(machine) == first
    assert machine.outgoing.uplinks[0].sends == 2


def test_a_kept_connection_that_closed_idle_is_opened_for_the_next_message_and_no_earlier() -> None:
    machine = poster(1, 10**9)
    machine.timer(2)
    machine.receive(answer(202, accepted(0)), 3, 3)
    machine.closed(4, "eof")
    assert (taken(machine), machine.deadline_ns) == (Action.NONE, 10**9)
    machine.timer(10**9)
    assert taken(machine) is Action.OPEN
    assert not machine.counts.errors


def test_a_close_that_meets_a_message_on_a_used_connection_is_a_retry_at_once_and_else_an_error_with_a_pause() -> None:
    machine = poster(1, 5)
    machine.timer(2)
    machine.receive(answer(202, accepted(0)), 3, 3)
    machine.timer(5)
    sent(machine)
    machine.closed(6, "eof")
    assert (taken(machine), machine.counts.retries) == (Action.OPEN, 1)
    assert not machine.counts.errors
    machine.opened(7)
    sent(machine)
    machine.closed(8, "reset")
    assert (taken(machine), dict(machine.counts.errors)) == (Action.NONE, {"reset": 1})
    assert machine.deadline_ns > 8 + 40_000_000
    machine.timer(machine.deadline_ns)
    assert taken(machine) is Action.OPEN
    machine.closed(machine.deadline_ns, "refused")
    assert machine.counts.errors["refused"] == 1


def test_bytes_that_were_never_sent_are_not_counted() -> None:
    machine = poster(1)
    machine.timer(2)
    del machine.outbox[:10]   # the rest had not left
    machine.closed(3, "reset")
    counts = machine.counts
    assert counts.header_bytes_up + counts.body_bytes_up == 10
    assert (counts.requests, machine.outgoing.uplinks[0].sends) == (1, 1)
    machine = poster(1)
    machine.timer(2)
    machine.closed(3, "reset")
    assert (machine.counts.header_bytes_up, machine.counts.body_bytes_up, machine.counts.requests) == (0, 0, 0)
    assert (machine.outgoing.uplinks[0].sent_ns, machine.outgoing.uplinks[0].sends) == (None, 0)


def test_a_request_that_never_left_a_used_connection_is_sent_for_the_first_time_on_the_next() -> None:
    machine = poster(1, 5)
    machine.timer(2)
    sent(machine)
    machine.receive(answer(202, accepted(0)), 3, 3)
    machine.timer(5)
    machine.closed(6, "reset")
    machine.opened(7)
    assert sent(machine)
    assert (machine.counts.requests, machine.counts.retries, machine.outgoing.uplinks[1].sends) == (2, 0, 1)
    assert machine.outgoing.uplinks[1].sent_ns == 7


def test_an_answer_that_closes_and_a_stop_end_in_order() -> None:
    machine = poster(1)
    machine.timer(2)
    machine.receive(answer(202, accepted(0), b"Connection: close\r\n"), 3, 3)
    assert taken(machine) is Action.CLOSE
    machine.closed(4, "closed")
    machine.stop(5)
    assert (taken(machine), machine.deadline_ns) == (Action.CLOSE, NEVER)
    machine.closed(6, "closed")
    assert taken(machine) is Action.NONE
    assert not machine.counts.errors
