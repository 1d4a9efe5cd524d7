"""The figures of a storm: the floor is drawn, what never ends is hatched, titles say the finding."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from bench.report.figures import storm as figures

STORMS = pd.DataFrame([
    {"policy": policy, "seed": seed, "clients": 100, "connection_ms": 100.0, "backlog": 10,
     "refusal_share": 0.1, "timeout_s": 2.0, "down_s": 1.0, "horizon_s": 60.0, "floor_s": 10.0,
     "recovered_s": late, "connected_share": back, "attempts_per_client": tries, "wasted_share": wasted}
    for policy, late, back, tries, wasted in (
        ("fixed", math.inf, 0.0, 60.0, 1.0), ("full_jitter", 20.0, 1.0, 5.0, 0.3),
        ("spread", 12.0, 1.0, 1.2, 0.0))
    for seed in (1, 2)
])
TIMELINES = pd.DataFrame([
    {"policy": policy, "at_s": float(second), "attempts": 50, "connected": rate, "refused": 0, "stale": 0,
     "connected_share": max(0, second) * rate / 100, "wait_mean_s": math.nan if not rate else 0.5}
    for policy, rate in (("fixed", 0), ("full_jitter", 5), ("spread", 9)) for second in range(-1, 12)
])
POINTS = pd.DataFrame([
    {"backlog_share": backlog, "window_share": window, "floor_s": 10.0, "seeds": 2, "recovered": recovered,
     "recovered_s": late, "connected_share": back}
    for backlog, window, recovered, late, back in (
        (0.5, 0.0, 2, 15.0, 1.0), (0.5, 1.2, 2, 12.0, 1.0), (2.0, 0.0, 0, math.inf, 0.004),
        (2.0, 1.2, 1, 13.0, 0.9))
])


def test_policies_come_quickest_first() -> None:
    assert figures.order(STORMS) == ["spread", "full_jitter", "fixed"]


def test_recovery_draws_the_floor_and_hatches_what_never_ends() -> None:
    figure = figures.recovery(STORMS)
    left = figure.axes[0]
    assert figures.headline(STORMS) == "Spread is back after 1.2 × the floor; fixed never"
    assert any(list(line.get_xdata()) == [10.0, 10.0] for line in left.lines)
    hatched = [bar for bar in left.patches if bar.get_hatch()]
    assert len(hatched) == 1
    assert any("not in 60 s: 0 % back" in text.get_text() for text in left.texts)


@pytest.mark.parametrize(("late", "title"), [
    ([math.inf] * 6, "No policy gets the clients back"),
    ([30.0, 30.0, 20.0, 20.0, 12.0, 12.0], "Spread is back after 1.2 × the floor; fixed takes 3 ×"),
])
def test_the_headline_follows_the_numbers(late: list[float], title: str) -> None:
    assert figures.headline(STORMS.assign(recovered_s=late)) == title


def test_who_is_back_has_a_line_a_policy_and_the_floor() -> None:
    axes = figures.connected(STORMS, TIMELINES).axes[0]
    floor = axes.lines[0]
    assert [float(x) for x in floor.get_xdata()][:2] == [0.0, 10.0]   # type: ignore[union-attr, arg-type]
    assert len(axes.lines) == 1 + 3


def test_pressure_draws_capacity_and_timeout_for_each_policy() -> None:
    figure = figures.pressure(STORMS, TIMELINES)
    assert len(figure.axes) == 6
    for left, right in zip(figure.axes[::2], figure.axes[1::2], strict=True):
        assert any(list(line.get_ydata()) == [10.0, 10.0] for line in left.lines)
        assert any(list(line.get_ydata()) == [2.0, 2.0] for line in right.lines)
    assert "no connection succeeds" in figure.axes[5].texts[0].get_text()


def test_the_map_hatches_what_never_ends_and_stars_what_sometimes_does_not() -> None:
    figure = figures.map_of(POINTS)
    axes = figure.axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert "never\n< 1 % back" in texts
    assert "1.30*" in texts
    assert "1.50" in texts
    assert len([patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_hatch()]) == 1
    assert figures.map_headline(POINTS).startswith("A backlog of 2 × the clients that a worker connects")
    assert figures.map_headline(POINTS.assign(recovered=2)).startswith("Every storm ends here")


@pytest.mark.parametrize(("recovered", "told"), [(1, False), (2, True)])
def test_a_window_always_gets_through_only_if_every_seed_does(recovered: int, told: bool) -> None:
    points = POINTS.assign(recovered=[2, 2, 0, recovered])
    title = figures.map_headline(points)
    assert ("first attempts spread over 1.2 × the floor always get through" in title) == told


def test_the_depth_that_a_worker_connects_in_time_is_marked_only_where_it_is_on_the_map() -> None:
    assert len(figures.map_of(POINTS).axes[0].lines) == 1
    assert len(figures.map_of(POINTS[POINTS["backlog_share"] < 1]).axes[0].lines) == 0


def test_one_policy_is_compared_with_none() -> None:
    spread = STORMS[STORMS["policy"] == "spread"]
    assert figures.headline(spread) == "Spread is back after 1.2 × the floor"
