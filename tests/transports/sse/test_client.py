from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.clock import NO_STAMP
from bench.feed.tick import Tick, encode
from bench.measure.recording import Recorder
from bench.serving.streams import LAST_CHUNK
from bench.transports import Action, ClientSpec
from bench.transports.sse import client as module
from bench.transports.sse.client import Client, Event, EventParser
from bench.transports.sse.protocol import (
    HEARTBEAT,
    Options,
    chunk,
    event,
    first_chunk,
    hello_event,
    push_chunk,
    refusal_event,
)
from bench.wire.contract import Batch, Cursor, Refusal, Subscription, encode_batch

HELLO = Batch(Cursor("a", 7))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
GZIP_HEAD = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
RETRY_NS = 1_000_000_000


def tick(index: int, levels: int = 0) -> bytes:
    return encode(Tick(index, index + 1, index * 1000, "AAA", 1.0, 1, bids=((1.0, 1),) * levels))


def pushed(index: int, deflate: bool = False) -> bytes:
    return push_chunk(Batch(Cursor("a", index + 1), (tick(index),)), deflate)


class Bench:
    """A client and what it recorded."""

    def __init__(self, options: Options | None = None) -> None:
        self.recorder = Recorder()
        self.options = options or Options()
        spec = ClientSpec(3, "h:1", Subscription(frozenset({"AAA"})))
        self.client = Client(spec, self.options, self.recorder, random.Random(1))
        self.client.start(0)
        self.request = self.open()

    def open(self) -> str:
        """Open a connection; the request that comes over it."""
        assert self.action() is Action.OPEN
        self.client.opened(0)
        request = bytes(self.client.outbox).decode()
        self.client.outbox.clear()
        return request

    def action(self) -> Action:
        action, self.client.action = self.client.action, Action.NONE
        return action

    def receive(self, data: bytes) -> None:
        self.client.receive(data, 3, 5)

    def begun(self) -> Bench:
        self.receive(HEAD + first_chunk(self.options, hello_event(HELLO)))
        assert self.client.subscribed
        return self

    def over(self, reason: str, pause_ns: int = RETRY_NS) -> str:
        """End the connection; return the request that the client makes once its pause is over."""
        self.client.closed(9, reason)
        assert self.action() is Action.NONE
        assert self.client.deadline_ns == 9 + pause_ns
        self.client.timer(self.client.deadline_ns - 1)
        assert self.action() is Action.NONE
        self.client.timer(self.client.deadline_ns)
        return self.open()

    def indices(self) -> list[int]:
        return [int(row["index"]) for row in next(self.recorder.deliveries_since(0))]


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(ends)]


# The parser

def parsed(content: bytes) -> tuple[list[Event], bytes, int | None]:
    """Return the events of a whole stream, line by line as the standard says it."""
    lines = re.split(rb"\r\n|\r|\n", content.removeprefix(b"\xef\xbb\xbf"))[:-1]
    events, buffer, kind, last_id, dispatched, retry = [], b"", b"", b"", b"", None
    for line in lines:
        if line:
            name, _, value = line.partition(b":")
            value = value[1:] if value[:1] == b" " else value
            if name == b"data":
                buffer += value + b"\n"
            elif name == b"event":
                kind = value
            elif name == b"id" and b"\0" not in value:
                last_id = value
            elif name == b"retry" and re.fullmatch(rb"[0-9]+", value):
                retry = int(value)
            continue
        dispatched = last_id
        if buffer:
            events.append(Event(kind, buffer[:-1], last_id))
        buffer = kind = b""
    return events, dispatched, retry


texts = st.sampled_from([
    b"data: x", b"data:x", b"data:  y", b"data", b"data:", b"id: 1", b"id:2", b"id", b"id: a\0b", b"event: refusal",
    b"event", b"retry: 70", b"retry: 7x", b"retry:", b": comment", b":", b"other: z", b"data: {\"a\": \"b:c\"}", b"",
    b"", b"\xef\xbb\xbfdata: marked",
])
streams = st.lists(st.tuples(texts, st.sampled_from([b"\r", b"\n", b"\r\n"])), max_size=20).map(
    lambda lines: b"".join(text + end for text, end in lines))


@given(streams, st.sampled_from([b"", b"\xef\xbb\xbf"]), st.sampled_from([b"", b"data: cut", b"data: cut\n"]),
       st.lists(st.integers(0, 500), max_size=8), st.booleans())
def test_a_stream_has_the_same_events_however_it_is_cut(
    stream: bytes, mark: bytes, rest: bytes, places: list[int], byte_by_byte: bool
) -> None:
    content = mark + stream + rest
    parser = EventParser()
    pieces = [bytes([byte]) for byte in content] if byte_by_byte else cut(content, places)
    events = [found for piece in pieces for found in parser.feed(piece)]
    assert (events, parser.last_id, parser.retry_ms) == parsed(content)


def test_the_standards_own_examples() -> None:
    stream = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
    assert EventParser().feed(stream) == [(b"", b"first event", b"1"), (b"", b"second event", b""),
                                          (b"", b" third event", b"")]
    assert [found.data for found in EventParser().feed(b"data\n\ndata\ndata\n\ndata:")] == [b"", b"\n"]


def test_the_last_id_is_kept_until_the_stream_names_another() -> None:
    parser = EventParser(b"a:7")
    assert parser.feed(b"data: x\n\nid: a:8\ndata: y\n\nid: a:9\n")[0].last_id == b"a:7"
    assert parser.last_id == b"a:8", "an event that is not complete changes nothing"


def test_an_event_without_an_end_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVENT_MAX", 1000)
    for line in (b"data: " + b"x" * 40, b"data: " + b"x" * 40 + b"\n"):
        parser = EventParser()
        for _ in range(20):
            parser.feed(line)
        with pytest.raises(ValueError, match="an event of over 1000 bytes"):
            parser.feed(line * 8)


# Events

def everything(deflate: bool = False) -> tuple[bytes, list[int]]:
    """Return chunks of all kinds; the indices that they deliver."""
    options = Options(compression="gzip" if deflate else "none")
    huge = Batch(Cursor("a", 2000), [tick(index) for index in range(1000, 1900)])
    skips = Batch(Cursor("a", 2010), [tick(14)], conflated={"AAA": 2})
    two = event(tick(11), Cursor("a", 12)) + event(tick(12), Cursor("a", 13))
    odd = b"x: y\rid:a:17\r\ndata:" + tick(16)[:9] + b"\ndata:" + tick(16)[9:] + b"\n\n"
    parts = [
        first_chunk(options, hello_event(HELLO), deflate), pushed(10, deflate), chunk(HEARTBEAT, deflate),
        chunk(two, deflate), push_chunk(huge, deflate), push_chunk(skips, deflate), pushed(15, deflate),
        chunk(b"event: other\ndata: z\n\n", deflate), pushed(13, deflate),
    ]
    if not deflate:
        whole = event(tick(17), Cursor("a", 18))
        parts += [chunk(odd), chunk(whole[:20]), chunk(whole[20:])]
    return b"".join(parts), [10, 11, 12, *range(1000, 1900), 14, 15, 13]


@settings(max_examples=60, deadline=None)
@given(places=st.lists(st.integers(0, 100_000), max_size=30), deflate=st.booleans())
def test_however_the_answer_is_cut_the_same_is_delivered(places: list[int], deflate: bool) -> None:
    bench = Bench(Options(compression="gzip" if deflate else "none"))
    chunks, indices = everything(deflate)
    head = GZIP_HEAD if deflate else HEAD
    early = [place % 500 for place in places[:5]]
    for piece in cut(head + chunks, [*places, *early]):
        bench.receive(piece)
    counts = bench.client.counts
    assert bench.indices() == indices + ([] if deflate else [16, 17])
    assert counts.updates == len(bench.indices())
    assert (counts.header_bytes_down, counts.body_bytes_down) == (len(head), len(chunks))
    assert bench.client.cursor == Cursor("a", 14 if deflate else 18)
    assert (counts.requests, counts.responses, counts.errors) == (1, 1, {})


def test_byte_by_byte_and_event_by_event() -> None:
    chunks, indices = everything()
    one, other = Bench(), Bench()
    for byte in HEAD + chunks:
        one.receive(bytes([byte]))
    assert one.indices() == [*indices, 16, 17]
    other.begun()
    for index in range(10, 20):
        other.receive(pushed(index))   # each a whole read: the fast path
    assert other.indices() == list(range(10, 20))
    assert other.client.cursor == Cursor("a", 20)
    assert other.client.counts.body_bytes_down == sum(
        map(len, [first_chunk(Options(), hello_event(HELLO)), *map(pushed, range(10, 20))]))


@pytest.mark.parametrize("begun", [b"data: z\n", b"event: other\n"])
def test_an_event_that_has_begun_is_not_passed_by_the_fast_path(begun: bytes) -> None:
    bench = Bench().begun()
    bench.receive(chunk(begun))
    bench.receive(pushed(10))
    assert bench.indices() == []


def test_compressed_events_are_counted_before_and_after() -> None:
    options = Options(compression="gzip")
    bench = Bench(options)
    assert "Accept-Encoding: gzip\r\n" in bench.request
    parts = [first_chunk(options, hello_event(HELLO), deflate=True), pushed(10, deflate=True)]
    for part in (GZIP_HEAD, *parts):
        bench.receive(part)
    counts = bench.client.counts
    assert counts.compressed_bytes_down == sum(len(part) - 6 for part in parts)   # two digits of a chunk's size
    plain = b"retry: 1000\n" + hello_event(HELLO) + event(tick(10), Cursor("a", 11))
    assert counts.expanded_bytes_down == len(plain)
    assert bench.indices() == [10]


def test_compact_ticks_bare_and_in_batches() -> None:
    bench = Bench().begun()
    bench.receive(chunk(event(b'[10,11,23.82,100,"AAA"]', Cursor("a", 11))))
    assert bench.client.cursor == Cursor("a", 11)
    lines = [b'[11,12,23.83,100,"AAA"]', b'[12,13,23.84,100,"AAB"]']
    bench.receive(push_chunk(Batch(Cursor("a", 13), lines)))
    assert bench.indices() == [10, 11, 12]
    assert {int(row["due_ns"]) for row in next(bench.recorder.deliveries_since(0))} == {NO_STAMP}


# Ends, and what follows them

def test_the_client_asks_for_one_address_and_names_its_last_id_once_it_has_one() -> None:
    bench = Bench()
    assert bench.request.startswith("GET /ticks?symbols=AAA HTTP/1.1\r\nHost: h:1\r\nAccept: text/event-stream\r\n")
    assert "Last-Event-ID" not in bench.request
    bench.begun().receive(pushed(30))
    again = bench.over("reset")
    assert again == bench.request.removesuffix("\r\n") + "Last-Event-ID: a:31\r\n\r\n"
    assert bench.client.counts.errors == {"reset": 1}
    assert bench.client.counts.header_bytes_up == len(bench.request) + len(again)


def test_a_stream_that_ends_is_asked_for_again_after_the_pause_that_it_named() -> None:
    bench = Bench().begun()
    bench.receive(LAST_CHUNK)
    assert bench.action() is Action.CLOSE
    assert "Last-Event-ID: a:7\r\n" in bench.over("closed")
    assert bench.client.counts.errors == {"eof": 1}


def test_an_event_that_the_end_cuts_is_not_delivered() -> None:
    bench = Bench().begun()
    bench.receive(pushed(10)[:-3])
    assert "Last-Event-ID: a:7\r\n" in bench.over("eof")
    bench.begun().receive(pushed(10))
    assert bench.indices() == [10]


def test_without_a_pause_of_the_servers_the_client_waits_as_browsers_do() -> None:
    bench = Bench()
    bench.client.closed(9, "refused")
    assert bench.client.deadline_ns == 9 + 3_000_000_000


def test_a_client_that_fails_again_and_again_waits_longer() -> None:
    bench = Bench().begun()
    pauses = []
    for _ in range(12):
        bench.client.closed(9, "refused")
        pauses.append(bench.client.deadline_ns - 9)
        bench.client.timer(bench.client.deadline_ns)
        bench.open()
    assert pauses[0] == min(pauses) == RETRY_NS
    assert 2_500_000_000 <= pauses[-1] <= 7_500_000_000


@pytest.mark.parametrize(("refusal", "after", "asks"), [
    (Refusal("other-epoch", "x", Cursor("b", 0)), Cursor("a", 7), "b:0"),
    (Refusal("slow-client", "x", Cursor("a", 40)), Cursor("a", 7), "a:40"),
    (Refusal("stopping", "x"), Cursor("a", 7), "a:7"),
    (Refusal("stopping", "x"), None, "a:7"),
])
def test_a_refusal_names_the_cursor_to_continue_from(refusal: Refusal, after: Cursor | None, asks: str) -> None:
    bench = Bench().begun()
    bench.receive(chunk(refusal_event(refusal, after)) + LAST_CHUNK)
    assert bench.action() is Action.CLOSE
    assert f"Last-Event-ID: {asks}\r\n" in bench.over("closed", 0 if refusal.resume else RETRY_NS)
    assert bench.client.counts.errors == {f"refusal-{refusal.status.http}": 1}


def test_a_client_that_is_refused_again_waits() -> None:
    bench = Bench().begun()
    refused = chunk(refusal_event(Refusal("slow-client", "x", Cursor("a", 40)), None)) + LAST_CHUNK
    bench.receive(refused)
    assert bench.action() is Action.CLOSE
    bench.over("closed", 0)
    bench.receive(HEAD + first_chunk(Options(), refusal_event(Refusal("left-tape", "x", Cursor("a", 50)), None)))
    assert bench.action() is Action.CLOSE
    bench.client.closed(9, "closed")
    assert 100_000_000 <= bench.client.deadline_ns - 9 <= 300_000_000   # the second pause of a client's own
    bench.client.timer(bench.client.deadline_ns)
    bench.open()
    bench.begun()
    assert "Last-Event-ID: a:7\r\n" in bench.over("eof")   # after the pause that this stream named


def test_a_stream_that_begins_with_a_refusal() -> None:
    bench = Bench()
    refusal = Refusal("no-feed", "not yet")
    bench.receive(HEAD + first_chunk(Options(), refusal_event(refusal, None)) + LAST_CHUNK)
    assert (bench.action(), bench.client.subscribed) == (Action.CLOSE, False)
    assert "Last-Event-ID" not in bench.over("closed")


@pytest.mark.parametrize(("status", "body", "last_id"), [
    (403, b"", None), (503, b"busy", None), (204, b"", None), (409, b'{"resume":"b:3"}', "b:3"),
])
def test_an_http_error_is_followed_by_another_attempt(status: int, body: bytes, last_id: str | None) -> None:
    bench = Bench()
    length = b"" if status == 204 else b"Content-Length: %d\r\n" % len(body)
    bench.receive(b"HTTP/1.1 %d No\r\n%b\r\n%b" % (status, length, body))
    assert bench.action() is Action.CLOSE
    bench.client.closed(9, "closed")
    assert bench.client.counts.errors == {f"http-{status}": 1}
    bench.client.timer(bench.client.deadline_ns)
    request = bench.open()
    assert ("Last-Event-ID" in request) is (last_id is not None)
    assert last_id is None or f"Last-Event-ID: {last_id}\r\n" in request


@pytest.mark.parametrize("answer", [
    HEAD.replace(b"event-stream", b"html"),
    HEAD.replace(b"Content-Type", b"X-Type"),
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
    GZIP_HEAD.replace(b"gzip", b"br"),
    GZIP_HEAD + chunk(b"not compressed"),
    b"HTTP/1.1 101 X\r\n\r\n",
    b"nonsense\r\n\r\n",
])
def test_what_is_no_stream_is_a_bad_answer(answer: bytes) -> None:
    bench = Bench()
    bench.receive(answer + chunk(hello_event(HELLO)))
    assert (bench.action(), bench.client.subscribed) == (Action.CLOSE, False)
    bench.client.closed(1, "closed")
    assert bench.client.counts.errors == {"bad-answer": 1}


@pytest.mark.parametrize("data", [
    b"xyz\r\n",
    chunk(event(b"[1]", Cursor("a", 9))),
    chunk(event(b"{}", Cursor("a", 9))),
    chunk(event(b"\xff", Cursor("a", 9))),
    chunk(b"id: here\ndata: " + tick(9) + b"\n\n"),
    chunk(event(b'{"seq":"1","index":-1,"due_ns":0}', Cursor("a", 9))),
    chunk(event(b'{"error":"unheard-of"}', Cursor("a", 9), "refusal")),
    chunk(event(b"no JSON", Cursor("a", 9), "refusal")),
    chunk(event(encode_batch(Batch(Cursor("a", 9), conflated={"AAA": 1})), Cursor("a", 9))),
])
def test_bad_events_end_the_connection_and_deliver_nothing_more(data: bytes) -> None:
    bench = Bench().begun()
    bench.receive(pushed(10))
    bench.receive(data)
    assert bench.action() is Action.CLOSE
    bench.receive(pushed(11))
    assert bench.indices() == [10]
    assert "Last-Event-ID: a:11\r\n" in bench.over("closed")
    assert bench.client.counts.errors == {"bad-answer": 1}
    bench.begun().receive(pushed(12))
    assert bench.indices() == [10, 12]


def test_after_stop_bytes_are_counted_and_nothing_is_judged() -> None:
    bench = Bench().begun()
    before = bench.client.counts.body_bytes_down
    bench.client.stop(1)
    assert bench.action() is Action.CLOSE
    bench.receive(pushed(10) + b"no chunk")
    bench.client.closed(2, "reset")
    counts = bench.client.counts
    assert (counts.errors, bench.indices(), bench.action()) == ({}, [], Action.NONE)
    assert counts.body_bytes_down - before == len(pushed(10) + b"no chunk")


def test_a_request_that_never_left_is_taken_off_the_counts() -> None:
    bench = Bench()
    before = bench.client.counts.header_bytes_up
    bench.client.closed(1, "refused")
    bench.client.timer(bench.client.deadline_ns)
    assert bench.action() is Action.OPEN
    bench.client.opened(0)
    bench.client.closed(2, "reset")   # with the request in the outbox
    assert bench.client.counts.header_bytes_up == before


def test_what_one_client_has_parsed_another_takes_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes of an event are the same for all clients; only the first that gets them reads its JSON."""
    first, second = Bench().begun(), Bench().begun()
    assert not first.client.receive(pushed(400), 3, 5)
    monkeypatch.setattr(module, "message_of", None)
    assert second.client.receive(pushed(400), 3, 5)   # nothing else to do for the driver
    for client in (first.client, second.client):
        assert client.cursor == Cursor("a", 401)
        assert client.counts.updates == 1
    assert first.client.counts == second.client.counts
    assert [next(each.recorder.deliveries_since(0)).tolist() for each in (first, second)] == [
        [(3, 400, 400_000, 3, 5)]] * 2
    assert second.over("eof").count("Last-Event-ID: a:401\r\n") == 1


def test_of_a_burst_in_one_read_each_tick_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the reads of another client were cut; what has no end yet waits for the next read."""
    first, second, skipping = Bench().begun(), Bench().begun(), Bench().begun()
    skipping.receive(push_chunk(Batch(Cursor("a", 400), dropped={"AAA": 5}), False))
    burst = [pushed(number) for number in range(501, 506)]
    first.receive(burst[0] + burst[1])
    first.receive(burst[2] + burst[3] + burst[4])
    monkeypatch.setattr(module, "message_of", None)
    second.receive(b"".join(burst[:4]) + burst[4][:20])
    assert second.indices() == [501, 502, 503, 504]
    monkeypatch.undo()
    second.receive(burst[4][20:])
    assert first.indices() == second.indices() == [501, 502, 503, 504, 505]
    assert first.client.counts == second.client.counts
    assert first.client.cursor == second.client.cursor == Cursor("a", 506)
    skipping.receive(b"".join(burst))
    assert skipping.indices() == first.indices()
    assert [tuple(row)[1:3] for row in next(skipping.recorder.skips_since(0))] == [(501, 5)]


def test_a_tick_that_was_parsed_before_is_judged_by_the_clients_own_state() -> None:
    Bench().begun().receive(pushed(401))
    again = Bench().begun()
    again.over("eof")
    again.receive(HEAD + chunk(HEARTBEAT))
    assert again.client.failures == 1
    again.receive(pushed(401))
    assert again.client.failures == 0
    skipping = Bench().begun()
    skipping.receive(push_chunk(Batch(Cursor("a", 400), dropped={"AAA": 5}), False))
    skipping.receive(pushed(401))
    assert [tuple(row)[1:3] for row in next(skipping.recorder.skips_since(0))] == [(401, 5)]
    leaving, cut_off = Bench().begun(), Bench().begun()
    leaving.client.stop(1)
    cut_off.client.closed(1, "reset")
    before = [leaving.indices(), cut_off.indices()]
    for each in (leaving, cut_off):
        each.receive(pushed(401))
    assert [leaving.indices(), cut_off.indices()] == before
    assert skipping.indices() == [401]
