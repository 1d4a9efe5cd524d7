"""The page of a search: every step, the knees in words, the figure with its ring, and who gave in."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from synthetic import Made, Plan, make_run

from bench.report import Run, build, capacity, open_run

SEARCH = {"objective": "latency_p99_ms <= 50 and lost == 0", "raised": "clients", "start": 30, "most": 240,
          "factor": 2.0, "precision": 1.0, "time_s": 300.0}
PLAN = Plan(trials=2, clients=(30, 60, 120), subjects={
    "websocket": Made(delay_s=0.004), "lossy": Made(delay_s=0.004, loss=0.3)})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A search in which one transport holds all that was tried, and one loses updates from the start."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "search", PLAN)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["scenario"]["capacity"] = SEARCH
    path.write_text(json.dumps(manifest))
    return open_run(folder)


def test_the_knees_are_in_the_run(run: Run) -> None:
    assert run.knees is not None
    table = run.knees.set_index("transport")
    assert table.at["websocket", "clients"] == 120
    assert table.at["websocket", "limited_by"] == "time"
    assert table.at["lossy", "broke_at"] == 30
    assert not run.settled
    assert run.summary["transport"].tolist() == ["websocket"]
    assert run.summary["clients"].tolist() == [120]


def test_findings_name_who_gave_in(run: Run) -> None:
    leads = [finding.lead for finding in capacity.findings(run)]
    assert leads[0].startswith("WebSocket held 120 clients")
    assert "at least this" in leads[0]
    assert leads[1].startswith("lossy did not hold latency_p99_ms <= 50 and lost == 0 even at 30 clients")


def test_every_step_is_listed_once(run: Run) -> None:
    table = capacity.steps_table(run)
    assert len(table.rows) == len(run.trials)
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert {row[-2] for row in table.rows if row[1] == "lossy"} == {"not held"}


def test_the_figure_rings_the_knee_and_draws_the_bound(run: Run) -> None:
    axes = capacity.against_level(run).axes[0]
    words = {text.get_text() for text in axes.texts}
    assert words == {"120", "latency_p99_ms <= 50"}
    names = [text.get_text() for text in axes.figure.legends[0].get_texts()]   # type: ignore[union-attr]
    assert names == ["WebSocket", "lossy"]
    rings = [line for line in axes.lines if line.get_markersize() == 15]
    assert [list(line.get_xdata()) for line in rings] == [[120]]   # type: ignore[arg-type]


def test_steps_with_too_few_updates_are_a_figure_without_points(run: Run) -> None:
    few = replace(run, trials=run.trials.assign(latency_p99_ms=math.nan))
    axes = capacity.against_level(few).axes[0]
    axes.figure.canvas.draw()   # type: ignore[attr-defined]
    assert axes.get_xlim() == (15, 240)


def test_a_figure_that_is_zero_is_seen(run: Run) -> None:
    scenario = run.manifest["scenario"] | {"capacity": SEARCH | {"objective": "lost == 0"}}
    axes = capacity.against_level(replace(run, manifest={**run.manifest, "scenario": scenario})).axes[0]
    assert axes.get_yscale() == "linear"
    assert {text.get_text() for text in axes.texts} == {"120", "lost == 0"}
    low, high = axes.get_ylim()
    assert low < 0 < max(run.trials["lost"]) < high


def test_the_report_holds_it_all(run: Run) -> None:
    build(run.folder)
    files = {path.name for path in run.folder.iterdir()}
    assert {"capacity.csv", "report.html", "report.md"} <= files
    first = (run.folder / "capacity.csv").read_text().partition("\n")[0]
    assert first.startswith("transport,objective,clients,updates_per_s,server_cpu,limited_by,")
    html = (run.folder / "report.html").read_text()
    for finding in capacity.findings(run):
        assert finding.lead.partition(" <= ")[0] in html
    before = (run.folder / "report.html").read_bytes()
    for path in run.folder.glob("trials/*/*.parquet"):
        path.unlink()
    build(run.folder)
    assert (run.folder / "report.html").read_bytes() == before
