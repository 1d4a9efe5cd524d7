"""Predicted against measured: pairs, errors, and when a goal is met."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bench.stats.run import prediction
from bench.stats.run.capacity_limit import CapacityLimit
from bench.stats.run.intervals import Interval
from bench.stats.run.limit_search import SearchState
from bench.stats.run.prediction import (
    QUANTITIES,
    ambiguous,
    compare,
    compare_limits,
    figures,
    from_table,
    met,
    pairs,
    table,
)


def trials(factor: float = 1.0, load: float = 0.3, blocks: int = 5, verdict: str = "VALID",
           spread: float = 0.01) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return trials of one cell whose figures are `factor` times the usual, and their distributions."""
    rows, bins = [], []
    for block in range(1, blocks + 1):
        wobble = factor * math.exp(spread * math.sin(block))
        rows.append({
            "trial": f"{block}-1-websocket-100", "transport": "websocket", "clients": 100, "block": block,
            "seed": block, "verdict": verdict, "lost": 0, "server_cpu_cores": load,
            "latency_mean_ms": 2 * wobble, "latency_p50_ms": 1.5 * wobble, "latency_p99_ms": 5 * wobble,
            "age_mean_ms": 100 * wobble, "age_excess_mean_ms": 2 * wobble,
            "bytes_up_per_update": 52.0, "bytes_down_per_update": 136.0,
            "server_cpu_us_per_update": 9 * wobble,
        })
        place = int(math.log(2e6 * wobble / 1000) / math.log(1.005))
        bins.append({"trial": rows[-1]["trial"], "instant": "app", "bin": place, "count": 1000})
    return pd.DataFrame(rows), pd.DataFrame(bins)


def compared(measured: tuple[pd.DataFrame, pd.DataFrame], predicted: tuple[pd.DataFrame, pd.DataFrame]
             ) -> dict[str, prediction.ValidationRow]:
    """Return the rows of the comparison by quantity."""
    return {each.quantity: each for each in compare(pairs(figures(*measured), figures(*predicted)))}


def test_a_right_model_meets_every_goal() -> None:
    """And a row tells how far off it is, with its sign."""
    rows = compared(trials(), trials(1.05))
    assert set(rows) == {each.name for each in QUANTITIES if not each.of_messages}
    both = [(rows.assign(round_trip_p50_ms=3.0), bins) for rows, bins in (trials(), trials(1.05))]
    assert compared(both[0], both[1])["round_trip_p50_ms"].error == pytest.approx(0.0)
    p50 = rows["latency_p50_ms"]
    assert p50.error == pytest.approx(0.05)
    assert p50.interval_low <= 0.05 <= p50.interval_high
    assert (p50.goal, p50.met) == (0.10, "yes")
    assert rows["latency_p95_ms"].predicted / rows["latency_p95_ms"].measured == pytest.approx(1.05, rel=0.01)
    assert rows["bytes_per_update"].measured == pytest.approx(188)
    assert rows["bytes_per_update"].met == "yes"
    assert rows["age_mean_ms"].met == "", "there is no goal for it"


def test_a_wrong_model_is_noticed() -> None:
    """A fifth too much is no, whatever else is right; and too little as well."""
    for factor in (1.2, 0.8):
        rows = compared(trials(), trials(factor))
        assert rows["server_cpu_us_per_update"].met == rows["latency_p50_ms"].met == "no"
        assert rows["bytes_per_update"].met == "yes"


def test_trials_that_differ_much_leave_it_open() -> None:
    """A small error with a wide interval is not called met, nor is one pair."""
    measured = trials(spread=0.2)
    assert compared(measured, trials(1.01, spread=0.0))["latency_p50_ms"].met == "open"
    assert compared(trials(blocks=1), trials(blocks=1))["latency_p50_ms"].met == "open"


def test_latency_has_no_goal_near_saturation() -> None:
    """Above 70 % of load only costs and bytes have one."""
    rows = compared(trials(load=0.75), trials(2.0))
    assert rows["latency_p50_ms"].met == rows["latency_p99_ms"].met == ""
    assert math.isnan(rows["latency_p99_ms"].goal)
    assert rows["server_cpu_us_per_update"].met == "no"


@pytest.mark.parametrize("side", [0, 1])
def test_a_figure_that_is_lost_in_one_pair_has_no_error(side: int) -> None:
    """Whoever lost the updates: the other pairs would say that all is well."""
    both = trials(), trials(1.01)
    both[side][0].loc[2, "latency_p99_ms"] = math.inf
    row = compared(*both)["latency_p99_ms"]
    assert (row.measured, row.predicted)[side] == math.inf
    assert math.isnan(row.error)
    assert row.met == "open"


def test_only_twins_are_compared() -> None:
    """A trial without a valid twin is left out, and one of another seed is no twin."""
    measured, predicted = trials(), trials(1.05)
    measured[0].loc[0, "verdict"] = "INVALID"
    predicted[0].loc[1, "seed"] = 99
    assert len(pairs(figures(*measured), figures(*predicted))) == 3


@pytest.mark.parametrize(("low", "high", "word"), [
    (-0.05, 0.05, "yes"), (-0.1, 0.1, "yes"), (0.05, 0.15, "open"), (-0.2, 0.2, "open"),
    (0.11, 0.2, "no"), (-0.2, -0.11, "no"), (math.nan, math.nan, "open"),
])
def test_met_is_a_statement_about_the_whole_interval(low: float, high: float, word: str) -> None:
    """Within, outside, or across."""
    assert met(Interval(0.0, low, high, 5), 0.1) == word
    assert met(Interval(0.0, low, high, 5), math.nan) == ""


def test_limits_are_compared_with_both_their_intervals() -> None:
    """A search without a limit, as where the generator reached its limit, leaves it open."""
    def found(limit: float, reach: float) -> SearchState:
        interval = CapacityLimit(limit, limit / (1 + reach), limit * (1 + reach))
        return SearchState(round(limit), round(limit * 1.1), interval)

    row = compare_limits("websocket", 0.2, found(1000, 0.03), found(1020, 0.04))
    reach = math.exp(math.hypot(math.log(1.03), math.log(1.04)))
    assert row.error == pytest.approx(0.02)
    assert (row.interval_low, row.interval_high) == pytest.approx((1.02 / reach - 1, 1.02 * reach - 1))
    assert row.met == "yes"
    assert compare_limits("websocket", 0.2, found(1000, 0.05), found(2000, 0.05)).met == "no"
    assert compare_limits("websocket", 0.2, SearchState(1000, None), found(1010, 0.05)).met == "open"


def test_the_table_has_exactly_the_columns_that_are_promised() -> None:
    """And is read back as it was."""
    rows = list(compared(trials(), trials(1.05)).values())
    frame = table(rows)
    assert list(frame.columns) == [
        "transport", "clients", "load", "quantity", "measured", "predicted", "error", "interval_low",
        "interval_high", "goal", "met", "run",
    ]
    for written in (frame, frame.drop(columns="run")):   # one from before it named the run
        assert str(from_table(written.replace({"": np.nan}))) == str(rows)


def test_a_cell_that_several_runs_have_is_told_apart_by_the_run() -> None:
    rows = [replace(row, run=run) for run in ("slow", "fast") for row in compared(trials(), trials(1.05)).values()]
    assert len({row.key for row in rows}) == len(rows)
    assert ambiguous(rows) == {(row.transport, row.clients) for row in rows}
    assert ambiguous(rows[:len(rows) // 2]) == set()
    assert from_table(table(rows))[-1].run == "fast"


@pytest.mark.parametrize(("met", "error", "lies"), [
    ("yes", 0.01, "inside with proof"), ("open", 0.1, "inside"), ("open", -0.11, "outside"),
    ("no", 0.5, "outside with proof"), ("open", math.nan, "unknown"), ("", 0.5, ""),
])
def test_an_open_verdict_says_where_its_point_estimate_lies(met: str, error: float, lies: str) -> None:
    assert prediction.standing(met, error, 0.1) == lies


def test_point_estimates_outside_are_not_hidden_among_open_verdicts() -> None:
    found = [prediction.standing(met, error, 0.1) for met, error in (
        *[("yes", 0.01)] * 3, *[("open", 0.05)] * 2, *[("open", -0.2)] * 4, ("no", 0.9), ("", 0.3))]
    assert prediction.verdict_text(found) == (
        "3 inside with proof, 2 inside, 4 outside, 1 outside with proof: the point estimate lies outside in "
        "5 of 10")
    assert prediction.verdict_text([""]) == "no goal was set"
