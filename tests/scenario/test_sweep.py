"""A sweep is as many subjects as it has values, wherever the scenario is read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.errors import ScenarioError
from bench.experiment import plan
from bench.scenario.model import Scenario, load
from bench.scenario.sweep import Curve, curves, expanded

BATCHED = Path(__file__).parents[2] / "scenarios" / "batched.toml"
TABLE = {
    "question": "?",
    "transports": {"first": {"transport": "short_polling"}, "short_polling": {"tls": True}, "websocket": {}},
}


def swept(**sweep: Any) -> dict[str, Any]:
    return expanded({**TABLE, "sweep": {name.replace("__", "."): values for name, values in sweep.items()}}, "a.toml")


def test_each_value_is_a_subject_in_the_place_of_its_transport() -> None:
    made = swept(transports__short_polling__interval_s=[0.5, 2])
    assert list(made["transports"]) == [
        "first", "short_polling interval_s=0.5", "short_polling interval_s=2", "websocket"]
    assert made["transports"]["short_polling interval_s=2"] == {
        "transport": "short_polling", "tls": True, "interval_s": 2}


def test_a_label_of_ones_own_keeps_its_transport() -> None:
    made = swept(transports__first__pace=["rate", "delay"])
    assert made["transports"]["first pace=delay"] == {"transport": "short_polling", "pace": "delay"}


def test_several_transports_may_be_swept_each_by_itself() -> None:
    made = swept(transports__short_polling__interval_s=[1], transports__websocket__tls=[False, True])
    assert list(made["transports"])[1:] == ["short_polling interval_s=1", "websocket tls=false", "websocket tls=true"]
    assert curves(made["sweep"]) == [
        Curve("short_polling", "interval_s", ((1, "short_polling interval_s=1"),)),
        Curve("websocket", "tls", ((False, "websocket tls=false"), (True, "websocket tls=true")))]


@pytest.mark.parametrize(("sweep", "field", "allowed"), [
    ({"load.clients": [1, 2]}, r"sweep\.load\.clients", "transports.<label>.<option>"),
    ({"transports.other.flush_ms": [1]}, r"sweep\.transports\.other\.flush_ms",
     "one of first, short_polling, websocket"),
    ({"transports.websocket.flush_ms": 5}, "found 5", "a list of numbers"),
    ({"transports.websocket.flush_ms": []}, r"found \[\]", "a list of numbers"),
    ({"transports.websocket.flush_ms": [5, 5]}, "flush_ms", "each once"),
    ({"transports.websocket.flush_ms": [[5]]}, "flush_ms", "a list of numbers"),
    ({"transports.websocket.flush_ms": [5], "transports.websocket.tls": [True]}, "a second option of websocket",
     "flush_ms is swept already"),
])
def test_what_is_no_sweep_is_refused_by_name(sweep: dict[str, Any], field: str, allowed: str) -> None:
    with pytest.raises(ScenarioError, match=field) as caught:
        expanded({**TABLE, "sweep": sweep}, "a.toml")
    assert allowed in str(caught.value)


def test_a_sweep_that_is_no_table_is_refused() -> None:
    with pytest.raises(ScenarioError, match="a table"):
        expanded({**TABLE, "sweep": [1]}, "a.toml")


def test_a_file_is_expanded_once_and_a_runs_copy_not_again() -> None:
    scenario = load(BATCHED)
    assert list(scenario.transports)[:2] == ["short_polling interval_s=0.1", "short_polling interval_s=0.5"]
    assert {subject.transport for subject in scenario.transports.values()} == {"short_polling", "sse", "websocket"}
    again = Scenario.model_validate(json.loads(json.dumps(scenario.canonical())))
    assert again == scenario
    assert again.digest() == scenario.digest()
    assert all(label in scenario.transports for curve in curves(again.sweep) for _, label in curve.subjects)


def test_set_may_name_other_values() -> None:
    scenario = load(BATCHED, ["sweep.transports.websocket.flush_ms=[7]"])
    assert [label for label in scenario.transports if "websocket" in label] == ["websocket flush_ms=7"]


def test_an_option_of_each_subject_is_that_of_its_value() -> None:
    scenario = load(BATCHED)
    options = plan.options_of_all(scenario, "batched.toml")
    plan.check(scenario, options, "batched.toml")
    for curve in curves(scenario.sweep):
        assert [getattr(options[label], curve.option) for _, label in curve.subjects] == [
            value for value, _ in curve.subjects]


def test_trials_have_names_of_folders_and_rules_may_name_a_subject() -> None:
    scenario = load(BATCHED, ['trials.until="p50 of short_polling interval_s=0.5 ± 10 %"'])
    plan.check(scenario, plan.options_of_all(scenario, "batched.toml"), "batched.toml")
    names = {planned.name for planned in plan.trials(scenario)}
    assert len(names) == len(plan.trials(scenario))
    assert not any(" " in name or "." in name for name in names)
