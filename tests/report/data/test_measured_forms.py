"""Closed forms are compared with what was measured, with the push transport's mean as the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from manifests import asking
from synthetic import Made, Plan, make_run

from bench.report import RunData, open_run
from bench.report.data import measured_forms


def test_a_push_has_no_form_beside_another_push(tmp_path_factory: pytest.TempPathFactory) -> None:
    subjects = {"short_polling": Made("short_polling"), "websocket": Made("websocket"), "other": Made("websocket")}
    plan = Plan(trials=2, clients=(3,), subjects=subjects)
    found = open_run(make_run(tmp_path_factory.mktemp("runs") / "both", plan))
    assert measured_forms.push(found) == "websocket"
    assert {each.transport for each in measured_forms.predicted(found)} == {"short_polling"}


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
