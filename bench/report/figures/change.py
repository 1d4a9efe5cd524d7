"""The figure of two runs side by side: each measure's change from the one to the other, with its interval.

    one panel for each client count · a row for each measure · a mark for each transport

All changes are relative, so that one axis shows them all: right of the middle is more, which for every measure is
worse. The grey band is the threshold, within which a change is not called one. A filled mark is a change that is
separable and larger than it, a hollow one is not.

Known weakness: the share of updates lost is mostly zero and changes by points, so it is in the table alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.report import style
from bench.stats.run.regressions import SHARES, Change

NAMES = {
    "latency_mean_ms": "mean latency", "latency_p50_ms": "median latency", "latency_p99_ms": "p99 latency",
    "age_excess_mean_ms": "excess age", "bytes_down_per_update": "bytes down", "bytes_up_per_update": "bytes up",
    "server_cpu_us_per_update": "server CPU", "server_rss_bytes_per_client": "memory per client",
}
STEPS = (1.02, 1.05, 1.1, 1.2, 1.5, 2.0, 5.0, 10.0, 100.0)
"""Ratios at which the axis may be labelled: at the largest that is on it, and at one nearer to no change."""
APART = 0.33
"""Least distance of two labels of the axis, as a share of its half: nearer ones would overlap."""
SPREAD = 0.6
"""The height of a row that the marks of its transports take."""


def relative(change: Change) -> tuple[float, float, float]:
    """Return a change and the ends of its interval as ratios after ÷ before; NaN where it has none."""
    found = change.effect.printed
    ends = (found.estimate, found.low, found.high)
    if change.figure in SHARES or change.vanished:
        return (math.nan,) * 3
    if change.effect.kind == "difference":
        ends = tuple(1 + each / change.before if change.before else math.nan for each in ends)  # type: ignore[assignment]
    return ends if ends[0] > 0 else (math.nan,) * 3


def changes(found: Sequence[Change], styles: dict[str, style.Style], threshold: float) -> Figure:
    """Draw every change that is a ratio; `threshold` is the share below which a change is not called one."""
    counts = sorted({each.clients for each in found})
    figures = [name for name in NAMES if any(each.figure == name for each in found)]
    with style.settings():
        figure = Figure(figsize=(max(8.4, 2.6 + 2.6 * len(counts)), 1.6 + 0.42 * len(figures)), layout="constrained")
        grid = figure.subplots(1, len(counts), sharex=True, sharey=True, squeeze=False)[0]
        for axes, clients in zip(grid, counts, strict=True):
            _panel(axes, [each for each in found if each.clients == clients], figures, styles, threshold)
            axes.set_title(style.counted(clients, "client"), weight="normal", size=10)
        grid[0].set_yticks(range(len(figures)), [NAMES[name] for name in figures])
        grid[0].set_ylim(len(figures) - 0.5, -0.5)
        _scale(grid[0], found, threshold)
        grid[0].set_xlabel("change (log scale)")
        style.legend(figure, grid[0])
    return figure


def _panel(axes: Axes, found: Sequence[Change], figures: Sequence[str], styles: dict[str, style.Style],
           threshold: float) -> None:
    """Draw the changes of one client count."""
    axes.axvspan(1 / (1 + threshold), 1 + threshold, color=style.GRID, linewidth=0, zorder=0.5)
    axes.axvline(1.0, color=style.INK, linewidth=0.9)
    axes.grid(visible=False, axis="y")
    for number, (label, look) in enumerate(styles.items()):
        shift = SPREAD * (number - (len(styles) - 1) / 2) / max(1, len(styles) - 1) if len(styles) > 1 else 0.0
        axes.plot([], [], color=look.colour, marker=look.marker, linestyle="", label=look.name)
        for each in found:
            ratio, low, high = relative(each)
            if each.label != label or each.figure not in figures or math.isnan(ratio):
                continue
            place = figures.index(each.figure) + shift
            sure = each.verdict(threshold) in ("regressed", "improved")
            bars = None if math.isnan(low) else [[max(0.0, ratio - low)], [max(0.0, high - ratio)]]
            axes.errorbar([ratio], [place], xerr=bars, color=look.colour, marker=look.marker, capsize=2.5,
                          elinewidth=1.2, markerfacecolor=look.colour if sure else "white")
            style.point_tips(axes, [ratio], [place], [
                f"{look.name}, {style.counted(each.clients, 'client')}, {NAMES[each.figure]}: "
                f"{style.percent(ratio - 1)} ({style.percent(low - 1)} to {style.percent(high - 1)}), "
                f"{each.verdict(threshold)}"])


def _scale(axes: Axes, found: Sequence[Change], threshold: float) -> None:
    """Set a logarithmic axis about no change, labelled in percent."""
    ends = [end for each in found for end in relative(each) if math.isfinite(end) and end > 0]
    reach = max([1 + 2 * threshold, *(max(end, 1 / end) for end in ends)]) * 1.04
    most = max([STEPS[0], *(step for step in STEPS if step <= reach)])
    steps = sorted({most, *[step for step in STEPS if reach**APART <= step <= most**0.45][-1:]})
    axes.set_xscale("log")
    axes.set_xlim(1 / reach, reach)
    axes.set_xticks(sorted([*(1 / step for step in steps), 1.0, *steps]), minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.percent(value - 1, 0) if value != 1 else "0"))
