"""A scenario's map: subjects from the costs file, and the engine beside the forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import scaled
from priced import priced

from bench.errors import RunError
from bench.experiment import prepare
from bench.simulation import shards
from bench.simulation.crossover.crossover import TicksPerPoll
from bench.simulation.crossover.crossover_study import CHECKED, CrossoverStudy

KINDS = {"short_polling", "long_polling", "websocket"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> CrossoverStudy:
    asked = scaled.crossover(
        tmp_path_factory.mktemp("map"), "simulation.full_at=0.6", "crossover.rates_per_s=[1.0, 20.0]",
        "crossover.clients=[50, 400]", "crossover.staleness_ms=[500.0, 2000.0]", "crossover.checked=3")
    return CrossoverStudy.of(asked.scenario, asked.options, priced())


def test_the_engine_agrees_with_the_forms(study: CrossoverStudy) -> None:
    fields = study.fields()
    chosen = study.chosen(fields)
    checks = study.checks({name: task() for name, task in study.tasks(chosen).items()})
    assert tuple(checks.columns) == CHECKED
    assert len(checks) == len(chosen) == 3 * 3
    assert set(checks["transport"]) == KINDS
    for name, tolerance in (("cores", 0.03), ("bytes_down_per_s", 0.05), ("latency_mean_ms", 0.1)):
        errors = (checks[name] / checks[f"{name}_simulated"] - 1).abs()
        assert errors.max() < tolerance, checks[["transport", "rate_per_s", name, f"{name}_simulated"]]


def test_checks_are_spread_over_the_map(study: CrossoverStudy) -> None:
    chosen = [field for field, _ in study.chosen(study.fields())][::3]
    assert len({(each.rate_per_s, each.clients, each.staleness_ms) for each in chosen}) == 3
    assert len({each.rate_per_s for each in chosen}) == 2


def test_a_field_with_too_many_clients_is_not_simulated(study: CrossoverStudy) -> None:
    for field, subject in study.chosen(study.fields()):
        offer = field.offers[subject.label]
        assert field.clients / offer.workers <= study.asked.checked_clients


def test_no_check_is_more_work_than_is_allowed(study: CrossoverStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.simulation.crossover.crossover_study.JOBS_MOST", 60_000)
    chosen, most = study.chosen(study.fields()), 0.0
    for field, subject in chosen:
        case = study.case(field, subject, field.offers[subject.label])
        asking = 1 / case.options.interval_s if subject.cycle.interval_s else 0.0
        most = max(most, case.planned.clients * (field.rate_per_s + asking) * case.horizon_s)
    assert 0.9 * 60_000 < most <= 60_000 * (1 + 1e-9)


def test_the_map_s_payload_is_no_trial_s_first_one(study: CrossoverStudy) -> None:
    """Indices and instants have the digits that they have in a trial's middle; what the checks draw stays
    theirs, so that their error holds it."""
    field, subject = study.chosen(study.fields())[0]
    part = shards.simulate(study.case(field, subject, field.offers[subject.label]), 0)
    drawn_bytes = part.tallied.sums["payload_bytes"] / part.tallied.sums["arrivals"]
    assert study.demand.payload_bytes == pytest.approx(drawn_bytes, rel=0.04)
    said = study.check(field, subject)
    longer = replace(study, demand=replace(study.demand, payload_bytes=2 * drawn_bytes))
    assert longer.check(field, subject)["bytes_down_per_s"] > 1.1 * said["bytes_down_per_s"]


def test_who_has_some_symbols_has_a_share_of_the_feed(study: CrossoverStudy) -> None:
    load = study.scenario.load.model_copy(update={"symbols_per_client": 1})
    scenario = study.scenario.model_copy(update={"load": load})
    some = CrossoverStudy.of(scenario, study.options, priced())
    assert some.demand.symbols == 1
    assert some.demand.rate_per_s / some.demand.ticks_per_s == pytest.approx(1 / 5)


def test_polls_find_no_more_than_the_scenario_s_server_lets_them(study: CrossoverStudy) -> None:
    server = study.scenario.server
    assert [each.finds for each in study.subjects] == [TicksPerPoll.by(server, "every")] * 3
    quick = replace(study.demand, rate_per_s=100.0, feed_per_s=100.0)
    assert study.subjects[0].finds.longest_s(quick) < server.batch_max / 100


def test_a_transport_without_costs_is_told(study: CrossoverStudy) -> None:
    known = priced()
    polling = [each for each in known.transports if each.kind.transport != "websocket"]
    with pytest.raises(RunError, match="needed is websocket"):
        CrossoverStudy.of(study.scenario, study.options, replace(known, transports=polling))


def test_the_corners_of_the_map_that_comes_with_the_project_can_be_made() -> None:
    path = str(Path(__file__).parents[3] / "scenarios" / "scale" / "crossover.toml")
    whole = prepare.read(path).scenario.crossover
    assert whole is not None
    axes = {name: list(getattr(whole, name)) for name in ("rates_per_s", "clients", "rtt_ms", "staleness_ms")}
    assert [len(values) for values in axes.values()] == [5, 5, 3, 4]
    corners = [f"crossover.{name}={[values[0], values[-1]]}" for name, values in axes.items()]
    asked = prepare.read(path, corners)
    found = CrossoverStudy.of(asked.scenario, asked.options, priced()).fields()
    assert len(found) == 2 * 2 * 2 * (2 + 1)
    assert all(field.offers for field in found)
