"""A run behind one import: its frames, figures and units, and sentences in words that are mistaken for none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from synthetic import Plan, make_run

from bench import open_run
from bench.errors import RunError
from bench.report import RunData
from bench.report.explore import RUN
from bench.report.figures.run import COMPARED


def test_it_holds_what_the_report_shows(folder: Path, run: RunData) -> None:
    mine = open_run(folder)
    assert mine.summary.equals(run.summary)
    assert list(mine.figures) == [spec.name for spec in COMPARED]
    assert len(mine.figures) == len(COMPARED)
    assert "bytes-per-update" in mine.figures
    assert "none" not in mine.figures
    assert mine.figures["bytes-per-update"].get_suptitle().startswith("What does an update cost")
    assert mine.figures.caption("bytes-per-update").startswith("Bytes on the wire")
    assert (mine.units["latency_p99_ms"], mine.units["lost"]) == ("ms", "")
    assert mine.clients == 30
    assert mine.question == mine.data.scenario.question
    assert set(mine.closed_forms["transport"]) == {"short_polling", "long_polling"}
    assert mine.findings[0].startswith("Lowest median latency")
    with pytest.raises(RunError, match="figures: found 'none', allowed are latency-percentiles"):
        mine.figures["none"]


def test_raw_deliveries_are_there_or_are_said_not_to_be(tmp_path: Path) -> None:
    copy = make_run(tmp_path / "run", Plan(trials=2, clients=(5,)))
    one = open_run(copy)
    rows = one.deliveries()
    assert rows is not None
    assert (rows["latency_ms"] > 0).all()
    name = one.trials["trial"].iloc[3]
    assert one.deliveries(name) is not None
    shutil.rmtree(copy / "trials" / name)
    assert one.deliveries(name) is None
    with pytest.raises(RunError, match="trial: found 'another'"):
        one.deliveries("another")


def test_a_run_that_is_not_named_is_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run(tmp_path / "run", Plan(trials=1, clients=(2,)), raw=False)
    monkeypatch.setenv(RUN, str(folder))
    assert open_run().folder == folder
    monkeypatch.delenv(RUN)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "latest").symlink_to(folder)
    assert open_run().folder == folder
