"""The code that all client machines share. Each one's own is tested in each transport's folder."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import transports
from bench.measure.recording import Recorder
from bench.transports import Action, ClientSpec, options_of
from bench.transports.clients import (
    PAUSE_MAX_NS,
    PAUSE_MIN_NS,
    READS_KEPT,
    ClientLife,
    index_of,
    message_of,
    pause_ns,
    remember,
    resume_of,
)
from bench.wire.contract import Cursor, Subscription


@given(st.integers(1, 10_000), st.integers())
def test_pauses_double_up_to_a_limit(failures: int, seed: int) -> None:
    mean_ns = min(PAUSE_MAX_NS, PAUSE_MIN_NS * 2 ** min(failures - 1, 60))
    assert mean_ns * 0.5 - 1 <= pause_ns(failures, random.Random(seed)) <= mean_ns * 1.5


def life(recorder: Recorder, subscription: Subscription | None = None) -> ClientLife:
    return ClientLife(ClientSpec(3, "h:1", subscription or Subscription()), recorder, random.Random(1))


@pytest.mark.parametrize("name", transports.own_names())
def test_a_client_has_no_dictionary_of_its_own(name: str) -> None:
    """Objects of more than 30 attributes have dictionaries that are slow to read, and an update reads ten times."""
    client = transports.part(name, "client").Client
    made = client(ClientSpec(0, "h:1", Subscription()), options_of(name, {}, "", ""), Recorder(), random.Random(1))
    assert not hasattr(made, "__dict__")


def batch(**changes: Any) -> dict[str, Any]:
    ticks = [
        {"index": 10, "due_ns": 5, "symbol": "A"},
        {"index": 11, "due_ns": 6, "symbol": "B"},
        {"index": 12, "due_ns": 7, "symbol": "A"},
    ]
    return {"cursor": "a:13", "more": False, "ticks": ticks, **changes}


def take(client: ClientLife, text: bytes) -> None:
    message = message_of(text)
    assert not isinstance(message, dict)
    client.take_batch(message, 8, 9)


def test_a_batch_is_delivered_and_moves_the_cursor() -> None:
    recorder = Recorder()
    client = life(recorder)
    client.failures = 4
    take(client, orjson.dumps(batch(conflated={"A": 2}, dropped={"B": 1})))
    rows = next(recorder.deliveries_since(0)).tolist()
    assert rows == [(3, 10, 5, 8, 9), (3, 11, 6, 8, 9), (3, 12, 7, 8, 9)]
    skips = next(recorder.skips_since(0))
    assert sorted((int(row["index"]), int(row["count"])) for row in skips) == [(10, 2), (11, 1)]
    assert (client.cursor, client.subscribed, client.failures) == (Cursor("a", 13), True, 0)
    assert client.target == "/ticks?after=a:13"


@pytest.mark.parametrize("changes", [
    {"ticks": [{"index": 1, "symbol": "A"}]},
    {"ticks": [{"index": True, "due_ns": 1, "symbol": "A"}]},
    {"ticks": [{"index": 2**32, "due_ns": 1, "symbol": "A"}]},
    {"ticks": [{"index": 1, "due_ns": 2**63, "symbol": "A"}]},
    {"ticks": [{"index": 1, "due_ns": 1, "symbol": "A"}, None]},
    {"ticks": 7},
    {"conflated": {"A": 0}},
    {"conflated": {"A": 2**32}},
    {"conflated": {"Z": 1}},
    {"conflated": ["A"]},
    {"dropped": {"A": "1"}},
])
def test_what_is_no_batch_leaves_no_trace(changes: dict[str, Any]) -> None:
    recorder = Recorder()
    client = life(recorder)
    with pytest.raises(ValueError, match=r"not a|no tick"):
        take(client, orjson.dumps(batch(**changes)))
    assert recorder.delivered == 0
    assert len(next(recorder.skips_since(0))) == 0
    assert (client.cursor, client.subscribed, client.counts.updates) == (None, False, 0)


def test_who_gets_the_same_text_gets_the_same_batch_which_was_parsed_once() -> None:
    message_of.cache_clear()
    text = orjson.dumps(batch(conflated={"A": 2}))
    rows = []
    for _ in range(2):
        recorder = Recorder()
        take(life(recorder), bytes(bytearray(text)))
        rows.append((next(recorder.deliveries_since(0)).tolist(), next(recorder.skips_since(0)).tolist()))
    assert rows[0] == rows[1]
    assert (message_of.cache_info().hits, message_of.cache_info().misses) == (1, 1)


def test_a_batch_with_a_further_member_is_a_batch() -> None:
    assert message_of(orjson.dumps(batch(seq=5, further=1))) == message_of(orjson.dumps(batch()))


@pytest.mark.parametrize("text", [b"7", b"null", b'"seq"', b"[1]", b"{}", b'{"seq"', b"[1,2,3,4,5,6]"])
def test_what_is_neither_a_batch_nor_a_tick_is_no_message(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a batch|values to unpack|JSON|unexpected"):
        message_of(text)


def test_a_refusal_is_followed_at_once_only_the_first_time_in_a_row() -> None:
    client = life(Recorder())
    assert client.refused("b:1")
    assert client.cursor == Cursor("b", 1)
    assert not client.refused("c:1")
    assert client.cursor == Cursor("c", 1)
    assert not client.refused(None)
    assert client.cursor is None
    assert not client.refused("no cursor")
    assert client.cursor is None


def test_a_connection_is_opened_again_when_the_pause_is_over() -> None:
    client = life(Recorder())
    client.failures = 1
    client.reopen(1000)
    client.reopen_if_due(client.reopen_ns - 1)
    assert client.action is Action.NONE
    client.reopen_if_due(client.reopen_ns)
    assert client.action is Action.OPEN


@pytest.mark.parametrize(("body", "resume"), [
    (b'{"error":"x","resume":"b:1"}', "b:1"),
    (b'{"resume":7}', None),
    (b"[]", None),
    (b"{}", None),
    (b"x", None),
])
def test_the_cursor_in_a_refusal(body: bytes, resume: str | None) -> None:
    assert resume_of(body) == resume


@given(st.integers(0, 2**32 - 1))
def test_an_index_is_taken_as_it_is(index: int) -> None:
    assert index_of({"index": index, "due_ns": 0}) == index


def test_only_the_newest_reads_are_remembered() -> None:
    found: dict[bytes, int] = {}
    for number in range(3 * READS_KEPT):
        remember(found, b"%d" % number, number)
        assert found[b"%d" % number] == number
        assert len(found) <= READS_KEPT
