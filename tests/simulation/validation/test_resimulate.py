"""Twins of measured runs, and what a prediction may not know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from posed import posed
from priced import priced

from bench.errors import OverlapError
from bench.experiment import prepare, series
from bench.experiment.progress import Lines
from bench.report.data.run import open_run
from bench.simulation.calibration.calibration import calibrate
from bench.simulation.calibration.costs import write_costs
from bench.simulation.calibration.observations import observe
from bench.simulation.validation import resimulate

SMALL = ("load.clients=[20, 40]", "trials.count=2", "windows.measure_s=1.0")


def test_the_projects_own_validation_does_not_overlap_with_its_calibration() -> None:
    """Every held-out cell is new."""
    held_out = [cell for each in series.questions("validation") for cell in resimulate.cells_of(each)]
    known = [cell for each in series.questions("calibration") for cell in resimulate.cells_of(each)]
    resimulate.refuse_overlap(held_out, known, "scenarios/validation")
    assert len(held_out) >= 9


def test_an_overlap_is_refused() -> None:
    """Same transport, options, clients, rate and payload; any of them another, and it is new."""
    known = resimulate.cells_of(prepare.read("quick", ["load.clients=[100, 200]"]))
    with pytest.raises(OverlapError, match=r"found short polling at 200 clients and 20\.0 ticks per second"):
        resimulate.refuse_overlap(
            resimulate.cells_of(prepare.read("quick", ["load.clients=[200]"])), known, "here")
    for other in ("load.clients=[201]", "feed.rate_per_s=21.0", "feed.book_levels=1"):
        asked = prepare.read("quick", ["load.clients=[200]", other])
        resimulate.refuse_overlap(resimulate.cells_of(asked), known, "here")


def test_an_overlap_of_a_replayed_feed_names_no_rate() -> None:
    (known, *_) = resimulate.cells_of(prepare.read("quick", ["load.clients=[100]"]))
    replayed = replace(known, rate_per_s=None)
    with pytest.raises(OverlapError, match="at 100 clients and a replayed feed, allowed is"):
        resimulate.refuse_overlap([replayed], [replayed], "here")
    resimulate.refuse_overlap([replayed], [known], "here")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return posed(prepare.read("quick", SMALL), priced(), tmp_path_factory.mktemp("results"))


def test_what_was_fitted_is_known_to_the_file(run: Path) -> None:
    """So that costs from elsewhere can't be judged by what they were made from, either."""
    seen = observe(run)
    fitted = calibrate(seen, "here", {}, "2026-11-22T18:00:00Z", None, {})
    with pytest.raises(OverlapError):
        resimulate.refuse_overlap([each.cell for each in seen], resimulate.fitted_cells(fitted), "here")


def test_a_run_that_is_simulated_again_has_the_same_trials(run: Path, tmp_path: Path) -> None:
    """Name by name and seed by seed, with figures of its own source."""
    path = tmp_path / "costs.json"
    write_costs(path, priced())
    resimulated = resimulate.simulate(run, path, tmp_path / "simulated", Lines, lambda _: None, [])
    mine, theirs = open_run(run).trials, open_run(resimulated.folder).trials
    assert mine[["trial", "seed"]].equals(theirs[["trial", "seed"]])
    assert (set(mine["source"]), set(theirs["source"])) == ({"measured"}, {"simulated"})
    assert mine["latency_p50_ms"].equals(theirs["latency_p50_ms"]), "the costs are the same, too"
