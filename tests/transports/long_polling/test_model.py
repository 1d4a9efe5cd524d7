"""The closed forms of long polling against requests that are played through, and RFC 6202's bounds."""

from __future__ import annotations

import pytest
from cycles import play
from hypothesis import given
from hypothesis import strategies as st

from bench.transports.long_polling import model
from bench.transports.long_polling.protocol import Options


@pytest.mark.parametrize(("rate_per_s", "symbols", "delay_s", "gap_s"), [
    (50, 1, 0.03, 0.02), (50, 5, 0.03, 0.02), (5, 1, 0.001, 0.0), (20, 2, 0.05, 0.1), (200, 3, 0.02, 0.0),
])
def test_it_is_what_long_polling_does(
    rate_per_s: float, symbols: int, delay_s: float, gap_s: float
) -> None:
    played = play(rate_per_s, symbols, 2 * delay_s + gap_s, park=True, delay_s=delay_s)
    at = (Options(), rate_per_s, delay_s, gap_s)
    assert model.latency_mean_s(*at) == pytest.approx(played.latency_mean_s, rel=0.02)
    assert model.requests_per_s(*at) == pytest.approx(played.requests_per_s, rel=0.02)
    for name in ("latency_mean_latest_s", "conflated_share", "age_excess_mean_s", "age_mean_s"):
        expected = pytest.approx(getattr(played, name), rel=0.02, abs=1e-4)
        assert getattr(model, name)(*at, symbols) == expected, name


def test_a_short_hold_gives_empty_answers() -> None:
    played = play(1.0, 1, 0.2, park=True, delay_s=0.1, hold_s=0.5)
    options = Options(hold_s=0.5)
    assert model.empty_share(options, 1.0, 0.1) == pytest.approx(played.empty_share, rel=0.02)
    assert model.requests_per_s(options, 1.0, 0.1) == pytest.approx(played.requests_per_s, rel=0.02)


@given(st.floats(0.01, 1000), st.floats(1e-4, 1), st.floats(0, 1))
def test_the_mean_lies_between_one_transit_and_half_a_gap_more(
    rate_per_s: float, delay_s: float, gap_s: float
) -> None:
    mean = model.latency_mean_s(Options(), rate_per_s, delay_s, gap_s)
    assert delay_s <= mean <= delay_s + (2 * delay_s + gap_s) / 2
