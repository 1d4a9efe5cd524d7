"""The closed forms of short polling against polls that are played through."""

from __future__ import annotations

import pytest
from cycles import play

from bench.transports.short_polling import model
from bench.transports.short_polling.protocol import Options


@pytest.mark.parametrize(("rate_per_s", "symbols", "interval_s"), [(2, 1, 1.0), (10, 4, 0.5), (0.5, 1, 3.0)])
def test_it_is_what_polling_does(rate_per_s: float, symbols: int, interval_s: float) -> None:
    options = Options(interval_s=interval_s)
    played = play(rate_per_s, symbols, interval_s, park=False, delay_s=0.03)
    given = (options, rate_per_s, 0.03, 0.0)
    assert model.latency_mean_s(*given) == pytest.approx(played.latency_mean_s, rel=0.02)
    assert model.requests_per_s(*given) == pytest.approx(played.requests_per_s, rel=0.02)
    assert model.empty_share(*given) == pytest.approx(played.empty_share, rel=0.05, abs=0.003)
    for name in ("latency_mean_latest_s", "conflated_share", "age_excess_mean_s", "age_mean_s"):
        assert getattr(model, name)(*given, symbols) == pytest.approx(getattr(played, name), rel=0.02), name
