"""The figures of a crossover map: the cheapest transport, the freshest one, and the lines that cross.

    one small map for each (budget, round trip): rate → clients ↑, a field for each answer

A field has the colour and the marker of the transport that is best there, so that it can be read without
colour, and the factor by which the next one takes more. Several markers on grey are a tie; a cross means that
no transport can do it. Hatched fields are left open by the costs: another answer lies within their intervals.
All values are from the closed forms; the report lists the engine's beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from bench.report import style

TIE = "#d9d9d9"
OPEN: dict[str, Any] = {"facecolor": "white", "edgecolor": "#b4b4b4", "hatch": "////", "linewidth": 0}


def styles(table: pd.DataFrame) -> dict[str, style.Style]:
    """Return the style of each transport, by its place in the scenario."""
    return style.styles(table["transport"].unique().tolist())


def cheapest(table: pd.DataFrame) -> Figure:
    """Draw the cheapest transport: a small map for each budget (downwards) and round trip (rightwards).

    `table` is `crossover.csv`.
    """
    mine = table[table["asked"] == "cheapest"]
    budgets, trips = _values(mine, "staleness_ms"), _values(mine, "rtt_ms")
    with style.settings():
        figure = Figure(figsize=(1.2 + 2.75 * len(trips), 1.3 + 2.05 * len(budgets)), layout="constrained")
        grid = figure.subplots(len(budgets), len(trips), sharex=True, sharey=True, squeeze=False)
        for row, budget in enumerate(budgets):
            for column, trip in enumerate(trips):
                axes = grid[row][column]
                here = mine[(mine["staleness_ms"] == budget) & (mine["rtt_ms"] == trip)]
                _map(axes, here, styles(table), ahead)
                if row == 0:
                    axes.set_title(f"round trip {_time(trip)}", weight="normal", size=10)
                if column == 0:
                    axes.set_ylabel(f"within {_time(budget)}\n\nclients", size=10)
        for axes in grid[-1]:
            axes.set_xlabel("updates per second")
        _key(figure, styles(table))
    return figure


def freshest(table: pd.DataFrame) -> Figure:
    """Draw the freshest transport: a small map for each round trip, with the least excess age possible."""
    mine = table[table["asked"] == "freshest"]
    trips = _values(mine, "rtt_ms")
    with style.settings():
        figure = Figure(figsize=(1.2 + 2.75 * len(trips), 3.6), layout="constrained")
        grid = figure.subplots(1, len(trips), sharey=True, squeeze=False)[0]
        for axes, trip in zip(grid, trips, strict=True):
            _map(axes, mine[mine["rtt_ms"] == trip], styles(table), age)
            axes.set_title(f"round trip {_time(trip)}", weight="normal", size=10)
            axes.set_xlabel("updates per second")
        grid[0].set_ylabel("clients")
        _key(figure, styles(table))
    return figure


def lines(table: pd.DataFrame, unit: str) -> Figure:
    """Draw the cost by which the cheapest is chosen along two axes through the middle of the map.

    `unit` labels that cost: CPU, or money per month. Where the lines cross, another transport is the
    cheapest.
    """
    mine = table[(table["asked"] == "cheapest") & table["possible"]]
    trip, clients = middle(mine, "rtt_ms"), middle(mine, "clients")
    rate, budget = middle(mine, "rate_per_s"), middle(mine, "staleness_ms")
    here = mine[(mine["rtt_ms"] == trip) & (mine["clients"] == clients)]
    column = figure_column(mine)
    with style.settings():
        figure = Figure(figsize=(9.2, 4.0), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, along, at, fixed in ((left, "rate_per_s", "staleness_ms", budget),
                                       (right, "staleness_ms", "rate_per_s", rate)):
            for label, look in styles(table).items():
                line = here[(here["transport"] == label) & (here[at] == fixed)].sort_values(along)
                x = line[along] / (1000 if along == "staleness_ms" else 1)
                axes.plot(x, line[column], color=look.colour, marker=look.marker, label=look.name)
            axes.set_xscale("log")
            axes.set_yscale("log")
            values = [each / (1000 if along == "staleness_ms" else 1) for each in _values(mine, along)]
            axes.set_xticks(values, [f"{each:g}" for each in values])
            axes.xaxis.set_minor_locator(NullLocator())
            style.plain_ticks(axes, "y")
        left.set(xlabel="updates per second (log scale)", ylabel=f"{unit} (log scale)")
        left.set_title(f"within {_time(budget)}", weight="normal", size=10)
        right.set(xlabel="staleness budget (s, log scale)")
        right.set_title(f"at {rate:g} update{'s' * (rate != 1)} per second", weight="normal", size=10)
        style.legend(figure, left)
    return figure


def lines_title(table: pd.DataFrame) -> str:
    """Return the title of `lines`, with the fixed client count and round trip."""
    mine = table[(table["asked"] == "cheapest") & table["possible"]]
    return (f"Where do the lines cross? ({middle(mine, 'clients'):,.0f} clients, round trip "
            f"{_time(middle(mine, 'rtt_ms'))})")


def figure_column(table: pd.DataFrame) -> str:
    """Return the column by which the cheapest is chosen: the price, or CPU where there are no prices."""
    return "cores" if table["price_month"].isna().all() else "price_month"


def middle(table: pd.DataFrame, column: str) -> float:
    """Return the middle value of an axis; the higher of the two where their number is even."""
    values = _values(table, column)
    return values[len(values) // 2]


def may_be_best(field: pd.DataFrame) -> list[str]:
    """Return the transports that are best in a field for some costs within their intervals, and those that
    tie."""
    may = field["best"] | (field["least"] <= field["most"].min()) & (field["least"] < math.inf)
    return [str(label) for label in field.loc[may, "transport"]]


def ahead(field: pd.DataFrame) -> str:
    """Return the factor by which the next transport takes more, in words: `only` where there is no next one, `free`
    where the best takes nothing."""
    times = field["ahead"].max()
    if math.isinf(times):
        return "free"
    return "only" if math.isnan(times) else f"{times:.1f} ×" if times < 9.95 else f"{times:,.0f} ×"


def age(field: pd.DataFrame) -> str:
    """Return the least excess age of a field, in words."""
    return _time(float(field.loc[field["possible"], "age_excess_ms"].min()))


def _map(axes: Axes, table: pd.DataFrame, all_styles: dict[str, style.Style],
         words: Callable[[pd.DataFrame], str]) -> None:
    """Draw one small map.

    `words` says by how much the best transport of a field leads, where there is only one.
    """
    rates, counts = _values(table, "rate_per_s"), _values(table, "clients")
    for _, field in table.groupby(["rate_per_s", "clients"]):
        x, y = (values.index(float(field[name].iloc[0])) for values, name in (
            (rates, "rate_per_s"), (counts, "clients")))
        best = [all_styles[label] for label in field.loc[field["best"], "transport"]]
        colour = to_rgba(best[0].colour, 0.55) if len(best) == 1 else TIE if best else "white"
        known = bool(field["known"].iloc[0])
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, edgecolor="white") if known else
                       Rectangle((x - 0.5, y - 0.5), 1, 1, **OPEN))
        if not known:
            best = [all_styles[label] for label in may_be_best(field)]
        if not best:
            axes.plot([x], [y], marker="x", color=style.FAINT, markersize=7)
            continue
        places = x + 0.26 * (np.arange(len(best)) - (len(best) - 1) / 2)
        for place, look in zip(places, best, strict=True):
            axes.plot([place], [y + 0.2], marker=look.marker, markersize=5, color=look.colour,
                      markeredgecolor=style.INK, markeredgewidth=0.6)
        said = "open" if not known else words(field) if len(best) == 1 else "tie"
        axes.text(x, y - 0.24, said, ha="center", va="center", size=6.5)
    axes.set(xlim=(-0.5, len(rates) - 0.5), ylim=(-0.5, len(counts) - 0.5))
    axes.set_xticks(range(len(rates)), [f"{each:g}" for each in rates], size=8)
    axes.set_yticks(range(len(counts)), [count(each) for each in counts], size=8)
    axes.grid(visible=False)
    axes.tick_params(length=0)


def _key(figure: Figure, all_styles: dict[str, style.Style]) -> None:
    handles: list[Artist] = [
        Line2D([], [], linestyle="", marker=look.marker, color=look.colour, markeredgecolor=style.INK,
               markeredgewidth=0.6, label=look.name) for look in all_styles.values()]
    handles.append(Rectangle((0, 0), 1, 1, facecolor=TIE, label="tie"))
    handles.append(Rectangle((0, 0), 1, 1, label="open: not known", **OPEN))
    handles.append(Line2D([], [], linestyle="", marker="x", color=style.FAINT, label="none can"))
    style.key(figure, handles, [str(handle.get_label()) for handle in handles])


def count(value: float) -> str:
    """Return a count in its shortest form: 100, 10 k, 1 M."""
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _time(value_ms: float) -> str:
    if value_ms >= 1000:
        return f"{style.brief(value_ms / 1000, 3)} s"
    return f"{style.brief(value_ms)} ms" if value_ms < 100 else f"{value_ms:.0f} ms"


def _values(table: pd.DataFrame, column: str) -> list[float]:
    return sorted(float(each) for each in table[column].unique())
