"""The figure of a comparison: a mark for each change, filled only where it is one."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from bench.report import style
from bench.report.figures import change as figures
from bench.stats.run.intervals import Effect, Interval
from bench.stats.run.regressions import Change

STYLES = style.styles(("short_polling", "websocket"))


def change(label: str, figure: str, ratio: float, p: float = 0.001, clients: int = 30) -> Change:
    interval = Interval(ratio, 0.98 * ratio, 1.02 * ratio, 10)
    return Change(label, clients, figure, 10.0, 10.0 * ratio, Effect("ratio", interval, p, p))


FOUND = [change("short_polling", "latency_p50_ms", 1.3), change("websocket", "latency_p50_ms", 1.01, 0.6),
         change("websocket", "server_cpu_us_per_update", 0.5, clients=60)]


def test_every_change_is_a_mark_filled_where_it_is_one() -> None:
    figure = figures.changes(FOUND, STYLES, 0.05)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["30 clients", "60 clients"]
    marks = [line for axes in figure.axes for line in axes.get_lines()
             if line.get_marker() in ("o", "^") and line.get_alpha() is None and len(line.get_xdata()) == 1]
    drawn = {float(line.get_xdata()[0]): line.get_markerfacecolor() for line in marks}  # type: ignore[index]
    assert set(drawn) == {1.3, 1.01, 0.5}
    assert drawn[1.01] == "white"
    assert "white" not in (drawn[1.3], drawn[0.5])
    low, high = figure.axes[0].get_xlim()
    assert low < 0.49
    assert high > 1.33


@pytest.mark.parametrize(("given", "ratio"), [
    (change("a", "latency_p50_ms", 1.3), 1.3),
    (Change("a", 3, "age_excess_mean_ms", 4.0, 5.0, Effect("difference", Interval(1.0, 0.5, 1.5, 6), 0.01)), 1.25),
    (Change("a", 3, "lost_share", 0.0, 0.1, Effect("difference", Interval(0.1, 0.1, 0.1, 6), 0.01)), math.nan),
    (Change("a", 3, "latency_p50_ms", 1.0, math.nan, Effect("ratio", Interval(*[math.nan] * 3, 0), math.nan), True),
     math.nan),
])
def test_a_change_is_relative_or_in_the_table_alone(given: Change, ratio: float) -> None:
    assert figures.relative(given)[0] == pytest.approx(ratio, nan_ok=True)


@pytest.mark.parametrize("ratio", [1.1, 1.6, 3.1, 8.0, 50.0])
def test_labels_of_the_axis_are_apart(ratio: float) -> None:
    (axes,) = figures.changes([change("websocket", "latency_p50_ms", ratio)], STYLES, 0.05).axes
    places = [math.log(each) for each in axes.get_xticks()]
    half = math.log(axes.get_xlim()[1])
    assert all(after - before >= 0.25 * half for before, after in pairwise(places))
