"""A series: several runs whose blocks take turns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RunError, ScenarioError, UserError
from bench.experiment import plan, series
from bench.records.trial_record import SCHEMA_VERSION, write_json
from bench.scenario.model import Scenario
from bench.simulation.calibration.costs import CostKind


def planned(count: int, seed: int) -> list[plan.PlannedTrial]:
    """Return the plan of a scenario with two cells and `count` blocks."""
    return plan.trials(Scenario.model_validate({
        "question": "?", "seed": seed, "load": {"clients": [1, 2]}, "trials": {"count": count},
        "transports": {"a": {}},
    }))


def test_blocks_take_turns_and_each_begins_with_another_run() -> None:
    """No run's trials lie together, so that drift falls on all of them; each trial is made once, and each
    run's own order is kept. A run with fewer blocks is spread over the whole series."""
    plans = [planned(3, 1), planned(3, 2), planned(2, 3)]
    order = series.in_turns(plans)
    assert [number for number, each in order if each.position == 1] == [0, 1, 2, 1, 0, 2, 0, 1]
    half = series.in_turns([planned(6, 1), planned(3, 2)])
    assert [number for number, each in half if each.position == 1] == [0, 1, 0, 0, 1, 0, 0, 1, 0]
    for number, mine in enumerate(plans):
        assert [each for place, each in order if place == number] == mine


def test_a_folder_of_scenarios_is_a_series() -> None:
    """The calibration and what it is validated with; every one is an ordinary scenario."""
    names = [each.name for each in series.questions("calibration")]
    assert names == ["batches", "connections", "fast", "few", "messages-fast", "messages", "order-books", "rare-polls",
                     "rare-ticks", "steady"]
    assert [each.name for each in series.questions("quick")] == ["quick"]


def test_overrides_go_to_all_of_them() -> None:
    """So that a calibration can be made longer."""
    asked = series.questions("calibration", ["trials.count=7"])
    assert {each.scenario.trials.count for each in asked} == {7}


def test_a_search_is_no_part_of_a_series(tmp_path: Path) -> None:
    """It has no plan."""
    with pytest.raises(ScenarioError, match="a series has a plan"):
        series.questions("capacity")


@pytest.mark.parametrize(("said", "sentence"), [
    ({"series": "other", "runs": ["a"]}, "series: found 'other', allowed is 'mine'"),
    ({"series": "mine", "runs": []}, "runs: found \\[\\], allowed is a list"),
    ({"series": "mine", "runs": [3]}, "runs: found \\[3\\], allowed is a list"),
    ({"series": "mine", "runs": ["gone"]}, "gone/manifest.json: no such file"),
])
def test_only_a_series_of_its_kind_goes_on(tmp_path: Path, said: dict[str, Any], sentence: str) -> None:
    write_json(tmp_path / series.NAME, {"schema_version": SCHEMA_VERSION, **said})
    with pytest.raises(RunError, match=sentence):
        series.resume(tmp_path, "mine", force=True)


def test_a_further_subject_stands_beside_each_of_its_transport() -> None:
    """It has the scenario's options but for those that it names, so that its cells are the same."""
    takeover = "websocket compression=permessage-deflate context_takeover=true"
    for each in series.questions("calibration", ["trials.count=2"], [f"{series.EVERY} server=bare", takeover]):
        alone = series.questions(str(each.file), ["trials.count=2"])[0].scenario.transports
        deflated = [f"{label}_2" for label in alone if label == "websocket"]
        assert list(each.scenario.transports) == [*alone, *(f"{label}_bare" for label in alone), *deflated]
        for label, subject in alone.items():
            bare = each.scenario.transports[f"{label}_bare"]
            assert (bare.transport, bare.server, bare.options) == (subject.transport, "bare", subject.options)
        assert {CostKind.of(subject.transport, each.options[label], subject.implementation).context_takeover
                for label, subject in each.scenario.transports.items() if label.endswith("_2")} <= {True}
    with pytest.raises(UserError, match=r"a further subject: found 'sse server=bare', allowed is one of short_polling"):
        series.questions("scenarios/calibration/batches.toml", (), ["sse server=bare"])
    with pytest.raises(ScenarioError, match="nosuch"):
        series.questions("quick", (), ["sse server=nosuch"])


def test_a_further_subject_of_a_sweep_is_one_of_each_of_its_values(tmp_path: Path) -> None:
    """A sweep's labels hold a blank, an equals sign and a point, none of which a label may have."""
    file = tmp_path / "swept.toml"
    file.write_text('question = "?"\n[transports.short_polling]\n[sweep]\n'
                    '"transports.short_polling.interval_s" = [0.5, 0.25]\n')
    asked, = series.questions(str(file), (), ["short_polling server=bare"])
    bare = {label: subject for label, subject in asked.scenario.transports.items() if subject.server == "bare"}
    assert [subject.options["interval_s"] for subject in bare.values()] == [0.5, 0.25]
    assert all(re.fullmatch(r"short_polling_interval_s_0_\d+_bare", label) for label in bare)
    assert len(asked.scenario.transports) == 4
