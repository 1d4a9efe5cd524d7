"""The queueing formulas against queues that are played through."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.transports.queueing import (
    EXACT_CLIENTS,
    ServerLoad,
    binomial,
    gated,
    periodic_wait_s,
    place_s,
    random_wait_among_reads_s,
    random_wait_s,
)


def waits(arrivals: np.ndarray, service: np.ndarray) -> np.ndarray:
    """Lindley's recursion."""
    before = np.cumsum(service) - service
    waited: np.ndarray = before + np.maximum.accumulate(arrivals - before) - arrivals
    return waited


@pytest.mark.parametrize("busy", [0.3, 0.7, 0.9])
def test_random_arrivals_wait_as_in_m_g_1(busy: float) -> None:
    rng = np.random.default_rng(4)
    arrivals = np.cumsum(rng.exponential(1.0, 1_000_000))
    for service in (np.full(len(arrivals), busy), rng.exponential(busy, len(arrivals))):
        expected = random_wait_s(busy, float((service**2).mean()))
        assert waits(arrivals, service).mean() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("clients", [2, 5, 40, EXACT_CLIENTS, EXACT_CLIENTS + 1, 2000])
@pytest.mark.parametrize("busy", [0.2, 0.8, 0.98])
def test_clients_on_a_schedule_wait_as_in_n_d_d_1(clients: int, busy: float) -> None:
    rng = np.random.default_rng(clients)
    service_s, found = busy / clients, []
    for _ in range(20_000 // clients + 100):
        phases = np.sort(rng.random(clients))
        arrivals = np.concatenate([phases, phases + 1, phases + 2])
        found.append(waits(arrivals, np.full(3 * clients, service_s))[-clients:].mean())
    spread = 4 * np.std(found) / math.sqrt(len(found))
    near = 0.05 if clients > EXACT_CLIENTS else 0.0
    assert periodic_wait_s(clients, 1.0, service_s) == pytest.approx(np.mean(found), rel=near, abs=spread)


@settings(deadline=None)
@given(st.integers(1, 5000), st.floats(0.01, 0.97))
def test_a_schedule_never_waits_longer_than_chance(clients: int, busy: float) -> None:
    service_s = busy / clients
    assert 0 <= periodic_wait_s(clients, 1.0, service_s) <= random_wait_s(busy, busy * service_s) + 1e-12


def test_a_server_that_cannot_keep_up_waits_without_bound() -> None:
    assert random_wait_s(1.0, 0.1) == periodic_wait_s(10, 1.0, 0.1) == math.inf


def test_one_client_waits_for_nobody() -> None:
    assert periodic_wait_s(1, 1.0, 0.9) == 0
    assert place_s(1, 0.2) == place_s(0.3, 0.2) == 0.2


@pytest.mark.parametrize("clients", [1.25, 1.5, 2.5, 3.4, 60.75])
def test_between_two_numbers_of_clients_the_wait_is_between_their_waits(clients: float) -> None:
    """Three clients on two servers are one and a half on each."""
    fewer, found, more = (periodic_wait_s(each, 1.0, 0.9 / 61) for each in (
        math.floor(clients), clients, math.ceil(clients)))
    assert fewer < found < more
    part = clients - math.floor(clients)
    assert found == pytest.approx((1 - part) * fewer + part * more)


def test_the_mean_place_in_a_fan_out() -> None:
    assert place_s(100, 1.0) == np.arange(1, 101).mean()


@pytest.mark.parametrize("symbols", [1, 4, math.inf])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_of_ticks_that_are_handed_out_together_each_symbol_s_newest_may_be_all(symbols: float, share: float) -> None:
    rng = np.random.default_rng(8)
    load = ServerLoad(10, 2.0 * share, 2.0, symbols=symbols)
    for ticks in (1, 3, 20):
        mine = rng.random((20_000, ticks)) < share
        which = np.where(mine, rng.integers(0, 10**9 if math.isinf(symbols) else int(symbols), mine.shape), -1)
        distinct = (np.diff(np.sort(which, axis=1), axis=1, prepend=-1) > 0).sum(axis=1)
        assert load.updates(ticks) == pytest.approx(distinct.mean(), rel=0.03)


def test_an_audience_is_who_subscribes_to_a_symbol() -> None:
    assert ServerLoad(clients=60, rate_per_s=2.0, feed_per_s=12.0).audience == 10


@pytest.mark.parametrize(("fixed", "each", "near"), [
    (0.1, 0.0, 0.02), (0.8, 0.0, 0.02), (3.0, 0.0, 0.02), (0.3, 0.3, 0.1), (0.5, 0.7, 0.1), (2.0, 0.5, 0.03),
])
def test_reads_that_take_all_that_has_come(fixed: float, each: float, near: float) -> None:
    rng = np.random.default_rng(6)
    arrivals = np.cumsum(rng.exponential(1.0, 300_000)).tolist()
    waited, reads, squares, now, at = 0.0, 0, 0.0, 0.0, 0
    while at < len(arrivals):
        now = max(now, arrivals[at])
        end = at
        while end < len(arrivals) and arrivals[end] <= now:
            waited += now - arrivals[end]
            end += 1
        reads, squares = reads + 1, squares + (end - at) ** 2
        now += fixed + each * (end - at)
        at = end
    expected = gated(1.0, lambda ticks: fixed + each * ticks)
    assert expected.ticks == pytest.approx(len(arrivals) / reads, rel=near)
    assert expected.ticks_met == pytest.approx(squares / len(arrivals), rel=near)
    assert expected.wait_s == pytest.approx(waited / len(arrivals), rel=near)


def test_reads_of_ticks_that_are_equally_far_apart() -> None:
    assert gated(1.0, lambda ticks: 0.4 + 0.5 * ticks, regular=True).wait_s == 0.0
    late = gated(1.0, lambda ticks: 1.5 + 0.5 * ticks, regular=True)
    assert (late.ticks, late.wait_s) == (pytest.approx(3.0), pytest.approx(1.5))


def test_who_cannot_keep_up_with_updates_alone_waits_without_bound() -> None:
    assert gated(1.0, lambda ticks: 1.01 * ticks).wait_s == math.inf
    assert math.isfinite(gated(1.0, lambda ticks: 100 + 0.9 * ticks).wait_s)


@given(st.integers(1, 200), st.lists(st.floats(1e-9, 1) | st.just(0.0), min_size=1, max_size=5))
def test_successes_are_binomial(n: int, shares: list[float]) -> None:
    k, u = np.arange(1, n + 1)[None, :], np.array(shares)[:, None]
    assert binomial(k, n, u) == pytest.approx(stats.binom.pmf(k, n, u), rel=1e-9, abs=1e-15)


@given(st.floats(0.0, 0.9), st.floats(0.0, 0.9), st.floats(1e-6, 1.0))
def test_a_job_waits_less_among_reads_than_among_jobs_that_each_wait(others: float, reads: float, squares: float
                                                                     ) -> None:
    found = random_wait_among_reads_s(others, reads, squares)
    assert random_wait_s(others, squares) <= found <= random_wait_s(others + reads, squares) * (1 + 1e-12)
    assert random_wait_among_reads_s(others, 0.0, squares) == random_wait_s(others, squares)
    assert math.isinf(random_wait_among_reads_s(1.0, reads, squares))
