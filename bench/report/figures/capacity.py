"""The figure of a search for the capacity limit: every step, and the limit of each transport.

    level (log) → the objective's first value ↑ · its bound, a dashed line · the limits, bars on it

A step that was not valid is a cross at the top edge, and an infinite value is drawn there.
"""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from bench.audit.limited_by import Row, number
from bench.report import style
from bench.report.data.capacity_limits import held, level
from bench.report.data.run import RunData
from bench.report.figures.speed import run_styles
from bench.report.text import forms
from bench.scenario import objective
from bench.scenario.model import Capacity

FULL = {"clients": "clients_max", "rate_per_s": "rate_max_per_s"}
"""The quantity of `closed_forms.csv` at which a worker is full, by the column that was raised."""


def capacity_of(run: RunData) -> Capacity:
    """Return the settings of the search."""
    assert run.scenario.capacity is not None, "not a search"
    return run.scenario.capacity


def unit(capacity: Capacity) -> str:
    """Return the name of what was raised, in words."""
    return "clients" if capacity.raised == "clients" else "ticks per second"


def rounded(value: float) -> str:
    """Return a limit with three significant digits, since no more of it is known."""
    return style.number(value) if value < 1000 else f"{float(f'{value:.2e}'):,.0f}"


def against_level(run: RunData) -> Figure:
    """Draw the objective's first value against the level, with its bound and the capacity limits."""
    capacity = capacity_of(run)
    condition = objective.parse(capacity.objective).conditions[0]
    top = _top(run, condition)
    with style.settings():
        figure = Figure(figsize=(8.4, 4.8), layout="constrained")
        axes = figure.subplots()
        for label, look in run_styles(run).items():
            _draw(axes, run, label, look, condition, top)
        zeros = axes.dataLim.y0 <= 0   # a logarithmic scale has no place for them
        if condition.bound > 0 or zeros:
            axes.axhline(condition.bound, color=style.INK, linestyle=(0, (4, 2)), linewidth=1.1)
            axes.annotate(str(condition), (0.01, condition.bound), (0, 4), size=9, ha="left",
                          xycoords=("axes fraction", "data"), textcoords="offset points")
        if axes.dataLim.minposx == math.inf:   # nothing was drawn, e.g. too few updates in all steps
            axes.set_xlim(_climb(run)[0] / 2, 2 * _climb(run)[-1])
        axes.set_xscale("log")
        style.plain_ticks(axes, "x")
        _scale(axes, condition.column, top, zeros)
        axes.set_xticks(_climb(run), [f"{each:,}" for each in _climb(run)])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"{unit(capacity)} (log scale)")
        if any(math.isfinite(forms.full(run, label, FULL[capacity.raised])) for label in run.transports):
            style.explain_full(axes)
        style.legend(figure, axes)
    return figure


def _draw(axes: Axes, run: RunData, label: str, look: style.Style, condition: objective.Condition, top: float
          ) -> None:
    """Draw the steps of one transport, its limit, and the level at which a worker is full."""
    capacity = capacity_of(run)
    rows = run.trials[run.trials["transport"] == label].to_dict("records")
    points = sorted((level(row, capacity), min(condition.value(row), top), held(row, capacity))
                    for row in rows if row["verdict"] == "VALID" and not math.isnan(condition.value(row)))
    crossed = [level(row, capacity) for row in rows if row["verdict"] != "VALID"]
    axes.plot(crossed, [top] * len(crossed), linestyle="", marker="x", color=look.colour,
              label=None if points else look.name)
    if not points:
        return
    curve = pd.DataFrame(points, columns=["x", "y", "held"]).groupby("x")["y"].min()
    axes.plot(curve.index, curve, color=look.colour, linewidth=1.2, alpha=0.6)
    any_held = any(outcome for *_, outcome in points)
    for kept in (True, False):
        mine = [(x, y) for x, y, outcome in points if outcome == kept]
        axes.plot([x for x, _ in mine], [y for _, y in mine], linestyle="", marker=look.marker,
                  color=look.colour, markerfacecolor=look.colour if kept else "white",
                  label=look.name if kept == any_held else None)
    full = forms.full(run, label, FULL[capacity.raised])
    if math.isfinite(full):
        axes.axvline(full, color=style.darker(look.colour), linewidth=1.0, linestyle=style.FULL)
    assert run.capacity_limits is not None, "not a search"
    row = next(each for each in run.capacity_limits.to_dict("records") if each["transport"] == label)
    _draw_limit(axes, row, look, condition.bound)


def _draw_limit(axes: Axes, row: Row, look: style.Style, bound: float) -> None:
    """Draw the limit's interval on the objective's bound; an arrow where only the lower end is known."""
    limit, low, high = (number(row[name]) for name in ("limit", "limit_low", "limit_high"))
    if math.isnan(low):
        return
    if math.isnan(limit):
        axes.plot([low], [bound], marker=">", markersize=11, color=look.colour, linestyle="")
        axes.annotate(f"≥ {low:,.0f}", (low, bound), (0, -17), textcoords="offset points", ha="center",
                      size=9)
        return
    axes.plot([low, high], [bound, bound], color=look.colour, linewidth=6, alpha=0.45, solid_capstyle="butt")
    axes.plot([limit], [bound], marker="|", markersize=17, markeredgewidth=2.2, color=look.colour,
              linestyle="")
    axes.annotate(rounded(limit), (limit, bound), (0, -20), textcoords="offset points", ha="center", size=9)


def _scale(axes: Axes, column: str, top: float, zeros: bool) -> None:
    """Set the scale of the value's axis: linear where it has values of zero, else logarithmic."""
    if zeros:
        axes.set(ylim=(-0.1 * top, 1.1 * top), ylabel=column)
        return
    axes.set(yscale="log", ylabel=f"{column} (log scale)")
    style.plain_ticks(axes, "y")


def _climb(run: RunData) -> list[int]:
    """Return the levels on the way up, as far as any was tried."""
    capacity = capacity_of(run)
    highest = max(level(row, capacity) for row in run.trials.to_dict("records"))
    levels = [capacity.start]
    while (following := math.ceil(levels[-1] * capacity.factor)) <= highest:
        levels.append(following)
    return levels


def _top(run: RunData, condition: objective.Condition) -> float:
    """Return the place on the axis at which infinite values are drawn."""
    values = [condition.value(row) for row in run.valid.to_dict("records")]
    return 2 * max([condition.bound, *(value for value in values if math.isfinite(value))]) or 1.0
