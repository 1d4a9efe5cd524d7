from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.clock import NO_STAMP
from bench.feed.tick import Tick, encode
from bench.measure.recording import Recorder
from bench.serving.responses import compressed
from bench.transports import NEVER, Action, ClientSpec
from bench.transports.short_polling.client import Client
from bench.transports.short_polling.protocol import Options
from bench.wire.contract import Batch, Cursor, Refusal, Subscription, encode_batch

INTERVAL_NS = 1_000_000_000
EMPTY = Batch(Cursor("a", 7))


def tick(index: int, symbol: str = "AAA") -> bytes:
    return encode(Tick(index, index + 1, index * 1000, symbol, 1.0, 1))


def answer(batch: Batch, connection: str = "keep-alive") -> bytes:
    body = encode_batch(batch)
    return b"HTTP/1.1 200 OK\r\nConnection: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        connection.encode(), len(body), body,
    )


def refusal(status: int, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d Refused\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


class Bench:
    """A client, what it sent, and what it recorded."""

    def __init__(self, subscription: Subscription | None = None, **options: Any) -> None:
        self.recorder = Recorder()
        spec = ClientSpec(3, "h:1", subscription or Subscription())
        self.client = Client(spec, Options(**options), self.recorder, random.Random(1))
        self.client.start(0)
        self.opened(0)

    def opened(self, now_ns: int) -> None:
        assert self.action() is Action.OPEN
        self.client.opened(now_ns)

    def action(self) -> Action:
        """Return what the client wants done with the connection, and take it, as a driver does."""
        action, self.client.action = self.client.action, Action.NONE
        return action

    def sent(self) -> str:
        text = self.client.outbox.decode()
        self.client.outbox.clear()
        return text

    def receive(self, data: bytes, now_ns: int = 0) -> None:
        self.client.receive(data, NO_STAMP, now_ns)

    def deliveries(self) -> list[tuple[int, int, int]]:
        rows = next(self.recorder.deliveries_since(0))
        return [(int(row["client"]), int(row["index"]), int(row["app_ns"])) for row in rows]

    def subscribe(self) -> int:
        """Answer the first request; the instant of the first poll."""
        assert self.sent().startswith("GET /ticks HTTP/1.1\r\n")
        self.receive(answer(EMPTY))
        assert self.client.subscribed
        assert self.sent() == ""
        return self.client.deadline_ns


def test_polls_begin_at_a_phase_of_each_client_s_own() -> None:
    phases = set()
    for seed in range(20):
        client = Client(ClientSpec(0, "h:1", Subscription()), Options(), Recorder(), random.Random(seed))
        client.start(5)
        client.opened(6)
        phases.add(client.deadline_ns - 5)
    assert len(phases) == 20
    assert all(0 <= phase < INTERVAL_NS for phase in phases)
    assert max(phases) - min(phases) > INTERVAL_NS / 2


def test_a_poll_names_cursor_subscription_and_entity_tag() -> None:
    bench = Bench(subscription=Subscription(frozenset({"B", "A"}), "latest"))
    first = bench.sent()
    assert first.startswith("GET /ticks?symbols=A,B&mode=latest HTTP/1.1\r\n")
    bench.receive(answer(EMPTY))
    bench.client.timer(bench.client.deadline_ns)
    request = bench.sent()
    assert request.startswith("GET /ticks?after=a:7&symbols=A,B&mode=latest HTTP/1.1\r\nHost: h:1\r\n")
    assert '\r\nIf-None-Match: "a:7"\r\n' in request
    assert bench.client.counts.header_bytes_up == len(first) + len(request)


def test_without_entity_tags_none_is_named() -> None:
    bench = Bench(entity_tags=False)
    bench.client.timer(bench.subscribe())
    assert "If-None-Match" not in bench.sent()


@given(st.lists(st.integers(0, 4_000_000_000), min_size=1, max_size=12))
def test_slow_answers_never_shift_the_schedule(delays_ns: list[int]) -> None:
    bench = Bench()
    first_ns = bench.subscribe()
    counts = bench.client.counts
    now_ns, late = first_ns, 0
    for delay_ns in delays_ns:
        # The poll goes out at now_ns; its answer comes after the delay, and timers run meanwhile.
        bench.client.timer(now_ns)
        assert bench.sent().startswith("GET /ticks?after=a:7 ")
        answered_ns = now_ns + delay_ns
        instants_passed = 0
        while bench.client.deadline_ns <= answered_ns:
            assert (bench.client.deadline_ns - first_ns) % INTERVAL_NS == 0
            bench.client.timer(bench.client.deadline_ns)
            assert bench.sent() == ""
            instants_passed += 1
        bench.receive(b"HTTP/1.1 304 Not Modified\r\n\r\n", answered_ns)
        if instants_passed:
            late += 1
            assert bench.sent().startswith("GET")   # as soon as the answer is in, and once
            bench.receive(b"HTTP/1.1 304 Not Modified\r\n\r\n", answered_ns)
        assert bench.sent() == ""
        assert (counts.polls_late, counts.polls_overdue) == (late, 0)   # the server's doing, not ours
        assert (bench.client.deadline_ns - first_ns) % INTERVAL_NS == 0
        assert answered_ns < bench.client.deadline_ns <= answered_ns + INTERVAL_NS
        now_ns = bench.client.deadline_ns
    assert counts.requests == counts.responses


@pytest.mark.parametrize(("behind_ms", "overdue"), [(0, 0), (20, 0), (21, 1), (300, 1)])
def test_a_poll_that_the_client_itself_gets_to_too_late_is_overdue(behind_ms: int, overdue: int) -> None:
    bench = Bench()
    bench.client.timer(bench.subscribe() + behind_ms * 1_000_000)
    assert bench.sent().startswith("GET")
    assert (bench.client.counts.polls_late, bench.client.counts.polls_overdue) == (0, overdue)


def test_a_batch_that_was_cut_is_followed_up_outside_the_schedule() -> None:
    bench = Bench()
    first_ns = bench.subscribe()
    bench.client.timer(first_ns)
    bench.sent()
    bench.receive(answer(Batch(Cursor("a", 9), [tick(8)], more=True)), first_ns + 10)
    assert bench.sent().startswith("GET /ticks?after=a:9 ")
    assert bench.client.deadline_ns == first_ns + INTERVAL_NS
    assert bench.client.counts.polls_late == 0


def test_deliveries_and_skips_are_recorded_with_the_read() -> None:
    bench = Bench()
    bench.client.timer(bench.subscribe())
    batch = Batch(Cursor("a", 12), [tick(9, "B"), tick(10), tick(11)], conflated={"AAA": 4}, dropped={"B": 1})
    bench.receive(answer(batch), 77)
    assert bench.deliveries() == [(3, 9, 77), (3, 10, 77), (3, 11, 77)]
    skips = next(bench.recorder.skips_since(0))
    assert [(int(row["index"]), int(row["count"])) for row in skips] == [(10, 4), (9, 1)]
    assert bench.client.counts.updates == 3


def test_a_drop_is_recorded_with_the_symbols_next_tick_whenever_that_comes() -> None:
    bench = Bench()
    bench.client.timer(bench.subscribe())
    batch = Batch(Cursor("a", 12), [tick(9), tick(10)], more=True, dropped={"AAA": 4, "B": 2})
    bench.receive(answer(batch), 77)
    bench.receive(answer(Batch(Cursor("a", 13), [tick(11)], more=True, dropped={"B": 1})), 78)
    assert bench.deliveries() == [(3, 9, 77), (3, 10, 77), (3, 11, 78)]
    bench.receive(answer(Batch(Cursor("a", 15), [tick(12), tick(13, "B")])), 79)
    skips = next(bench.recorder.skips_since(0))
    assert [(int(row["index"]), int(row["count"])) for row in skips] == [(9, 4), (13, 3)]
    assert bench.client.counts.errors.total() == 0


@given(st.lists(st.integers(0, 2000), max_size=10))
def test_however_an_answer_is_cut_the_same_is_delivered(places: list[int]) -> None:
    raw = answer(Batch(Cursor("a", 12), [tick(9), tick(10)]))
    bench = Bench()
    bench.client.timer(bench.subscribe())
    before = bench.client.counts.header_bytes_down + bench.client.counts.body_bytes_down
    for piece in _cut(raw, places):
        bench.receive(piece, 5)
    assert bench.deliveries() == [(3, 9, 5), (3, 10, 5)]
    counts = bench.client.counts
    assert counts.header_bytes_down + counts.body_bytes_down - before == len(raw)


def _cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(ends)]


@pytest.mark.parametrize("raw", [
    b"nonsense\r\n\r\n",
    refusal(200, b"{}"),
    refusal(200, b"not json"),
    refusal(200, b'{"cursor":"a:9","more":false,"ticks":[{"seq":1}]}'),
    refusal(200, b'{"cursor":"a:9","more":false,"ticks":[{"index":-1,"due_ns":1,"symbol":"A"}]}'),
    refusal(200, b'{"cursor":"a:9","more":false,"ticks":[{"index":1,"due_ns":null,"symbol":"A"}]}'),
    refusal(200, b'{"cursor":"a:9","more":false,"ticks":["x"]}'),
    refusal(200, b'{"cursor":"a:9","more":false,"conflated":{"A":1},"ticks":[]}'),
    refusal(200, b'{"cursor":"no cursor","more":false,"ticks":[]}'),
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
])
def test_a_bad_answer_delivers_nothing_and_is_asked_again_on_a_new_connection(raw: bytes) -> None:
    bench = Bench()
    now_ns = bench.subscribe()
    bench.client.timer(now_ns)
    bench.sent()
    bench.receive(raw, now_ns)
    assert bench.action() is Action.CLOSE
    assert bench.client.counts.errors == {"bad-answer": 1}
    assert bench.deliveries() == []
    bench.client.closed(now_ns, "closed")
    assert now_ns + 50_000_000 <= bench.client.reopen_ns <= now_ns + 150_000_000
    bench.client.timer(bench.client.reopen_ns)
    bench.opened(now_ns + INTERVAL_NS // 2)
    assert bench.sent().startswith("GET /ticks?after=a:7 ")
    assert bench.client.counts.errors == {"bad-answer": 1}


@pytest.mark.parametrize("status", [409, 410])
def test_a_refusal_that_names_a_cursor_is_followed_at_once(status: int) -> None:
    bench = Bench()
    bench.client.timer(bench.subscribe())
    bench.sent()
    bench.receive(refusal(status, Refusal("other-epoch", "x", Cursor("b", 0)).to_json()))
    assert bench.sent().startswith("GET /ticks?after=b:0 ")
    assert bench.client.counts.errors == {f"http-{status}": 1}
    bench.receive(refusal(status, Refusal("other-epoch", "x", Cursor("c", 0)).to_json()))
    assert bench.sent() == ""   # not a second time in a row: the schedule goes on


def test_a_refusal_without_a_cursor_begins_from_now() -> None:
    bench = Bench()
    bench.client.timer(bench.subscribe())
    bench.sent()
    bench.receive(refusal(409))
    assert bench.sent() == ""
    bench.client.timer(bench.client.deadline_ns)
    assert bench.sent().startswith("GET /ticks HTTP/1.1")


def test_an_error_waits_for_the_next_instant() -> None:
    bench = Bench()
    first_ns = bench.subscribe()
    bench.client.timer(first_ns)
    bench.sent()
    bench.receive(refusal(503), first_ns + 5)
    assert bench.sent() == ""
    assert bench.client.deadline_ns == first_ns + INTERVAL_NS
    assert bench.client.counts.errors == {"http-503": 1}


@pytest.mark.parametrize("reason", ["eof", "reset"])
def test_a_persistent_connection_that_the_server_closes_between_polls_is_opened_for_the_next(reason: str) -> None:
    bench = Bench()
    first_ns = bench.subscribe()
    bench.client.closed(first_ns - 1, reason)
    assert bench.action() is Action.NONE
    bench.client.timer(first_ns)
    bench.opened(first_ns)
    assert bench.sent().startswith("GET /ticks?after=a:7 ")
    bench.client.closed(first_ns + 1, reason)   # a connection that has answered nothing
    assert bench.client.counts.errors == {reason: 1}
    assert bench.client.counts.retries == 0


def test_a_connection_lost_under_a_poll_is_opened_after_a_pause_and_asked_again() -> None:
    bench = Bench()
    first_ns = bench.subscribe()
    bench.client.closed(first_ns - 1, "eof")
    bench.client.timer(first_ns)
    bench.opened(first_ns)
    bench.sent()
    bench.client.closed(first_ns + 1, "reset")
    assert bench.client.counts.errors == {"reset": 1}
    assert bench.action() is Action.NONE
    pauses = []
    for _ in range(12):
        pauses.append(bench.client.reopen_ns - first_ns)
        bench.client.timer(bench.client.reopen_ns)
        assert bench.action() is Action.OPEN
        bench.client.closed(first_ns, "refused")
    assert pauses[0] < 200_000_000
    assert 2_500_000_000 <= pauses[-1] <= 7_500_000_000
    bench.client.timer(bench.client.reopen_ns)
    bench.opened(first_ns + 40 * INTERVAL_NS)
    assert bench.sent().startswith("GET /ticks?after=a:7 ")


def test_a_server_that_closes_after_each_answer_is_connected_to_for_each_poll() -> None:
    bench = Bench()
    assert bench.sent()
    bench.receive(answer(EMPTY, connection="close"))
    assert bench.action() is Action.CLOSE
    bench.client.closed(1, "closed")
    assert bench.action() is Action.NONE
    poll_ns = bench.client.deadline_ns
    bench.client.timer(poll_ns)
    bench.opened(poll_ns)
    assert bench.sent().startswith("GET /ticks?after=a:7 ")
    assert bench.client.counts.connections == 2
    assert not bench.client.counts.errors


def test_after_stop_nothing_is_asked_any_more() -> None:
    bench = Bench()
    bench.subscribe()
    bench.client.stop(1)
    assert bench.action() is Action.CLOSE
    bench.client.closed(2, "closed")
    assert bench.action() is Action.NONE
    assert bench.client.deadline_ns == NEVER
    assert not bench.client.counts.errors


def test_a_new_connection_for_each_poll_is_asked_for_and_opened_when_the_next_is_due() -> None:
    bench = Bench(connection="new")
    assert "\r\nConnection: close\r\n" in bench.sent()
    bench.receive(answer(EMPTY, connection="close"))
    assert bench.action() is Action.CLOSE
    bench.client.closed(1, "closed")
    assert bench.action() is Action.NONE
    poll_ns = bench.client.deadline_ns
    bench.client.timer(poll_ns)
    bench.opened(poll_ns)
    assert "\r\nConnection: close\r\n" in bench.sent()
    assert bench.client.counts.connections == 2
    assert not bench.client.counts.errors


def test_with_a_fixed_delay_the_interval_begins_with_the_answer() -> None:
    bench = Bench(pace="delay")
    now_ns = bench.subscribe()
    for late_ns in (0, 3 * INTERVAL_NS, INTERVAL_NS // 3):
        bench.client.timer(now_ns)
        assert bench.sent().startswith("GET")
        assert bench.client.deadline_ns == NEVER   # until there is an answer
        bench.receive(b"HTTP/1.1 304 Not Modified\r\n\r\n", now_ns + late_ns)
        assert bench.sent() == ""
        assert bench.client.deadline_ns == now_ns + late_ns + INTERVAL_NS
        now_ns = bench.client.deadline_ns
    assert bench.client.counts.polls_late == 0


@given(st.floats(0, 1), st.sampled_from(["rate", "delay"]))
def test_jitter_moves_each_poll_by_up_to_half_of_its_share(
    jitter: float, pace: Literal["rate", "delay"]
) -> None:
    bench = Bench(pace=pace, jitter=jitter)
    now_ns = bench.subscribe()
    instants = []
    for _ in range(30):
        instants.append(now_ns)
        bench.client.timer(now_ns)
        assert bench.sent().startswith("GET")
        bench.receive(b"HTTP/1.1 304 Not Modified\r\n\r\n", now_ns)
        now_ns = bench.client.deadline_ns
    gaps = [late - early for early, late in pairwise(instants)]
    share = jitter if pace == "rate" else jitter / 2
    assert all(abs(gap - INTERVAL_NS) <= share * INTERVAL_NS + 2 for gap in gaps)
    if pace == "rate":   # draws don't add up
        drift_ns = instants[-1] - instants[0] - (len(instants) - 1) * INTERVAL_NS
        assert abs(drift_ns) <= jitter * INTERVAL_NS + 2
    assert jitter < 0.01 or len(set(gaps)) > 1
    assert bench.client.counts.polls_late == 0


def test_a_compressed_answer_is_delivered_and_counted_in_both_sizes() -> None:
    bench = Bench(compression="gzip")
    assert "\r\nAccept-Encoding: gzip\r\n" in bench.sent()
    body = encode_batch(Batch(Cursor("a", 12), [tick(index) for index in range(20)]))
    pressed = compressed(body, "gzip")
    assert pressed is not None
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(pressed)
    bench.receive(head + pressed, 5)
    counts = bench.client.counts
    assert counts.updates == len(bench.deliveries()) == 20
    assert (counts.compressed_bytes_down, counts.expanded_bytes_down) == (len(pressed), len(body))
    assert counts.body_bytes_down == len(pressed)   # as sent


def test_a_304_to_a_request_that_named_no_cursor_is_a_bad_answer() -> None:
    bench = Bench()
    bench.receive(b"HTTP/1.1 304 Not Modified\r\n\r\n")
    assert bench.client.counts.errors == {"bad-answer": 1}
    assert not bench.client.subscribed


def test_a_body_that_cannot_be_expanded_is_a_bad_answer() -> None:
    bench = Bench(compression="gzip")
    bench.receive(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc")
    assert bench.client.counts.errors == {"bad-answer": 1}
    assert bench.action() is Action.CLOSE
