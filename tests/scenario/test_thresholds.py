"""Thresholds: what is written is read again, and a mistake is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scenario.objective import RELATIONS, Condition
from bench.scenario.thresholds import Threshold, Thresholds, parse

thresholds = st.builds(
    lambda condition, cell: Threshold(condition, *cell),
    st.builds(Condition, st.sampled_from(["latency_p99_ms", "lost", "a"]), st.sampled_from(list(RELATIONS)),
              st.one_of(st.integers(-10**9, 10**9).map(float), st.floats(-1e6, 1e6, allow_nan=False))),
    st.sampled_from([(None, None), ("websocket", None), (None, 20), ("long_polling", 500),
                     ("short_polling interval_s=0.5", 999_999_999), ("sse flush_ms=50", None)]))


@given(st.lists(thresholds, min_size=1, max_size=3))
def test_what_is_written_is_read_again(asked: list[Threshold]) -> None:
    assert parse(" and ".join(map(str, asked))) == asked


@pytest.mark.parametrize("text", [
    "", "websocket", "websocket.latency_p99_ms", "websocket.latency_p99_ms <= 50 at", "lost == 0 at 0",
    "websocket.latency_p99_ms <= 50 at many", "lost == 0 and", "websocket. <= 5", "a => 1",
])
def test_what_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"^thresholds such as .* is none$"):
        parse(text)


def test_each_threshold_is_asked_for_once() -> None:
    table = Thresholds(require=("lost==0 and a.late<=5 at 10", "lost == 0"))
    assert table.require == ("lost == 0", "a.late <= 5 at 10")
    assert table.with_more(parse("lost == 0 and lost < 1")).require == (*table.require, "lost < 1")
    assert Thresholds().open == "fail", "what was not shown does not pass"
