"""A tick's line: what is written is read back, and the line is the documented one."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.clock import NO_STAMP
from bench.feed.tick import Tick, decode, encode, encode_compact
from bench.wire.contract import tick_fields

sizes = st.integers(0, 2**53) | st.floats(0, 1e12)
prices = st.floats(min_value=1e-9, max_value=1e12)
levels = st.lists(st.tuples(prices, sizes), max_size=4).map(tuple)
ticks = st.builds(
    Tick,
    index=st.integers(0, 2**32 - 1),
    seq=st.integers(1, 2**32 - 1),
    due_ns=st.integers(-(2**62), 2**62),
    symbol=st.from_regex(r"[A-Za-z0-9._-]{1,24}", fullmatch=True),
    price=prices,
    size=sizes,
    bids=levels,
    asks=levels,
)


@given(ticks)
def test_a_tick_is_read_back(tick: Tick) -> None:
    line = encode(tick)
    assert decode(line) == tick
    assert b"\n" not in line


def test_the_line_is_the_documented_one() -> None:
    tick = Tick(41, 42, 4_100_000_000, "AAA", 23.82, 100)
    assert encode(tick) == (
        b'{"index":41,"seq":42,"due_ns":4100000000,"symbol":"AAA","price":23.82,"size":100}'
    )
    book = Tick(41, 42, 4_100_000_000, "AAA", 23.82, 0.0031, bids=((23.81, 5),), asks=())
    assert encode(book).endswith(b'"size":0.0031,"bids":[[23.81,5]],"asks":[]}')


@given(ticks)
def test_a_compact_tick_is_read_back_but_for_what_it_leaves_out(tick: Tick) -> None:
    fields = tick_fields(orjson.loads(encode_compact(tick)))
    assert fields.pop("due_ns") == NO_STAMP
    assert fields == {
        "index": tick.index, "seq": tick.seq, "symbol": tick.symbol, "price": tick.price, "size": tick.size}


def test_a_compact_line_has_about_twenty_characters() -> None:
    assert encode_compact(Tick(12, 13, 4_100_000_000, "AAA", 52.07, 100)) == b'[12,13,52.07,100,"AAA"]'


@pytest.mark.parametrize("encoder", [encode, encode_compact])
def test_a_kept_line_takes_little_more_than_its_bytes(encoder: Callable[[Tick], bytes]) -> None:
    memory, count = psutil.Process().memory_info, 20_000
    before = memory().rss
    kept = [encoder(Tick(index, index + 1, 4_100_000_000, "AAA", 23.82, 100)) for index in range(count)]
    assert (memory().rss - before) / count < 500 + len(kept[-1])


@pytest.mark.parametrize("line", [b"", b"{}", b"[1]", b"7", b'{"index":1,"seq":1}', b"\xff"])
def test_what_is_no_tick_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a tick|unexpected|invalid|empty|line 1|str is not valid"):
        decode(line)
