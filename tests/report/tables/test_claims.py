"""Claims in the report: there where the scenario has some, and nowhere else."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bench.report import RunData, open_run
from bench.report.pages.run import page, write
from bench.report.tables import claims

CLAIM = {
    "says": "Polling <takes> half an interval.", "source": "A paper", "stated": [500, 1.0], "unit": "ms",
    "formula": "value", "subject": "short_polling", "column": "latency_mean_ms", "tolerance": 0.2,
    "left_out": "It leaves the network out.",
}


@pytest.fixture
def claiming(folder: Path, tmp_path: Path) -> Path:
    """A copy of the run whose scenario claims something."""
    copy = tmp_path / "claiming"
    shutil.copytree(folder, copy)
    path = copy / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text())
    manifest["scenario"]["claims"] = {"half": CLAIM}
    path.write_text(json.dumps(manifest))
    return copy


@pytest.mark.usefixtures("few_figures")
def test_a_claim_is_in_both_reports_and_in_its_file(claiming: Path) -> None:
    write(open_run(claiming))
    html, markdown = (claiming / "report.html").read_text(), (claiming / "report.md").read_text()
    for text in (html, markdown):
        assert "Published claims, compared with this run" in text
        assert "It leaves the network out." in text
        assert "refuted" in text
    assert "Polling &lt;takes&gt;" in html
    with (claiming / "claims.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["claim"] for row in rows] == ["half", "half"]
    assert rows[1]["verdict"] == "refuted"
    assert list(rows[0])[:6] == ["claim", "source", "stated", "ours", "unit", "verdict"]


def test_ours_are_the_trials_own_numbers(claiming: Path) -> None:
    run = open_run(claiming)
    mine = run.valid[run.valid["transport"] == "short_polling"]["latency_mean_ms"].mean()
    assert run.claims[0].ours.estimate == pytest.approx(mine)
    found = claims.table(run)
    assert found is not None
    assert found.rows[0][3] == claims.ours_text(run.claims[0])


@pytest.mark.usefixtures("few_figures")
def test_a_run_without_claims_has_none_of_it(run: RunData) -> None:
    assert run.claims == []
    assert claims.table(run) is None
    assert "claims" not in [table.name for table in page(run).leading]
    assert not (run.folder / "claims.csv").exists()
