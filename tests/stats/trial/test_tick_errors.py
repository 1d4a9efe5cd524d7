"""The error of a percentile hangs on how many ticks and clients it rests on, not on how many updates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.stats.trial.tick_errors import BIN_RATIO, DRAWS, SEED, TICK_GROUPS, _errors

LEVELS = {"p50": 500, "p90": 900, "p99": 990}


def errors(ticks: int, clients: int, latency: np.ndarray, lost: int = 0) -> dict[str, float]:
    """Return errors of latencies (ms) by tick and client."""
    tick, client = np.repeat(np.arange(ticks), clients), np.tile(np.arange(clients), ticks)
    group = tick * min(ticks, TICK_GROUPS) // ticks
    return _errors(group, client % 32, (latency.ravel() * 1e6).astype(np.int64), lost, LEVELS)


def shared(ticks: int, clients: int, seed: int = 1) -> np.ndarray:
    """Return latencies that all clients have in common, tick by tick."""
    return np.repeat(np.random.default_rng(seed).lognormal(0, 1, ticks)[:, np.newaxis], clients, axis=1)


def test_more_clients_on_the_same_ticks_know_no_more() -> None:
    few, many = (errors(40, clients, shared(40, clients)) for clients in (4, 200))
    assert many == pytest.approx(few, rel=0.25)
    assert many["p99"] > 0.25


def test_more_ticks_know_more() -> None:
    assert errors(1000, 5, shared(1000, 5))["p50"] < 0.4 * errors(40, 5, shared(40, 5))["p50"]


def test_pollers_with_phases_of_their_own_are_drawn_too() -> None:
    """Eight clients, each late by its own phase at all ticks: as many ticks as one likes don't tell more."""
    phases = np.tile(np.random.default_rng(2).uniform(1, 100, 8), (500, 1))
    assert errors(500, 8, phases)["p50"] > 0.25
    mixed = np.random.default_rng(2).uniform(1, 100, (500, 8))
    assert errors(500, 8, mixed)["p50"] < 0.1


def test_the_error_is_about_the_spread_of_percentiles_over_many_trials() -> None:
    """Of independent trials of 200 ticks, the middle 95 % of the p90 is as wide as one trial says."""
    p90 = np.log([np.quantile(shared(200, 1, seed), 0.9) for seed in range(300)])
    true = math.expm1((np.quantile(p90, 0.975) - np.quantile(p90, 0.025)) / 2)
    said = np.median([errors(200, 1, shared(200, 1, seed))["p90"] for seed in range(20)])
    assert said == pytest.approx(true, rel=0.35)


def test_a_percentile_near_the_lost_is_not_known() -> None:
    found = errors(100, 10, shared(100, 10), lost=20)
    assert math.isinf(found["p99"])
    assert found["p50"] < 0.5


def test_the_draws_are_the_same_each_time() -> None:
    assert errors(40, 5, shared(40, 5)) == errors(40, 5, shared(40, 5))


def test_a_draw_counts_an_update_as_often_as_its_tick_times_its_client() -> None:
    """Compare with all updates of each draw, each repeated as often."""
    ticks, clients = 12, 5
    latency = np.random.default_rng(4).lognormal(2, 1, (ticks, clients))
    random = np.random.default_rng(SEED)
    of_clients, of_ticks = (random.multinomial(size, np.full(size, 1 / size), DRAWS) for size in (clients, ticks))
    bins = np.log((latency * 1e6).astype(np.int64) / 1000) // math.log(BIN_RATIO)
    medians = [np.quantile(np.repeat(bins.ravel(), np.outer(tick, client).ravel()), 0.5, method="inverted_cdf")
               for tick, client in zip(of_ticks, of_clients, strict=True)]
    low, high = np.quantile(medians, (0.025, 0.975), method="nearest")
    said = errors(ticks, clients, latency)["p50"]
    assert said == pytest.approx(math.expm1((high - low) / 2 * math.log(BIN_RATIO)))
