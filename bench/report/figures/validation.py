"""The figure of a validation: every prediction over its measurement, in one panel per quantity.

A mark on the diagonal was predicted exactly; a mark in the band was predicted to within the goal. A filled mark has a
goal, a hollow one has none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from bench.report import style
from bench.stats.run.prediction import LIMIT, QUANTITIES, ValidationRow

HEADINGS = {
    "latency_mean_ms": "latency, mean (ms)", "latency_p50_ms": "latency, median (ms)",
    "latency_p95_ms": "latency, p95 (ms)", "latency_p99_ms": "latency, p99 (ms)",
    "age_mean_ms": "age, mean (ms)", "age_excess_mean_ms": "excess age, mean (ms)",
    "bytes_per_update": "bytes per update", "server_cpu_us_per_update": "server CPU per update (µs)",
    "round_trip_p50_ms": "round trip of a message, median (ms)", LIMIT.name: "capacity limit (clients)",
}
DRAWN = {"latency_p50_ms": "ms", "latency_p99_ms": "ms", "bytes_per_update": "B", "server_cpu_us_per_update": "µs"}
"""The quantities that are drawn, each with its unit."""


def goal_text(share: float) -> str:
    """Return a goal in words: `goal ± 10 %`."""
    return f"goal ±{style.NARROW}{style.percent(share, 0, signed=False)}"


def predicted_over_measured(rows: Sequence[ValidationRow]) -> Figure:
    """Draw every cell's prediction over its measurement, in four panels."""
    styles = style.styles(list(dict.fromkeys(row.transport for row in rows)))
    with style.settings():
        figure = Figure(figsize=(8.4, 8.0), layout="constrained")
        for axes, name in zip(figure.subplots(2, 2).flat, DRAWN, strict=True):
            _panel(axes, name, styles, [row for row in rows if row.quantity == name])
        style.legend(figure, figure.axes[0])
    return figure


def _panel(axes: Axes, name: str, styles: Mapping[str, style.Style], rows: Sequence[ValidationRow]) -> None:
    """Draw one quantity: the diagonal, the goal around it, and the cells."""
    mine = [row for row in rows if row.measured > 0 and row.predicted > 0]
    values = [value for row in mine for value in (row.measured, row.predicted)]
    ends = (min(values) / 1.4, max(values) * 1.4) if values else (1.0, 10.0)
    unit = DRAWN[name]
    goal = next(each.goal for each in QUANTITIES if each.name == name) or 0.0
    axes.plot(ends, ends, color=style.FAINT, linewidth=1)
    for label, look in styles.items():
        axes.plot([], [], color=look.colour, marker=look.marker, linestyle="", label=look.name)
        for row in (each for each in mine if each.transport == label):
            bars = None if math.isnan(row.interval_low) else [
                [max(0.0, row.error - row.interval_low) * row.measured],
                [max(0.0, row.interval_high - row.error) * row.measured]]
            axes.errorbar([row.measured], [row.predicted], yerr=bars, color=look.colour, marker=look.marker,
                          linestyle="none", elinewidth=1, alpha=0.9,
                          markerfacecolor=look.colour if row.met else "white")
    axes.fill_between(ends, [end * (1 - goal) for end in ends], [end * (1 + goal) for end in ends],
                      color=style.GRID, linewidth=0, label="goal", zorder=0.5)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends,
             xlabel=f"measured ({unit}, log scale)", ylabel=f"predicted ({unit}, log scale)")
    axes.set_title(f"{HEADINGS[name]}, {goal_text(goal)}", size=10)
    for axis, which in ((axes.xaxis, "x"), (axes.yaxis, "y")):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        style.plain_ticks(axes, which)
