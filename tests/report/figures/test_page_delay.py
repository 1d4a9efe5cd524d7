from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import Made, Plan, make_run

from bench.report import RunData, open_run
from bench.report.figures import run as figures
from bench.report.figures.page_delay import PAGE_DELAY
from bench.report.pages.run import page

PAGE = (("client", "browser"),)


def test_each_row_has_both_medians_and_their_difference(tmp_path: Path) -> None:
    plan = Plan(trials=3, clients=(10, 30), subjects={
        "websocket": Made(), "websocket_browser": Made(delay_s=0.004, options=PAGE)})
    run = open_run(make_run(tmp_path / "pages", plan))
    assert PAGE_DELAY in figures.of(run)
    (axes,) = PAGE_DELAY.figure(run).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["WebSocket, 10 clients", "WebSocket, 30 clients"]
    marks = [line.get_xdata()[0] for line in axes.get_lines() if len(line.get_xdata()) == 1]
    cells = [run.summary[(run.summary["transport"] == label) & (run.summary["clients"] == clients)]
             for clients in (10, 30) for label in ("websocket", "websocket_browser")]
    assert marks == pytest.approx([float(cell["latency_p50_ms"].iloc[0]) for cell in cells])
    assert all(text.get_text().startswith("+") and text.get_text().endswith(" ms") for text in axes.texts)


def test_a_run_whose_pages_all_failed_is_reported_without_it(tmp_path: Path) -> None:
    plan = Plan(trials=1, clients=(10,), failed=("1-1", "1-2"), subjects={
        "websocket": Made(), "websocket_browser": Made(delay_s=0.004, options=PAGE)})
    run = open_run(make_run(tmp_path / "failed", plan))
    assert not PAGE_DELAY.worth(run)
    assert "page-delay" not in [figure.name for figure in page(run).figures]


def test_a_run_without_pages_has_no_such_figure(run: RunData) -> None:
    assert PAGE_DELAY not in figures.of(run)
    assert not PAGE_DELAY.worth(run)
