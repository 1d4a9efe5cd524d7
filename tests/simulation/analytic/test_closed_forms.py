"""The table of closed forms beside a simulated run: what the run's own figures come to."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from documented import described
from priced import case, priced_file

from bench import transports
from bench.experiment import plan, prepare, run_folder
from bench.experiment.progress import Lines
from bench.experiment.run_folder import RunFolder
from bench.report.data.run import open_run
from bench.report.text import forms
from bench.simulation import run as runs
from bench.simulation.analytic import closed_forms
from bench.simulation.analytic.closed_forms import ClosedFormSubject
from bench.simulation.calibration.costs import Estimate, read_costs
from bench.simulation.run import SimulationInputs

SMALL = ("load.clients=[6,60]", "windows.measure_s=8.0", "trials.count=2", "simulation.rtt_ms=20",
         "load.mode=latest", "transports.short_polling.connection=new")


def begun(folder: Path, *overrides: str, name: str = "quick") -> RunFolder:
    question = prepare.read(name, overrides)
    costs = priced_file(folder)
    return run_folder.create(
        folder / "results", question.scenario, plan.trials(question.scenario), name=question.name,
        scenario_file=question.file, options=question.options, command=[],
        source="simulated", costs=runs.about_costs(costs, read_costs(costs)))


def written(run: RunFolder) -> pd.DataFrame:
    closed_forms.write(run)
    return pd.read_csv(run.folder / closed_forms.NAME)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = begun(tmp_path_factory.mktemp("runs"), *SMALL)
    runs.execute(run, Lines, processes=1)
    written(run)
    return run


def test_where_no_tick_fell_due_there_is_no_form(tmp_path: Path) -> None:
    run = begun(tmp_path, "feed.rate_per_s=0.0001", "load.clients=[6]", "trials.count=1")
    closed_forms.write(run)
    assert not (run.folder / closed_forms.NAME).exists()


def test_the_simulated_figures_are_near_their_closed_forms(simulated: RunFolder) -> None:
    found = forms.predicted(open_run(simulated.folder))
    assert {each.figure for each in found} == set(forms.NOUNS)
    assert len({(each.transport, each.clients) for each in found}) == 2 * len(transports.own_names())
    near = {"bytes_up_per_update": 0.06, "bytes_down_per_update": 0.06, "server_load": 0.1,
            "latency_mean_ms": 0.12, "age_mean_ms": 0.2, "sockets": 0.05}
    for each in found:
        if each.figure in near:
            assert abs(each.off) < near[each.figure], each
        elif each.figure.endswith("_share"):
            assert each.measured == pytest.approx(each.predicted, abs=0.08), each


def test_a_row_is_a_cells_a_further_load_or_where_workers_are_full(simulated: RunFolder) -> None:
    found = pd.read_csv(simulated.folder / closed_forms.NAME)
    assert list(found.columns) == list(closed_forms.COLUMNS) == described("closed_forms.csv")
    known = closed_forms.OF_A_CELL | closed_forms.OF_A_PLAN | closed_forms.SATURATION
    assert set(found["quantity"]) <= set(known)
    assert all(known[row.quantity] == (row.unit if isinstance(row.unit, str) else "")
               for row in found.itertuples())
    full = found[found["quantity"] == "clients_max"].set_index("transport")["value"]
    assert len(full) == len(transports.own_names())
    load = found[(found["quantity"] == "server_load") & (found["transport"] == "short_polling")]
    ordered = load.sort_values("clients")
    assert ordered["value"].is_monotonic_increasing
    assert ordered["clients"].max() == pytest.approx(full["short_polling"], abs=1)
    assert ordered["value"].max() == pytest.approx(1.0, rel=0.01)


def test_workers_share_the_clients(tmp_path: Path) -> None:
    one, ten = (begun(tmp_path, "capacity.start=10", f"simulation.workers={workers}", "simulation.rtt_ms=20",
                      name="capacity") for workers in (1, 10))
    full = [written(run).set_index("transport")["value"] for run in (one, ten)]
    pd.testing.assert_series_equal(10 * full[0], full[1], check_names=False)


def test_a_search_over_the_feeds_rate_has_the_rate_that_fills_a_worker(tmp_path: Path) -> None:
    run = begun(tmp_path, "capacity.raised=rate_per_s", "load.clients=[50]", "simulation.rtt_ms=20",
                "transports={websocket={}}", name="capacity")
    found = written(run)
    assert found["quantity"].tolist() == ["rate_max_per_s"]
    asked = runs.SimulationInputs.of(run)
    costs = asked.costs.of("websocket", asked.options["websocket"], "library").engine_costs
    each_s = costs.tick_s + 50 * (costs.answer_s + costs.update_s)
    assert 0 < found["value"].iloc[0] <= 1 / each_s


def test_what_has_no_form_has_no_row(tmp_path: Path) -> None:
    slow = begun(tmp_path, "simulation.rtt_ms=20", "simulation.slow.share=0.1")
    closed_forms.write(slow)
    assert not (slow.folder / closed_forms.NAME).exists()
    bursty = begun(tmp_path, "load.clients=[6]", "windows.measure_s=2.0", "trials.count=1",
                   "feed.schedule=bursty", "transports={short_polling={},websocket={}}")
    runs.execute(bursty, Lines, processes=1)
    found = written(bursty)
    assert not found["value"].map(math.isnan).any()
    latency = found[found["quantity"] == "latency_mean_ms"]
    assert latency["transport"].tolist() == ["short_polling"]   # a push waits as long as bursts make it
    assert not {"answers_empty_share", *closed_forms.OF_A_PLAN} & set(found["quantity"])
    assert {need.busiest_s for need in open_run(bursty.folder).fleet} == {1.5}   # ℓ: 1.5 polls


def test_a_plan_has_the_latencies_of_its_workers_and_no_others(simulated: RunFolder) -> None:
    """Where fewer workers are needed than were simulated, a push is slower with them."""
    few = SimulationInputs.of(simulated)
    there = list(enumerate(simulated.plan))
    found = {workers: closed_forms.table(few, there, {("websocket", 60): workers}) for workers in (1, 6)}
    slower, faster = (
        each[each["quantity"].str.startswith("planned_")].set_index("quantity")["value"]
        for each in found.values())
    assert (slower["planned_workers"], faster["planned_workers"]) == (1, 6)
    own_ms = slower["planned_latency_worst_ms"] - faster["planned_latency_worst_ms"]
    websocket = few.costs.of("websocket", few.options["websocket"], "library").engine_costs
    assert own_ms == pytest.approx(1000 * 50 * (websocket.answer_s + websocket.update_s), rel=0.6)
    assert own_ms > 0
    need = {(each.transport, each.clients): each for each in open_run(simulated.folder).fleet}
    rows = pd.read_csv(simulated.folder / closed_forms.NAME).query("quantity == 'planned_latency_mean_ms'")
    assert len(rows) == len(need) == 2 * len(transports.own_names())
    for row in rows.itertuples():
        assert need[row.transport, row.clients].latency_mean_ms == pytest.approx(row.value)


def test_the_load_with_costs_at_their_ends_has_the_load_client_of_the_estimate() -> None:
    """It sends polls together, which wake the server less often; no cost has an interval, so the three are one."""
    polled = case("short_polling")
    known = polled.calibrated
    subject = ClosedFormSubject.of([replace(polled, calibrated=replace(
        known, costs={**known.costs, "switch_s": Estimate(3e-5)},
        load_client={**known.load_client, "timer_s": Estimate(0.004)}))])
    assert subject.case.has_load_client
    found = subject.forecast(1000)
    assert subject.load_ends(1000, found) == pytest.approx((subject.load(1000, found),) * 2)


def test_each_planned_worker_takes_the_messages_of_its_own_clients_alone() -> None:
    sending = ClosedFormSubject.of([case("websocket", "feed.source=clients")])
    [mean_ms] = [value for _, _, quantity, value, _ in closed_forms._planned(sending, [30], {("websocket", 30): 3})
                 if quantity == "planned_latency_mean_ms"]
    own = replace(sending.asked, messages_per_s=sending.asked.messages_per_s / 3)
    assert mean_ms == pytest.approx(1000 * sending.forecast(10, own).latency_mean_s, rel=1e-9)
