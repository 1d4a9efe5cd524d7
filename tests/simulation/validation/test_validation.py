"""A validation on disk: right costs predict everything, wrong ones are noticed, and the page says so."""

from __future__ import annotations

import csv
import math
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from posed import all_posed, posed
from priced import priced

from bench import transports
from bench.errors import OverlapError, RunError
from bench.experiment import prepare
from bench.experiment.progress import Lines
from bench.records.trial_record import SCHEMA_VERSION, write_json
from bench.report.pages.validation import ValidationPage
from bench.simulation.calibration.calibration import calibrate
from bench.simulation.calibration.costs import CostsFile, Estimate, FittedCell, write_costs
from bench.simulation.calibration.observations import observe
from bench.simulation.validation import resimulate, validation

SMALL = ("load.clients=[60]", "trials.count=3", "windows.measure_s=1.0")
SEARCH = ("capacity.start=100", "capacity.factor=4.0", "capacity.most=2000", "windows.measure_s=1.0",
          "capacity.precision=0.5", "transports={short_polling={interval_s=0.04}, websocket={}}")


def expensive(costs: CostsFile, factor: float) -> CostsFile:
    """Return the same with answers and requests that cost `factor` times as much."""
    def raised(own: dict[str, Estimate]) -> dict[str, Estimate]:
        return own | {name: Estimate(factor * own[name].value) for name in ("answer_s", "request_s")}

    return replace(costs, transports=[replace(each, costs=raised(each.costs)) for each in costs.transports])


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A validation's folder, up to its costs."""
    folder = tmp_path_factory.mktemp("results") / "a-validation"
    runs = all_posed([prepare.read("quick", SMALL)], priced(), folder / "runs")
    search = posed(prepare.read("scenarios/validation/capacity-limit.toml", SEARCH), priced(), folder / "runs")
    write_json(folder / validation.NAMED, {
        "schema_version": SCHEMA_VERSION, "calibration": [], "held_out": [each.name for each in runs],
        "searches": [search.name]})
    return folder


def without_searches(measured: Path, folder: Path) -> Path:
    """Return a copy of the validation, without its searches for a capacity limit."""
    names = validation.named(measured)
    for name in names["held_out"]:
        shutil.copytree(measured / "runs" / name, folder / "runs" / name)
    write_json(folder / validation.NAMED, {"schema_version": SCHEMA_VERSION, **names, "searches": []})
    return folder


def judged(folder: Path, costs: CostsFile) -> ValidationPage:
    """Return the validation with these costs."""
    write_costs(folder / "costs.json", costs)
    return validation.judge(folder, Lines, lambda _: None)


def test_right_costs_foretell_everything(measured: Path) -> None:
    """To the last digit, since the measured trials were simulated with them; in the table that was promised,
    with a row for each quantity of each cell."""
    found = judged(measured, priced())
    assert {row.met for row in found.rows} == {"yes", "", "open"}
    for row in found.rows:
        assert math.isnan(row.error) or row.error == pytest.approx(0, abs=1e-6), row
        decided = row.quantity != "knee_clients" and not math.isnan(row.interval_low)
        assert not decided or row.met in ("yes", ""), row
    with (measured / "validation.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["transport", "clients", "load", "quantity", "measured", "predicted", "error",
                       "interval_low", "interval_high", "goal", "met", "run"]
    assert [row[3] for row in rows].count("knee_clients") == 2
    assert len(rows) == 1 + 8 * len(transports.own_names()) + 2


def test_wrong_costs_are_noticed_and_explained(measured: Path, tmp_path: Path) -> None:
    """Half as much again is missed in CPU and told in the page; bytes, which don't hang on costs, are met."""
    folder = without_searches(measured, tmp_path / "wrong")
    found = judged(folder, expensive(priced(), 1.5))
    by_key = {(row.transport, row.quantity): row for row in found.rows}
    for transport in ("websocket", "long_polling"):
        assert by_key[transport, "server_cpu_us_per_update"].met == "no"
        assert by_key[transport, "server_cpu_us_per_update"].error > 0.2
        assert by_key[transport, "bytes_per_update"].met == "yes"
        assert found.reasons[by_key[transport, "server_cpu_us_per_update"].key]
    page = (folder / "report.html").read_text()
    assert "outside with proof" in page
    assert "costs measured on nowhere" in page
    assert (folder / "figures" / "predicted-over-measured.svg").is_file()


def test_two_runs_with_the_same_cells_have_rows_and_reasons_of_their_own(measured: Path, tmp_path: Path) -> None:
    folder = without_searches(measured, tmp_path / "twice")
    names = validation.named(folder)
    shutil.copytree(folder / "runs" / names["held_out"][0], folder / "runs" / "again")
    write_json(folder / validation.NAMED, {
        "schema_version": SCHEMA_VERSION, **names, "held_out": [*names["held_out"], "again"]})
    found = judged(folder, expensive(priced(), 1.5))
    assert len({row.key for row in found.rows}) == len(found.rows) == 2 * 8 * len(transports.own_names())
    for run in (*names["held_out"], "again"):
        assert found.reasons[run, "websocket", 60, "server_cpu_us_per_update"]
        assert f"({run})" in (folder / "report.html").read_text()


def test_costs_that_were_fitted_to_the_same_cells_are_refused(measured: Path, tmp_path: Path) -> None:
    """Whatever the folder says."""
    folder = without_searches(measured, tmp_path / "again")
    seen = observe(folder / "runs" / validation.named(folder)["held_out"][0])
    own = calibrate([*seen, *seen], "here", {}, "2026-11-22T18:00:00Z", None, {})
    with pytest.raises(OverlapError):
        judged(folder, own)


def test_a_folder_that_is_no_validation_is_refused(tmp_path: Path) -> None:
    """With file and field."""
    with pytest.raises(RunError, match=r"held-out\.json: no such file"):
        validation.named(tmp_path)
    write_json(tmp_path / validation.NAMED, {"schema_version": SCHEMA_VERSION, "calibration": 3})
    with pytest.raises(RunError, match="calibration: found 3"):
        validation.named(tmp_path)


def test_a_cell_without_a_simulated_trial_is_not_said_to_have_no_measured_one() -> None:
    """It has no pair, and that is all that is known."""
    measured = SimpleNamespace(folder=Path("larger"), trials=pd.DataFrame(
        {"transport": ["websocket", "sse"], "clients": [5, 5], "verdict": ["VALID", "VALID"]}))
    judged_pairs = pd.DataFrame({"transport": ["sse"], "clients": [5]})
    notes = validation._left_out(measured, judged_pairs)   # type: ignore[arg-type]
    assert notes == ["websocket at 5 clients has no pair of VALID trials, a measured and a simulated one, and was not "
                     "judged."]


@pytest.mark.parametrize(("feed", "error"), [
    ({}, 0.2), ({"schedule": "replay"}, math.nan), ({"encoding": "compact"}, math.nan),
])
def test_a_fit_to_another_feed_says_nothing(feed: dict[str, str], error: float) -> None:
    """A replayed feed has no rate, whatever its field says."""
    question = prepare.read("quick", ["load.clients=[100]"])
    fitted = {cell.transport: FittedCell(cell, 4, {}, server_cpu_cores=0.5, fitted_cpu_cores=0.6, load_cpu_cores=0.1,
                                         fitted_load_cores=0.1) for cell in resimulate.cells_of(question)}
    costs = replace(priced(), transports=[replace(each, fitted=[fitted[each.kind.transport]])
                                          for each in priced().transports if each.kind.transport in fitted])
    scenario = question.scenario.model_copy(update={"feed": question.scenario.feed.model_copy(update=feed)})
    run = SimpleNamespace(manifest=SimpleNamespace(scenario=scenario, subjects={
        label: SimpleNamespace(options=options) for label, options in question.options.items()}))
    found = validation._qualities(run, costs)   # type: ignore[arg-type]
    assert found["websocket"].alike_error == pytest.approx(error, nan_ok=True)
