"""Thresholds: decided on the interval, never on the estimate alone, and refused where nothing could decide them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import ScenarioError
from bench.scenario.model import Scenario
from bench.scenario.objective import Condition, parse
from bench.stats.run import thresholds
from bench.stats.run.intervals import Interval
from bench.stats.run.summary import cell_interval

NUMBERS = st.floats(-1e3, 1e3, allow_nan=False)


def scenario(*require: str, **tables: Any) -> Scenario:
    return Scenario.model_validate({
        "question": "?", "load": {"clients": (5, 9)}, "transports": {"websocket": {}, "short_polling": {}},
        "thresholds": {"require": require}, **tables})


def trials(**columns: Any) -> pd.DataFrame:
    """Return trials of one cell."""
    return pd.DataFrame({"transport": "websocket", "clients": 5, **columns})


def condition(text: str) -> Condition:
    return parse(text).conditions[0]


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["<=", "<", ">=", ">"]))
def test_a_threshold_is_met_or_broken_only_by_the_whole_interval(
    one: float, other: float, bound: float, relation: str
) -> None:
    low, high = sorted((one, other))
    found = Interval((low + high) / 2, low, high, 5)
    verdict = thresholds.decided(Condition("latency_p99_ms", relation, bound), found)
    holds = {bool(eval(f"{value!r} {relation} {bound!r}")) for value in np.linspace(low, high, 11)}
    assert {"met": holds == {True}, "broken": holds == {False}, "open": True}[verdict]
    opposite = {"<=": ">", "<": ">=", ">=": "<", ">": "<="}[relation]
    other_verdict = thresholds.decided(Condition("latency_p99_ms", opposite, bound), found)
    assert {"met": "broken", "broken": "met", "open": "open"}[verdict] == other_verdict


@pytest.mark.parametrize(("low", "high", "verdict"), [
    (3, 3, "met"), (1, 3, "open"), (1, 2, "broken"), (4, 5, "broken")])
def test_equality_is_met_by_one_value_and_open_within_an_interval(low: float, high: float, verdict: str) -> None:
    assert thresholds.decided(condition("age_mean_ms == 3"), Interval((low + high) / 2, low, high, 5)) == verdict


@pytest.mark.parametrize(("lost", "verdict"), [([0, 0, 0], "met"), ([0, 0, 1], "broken"), ([0], "met"), ([], "open")])
def test_a_count_is_met_by_each_trial_or_broken(lost: list[int], verdict: str) -> None:
    found = thresholds.judged(scenario("websocket.lost == 0 at 5"), trials(lost=lost))
    assert [each.verdict for each in found] == [verdict]


@pytest.mark.parametrize(("values", "verdict"), [
    ([2.0, 2.1, 2.2], "met"), ([2.0], "open"), ([], "open"), ([math.nan, 2.0], "open"), ([2.0, math.inf], "broken"),
    ([40.0, 60.0], "open"), ([80.0, 81.0, 82.0], "broken"),
])
@pytest.mark.parametrize("open_", ["fail", "pass"])
def test_a_figure_without_an_interval_is_open_and_a_lost_one_broken(
    values: list[float], verdict: str, open_: str
) -> None:
    asked = scenario(thresholds={"require": ["websocket.latency_mean_ms <= 50 at 5"], "open": open_})
    found, = thresholds.judged(asked, trials(latency_mean_ms=values))
    assert found.verdict == verdict
    assert found.failed == (verdict == "broken" or (verdict == "open" and open_ == "fail"))


def test_a_percentile_that_is_too_little_known_to_be_printed_may_be_far_beyond_a_bound() -> None:
    good = trials(latency_p99_ms=[30.0, 50.0, 40.0], latency_p99_error_share=0.9, delivered=100, late=0, lost=0)
    assert math.isnan(cell_interval(good, "latency_p99_ms").estimate)
    asked = scenario("websocket.latency_p99_ms <= 1 and websocket.latency_p99_ms <= 60 at 5",
                     load={"clients": (5,)})
    assert [each.verdict for each in thresholds.judged(asked, good)] == ["broken", "open"]


def test_without_kernel_instants_the_application_decides() -> None:
    good = trials(kernel_latency_mean_ms=[math.nan] * 3, latency_mean_ms=[2.0, 2.1, 2.2])
    found, = thresholds.judged(scenario("websocket.kernel_latency_mean_ms <= 5 at 5"), good)
    assert found.verdict == "met"


def test_what_names_no_cell_is_for_all_of_them_and_each_is_named_once() -> None:
    found = thresholds.judged(scenario("lost == 0", "websocket.lost == 0 at 9"), trials(lost=[0]))
    assert [str(each.threshold) for each in found] == [
        f"{label}.lost == 0 at {clients}" for label in ("websocket", "short_polling") for clients in (5, 9)]
    assert [each.verdict for each in found] == ["met", "open", "open", "open"]


@pytest.mark.parametrize(("text", "sentence"), [
    ("websockets.lost == 0", "found the subject 'websockets', allowed is one of websocket, short_polling"),
    ("websocket.latency_p98_ms <= 1", "found the measure 'latency_p98_ms', allowed is a measured column of "
                                      r"trials.csv, such as latency_p\d+_ms"),
    ("websocket.transport == 1", "found the measure 'transport', "), ("seed == 1", "found the measure 'seed', "),
    ("lost == 0 at 7", r"found 7 clients, allowed is one of load.clients = \[5, 9\]"),
])
def test_a_threshold_that_nothing_could_decide_is_refused_by_name(text: str, sentence: str) -> None:
    with pytest.raises(ScenarioError, match=rf"^s.toml: thresholds.require: {sentence}"):
        thresholds.check(scenario(text), "s.toml")
    with pytest.raises(ScenarioError, match=rf"^--require: '{text}': {sentence}"):
        thresholds.required(scenario(), [text])


def test_a_search_and_a_study_have_no_thresholds() -> None:
    for table in ({"capacity": {}}, {"storm": {}}):
        with pytest.raises(ScenarioError, match=rf"a threshold together with \[{next(iter(table))}\]"):
            thresholds.check(scenario("lost == 0", **table), "s.toml")
    with pytest.raises(ScenarioError, match=r"^--require: 'fast': found no threshold, allowed is thresholds such as "):
        thresholds.required(scenario(), ["fast"])
