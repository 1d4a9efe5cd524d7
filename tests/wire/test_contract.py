"""The contract: what is written is read back, and what is malformed is refused."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.clock import NO_STAMP
from bench.scenario.replay import SYMBOL_PATTERN
from bench.wire.contract import (
    REFUSALS,
    SEQ_MAX,
    Batch,
    Cursor,
    Refusal,
    Request,
    Subscription,
    batch_of,
    encode_batch,
)

epochs = st.from_regex(r"[0-9a-z]{1,16}", fullmatch=True)
cursors = st.builds(Cursor, epochs, st.integers(0, SEQ_MAX))
symbols = st.from_regex(r"[A-Za-z0-9._-]{1,24}", fullmatch=True)
subscriptions = st.builds(
    Subscription, st.none() | st.frozensets(symbols, min_size=1), st.sampled_from(["every", "latest"])
)
counts = st.dictionaries(symbols, st.integers(1, 1000), max_size=3)
ticks = st.lists(st.fixed_dictionaries({"seq": st.integers(1, SEQ_MAX), "symbol": symbols}), max_size=4)


@given(cursors)
def test_a_cursor_is_read_back(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    ["", "9f2c", ":1", "9f2c:", "9f2c:-1", "9f2c:+1", "9f2c: 1", "9F2C:1", "9f2c:1:2", "9f2c:1.5", "9f2c:²",
     "9f2c:٣", f"9f2c:{SEQ_MAX + 1}", "9f2c:" + "9" * 5000, "a" * 17 + ":1", "9f2c:1\n", "\x00:1"],
)
def test_a_malformed_cursor_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        Cursor.parse(text)
    assert caught.value.code == "bad-cursor"
    assert len(caught.value.detail) < 500


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_a_refusal(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except Refusal:
        return
    assert cursor.epoch == text.partition(":")[0]


@given(subscriptions, st.none() | cursors)
def test_a_request_is_read_back(subscription: Subscription, after: Cursor | None) -> None:
    request = Request(subscription, after)
    pairs = [part.split("=", 1) for part in request.to_query().split("&") if part]
    assert Request.parse(dict(pairs)) == request


def test_a_symbol_of_a_pair_or_an_index_is_read_back_from_a_query() -> None:
    names = {"BTC/USD", "O:SPY240119C00470000", "ES=F", "^GSPC", "BRK.B", "$SPX", "X:BTC-USD"}
    query = Request(Subscription(frozenset(names)), None).to_query()
    assert re.fullmatch(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*", query)   # RFC 3986, query
    assert Request.parse(dict(parse_qsl(query))).subscription.symbols == names
    assert all(re.fullmatch(SYMBOL_PATTERN, name) for name in names)
    wrong = ("", "A,B", "A B", "=1+1", "<b>", "A&B", "x" * 41)
    assert not any(re.fullmatch(SYMBOL_PATTERN, name) for name in wrong)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"mode": "newest"}, "every or latest"),
        ({"symbols": "AAA,,BBB"}, "symbols"),
        ({"symbols": ""}, "symbols"),
        ({"since": "9f2c:1"}, "since"),
        ({"after": "x"}, "cursor"),
    ],
)
def test_a_malformed_request_is_refused(query: dict[str, str], word: str) -> None:
    with pytest.raises(Refusal, match=word):
        Request.parse(query)


@given(cursors, ticks, st.booleans(), counts, counts)
def test_a_batch_is_read_back(
    cursor: Cursor,
    ticks: list[dict[str, object]],
    more: bool,
    conflated: dict[str, int],
    dropped: dict[str, int],
) -> None:
    batch = Batch(cursor, tuple(orjson.dumps(tick) for tick in ticks), more, conflated, dropped)
    body = encode_batch(batch)
    received = batch_of(orjson.loads(body))
    assert (received.cursor, list(received.ticks), received.more) == (cursor, ticks, more)
    assert (received.conflated, received.dropped) == (conflated, dropped)
    assert all(line in body for line in batch.ticks)
    assert batch.bare == (len(ticks) == 1 and not more and not conflated and not dropped)


def test_compact_ticks_are_read_as_objects() -> None:
    received = batch_of(orjson.loads(b'{"cursor":"9f2c:42","more":false,"ticks":[[41,42,23.82,100,"AAA"]]}'))
    assert received.ticks == [
        {"index": 41, "seq": 42, "due_ns": NO_STAMP, "symbol": "AAA", "price": 23.82, "size": 100}]


@pytest.mark.parametrize(
    "body",
    [
        b'{"cursor":"9f2c:42","more":false,"ticks":[[41,42]]}',
        b"", b"[]", b"{}", b"null", b"\xff",
        b'{"cursor":"x","more":false,"ticks":[]}',
        b'{"cursor":7,"more":false,"ticks":[]}',
        b'{"cursor":"9f2c:1","ticks":[]}',
    ],
)
def test_what_is_no_batch_is_a_value_error(body: bytes) -> None:
    words = r"not a batch|not enough values|unexpected|invalid|empty|line 1|str is not valid"
    with pytest.raises(ValueError, match=words):
        batch_of(orjson.loads(body))


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_says_where_to_go_on(code: str) -> None:
    refused = Refusal(code, "why", Cursor("9f2c", 7))
    assert orjson.loads(refused.to_json()) == {"error": code, "detail": "why", "resume": "9f2c:7"}
    assert refused.to_reason() == f"{code} 9f2c:7"
    assert 400 <= refused.status.http < 600
    # A server may not send what RFC 6455 reserves, and its own words live in 4000–4999.
    assert refused.status.close in {1001, 1007, 1008, 1009, 1013} or 4000 <= refused.status.close < 5000


@given(cursors)
def test_a_close_reason_fits_its_frame(cursor: Cursor) -> None:
    assert all(len(Refusal(code, "why", cursor).to_reason().encode()) <= 123 for code in REFUSALS)
