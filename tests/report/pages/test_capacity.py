"""The page of a search: every step, the limits in words and in figures, and the side that reached its limit."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from searches import searched

from bench.report import RunData, build
from bench.report.pages import capacity


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    return searched(tmp_path_factory.mktemp("runs") / "search")


def test_the_limits_are_in_the_run(run: RunData) -> None:
    assert run.capacity_limits is not None
    table = run.capacity_limits.set_index("transport")
    assert table.at["websocket", "clients"] == 120
    assert table.at["websocket", "limited_by"] == "time"
    assert table.at["websocket", "limit_low"] == 120
    assert table.at["lossy", "broke_at"] == 30
    assert run.lacks == "1 of 2 capacity limits not found: websocket"
    assert run.summary["transport"].tolist() == ["websocket"]
    assert run.summary["clients"].tolist() == [120]


def test_findings_name_who_gave_in(run: RunData) -> None:
    leads = [finding.lead for finding in capacity.findings(run)]
    assert leads[0].startswith("WebSocket carries at least 120 clients")
    assert "before anything broke" in leads[0]
    assert leads[1].startswith("lossy did not hold kernel_latency_p99_ms <= 50 and lost == 0 even at 30 ")


def test_a_limit_stands_with_its_interval_and_no_digit_that_is_not_known(run: RunData) -> None:
    row = {"transport": "websocket", "objective": "x", "limit": 1234.5, "limit_low": 1080.2,
           "limit_high": 1399.9, "clients": 1189, "rate_per_s": 20.0, "updates_per_s": 23_780.0,
           "server_cpu": 0.97, "limited_by": "server CPU"}
    assert capacity.limit_text(row) == "1,230 (1,080–1,400)"
    search = capacity.capacity_of(run)
    sentence = capacity._sentence(row, search.model_copy(update={"precision": 0.15}))
    assert sentence.startswith("WebSocket carries 1,230 (1,080–1,400) clients; at 1,189 it delivered 23,780 ")
    assert "(± 14 %, wider than the ± 10 % that were asked for)" in capacity._sentence(
        row, search.model_copy(update={"precision": 0.1}))
    assert capacity.limit_text(row | {"limit": math.nan, "limit_high": math.nan}) == "≥ 1,080"
    assert capacity.limit_text(row | {"limit": math.nan, "limit_low": math.nan}) == "< 1,400"


def test_a_kernels_figure_is_marked_where_reads_held_several_updates(run: RunData) -> None:
    column = capacity.steps_table(run).columns.index("kernel_latency_p99_ms")
    shared = replace(run, trials=run.trials.assign(shared_read_share=0.4))
    exact = replace(run, trials=run.trials.assign(shared_read_share=0.0))
    assert {row[column][0] for row in capacity.steps_table(shared).rows if row[column] != "lost"} == {"≤"}
    assert "≤" not in {row[column][0] for row in capacity.steps_table(exact).rows}


def test_every_step_is_listed_once(run: RunData) -> None:
    table = capacity.steps_table(run)
    assert len(table.rows) == len(run.trials)
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert {row[-2] for row in table.rows if row[1] == "lossy"} == {"broke"}


def test_the_report_holds_it_all(run: RunData) -> None:
    build(run.folder)
    files = {path.name for path in run.folder.iterdir()}
    assert {"capacity.csv", "report.html", "report.md"} <= files
    first = (run.folder / "capacity.csv").read_text().partition("\n")[0]
    assert first.startswith("transport,objective,limit,limit_low,limit_high,clients,updates_per_s,")
    html = (run.folder / "report.html").read_text()
    for finding in capacity.findings(run):
        assert finding.lead.partition(" <= ")[0] in html
    before = (run.folder / "report.html").read_bytes()
    for path in run.folder.glob("trials/*/*.parquet"):
        path.unlink()
    build(run.folder)
    assert (run.folder / "report.html").read_bytes() == before
