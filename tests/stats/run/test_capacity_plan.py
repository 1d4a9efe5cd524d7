"""Capacity plans: enough workers and no more, and a price that adds up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.run.capacity_plan import (
    COLUMNS,
    PlanPrices,
    WorkerOverhead,
    at_rate,
    needs,
    table,
    workers_needed,
)
from bench.stats.trial.arrays import busiest_per_s

PRICES = PlanPrices("USD", 30.0, 0.05)


def trial(**changed: Any) -> dict[str, Any]:
    return {
        "transport": "websocket", "clients": 1000, "verdict": "VALID", "measure_s": 10.0, "rate_per_s": 2.0,
        "feed_due": 20, "server_cpu_cores": 3.0, "bytes_down_per_update": 125.0, "bytes_up_per_update": 50.0,
        "arrivals": 20_000, "requests": 0.0, "requests_in_flight": math.nan, "latency_p50_ms": 10.0,
        "latency_p99_ms": 40.0, "late_after_s": 1.0, "server_cpu_busiest_cores": 9.0,
        "feed_busiest_per_s": 6.0, "bytes_down_busiest_per_s": 1e6, **changed,
    }


def plans(*rows: dict[str, Any], **given_: Any) -> list[Any]:
    known: dict[str, Any] = {"own": {}, "memory_bytes": {}, "new_connections": {}, "prices": PRICES,
                             "moves": False}
    return needs(pd.DataFrame(rows), 4, 0.6, **(known | given_))


@given(st.floats(0, 1000), st.integers(1, 500), st.floats(0, 0.3), st.floats(0.31, 1))
def test_that_many_workers_are_enough_and_one_less_is_not(
    shared: float, workers: int, own: float, full_at: float
) -> None:
    needed = workers_needed(shared + own * workers, workers, own, full_at)
    assert needed is not None
    assert shared / needed + own <= full_at + 1e-6
    if needed > 1:
        assert shared / (needed - 1) + own > full_at - 1e-6


def test_a_feed_that_fills_a_worker_can_not_be_shared_out() -> None:
    assert workers_needed(10.0, 4, 0.6, 0.6) is None
    [plan] = plans(trial(), own={"websocket": WorkerOverhead(tick_s=0.4)})
    assert plan.workers is None
    assert math.isnan(plan.month)


@pytest.mark.parametrize(("cores", "short"), [(2.39, False), (2.41, True), (4.0, True)])
def test_workers_that_were_fuller_than_full_say_too_little(cores: float, short: bool) -> None:
    [plan] = plans(trial(server_cpu_cores=cores))   # of four workers
    assert plan.short is short


def test_latencies_are_those_of_the_summary() -> None:
    """The geometric mean of the trials; none where a trial has too few updates for the percentile."""
    [plan] = plans(trial(latency_p99_ms=20.0), trial(latency_p99_ms=80.0, latency_p50_ms=math.nan))
    assert plan.latency_p99_simulated_ms == pytest.approx(40.0)
    assert math.isnan(plan.latency_p50_simulated_ms)


def test_a_plan_in_numbers() -> None:
    [plan] = plans(trial(), own={"websocket": WorkerOverhead(tick_s=0.005, base_share=0.09)},
                   memory_bytes={"websocket": 30_000.0})
    assert plan.cpu_cores == 3.0
    assert plan.load_simulated == 0.75
    assert plan.workers == 6                        # (3.0 − 4 · 0.1) / (0.6 − 0.1) = 5.2
    assert plan.gbit_out_per_s == pytest.approx(125 * 2000 * 8 / 1e9)
    assert plan.workers_month == 180
    assert plan.traffic_month == pytest.approx(125 * 2000 * 730 * 3600 / 1e9 * 0.05)
    assert plan.month == pytest.approx(plan.workers_month + plan.traffic_month)
    assert plan.memory_gb == pytest.approx(0.03)
    assert plan.sockets == 1000


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6, unique=True), st.floats(0, 50), st.floats(0, 5))
def test_what_trials_drew_by_chance_is_not_in_a_plan(drawn: list[int], always: float, a_tick: float) -> None:
    ticks_per_s = pd.Series(drawn, dtype=float)
    found = at_rate(always + a_tick * ticks_per_s, ticks_per_s, 20.0)
    assert found == pytest.approx(always + a_tick * 20.0)


def test_a_line_is_no_steeper_than_in_proportion_and_never_falls() -> None:
    drawn = pd.Series([9.0, 11.0])
    assert at_rate(pd.Series([1.0, 3.0]), drawn, 20.0) == pytest.approx(4.0)
    assert at_rate(pd.Series([3.0, 1.0]), drawn, 20.0) == pytest.approx(2.0)
    assert at_rate(pd.Series([2.0]), drawn[:1], 20.0) == 2.0                # one trial says nothing of it
    assert math.isnan(at_rate(pd.Series([2.0, math.nan]), drawn, 20.0))


def test_a_plan_is_for_the_asked_rate_but_of_what_was_drawn_where_there_is_none() -> None:
    rows = [trial(feed_due=due, server_cpu_cores=due / 10, arrivals=1000 * due) for due in (10, 14)]
    [plan] = plans(*rows)
    assert plan.cpu_cores == pytest.approx(2.0)
    assert plan.load_simulated == pytest.approx(0.3)
    assert plan.gbit_out_per_s == pytest.approx(125 * 2000 * 8 / 1e9)
    [replayed] = plans(*({**row, "rate_per_s": math.nan} for row in rows))
    assert replayed.cpu_cores == pytest.approx(1.2)


def test_sockets_of_connections_that_do_not_last_are_those_under_way() -> None:
    row = trial(transport="short_polling", requests_in_flight=7.5, requests=500.0)
    [plan] = plans(row, new_connections={"short_polling": 0.0})
    assert plan.sockets == 7.5
    [far] = plans(row, new_connections={"short_polling": 0.2})
    assert far.sockets == pytest.approx(7.5 + 50 * 0.2)   # a handshake of 0.2 s, 50 times a second


def test_only_valid_trials_and_no_price_without_prices() -> None:
    both = plans(trial(), trial(server_cpu_cores=5.0), trial(verdict="INVALID", server_cpu_cores=99.0),
                 prices=None)
    assert [plan.cpu_cores for plan in both] == [4.0]
    assert math.isnan(both[0].month)
    assert list(table(both).columns) == list(COLUMNS)


def test_traffic_is_unknown_where_nothing_arrived_in_a_trial() -> None:
    none = trial(arrivals=0, bytes_down_per_update=pd.NA, bytes_up_per_update=pd.NA)
    for rows in ([none], [trial(), none]):
        [plan] = plans(*rows)
        assert math.isnan(plan.gbit_out_per_s)
        assert math.isnan(plan.month)
        assert plan.workers is not None


INSTANTS = st.lists(st.floats(0, 50), min_size=1, max_size=80)


@given(INSTANTS, st.floats(0.1, 5), st.floats(0.1, 1))
def test_who_bears_the_busiest_stretch_leaves_nothing_longer_than_its_length(
    due: list[float], stretch_s: float, full_at: float
) -> None:
    """Why a plan is for a stretch of ℓ: whatever comes when, nothing waits as long for its worker."""
    instants = np.sort(due)
    service_s = full_at / busiest_per_s(instants, stretch_s)
    free_s = -math.inf
    for instant_s in instants:
        free_s = max(free_s, instant_s) + service_s
        assert free_s - instant_s <= full_at * stretch_s * (1 + 1e-9)


@given(INSTANTS, st.floats(0.1, 5))
def test_the_busiest_stretch_is_no_quieter_than_any(due: list[float], stretch_s: float) -> None:
    instants = np.sort(due)
    found = busiest_per_s(instants, stretch_s) * stretch_s
    held = [sum(first <= each < first + stretch_s for each in due) for first in due]
    assert found == pytest.approx(max(held))
    assert busiest_per_s(instants[:0], stretch_s) == 0


def test_a_plan_is_for_the_mean_unless_the_rate_moves() -> None:
    """Then it grows with the burst, whatever the mean is; traffic and its price stay the mean's."""
    own = {"websocket": WorkerOverhead(tick_s=0.01, base_share=0.1)}
    [steady] = plans(trial(), own=own)
    assert (steady.workers, math.isnan(steady.busiest_s)) == (6, True)     # (3.0 − 4 · 0.12) / (0.6 − 0.12)
    assert plans(trial(server_cpu_busiest_cores=1.0), own=own)[0].workers == 6
    [burst] = plans(trial(server_cpu_busiest_cores=4.0), trial(), own=own, moves=True)
    assert burst.workers == 19                                            # (9.0 − 4 · 0.16) / (0.6 − 0.16)
    assert (burst.busiest_s, burst.cpu_busiest_cores, burst.gbit_out_busiest_per_s) == (1.0, 9.0, 0.008)
    assert (burst.cpu_cores, burst.gbit_out_per_s) == (steady.cpu_cores, steady.gbit_out_per_s)
    assert burst.month == pytest.approx(19 * 30 + steady.traffic_month)
    assert burst.short
    assert burst.load_simulated == steady.load_simulated
    assert not plans(trial(server_cpu_busiest_cores=2.3, server_cpu_cores=2.0), moves=True)[0].short


def test_a_plan_is_never_below_that_of_the_mean() -> None:
    """As of trials that drew hardly a burst."""
    calm = trial(server_cpu_busiest_cores=1.0)
    assert plans(calm, moves=True)[0].workers == plans(calm)[0].workers == 5


def test_a_run_without_a_busiest_stretch_on_record_is_planned_by_its_mean() -> None:
    old = trial(server_cpu_busiest_cores=math.nan)
    assert plans(old, trial(), moves=True)[0].workers == plans(old, trial())[0].workers == 5
