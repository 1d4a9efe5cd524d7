"""The closed forms of short polling against polls that are played through."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
import pytest
from cycles import play

from bench.transports.model import Conditions, age_mean_s
from bench.transports.short_polling import model
from bench.transports.short_polling.protocol import Options


@pytest.mark.parametrize(("rate_per_s", "symbols", "interval_s"), [(2, 1, 1.0), (10, 4, 0.5), (0.5, 1, 3.0)])
def test_it_is_what_polling_does(rate_per_s: float, symbols: int, interval_s: float) -> None:
    options = Options(interval_s=interval_s)
    played = play(rate_per_s, symbols, interval_s, park=False, delay_s=0.03)
    at = Conditions(rate_per_s, 0.03, symbols=symbols)
    latest = dataclasses.replace(at, mode="latest")
    assert model.empty_share(options, at) == pytest.approx(played.empty_share, rel=0.05, abs=0.003)
    for found, expected in (
        (model.latency_mean_s(options, at), played.latency_mean_s),
        (model.latency_mean_s(options, latest), played.latency_mean_latest_s),
        (model.conflated_share(options, latest), played.conflated_share),
        (model.age_excess_mean_s(options, at), played.age_excess_mean_s),
        (age_mean_s(model, options, at), played.age_mean_s),
        (model.requests_per_s(options, at), played.requests_per_s),
    ):
        assert found == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("pace", "jitter", "factor"), [
    ("rate", 0.0, 1.0), ("rate", 1.0, 1 + 1 / 6), ("delay", 1.0, 1 + 1 / 12), ("rate", 0.5, 1 + 1 / 24),
])
def test_jitter_lengthens_the_wait_by_its_square(
    pace: Literal["rate", "delay"], jitter: float, factor: float
) -> None:
    options = Options(interval_s=2.0, pace=pace, jitter=jitter)
    assert model.latency_mean_s(options, Conditions(1.0)) == pytest.approx(factor, rel=1e-3)
    assert model.requests_per_s(options, Conditions(1.0)) == pytest.approx(0.5)


@pytest.mark.parametrize("pace", ["rate", "delay"])
def test_jittered_polls_that_are_played_through(pace: Literal["rate", "delay"]) -> None:
    options = Options(interval_s=0.5, pace=pace, jitter=0.8)
    generator = np.random.default_rng(1)
    moved = options.interval_s * options.jitter * (generator.random(100_000) - 0.5)
    places = np.arange(100_000) * options.interval_s
    polls = places + moved if pace == "rate" else np.cumsum(options.interval_s + moved)
    ticks = np.sort(generator.uniform(0, polls[-2], 200_000))
    rate_per_s = 200_000 / polls[-2]
    poll = np.searchsorted(polls, ticks)
    newest = np.append(poll[1:] != poll[:-1], True)
    waits = polls[poll] - ticks
    at, latest = Conditions(rate_per_s), Conditions(rate_per_s, mode="latest")
    assert model.latency_mean_s(options, at) == pytest.approx(waits.mean(), rel=0.02)
    assert model.latency_mean_s(options, latest) == pytest.approx(waits[newest].mean(), rel=0.02)
    assert model.conflated_share(options, latest) == pytest.approx(1 - newest.mean(), rel=0.02)
    assert model.empty_share(options, at) == pytest.approx(1 - newest.sum() / 100_000, rel=0.02)


def test_with_a_fixed_delay_the_round_trip_is_added() -> None:
    options = Options(interval_s=1.0, pace="delay")
    assert model.requests_per_s(options, Conditions(1.0, 0.1, 0.05)) == pytest.approx(1 / 1.25)


def test_some_forms_hold_for_any_feed() -> None:
    rng = np.random.default_rng(5)
    bursts = np.sort((rng.uniform(0, 4000, 800)[:, None] + rng.exponential(0.05, (800, 12))).ravel())
    phases = rng.random(400)[:, None]
    looked = np.sort(rng.uniform(500, 3500, 20_000))
    options, at = Options(interval_s=1.0), Conditions(2.4, poisson=False)
    wait = np.ceil(bursts - phases) - (bursts - phases)
    assert wait.mean() == pytest.approx(model.latency_mean_s(options, at), rel=0.01)
    last_poll = np.floor(looked - phases) + phases
    known, knowable = (bursts[np.searchsorted(bursts, at, side="right") - 1] for at in (last_poll, looked))
    assert (knowable - known).mean() == pytest.approx(model.age_excess_mean_s(options, at), rel=0.02)
    assert math.isnan(model.empty_share(options, at))
