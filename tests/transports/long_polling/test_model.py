"""The closed forms of long polling against requests that are played through, and RFC 6202's bounds."""

from __future__ import annotations

import dataclasses
from decimal import Decimal, localcontext

import pytest
from cycles import play
from hypothesis import given
from hypothesis import strategies as st

from bench.transports.long_polling import model
from bench.transports.long_polling.protocol import Options
from bench.transports.model import Conditions, age_mean_s


@pytest.mark.parametrize(("rate_per_s", "symbols", "delay_s", "gap_s"), [
    (50, 1, 0.03, 0.02), (50, 5, 0.03, 0.02), (5, 1, 0.001, 0.0), (20, 2, 0.05, 0.1), (200, 3, 0.02, 0.0),
])
def test_it_is_what_long_polling_does(
    rate_per_s: float, symbols: int, delay_s: float, gap_s: float
) -> None:
    played = play(rate_per_s, symbols, 2 * delay_s + gap_s, park=True, delay_s=delay_s)
    at = Conditions(rate_per_s, delay_s, gap_s, symbols)
    latest = dataclasses.replace(at, mode="latest")
    for found, expected in (
        (model.latency_mean_s(Options(), at), played.latency_mean_s),
        (model.latency_mean_s(Options(), latest), played.latency_mean_latest_s),
        (model.conflated_share(Options(), latest), played.conflated_share),
        (model.age_excess_mean_s(Options(), at), played.age_excess_mean_s),
        (age_mean_s(model, Options(), at), played.age_mean_s),
        (model.requests_per_s(Options(), at), played.requests_per_s),
    ):
        assert found == pytest.approx(expected, rel=0.02, abs=1e-4)


def test_a_short_hold_gives_empty_answers() -> None:
    played = play(1.0, 1, 0.2, park=True, delay_s=0.1, hold_s=0.5)
    options, at = Options(hold_s=0.5), Conditions(1.0, 0.1)
    assert model.empty_share(options, at) == pytest.approx(played.empty_share, rel=0.02)
    assert model.requests_per_s(options, at) == pytest.approx(played.requests_per_s, rel=0.02)


@given(st.floats(0.01, 1000), st.floats(1e-4, 1), st.floats(0, 1))
def test_the_mean_lies_between_one_transit_and_half_a_gap_more(
    rate_per_s: float, delay_s: float, gap_s: float
) -> None:
    mean = model.latency_mean_s(Options(), Conditions(rate_per_s, delay_s, gap_s))
    assert delay_s <= mean <= delay_s + (2 * delay_s + gap_s) / 2


def exact_age_excess(hold_s: float, rate_per_s: float, delay_s: float, symbols: int) -> float:
    """Return the formula of the module's docstring with sixty digits."""
    with localcontext() as context:
        context.prec = 60
        rate, gap, hold, s = (Decimal(each) for each in (rate_per_s, 2 * delay_s, hold_s, symbols))
        mu, q, h = rate / s, (-rate * gap).exp(), (-rate * hold).exp()
        e, p = (-mu * gap).exp(), q * (1 - h)
        b = (1 - e * (1 + mu * gap)) / mu + (e - q) * gap + q * h * (gap + hold)
        b = (b + (1 - 1 / s) * (p * (gap + 1 / rate) - q * h * hold)) / (1 - e + p / s)
        held = gap**2 / 2 + (b * mu - 1) * (gap / mu - (1 - e) / mu**2)
        return float(Decimal(delay_s) + held / (gap + p / rate))


@pytest.mark.parametrize("symbols", [1, 10_000])
@pytest.mark.parametrize("hold_s", [0.001, 30.0, 86_400.0])
@pytest.mark.parametrize("rate_per_s", [1e-6, 1e-3, 1.0, 1000.0])
def test_the_age_does_not_cancel_where_ticks_are_rare(rate_per_s: float, hold_s: float, symbols: int) -> None:
    """Within a thousandth, whatever is asked."""
    for delay_s in (0.0005, 0.2):
        found = model.age_excess_mean_s(Options(hold_s=hold_s), Conditions(rate_per_s, delay_s, 0.0, symbols))
        assert found == pytest.approx(exact_age_excess(hold_s, rate_per_s, delay_s, symbols), rel=1e-3)
