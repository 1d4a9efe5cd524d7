"""The outlook from a measured run: its trials again, more clients, and fleets that are large enough."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import outlook
import pandas as pd
import pytest
from priced import priced
from synthetic import Plan, make_run

from bench import open_run
from bench.errors import RunError, ScenarioError
from bench.report.explore import Run
from bench.simulation.calibration.costs import Estimate
from bench.stats.run.prediction import ValidationRow

PRICES = {"currency": "EUR", "worker_month": 30.0, "gigabyte_out": 0.05}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return open_run(make_run(tmp_path_factory.mktemp("runs") / "walked", Plan(trials=2, clients=(5, 10))))


def planned(run: Run, checked: tuple[ValidationRow, ...] = (), **simulation: Any) -> pd.DataFrame:
    asked = outlook.inputs(run, priced(), load={"clients": [50_000]}, feed={"rate_per_s": 10.0},
                            windows={"measure_s": 1.0},
                            simulation={"rtt_ms": 40.0, "prices": PRICES, **simulation})
    return outlook.capacity_plan(asked, checked, processes=1).set_index("transport")


def row(quantity: str, error: float) -> ValidationRow:
    none = math.nan
    return ValidationRow("websocket", 100, 0.3, quantity, 1.0, 1.0 + error, error, none, none, none, "")


def test_a_trial_is_simulated_on_its_own_ticks(run: Run) -> None:
    places = outlook.places(run, 10)
    assert [place.subject for place in places] == list(run.data.transports)
    found = outlook.simulate(outlook.inputs(run, priced()), places, processes=1)
    assert found.trials["seed"].tolist() == [place.seed for place in places]
    assert set(found.trials["source"]) == {"simulated"}
    assert set(found.trials["verdict"]) == {"VALID"}
    assert set(found.distributions["trial"]) == set(found.trials["trial"])
    assert found.trials["updates_due"].nunique() == 1 or len({place.seed for place in places}) > 1
    with pytest.raises(RunError, match="found no VALID trial with 11"):
        outlook.places(run, 11)


def test_a_setting_is_the_runs_scenario_with_what_is_changed(run: Run) -> None:
    asked = outlook.inputs(run, priced(), load={"clients": [7]}, simulation={"rtt_ms": 80.0})
    assert asked.scenario.load.clients == (7,)
    assert asked.scenario.simulation.delays_s == (0.04, 0.04)
    assert asked.scenario.feed == outlook.inputs(run, priced()).scenario.feed
    with pytest.raises(ScenarioError, match="walked, changed"):
        outlook.inputs(run, priced(), load={"client": [7]})
    with pytest.raises(ScenarioError, match="simulations"):
        outlook.inputs(run, priced(), simulations={"rtt_ms": 80.0})


def test_the_network_is_in_the_latency(run: Run) -> None:
    places = outlook.places(run, 10)
    near, far = (
        outlook.simulate(outlook.inputs(run, priced(), simulation={"rtt_ms": rtt_ms}), places, 1).trials
        for rtt_ms in (1.0, 81.0))
    pushed = near["transport"] == "websocket"
    gained = (far["latency_p50_ms"] - near["latency_p50_ms"])[pushed].iloc[0]
    assert gained == pytest.approx(40, abs=1)


def test_forms_and_engine_agree_while_a_worker_keeps_up(run: Run) -> None:
    asked = outlook.inputs(run, priced(), simulation={"rtt_ms": 1.0})
    found = outlook.raised(asked, (0.1, 0.2), processes=1)
    assert found["clients"].min() > 10
    assert found["load_engine"].to_numpy() == pytest.approx(found["load_form"].to_numpy(), rel=0.15)
    assert found["latency_mean_engine_ms"].to_numpy() == pytest.approx(
        found["latency_mean_form_ms"].to_numpy(), rel=0.35)


def test_a_fleet_is_large_enough_and_no_larger(run: Run) -> None:
    plan = planned(run, full_at=0.6)
    assert (plan["cores"] <= 0.6 * plan["workers"] * 1.001).all()
    assert (plan["cores"] > 0.6 * (plan["workers"] - 1) * 0.8).all()   # some work is saved by waiting
    per_month = plan["gbit_out_per_s"] / 8 * 730 * 3600
    assert plan["month"].to_numpy() == pytest.approx((30 * plan["workers"] + 0.05 * per_month).to_numpy())
    assert plan["latency_p50_ms"].min() > 20
    assert plan["workers_low"].isna().all()
    assert set(plan["currency"]) == {"EUR"}


def test_a_fleet_for_bursts_bears_the_busiest_stretch(run: Run) -> None:
    feeds = ({}, {"schedule": "bursty"}, {"schedule": "bursty", "rate_per_s": 40.0})
    steady, bursts, more = (
        outlook._fleet(outlook.inputs(run, priced(), feed={"rate_per_s": 10.0, **feed},
                                       windows={"measure_s": 20.0}, simulation={"rtt_ms": 40.0}),
                       "websocket", 50_000, 1.0, 1.0) for feed in feeds)
    assert steady["workers"] < bursts["workers"] < more["workers"]
    assert bursts["gbit_out_per_s"] == pytest.approx(steady["gbit_out_per_s"], rel=0.05)


def test_bounds_are_the_worst_that_was_seen(run: Run) -> None:
    rows = (row("server_cpu_us_per_update", 0.25), row("server_cpu_us_per_update", -0.2),
            row("bytes_per_update", 0.0))
    plan = planned(run, rows)
    mine = plan.loc["websocket"]
    assert mine["cores_low"] == pytest.approx(0.8 * mine["cores"], rel=0.02)
    assert mine["cores_high"] == pytest.approx(1.25 * mine["cores"], rel=0.02)
    assert mine["workers_low"] < mine["workers"] < mine["workers_high"]
    assert mine["gbit_out_per_s_low"] == pytest.approx(mine["gbit_out_per_s_high"], rel=0.01)
    assert mine["month_low"] < mine["month"] < mine["month_high"]
    assert plan.loc[["short_polling", "long_polling"], "workers_low"].isna().all()


def test_a_feed_that_fills_a_worker_is_refused(run: Run) -> None:
    asked = outlook.inputs(run, priced(), feed={"rate_per_s": 40_000.0}, windows={
        "warmup_s": 0.5, "measure_s": 0.5, "late_after_s": 1.0}, simulation={"rtt_ms": 1.0})
    with pytest.raises(RunError, match="the feed alone fills a worker up to 60 %"):
        outlook.capacity_plan(asked, processes=1)


def test_costs_stand_there_with_their_intervals() -> None:
    found = outlook.costs_table(priced())
    tick = found[(found["transport"] == "websocket") & (found["cost"] == "tick_s")].iloc[0]
    assert (tick["value"], tick["unit"]) == (pytest.approx(20), "µs")
    assert math.isnan(tick["low"])
    by_name = found.drop_duplicates("cost").set_index("cost")
    assert by_name.loc["base_share", "unit"] == "µs/s"
    costs = priced()
    cold = {"cold_share": Estimate(0.52), "cooling_s": Estimate(0.1)}
    costs = replace(costs, transports=[replace(each, costs=each.costs | cold) for each in costs.transports])
    for name, value, unit in (("cold_share", 0.52, ""), ("cooling_s", 0.1, "s")):   # neither is a CPU time
        rows = outlook.costs_table(costs).set_index("cost").loc[name]
        assert (set(rows["value"]), set(rows["unit"])) == ({value}, {unit})


def test_runs_are_left_alone(run: Run) -> None:
    before = sorted(Path(run.folder).rglob("*"))
    outlook.simulate(outlook.inputs(run, priced()), outlook.places(run, 5)[:1], processes=1)
    assert sorted(Path(run.folder).rglob("*")) == before


def test_a_decision_is_for_its_situation_and_freshness_never_gets_cheaper(run: Run) -> None:
    found = outlook.decided(run, priced(), clients=300, rate_per_s=0.5, within_ms=2000.0, rtt_ms=40.0)
    assert "300 clients with 0.5 updates per second each, within 2 s, 40 ms away" in found.sentence
    assert found.table["transport"].tolist() == list(run.data.transports)
    assert found.table["chosen"].any()
    assert (found.table["latency_worst_ms"] <= found.within_ms).all()
    for _, line in found.frontier.groupby("transport"):
        assert line.sort_values("within_ms")["workers"].is_monotonic_decreasing
