from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import ScenarioError
from bench.scenario.parsing import validated
from bench.serving.streams import LAST_CHUNK
from bench.transports.sse.protocol import (
    HEARTBEAT,
    EventFormat,
    Options,
    chunk,
    event,
    first_chunk,
    hello_event,
    is_streamed,
    push_chunk,
    push_event,
    refusal_event,
    resumed,
)
from bench.wire.contract import REFUSALS, Batch, Cursor, Refusal, Request, Subscription, encode_batch
from bench.wire.http_client import Expander, StreamReader

TICK = b'{"index":1,"seq":2}'
CURSOR = Cursor("a", 2)


def test_the_first_event_is_a_batch_and_a_later_one_a_bare_tick_where_nothing_else_is_to_be_said() -> None:
    alone, none = Batch(CURSOR, (TICK,)), Batch(CURSOR)
    assert hello_event(none) == b"id: a:2\ndata: " + encode_batch(none) + b"\n\n"
    assert hello_event(alone) == b"id: a:2\ndata: " + encode_batch(alone) + b"\n\n"
    assert push_event(alone) == b"id: a:2\ndata: " + TICK + b"\n\n"
    for batch in (Batch(CURSOR, (TICK, TICK)), Batch(CURSOR, (TICK,), dropped={"A": 1})):
        assert push_event(batch) == b"id: a:2\ndata: " + encode_batch(batch) + b"\n\n"


def test_the_id_of_a_bare_tick_is_the_cursor_that_it_leads_to() -> None:
    assert push_event(Batch(Cursor("a", 9), (TICK,))).startswith(b"id: a:9\n")
    assert push_chunk(Batch(Cursor("a", 9), (TICK,))) != push_chunk(Batch(Cursor("b", 9), (TICK,)))


def test_a_stream_begins_with_the_pause_in_ms() -> None:
    begun = first_chunk(Options(retry_s=0.25), hello_event(Batch(CURSOR)))
    assert begun.partition(b"\r\n")[2].startswith(b"retry: 250\nid: a:2\n")


@pytest.mark.parametrize(("resume", "after", "identity"), [
    (Cursor("b", 0), CURSOR, b"id: b:0\n"), (None, CURSOR, b"id: a:2\n"), (None, None, b""),
])
def test_a_refusal_names_the_cursor_to_continue_from_at_once(
    resume: Cursor | None, after: Cursor | None, identity: bytes
) -> None:
    refusal = Refusal("left-tape", "gone", resume)
    at_once = b"retry: 0\n" if resume else b""
    assert refusal_event(refusal, after) == (
        at_once + b"event: refusal\n" + identity + b"data: " + refusal.to_json() + b"\n\n")


def test_what_an_event_source_should_ask_again_after_is_no_http_error() -> None:
    streamed = {code for code in REFUSALS if is_streamed(Refusal(code, "x"))}
    assert streamed == {"other-epoch", "left-tape", "slow-client", "stopping", "no-feed"}


@given(st.lists(st.integers(0, 300), min_size=1, max_size=6), st.sampled_from(["none", "gzip", "deflate"]),
       st.booleans())
def test_chunks_made_once_are_one_body_for_every_client(sizes: list[int], coding: str, twice: bool) -> None:
    options = Options(compression=coding)   # type: ignore[arg-type]
    deflate = coding != "none"
    lines = [b'{"seq":1,"x":"%b"}' % (b"y" * size) for size in sizes]
    events = [event(line, CURSOR) for line in lines] * (1 + twice)
    chunks = [chunk(text, deflate) for text in events]
    stream = StreamReader()
    stream.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    body = stream.feed(first_chunk(options, HEARTBEAT, deflate) + b"".join(chunks) + LAST_CHUNK)
    assert stream.ended
    content = Expander(coding.encode()).feed(body) if deflate else body
    assert content == b"retry: 1000\n" + HEARTBEAT + b"".join(events)
    if deflate:   # as any reader of the coding has it, so far as the stream has come
        assert zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body) == content


def test_the_last_id_counts_in_place_of_after() -> None:
    request = Request(Subscription(), Cursor("a", 1))
    assert resumed(request, None) == resumed(request, "") == request
    assert resumed(request, "a:7") == Request(Subscription(), Cursor("a", 7))
    with pytest.raises(Refusal, match="a cursor is epoch:seq"):
        resumed(request, "seven")


@pytest.mark.parametrize("coding", ["none", "gzip"])
def test_the_format_of_a_servers_streams(coding: str) -> None:
    options = Options(compression="gzip", heartbeat_s=5.0)
    format, batch, deflate = EventFormat(options), Batch(CURSOR, (TICK,)), coding != "none"
    assert (format.coding, format.heartbeat_s, format.headers["Content-Type"]) == ("gzip", 5.0, "text/event-stream")
    assert format.first(batch, coding) == first_chunk(options, hello_event(batch), deflate)
    assert format.push(batch, coding) == push_chunk(batch, deflate)
    assert format.heartbeat(coding) == chunk(HEARTBEAT, deflate)
    late, wrong = Refusal("left-tape", "gone", Cursor("a", 1)), Refusal("bad-request", "no")
    told = refusal_event(late, CURSOR)
    assert format.refusal(late, CURSOR, coding, begins=True) == first_chunk(options, told, deflate)
    assert format.refusal(late, CURSOR, coding, begins=False) == chunk(told, deflate)
    assert format.refusal(wrong, None, coding, begins=True) is None


@pytest.mark.parametrize("table", [{"retry_s": 0.0}, {"heartbeat_s": 0}, {"compression": "br"}, {"hold_s": 1.0}])
def test_options_that_make_no_sense_are_refused(table: dict[str, object]) -> None:
    with pytest.raises(ScenarioError):
        validated(Options, table, "x.toml", "transports.sse")
