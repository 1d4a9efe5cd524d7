"""The figures of speed: units on every axis, a question as title, only what may be drawn."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from manifests import asking
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch

from bench.report import RunData
from bench.report.figures import cost, speed
from bench.report.figures.run import COMPARED
from bench.report.figures.spec import FigureSpec
from bench.stats.run.summary import summarise


def lines(figure: Figure) -> dict[str, np.ndarray]:
    return {str(line.get_label()): line.get_xydata() for line in figure.axes[0].get_lines()}


def marks(figure: Figure) -> int:
    """Return how many points and bars of the data the figure shows."""
    return sum(
        int(np.isfinite(np.asarray(line.get_ydata(), dtype=float)).sum())
        for axes in figure.axes for line in axes.get_lines()
    ) + sum(
        np.isfinite(patch.get_width()) and patch.get_width() > 0
        for axes in figure.axes for patch in axes.patches if isinstance(patch, Rectangle)
    )


@pytest.mark.parametrize("spec", COMPARED, ids=lambda spec: spec.name)
def test_a_figure_can_be_read_alone(spec: FigureSpec[RunData], run: RunData) -> None:
    figure = spec.figure(run)
    assert figure.get_suptitle().endswith(("?", "clients)"))
    for axes in figure.axes:
        assert axes.get_ylabel() or len(axes.get_yticklabels()) > 0
    assert any(unit in axes.get_xlabel() + axes.get_ylabel()
               for axes in figure.axes for unit in ("(ms", "bytes", "(µs)", "per second"))
    names = {"short polling", "long polling", "WebSocket"}
    shown = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    shown |= {axes.get_title(loc="left").partition(":")[0] for axes in figure.axes}
    shown |= {label.get_text().partition(",")[0] for axes in figure.axes for label in axes.get_yticklabels()}
    assert names <= shown


def test_percentiles_end_where_they_may_no_longer_be_printed(run: RunData) -> None:
    figure = speed.percentiles(run)
    assert 1 - 10 ** -lines(figure)["WebSocket"][-1, 0] == pytest.approx(0.99, abs=0.002)
    vague = run.trials.assign(latency_p99_error_share=0.9, latency_p999_error_share=0.9)
    ends = lines(speed.percentiles(replace(run, trials=vague)))["WebSocket"][-1, 0]
    assert 1 - 10 ** -ends == pytest.approx(0.95, abs=0.002)
    old = run.trials.assign(**{name: math.nan for name in run.trials if name.endswith("_error_share")})
    cell = old[(old["clients"] == 30) & (old["transport"] == "websocket")]["delivered"]
    least = max(10 / cell.min(), 100 / cell.sum())
    last = 1 - 10 ** -lines(speed.percentiles(replace(run, trials=old)))["WebSocket"][-1, 0]
    assert 1 - least * 1.1 < last <= 1 - least + 1e-9


def test_the_median_in_the_figure_is_the_summarys(run: RunData) -> None:
    figure = speed.percentiles(run)
    drawn = lines(figure)["WebSocket"]
    median = np.interp(-np.log10(0.5), drawn[:, 0], drawn[:, 1])
    row = run.summary.set_index(["transport", "clients"]).loc[("websocket", 30)]
    assert median == pytest.approx(row["latency_p50_ms"], rel=0.02)


def test_lost_updates_end_the_line_and_it_says_so(troubled: RunData) -> None:
    figure = speed.percentiles(troubled)
    last = 1 - 10 ** -lines(figure)["lossy (simulated)"][-1, 0]
    assert last < 0.75
    assert [text.get_text() for text in figure.axes[0].texts] == ["the rest is lost"]


def test_what_is_lost_from_first_to_last_stays_in_the_legend(run: RunData) -> None:
    gone = run.trials["transport"] == "websocket"
    names = run.trials.loc[gone, "trial"]
    trials = run.trials.assign(lost=run.trials["lost"].where(~gone, run.trials["updates_due"]),
                               delivered=run.trials["delivered"].where(~gone, 0))
    kept = run.distributions[~run.distributions["trial"].isin(names)]
    other = replace(run, trials=trials, distributions=kept)
    assert "WebSocket: all lost" in lines(speed.percentiles(other))


def test_one_trial_has_no_bar(run: RunData) -> None:
    first = run.trials[run.trials["block"] == 1]
    alone = replace(run, trials=first, summary=summarise(first, run.transports))
    for of_run, drawn in ((run, True), (alone, False)):
        axes = speed.latency_by_clients(of_run).axes[0]
        bars = [segment for lines in axes.collections for segment in lines.get_segments()]
        assert any(len(segment) == 2 for segment in bars) is drawn


def test_no_bar_is_cut_off(run: RunData) -> None:
    """Where a later panel has more than the first, whose axis it shares."""
    pushed = run.timelines["trial"].isin(run.trials.loc[run.trials["transport"] == "websocket", "trial"])
    arrived = run.timelines["arrived"].where(~pushed, 5 * run.timelines["arrived"])
    figure = speed.deliveries_over_time(replace(run, timelines=run.timelines.assign(arrived=arrived)))
    for axes in figure.axes:
        bars = [patch.get_data().values for patch in axes.patches if isinstance(patch, StepPatch)]
        assert axes.get_ylim()[0] == 0
        assert axes.get_ylim()[1] >= max(values.max() for values in bars) > 0


def test_closed_forms_are_told_apart(run: RunData) -> None:
    axes = speed.latency_by_clients(run).axes[0]
    forms = [line for line in axes.get_lines() if str(line.get_label()).endswith("closed form")]
    assert [str(line.get_label()).partition(",")[0] for line in forms] == ["short polling", "long polling"]
    assert len({line.get_color() for line in forms}) == 2
    styles = speed.run_styles(run)
    assert styles["short_polling"].dashes != styles["long_polling"].dashes


def test_a_run_with_nothing_valid_is_drawn_as_nothing(run: RunData) -> None:
    empty = RunData(run.folder, run.manifest, run.trials.assign(verdict="INVALID"),
                run.summary.assign(**dict.fromkeys(run.summary.columns[3:24])).astype(run.summary.dtypes),
                run.distributions, run.timelines)
    for spec in COMPARED:
        assert marks(spec.draw(run)) > 0, spec.name
        assert marks(spec.draw(empty)) == 0, spec.name


def test_colours_are_the_same_in_every_figure(run: RunData) -> None:
    def colour(figure: Figure) -> str:
        return next(str(line.get_color()) for line in figure.axes[0].get_lines() if len(line.get_xdata()) > 0)
    assert colour(speed.percentiles(run)) == colour(speed.latency_by_clients(run)) == "#D55E00"
    assert colour(cost.server_by_clients(run)) == "#D55E00"


def test_marks_stay_at_their_own_client_count() -> None:
    """However many transports there are: a mark at 10 clients must not look like 8."""
    for count in range(1, 9):
        places = [speed.dodged(number, count) for number in range(count)]
        assert max(map(abs, places)) <= 0.07
        assert len(set(places)) == count
        assert sum(places) == pytest.approx(0)


def test_ages_of_shared_ticks_are_compared_within_blocks(run: RunData) -> None:
    """An effect of a block on all transports is in no bar: quiet symbols are old for everyone."""
    left, _ = speed.age_by_clients(run).axes
    level = run.trials["block"].map({block: 1.0 + block for block in run.trials["block"].unique()})
    moved = replace(run, trials=run.trials.assign(age_mean_ms=run.trials["age_mean_ms"] * level))
    moved = replace(moved, summary=summarise(moved.trials, run.transports))
    there, _ = speed.age_by_clients(moved).axes

    def shares(axes: Axes) -> list[float]:
        bars = [segment for lines in axes.collections for segment in lines.get_segments()]
        return [float(bar[1][1] / bar[0][1]) for bar in bars if len(bar) == 2]
    assert shares(there) == pytest.approx(shares(left), rel=0.02)
    told = [re.findall(r"\(([\d.,]+) to ([\d.,]+)\)", line.get_gid()) for line in there.get_lines() if line.get_gid()]
    ends = [[float(each.replace(",", "")) for each in pair] for pairs in told for pair in pairs]
    assert [high / low for low, high in ends] == pytest.approx(shares(there), rel=0.02)   # tips have the bars' ends


@pytest.mark.parametrize("spec", COMPARED, ids=lambda spec: spec.name)
def test_a_figure_of_one_client_count_is_left_out_where_it_is_a_point_for_each_transport(
    spec: FigureSpec[RunData], run: RunData
) -> None:
    alone = asking(run, load={"clients": [30]})
    assert spec.worth(run)
    assert spec.worth(alone) == (not spec.name.endswith("by-clients"))
