"""A scenario's storm as tables: every policy with every seed, second by second, and the map."""

from __future__ import annotations

import math

import pytest
import scaled

from bench.scenario.model import Scenario
from bench.simulation.engine.inputs import Costs
from bench.simulation.storm import storm_study
from bench.simulation.storm.storm_study import StormStudy


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return scaled.storm(
        tmp_path_factory.mktemp("scenario"), "storm.horizon_s=40.0",
        "storm.policies={fixed={wait='fixed'}, full={wait='full'}}", "storm.map.policy=full").scenario


def test_a_worker_has_its_share_of_the_clients(scenario: Scenario) -> None:
    given = storm_study.conditions(scenario, Costs())
    assert (given.clients, given.connection_s, given.floor_s) == (300, 0.01, 3.0)
    assert given.safe_backlog == 100


def test_without_a_price_the_costs_file_has_it(scenario: Scenario) -> None:
    assert scenario.storm is not None
    bare = scenario.model_copy(update={"storm": scenario.storm.model_copy(update={"connection_ms": None})})
    given = storm_study.conditions(bare, Costs(connection_s=0.004, request_s=0.0007, answer_s=0.0003))
    assert given.connection_s == pytest.approx(0.005)
    with pytest.raises(AssertionError, match="connections cost nothing"):   # a user meets the command's refusal before
        storm_study.conditions(bare, Costs())


@pytest.fixture(scope="module")
def found(scenario: Scenario) -> StormStudy:
    given = storm_study.conditions(scenario, Costs())
    results = {name: task() for name, task in storm_study.tasks(scenario, given).items()}
    return storm_study.tables(scenario, given, results)


def test_the_tables_hold_every_storm(scenario: Scenario, found: StormStudy) -> None:
    given = storm_study.conditions(scenario, Costs())
    assert len(storm_study.tasks(scenario, given)) == 2 * (2 * 2 + 1) + 2 * 2
    assert found.storms[["policy", "seed"]].to_numpy().tolist() == [
        ["fixed", 5], ["fixed", 6], ["full", 5], ["full", 6]]
    assert found.map is not None
    assert len(found.map) == 4
    wide = found.map[found.map["window_share"] == 1.5]
    assert (wide["recovered"] == 1).all()


def test_each_answer_has_its_alternatives_and_flips_once(found: StormStudy) -> None:
    """A row a seed for what is dropped, and the two prices between which what is refused flips."""
    for policy, mine in found.assumptions.groupby("policy"):
        dropped = mine[mine["overflow"] == "dropped"]
        assert dropped["seed"].tolist() == [5, 6], policy
        assert (dropped["refusal_share"] == 0).all()
        refused = mine[mine["overflow"] == "refused"]
        over = (refused["recovered_s"] < math.inf).tolist()
        shares = refused["refusal_share"].tolist()
        assert shares == sorted(shares)
        assert over == sorted(over, reverse=True)
        if len(shares) == 2:
            place = storm_study.REFUSAL_SHARES.index(shares[0])
            assert (over, shares[1]) == ([True, False], storm_study.REFUSAL_SHARES[place + 1])
        else:
            assert shares == [storm_study.REFUSAL_SHARES[-1] if over[0] else 0.0]
    assert set(found.assumptions["policy"]) == {"fixed", "full"}


def test_a_timeline_adds_up_to_its_storm(found: StormStudy) -> None:
    for policy, line in found.timelines.groupby("policy"):
        whole = found.storms[(found.storms["policy"] == policy) & (found.storms["seed"] == 5)].iloc[0]
        for column in ("attempts", "connected", "refused", "stale", "failed_down"):
            assert line[column].sum() == whole[column]
        assert line["at_s"].iloc[0] == -2.0
        assert line["connected_share"].iloc[-1] == pytest.approx(whole["connected_share"])
        assert (line["attempts"] >= line["refused"] + line["failed_down"]).all()
    full = found.storms[found.storms["policy"] == "full"].iloc[0]
    assert math.isfinite(full["recovered_s"])
    assert full["cpu_s"] == pytest.approx(
        0.01 * (full["connected"] + full["stale"] + full["refusal_share"] * full["refused"]))
