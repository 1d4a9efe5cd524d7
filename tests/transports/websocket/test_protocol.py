from __future__ import annotations

import itertools
import random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Opcode
from websockets.protocol import CLIENT, Protocol

from bench import transports
from bench.errors import ScenarioError
from bench.transports.websocket.protocol import (
    COMPRESSED,
    MESSAGE_ALONE,
    WINDOW_KEPT,
    Compressor,
    Deflate,
    Options,
    hello_frame,
    keep_alive,
    message_frame,
    push_frame,
    take_up,
    text_frame,
)
from bench.wire.contract import Batch, Cursor, batch_of

LINE = b'{"index":6,"seq":7}'
CURSOR = Cursor("e1", 7)


def read(frame: bytes, *extensions: Extension) -> bytes:
    """Return what a client reads from exactly this frame."""
    protocol = Protocol(CLIENT, max_size=None)
    protocol.extensions = list(extensions)
    protocol.receive_data(frame)
    (event,) = protocol.events_received()
    assert (event.opcode, event.fin) == (Opcode.TEXT, True)   # type: ignore[union-attr]
    return bytes(event.data)   # type: ignore[union-attr]


@given(st.binary(max_size=300))
def test_a_client_reads_what_was_framed(payload: bytes) -> None:
    assert read(text_frame(payload)) == payload


@pytest.mark.parametrize(("length", "head"), [(125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_the_head_is_as_short_as_the_length_allows(length: int, head: int) -> None:
    frame = text_frame(bytes(length))
    assert len(frame) == head + length
    assert read(frame) == bytes(length)


def test_the_first_message_is_a_batch_and_the_next_a_bare_tick() -> None:
    batch = Batch(CURSOR, (LINE,))
    assert batch_of(orjson.loads(read(hello_frame(batch)))).cursor == CURSOR
    assert read(push_frame(batch)) == LINE
    assert push_frame(batch) is push_frame(Batch(CURSOR, (LINE,)))


@pytest.mark.parametrize(
    "batch",
    [
        Batch(CURSOR, (LINE, LINE)),
        Batch(CURSOR, (LINE,), conflated={"AAA": 1}),
        Batch(CURSOR, (LINE,), dropped={"AAA": 1}),
        Batch(CURSOR, (LINE,), more=True),
    ],
)
def test_a_tick_that_comes_with_anything_else_to_be_said_is_a_batch(batch: Batch) -> None:
    received = batch_of(orjson.loads(read(push_frame(batch))))
    assert len(received.ticks) == len(batch.ticks)
    assert received.more == batch.more
    assert (received.conflated, received.dropped) == (batch.conflated, batch.dropped)


def test_a_silent_client_is_pinged_after_one_interval_and_dropped_after_two() -> None:
    done = []
    pinged_s = heard_s = 0.0
    for now_s in itertools.count(1):
        what = keep_alive(now_s, heard_s, pinged_s, 20.0)
        if what != "wait":
            done.append((now_s, what))
        if what == "ping":
            pinged_s = now_s
        if what == "drop":
            break
    assert done == [(20, "ping"), (40, "drop")]


def test_a_client_that_was_not_asked_is_not_dropped() -> None:
    assert keep_alive(100.0, 0.0, 0.0, 20.0) == "ping"


def test_a_client_that_answers_is_pinged_once_an_interval_and_kept() -> None:
    heard_s = pinged_s = 0.0
    pings = 0
    for now_s in range(1, 201):
        what = keep_alive(now_s, heard_s, pinged_s, 20.0)
        assert what != "drop"
        if what == "ping":
            pings, pinged_s, heard_s = pings + 1, now_s, now_s
    assert pings == 10


def test_the_default_is_a_ping_every_20_seconds() -> None:
    assert Options().ping_interval_s == 20.0


@given(st.lists(st.binary(max_size=300).map(lambda part: part * 30), min_size=1, max_size=4))
def test_a_compressed_message_is_read_whatever_came_before(messages: list[bytes]) -> None:
    deflate = PerMessageDeflate(True, True, 15, 15)
    for message in messages:
        frame = message_frame(message, Deflate())
        assert read(frame, deflate) == message
        assert len(frame) <= len(text_frame(message))


def test_what_does_not_shrink_is_not_compressed() -> None:
    assert message_frame(b"abc", Deflate()) == text_frame(b"abc")
    assert message_frame(b"abc" * 50, Deflate())[0] & COMPRESSED
    assert not message_frame(b"abc" * 50, None)[0] & COMPRESSED


@given(st.lists(st.binary(max_size=300).map(lambda part: part * 30), min_size=1, max_size=4), st.integers(9, 15))
def test_with_a_kept_window_a_client_that_keeps_it_too_reads_every_message(messages: list[bytes], bits: int) -> None:
    compressor, deflate = Compressor(bits), PerMessageDeflate(False, True, bits, 15)
    for message in messages:
        assert read(compressor.frame(message), deflate) == message


def test_with_a_kept_window_a_message_that_came_before_costs_next_to_nothing() -> None:
    compressor = Compressor()
    first, second = (len(compressor.frame(LINE * 5)) for _ in range(2))
    assert second < 10 < first


@pytest.mark.parametrize("bits", [9, 12, 15])
def test_a_message_is_compressed_within_the_window_that_the_client_allowed(bits: int) -> None:
    message = bytes(random.Random(1).choices(b"0123456789", k=700)) * 3
    assert read(message_frame(message, Deflate(bits)), PerMessageDeflate(True, True, bits, 15)) == message


ALONE, KEPT = "server_no_context_takeover; client_no_context_takeover", "client_no_context_takeover"


@pytest.mark.parametrize(("accepts", "offer", "answer", "deflate"), [
    (MESSAGE_ALONE, "; client_max_window_bits", f"; {ALONE}", Deflate()),
    (MESSAGE_ALONE, "; server_max_window_bits=10", f"; {ALONE}; server_max_window_bits=10", Deflate(10)),
    (WINDOW_KEPT, "; client_max_window_bits", f"; {KEPT}; server_max_window_bits=12", Deflate(12, True)),
    (WINDOW_KEPT, "; server_max_window_bits=9", f"; {KEPT}; server_max_window_bits=9", Deflate(9, True)),
    (WINDOW_KEPT, "; server_max_window_bits=8, permessage-deflate", f"; {KEPT}; server_max_window_bits=12",
     Deflate(12, True)),
    (WINDOW_KEPT, "; server_no_context_takeover", f"; {ALONE}; server_max_window_bits=12", Deflate(12)),
])
def test_a_window_is_kept_where_both_sides_agree(
    accepts: ServerPerMessageDeflateFactory, offer: str, answer: str, deflate: Deflate
) -> None:
    """RFC 7692, sections 7.1.1 and 7.1.2."""
    name = "permessage-deflate"
    assert take_up((name + offer,), accepts) == (name + answer, deflate)
    assert take_up((f"{name}; unheard_of",), accepts) is None


def test_there_is_no_context_without_compression() -> None:
    with pytest.raises(ScenarioError, match=r'^s\.toml: transports\.it\.context_takeover: found true, '
                                            r'allowed is false, or true together with compression = '):
        transports.options_of("websocket", {"context_takeover": True}, "s.toml", "transports.it")
