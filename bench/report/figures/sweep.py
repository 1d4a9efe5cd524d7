"""The figure of a sweep: freshness against cost, a curve for each transport whose option was swept.

    left    excess age against server CPU per update        right   excess age against bytes per update
    a row for each rate of the feed, where runs at other rates were put beside this one

Down and to the left is better. Each point is one value of the option, written beside it; a transport that was not
swept is a single point. The grey line is the frontier: the lowest excess age that any subject reaches with at most
that CPU, or those bytes. A point above it costs as much as another subject that is fresher.

Known weakness: the frontier is that of the estimates; two points near it may be a tie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report import style
from bench.report.data.run import RunData, shown_clients
from bench.report.data.swept import AGE, SweptCurve, by_rate, curves_of
from bench.report.figures.spec import FigureSpec
from bench.stats.run.intervals import FEW
from bench.stats.run.summary import cell_interval

PANELS = (("server_cpu_us_per_update", "server CPU per update (µs, log scale)"),
          ("bytes_per_update", "bytes per update (both ways, log scale)"))


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that no other point beats in both, by cost: each is fresher than all that cost less."""
    found: list[tuple[float, float]] = []
    for cost, age in sorted(points):
        if not found or age < found[-1][1]:
            found.append((cost, age))
    return found


def sweep(run: RunData) -> Figure:
    """Draw excess age against server CPU and against bytes, a curve for each transport, with both frontiers."""
    found, rates = curves_of(run), by_rate(run)
    styles = style.styles([curve.label for curve in found])
    with style.settings():
        figure = Figure(figsize=(9.2, 0.8 + 4.0 * len(rates)), layout="constrained")
        rows = figure.subplots(len(rates), 2, sharey="row", squeeze=False)
        for (rate, trials), row in zip(rates, rows, strict=True):
            cells = {str(label): cell for label, cell in trials.groupby("transport")}
            for axes, (column, text) in zip(row, PANELS, strict=True):
                points = [point for curve in found
                          for point in _curve(axes, curve, styles[curve.label], cells, column)]
                axes.set_xlabel(text)
                if points:   # an axis without a point has no logarithms
                    _frontier(axes, points)
            row[0].set_ylabel("mean excess age (ms, log scale)")
            if len(rates) > 1:
                row[0].set_title(style.tick_rate([rate]))
        style.legend(figure, max(rows[:, 0], key=lambda axes: len(axes.get_lines())))
    return figure


def _frontier(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """Draw the frontier of the points, (cost, age), on logarithmic scales."""
    line = frontier(points)
    axes.plot([cost for cost, _ in line], [age for _, age in line], color=style.FAINT, linewidth=5, alpha=0.3,
              zorder=1, label="frontier", solid_capstyle="round", marker="o" * (len(line) == 1), markersize=18)
    axes.set(xscale="log", yscale="log")
    axes.margins(0.12)
    style.plain_ticks(axes, "x")
    style.plain_ticks(axes, "y")


def _curve(axes: Axes, curve: SweptCurve, look: style.Style, cells: dict[str, pd.DataFrame], column: str
           ) -> list[tuple[float, float]]:
    """Draw the points of one curve with their intervals and values; return them as (cost, age)."""
    drawn, texts, names = [], [], []
    for value, label in curve.subjects:
        if label not in cells:
            continue
        cost, age = (cell_interval(cells[label], name) for name in (column, AGE))
        if not (0 < cost.estimate < math.inf and 0 < age.estimate < math.inf):
            continue
        drawn.append((cost.estimate, age.estimate))
        names.append(value)
        texts.append(f"{look.name}{f', {curve.option} {value}' if value else ''}: {style.number(age.estimate)} ms, "
                     f"{style.number(cost.estimate)} {'B' if column == 'bytes_per_update' else 'µs'}")
        if cost.count > FEW and min(cost.low, age.low) > 0:
            reach = [[[each.estimate - each.low], [each.high - each.estimate]] for each in (cost, age)]
            axes.errorbar([cost.estimate], [age.estimate], xerr=reach[0], yerr=reach[1], color=look.colour,
                          elinewidth=0.9, linestyle="none", alpha=0.6)
    if not drawn:
        return []
    x, y = [cost for cost, _ in drawn], [age for _, age in drawn]
    swept = f" by {curve.option}" if curve.option else ""
    axes.plot(x, y, color=look.colour, marker=look.marker, linewidth=1.2, label=f"{look.name}{swept}")
    for point, value in zip(drawn, names, strict=True):
        axes.annotate(value, point, (6, 4), textcoords="offset points", size=8, color=style.darker(look.colour))
    style.point_tips(axes, x, y, texts)
    return drawn


def _caption(run: RunData) -> str:
    bars = "Bars are 95 % intervals between trials. " * bool((run.summary["valid_trials"] > FEW).any())
    return ("Excess age against server CPU (left) and against bytes on the wire (right), per update. Down and to the "
            "left is better. Each point is one value of the option that was swept, written beside it; a transport that "
            "was not swept is one point. The wide grey line (a grey disc where one point is the best in both) is the "
            "frontier: what lies above it costs as much and is staler than something else. "
            f"{bars}A row is one rate of the feed.")


SWEEP = FigureSpec[RunData](
    "sweep", lambda run: f"What does freshness cost? ({style.counted(shown_clients(run), 'client')})", sweep, _caption,
    worth=lambda run: bool(run.scenario.sweep))
