"""The figures of speed: units on every axis, a question as title, only what may be drawn."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from bench.report import Run, cost_figures, figures
from bench.report.page import PLATES


def lines(figure: Figure) -> dict[str, np.ndarray]:
    return {str(line.get_label()): line.get_xydata() for line in figure.axes[0].get_lines()}


@pytest.mark.parametrize("plate", PLATES, ids=lambda plate: plate.name)
def test_a_figure_can_be_read_alone(plate: object, run: Run) -> None:
    figure = plate.draw(run)  # type: ignore[attr-defined]
    title = figure.get_suptitle() or figure.axes[0].get_title(loc="left")
    assert title.endswith(("?", "clients)"))
    for axes in figure.axes:
        assert axes.get_ylabel() or len(axes.get_yticklabels()) > 0
    assert any(unit in axes.get_xlabel() + axes.get_ylabel()
               for axes in figure.axes for unit in ("(ms", "bytes", "(µs)", "a second"))
    names = {"short polling", "long polling", "WebSocket"}
    shown = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    shown |= {axes.get_title(loc="left").partition(":")[0] for axes in figure.axes}
    shown |= {label.get_text().partition(",")[0] for axes in figure.axes for label in axes.get_yticklabels()}
    assert names <= shown


def test_percentiles_end_where_they_may_no_longer_be_printed(run: Run) -> None:
    figure = figures.percentiles(run)
    counted = run.valid[(run.valid["clients"] == 30) & (run.valid["transport"] == "websocket")]["delivered"]
    least = max(10 / counted.min(), 100 / counted.sum())
    last = 1 - 10 ** -lines(figure)["WebSocket"][-1, 0]
    assert last <= 1 - least + 1e-9
    assert last > 1 - least * 1.1


def test_the_median_in_the_figure_is_the_summarys(run: Run) -> None:
    figure = figures.percentiles(run)
    drawn = lines(figure)["WebSocket"]
    median = np.interp(-np.log10(0.5), drawn[:, 0], drawn[:, 1])
    row = run.summary.set_index(["transport", "clients"]).loc[("websocket", 30)]
    assert median == pytest.approx(row["latency_p50_ms"], rel=0.02)


def test_lost_updates_end_the_line(troubled: Run) -> None:
    last = 1 - 10 ** -lines(figures.percentiles(troubled))["lossy (simulated)"][-1, 0]
    assert last < 0.75


def test_a_run_with_nothing_valid_is_drawn_as_nothing(run: Run) -> None:
    empty = Run(run.folder, run.manifest, run.trials.assign(verdict="INVALID"),
                run.summary.assign(**dict.fromkeys(run.summary.columns[3:24])).astype(run.summary.dtypes),
                run.distributions, run.timelines)
    for plate in PLATES:
        plate.draw(empty)


def test_colours_are_the_same_in_every_figure(run: Run) -> None:
    def colour(figure: Figure) -> str:
        return next(str(line.get_color()) for line in figure.axes[0].get_lines() if len(line.get_xdata()) > 0)
    assert colour(figures.percentiles(run)) == colour(figures.latency_by_clients(run)) == "#D55E00"
    assert colour(cost_figures.server_by_clients(run)) == "#D55E00"
