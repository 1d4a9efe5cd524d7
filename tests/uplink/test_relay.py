"""The relay's own decisions: the rate of a connection, and the length of a body. What it does is in
test_exchange.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.feed.tape import Tape
from bench.scenario.model import Messages
from bench.uplink.relay import Bucket, Relay, TwoWayFeed, content_length
from bench.wire.contract import Refusal


@given(st.floats(0.1, 1000), st.lists(st.floats(0, 2), min_size=1, max_size=200))
def test_a_connection_never_sends_more_than_its_rate_and_one_seconds_worth(rate: float, gaps: list[float]) -> None:
    bucket, now_s, taken = Bucket(rate, 0.0), 0.0, 0
    for gap_s in gaps:
        now_s += gap_s
        taken += bucket.take(now_s)
        assert taken <= max(1.0, rate) + rate * now_s + 1e-6
    assert bucket.take(now_s + max(1.0, 1.01 / rate)), "a pause brings tokens back"


@pytest.mark.parametrize(("values", "word"), [
    ([], "bad-request"), (["1", "1"], "bad-request"), (["-1"], "bad-request"), (["1e3"], "bad-request"),
    (["²"], "bad-request"), (["9" * 5000], "bad-request"), (["101"], "too-large"), (["100"], ""), (["0"], ""),
])
def test_a_body_has_one_length_within_the_limit(values: list[str], word: str) -> None:
    if word:
        with pytest.raises(Refusal) as refused:
            content_length(values, 100)
        assert refused.value.code == word
    else:
        assert content_length(values, 100) == int(values[0])


def test_an_answer_to_nothing_is_an_error_of_the_feed() -> None:
    feed = TwoWayFeed("127.0.0.1", 1, Tape(10), lambda: None)
    Relay(Messages(), feed, lambda refusal: None, lambda: True)
    with pytest.raises(ValueError, match="no message"):
        feed.take_ticks([b'{"accepted":1}'])
