"""Closed forms are compared with what was measured, with the push transport's mean as the way."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from manifests import asking
from synthetic import Made, Plan, make_run

from bench.report import RunData, open_run
from bench.report.data import measured_forms
from bench.stats.run.summary import summarise


@pytest.fixture(scope="module")
def pushes(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """A run of two pushes."""
    subjects = {"short_polling": Made("short_polling"), "websocket": Made("websocket"), "other": Made("websocket")}
    plan = Plan(trials=2, clients=(3,), subjects=subjects)
    return open_run(make_run(tmp_path_factory.mktemp("runs") / "both", plan))


def flushed(run: RunData, **flush_ms: float) -> RunData:
    """Return the run, as if these pushes had been flushed."""
    subjects = run.scenario.canonical()["transports"]
    return asking(run, transports={
        **subjects, **{label: {**subjects[label], "flush_ms": each} for label, each in flush_ms.items()}})


def test_a_push_has_no_form_beside_another_push(pushes: RunData) -> None:
    assert measured_forms.push(pushes) == "websocket"
    assert {each.transport for each in measured_forms.predicted(pushes)} == {"short_polling"}


def test_the_way_of_a_push_is_without_its_wait_for_a_flush(pushes: RunData) -> None:
    way_ms = measured_forms.push_delay_ms(pushes, 3)
    assert measured_forms.push_delay_ms(flushed(pushes, websocket=40.0, other=60.0), 3) == pytest.approx(way_ms - 20)


def test_a_push_with_a_longer_flush_has_the_form_of_its_wait(pushes: RunData) -> None:
    one = flushed(pushes, other=40.0)
    assert measured_forms.push(one) == measured_forms.push(flushed(pushes, websocket=0.0, other=40.0)) == "websocket"
    assert measured_forms.push(flushed(pushes, websocket=40.0)) == "other"
    found = {(each.figure, each.transport): each for each in measured_forms.predicted(one)}
    expected = pytest.approx(measured_forms.push_delay_ms(pushes, 3) + 20)
    assert found["latency_mean_ms", "other"].predicted == expected
    assert found["age_excess_mean_ms", "other"].predicted == expected


def test_the_push_transport_is_found_by_what_it_asks(run: RunData) -> None:
    assert measured_forms.push(run) == "websocket"


def test_records_that_follow_the_model_agree_with_it(run: RunData) -> None:
    found = {(each.figure, each.transport, each.clients): each for each in measured_forms.predicted(run)}
    assert len(found) == 3 * 2 * 2
    for (figure, transport, _), each in found.items():
        if transport == "short_polling":
            assert abs(each.off) < 0.06, figure
    mean = found["latency_mean_ms", "short_polling", 30]
    push = run.summary.set_index(["transport", "clients"]).loc[("websocket", 30), "latency_mean_ms"]
    assert mean.predicted == pytest.approx(500 + push)


def test_what_a_client_asks_for(run: RunData) -> None:
    rate_per_s, symbols = measured_forms.demand(run, 30)
    assert rate_per_s == pytest.approx(40, rel=0.25)
    assert symbols == 4


def test_a_client_asks_for_the_same_whoever_s_rows_are_kept(run: RunData) -> None:
    few = replace(run, trials=run.trials.assign(sample=0.01))   # what was due is of all clients all the same
    assert measured_forms.demand(few, 30) == measured_forms.demand(run, 30)


def test_without_a_push_transport_there_is_nothing_to_draw(tmp_path_factory: pytest.TempPathFactory) -> None:
    plan = Plan(trials=1, clients=(3,), subjects={"short_polling": Made("short_polling")})
    alone = open_run(make_run(tmp_path_factory.mktemp("runs") / "alone", plan))
    assert measured_forms.push(alone) is None
    assert measured_forms.predicted(alone) == []


@pytest.mark.parametrize("schedule", ["replay", "bursty", "constant"])
def test_no_poisson_form_stands_beside_another_schedule(run: RunData, schedule: str) -> None:
    other = asking(run, feed={"schedule": schedule, "rate_per_s": 1e6, "symbols": 4000, "replay": {"file": "x.csv"}})
    found = measured_forms.predicted(other)
    assert {each.transport for each in found} == {"short_polling"}
    assert found == [each for each in measured_forms.predicted(run) if each.transport == "short_polling"]
    skipping = measured_forms.predicted(asking(other, load={"mode": "latest"}))
    assert {each.figure for each in skipping} == {"age_mean_ms", "age_excess_mean_ms"}


def test_an_age_differs_by_what_its_excess_does(run: RunData) -> None:
    found = {(each.figure, each.transport, each.clients): each for each in measured_forms.predicted(run)}
    for clients in run.clients:
        for transport in ("short_polling", "long_polling"):
            age, excess = (found[f"age_{name}_ms", transport, clients] for name in ("mean", "excess_mean"))
            assert age.measured - age.predicted == pytest.approx(excess.measured - excess.predicted)


def test_a_form_of_nothing_has_no_relative_difference() -> None:
    assert math.isnan(measured_forms.Predicted("websocket", 3, "missed_share", 0.0, 0.1).off)


def test_without_a_valid_trial_there_is_no_way(pushes: RunData) -> None:
    """As with a client count at which every trial fell behind."""
    trials = pushes.trials.assign(verdict="INVALID")
    none = replace(flushed(pushes, websocket=40.0, other=60.0), trials=trials,
                   summary=summarise(trials, pushes.transports))
    assert math.isnan(measured_forms.push_delay_ms(none, 3))
    assert measured_forms.predicted(none) == []
