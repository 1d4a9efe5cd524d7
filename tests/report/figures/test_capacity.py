"""The figure of a search: every step, the objective's bound, and the limits on it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from manifests import asking
from searches import searched

from bench.report import RunData
from bench.report.figures.capacity import FULL, against_level


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    return searched(tmp_path_factory.mktemp("runs") / "search")


def test_the_figure_draws_the_limit_on_the_bound(run: RunData) -> None:
    axes = against_level(run).axes[0]
    words = {text.get_text() for text in axes.texts}
    assert words == {"≥ 120", "kernel_latency_p99_ms <= 50"}
    names = [text.get_text() for text in axes.figure.legends[0].get_texts()]   # type: ignore[union-attr]
    assert names == ["WebSocket", "lossy"]
    arrows = [line for line in axes.lines if line.get_marker() == ">"]
    assert [list(line.get_xdata()) for line in arrows] == [[120]]   # type: ignore[arg-type]


def test_a_limit_is_a_bar_as_long_as_its_interval(run: RunData) -> None:
    slow = run.trials["clients"] == 120
    broken = run.trials.assign(
        kernel_latency_p99_ms=run.trials["kernel_latency_p99_ms"].where(~slow, 70.0))
    found = replace(run, trials=broken)
    assert found.capacity_limits is not None
    row = found.capacity_limits.set_index("transport").loc["websocket"]
    axes = against_level(found).axes[0]
    bars = [list(line.get_xdata()) for line in axes.lines if line.get_linewidth() == 6]
    assert bars == [[row["limit_low"], row["limit_high"]]]


def test_steps_with_too_few_updates_are_a_figure_without_points(run: RunData) -> None:
    few = replace(run, trials=run.trials.assign(kernel_latency_p99_ms=math.nan, latency_p99_ms=math.nan))
    axes = against_level(few).axes[0]
    axes.figure.canvas.draw()   # type: ignore[attr-defined]
    assert axes.get_xlim() == (15, 240)


def test_a_figure_that_is_zero_is_seen(run: RunData) -> None:
    axes = against_level(asking(run, capacity={"objective": "lost == 0"})).axes[0]
    assert axes.get_yscale() == "linear"
    assert {text.get_text() for text in axes.texts} == {"≥ 120", "lost == 0"}
    low, high = axes.get_ylim()
    assert low < 0 < max(run.trials["lost"]) < high


def test_a_search_knows_the_form_of_what_was_raised() -> None:
    assert set(FULL) == {"clients", "rate_per_s"}
