"""The figures of a reconnect storm: recovery by policy and its cost, the course over time, a map of storms.

A policy has one colour and marker in all of them (`bench.report.style`). The floor N/C (N clients of a
worker, C connections per second), the capacity C and the timeout are drawn as lines, since each of them
explains the results next to it. A storm that did not end within the simulated time has no recovery time: it is
drawn hatched, up to the edge, with the share of clients that was back.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from bench.report import style

FLOOR = (0, (4, 2))
"""The dash pattern of the floor and the capacity."""


def order(storms: pd.DataFrame) -> list[str]:
    """Return the policies by recovery time, the quickest first.

    Policies that never recover are last, ordered by the share of clients that was back.
    """
    policies = storms.groupby("policy", sort=False)
    means = policies[["connected_share", "attempts_per_client"]].mean()
    found = policies[["recovered_s"]].median().join(means)
    return found.sort_values(list(found.columns), ascending=[True, False, True]).index.tolist()


def styles(storms: pd.DataFrame) -> dict[str, style.Style]:
    """Return the style of each policy, by its place in the scenario."""
    return style.styles(storms["policy"].unique().tolist())


def recovery(storms: pd.DataFrame) -> Figure:
    """Draw recovery time, attempts per client and wasted CPU of each policy, against the floor."""
    policies, given = order(storms), storms.iloc[0]
    with style.settings():
        figure = Figure(figsize=(9.2, 1.6 + 0.5 * len(policies)), layout="constrained")
        left, middle, right = figure.subplots(1, 3, sharey=True, width_ratios=(2.2, 1, 1))
        edge = 1.15 * max([given["floor_s"] * 1.5, *_finite(storms["recovered_s"])])
        for place, policy in enumerate(policies):
            mine, look = storms[storms["policy"] == policy], styles(storms)[policy]
            late = float(mine["recovered_s"].median())
            if math.isfinite(late):
                left.barh(place, late, 0.62, color=look.colour, alpha=0.85)
                _spread(left, place, mine["recovered_s"].replace(math.inf, edge))
                text, at = f"{style.number(late)} s", max(late, *_finite(mine["recovered_s"]))
            else:
                left.barh(place, edge, 0.62, color="white", edgecolor=look.colour, hatch="///")
                back = style.whole_percent(mine["connected_share"].mean())
                text, at = f"not in {given['horizon_s']:g} s: {back} back", 0
            left.annotate(text, (at, place), (6, 0), textcoords="offset points", va="center", size=9,
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})
            for axes, column, scale in ((middle, "attempts_per_client", 1), (right, "wasted_share", 100)):
                value = float(mine[column].mean()) * scale
                axes.barh(place, value, 0.62, color=look.colour, alpha=0.85)
                text = style.brief(value, 3) if scale == 1 else f"{value:.0f}"
                axes.annotate(text, (value, place), (4, 0), textcoords="offset points", va="center", size=9)
        left.axvline(given["floor_s"], color=style.INK, linestyle=FLOOR, linewidth=1.2)
        left.annotate(f"floor: {given['floor_s']:g} s", (given["floor_s"], -0.62), (4, 0), size=9,
                      textcoords="offset points", va="center")
        left.set(xlim=(0, edge), xlabel="until 99.9 % are back (s)", ylim=(len(policies) - 0.5, -0.9))
        left.set_yticks(range(len(policies)), [style.title(each) for each in policies])
        middle.set(xlabel="attempts per client (log scale)", xscale="log",
                   xlim=(0.8, 4 * _most(storms, "attempts_per_client")))
        style.plain_ticks(middle, "x")
        right.set(xlabel="CPU wasted (%)", xlim=(0, 128), xticks=(0, 50, 100))
        for axes in (left, middle, right):
            axes.grid(visible=False, axis="y")
    return figure


def headline(storms: pd.DataFrame) -> str:
    """Return the finding of `recovery` as a title."""
    policies = order(storms)
    late = storms.groupby("policy")["recovered_s"].median()
    best, never = policies[0], [each for each in policies if math.isinf(late[each])]
    floor = storms["floor_s"].iloc[0]
    if len(never) == len(policies):
        return "No policy gets the clients back"
    first = f"{style.sentence(style.title(best))} is back after {style.brief(late[best] / floor)} × the floor"
    if len(policies) == 1:
        return first
    if never:
        return f"{first}; {style.listed([style.title(each) for each in never])} never"
    return f"{first}; {style.title(policies[-1])} takes {style.brief(late[policies[-1]] / floor)} ×"


def connected(storms: pd.DataFrame, timelines: pd.DataFrame) -> Figure:
    """Draw the share of clients that are back over time, and the best that a worker could do."""
    given = storms.iloc[0]
    with style.settings():
        figure = Figure(figsize=(9.2, 4.6), layout="constrained")
        axes = figure.subplots()
        end = _shown_until(storms)
        axes.plot([0, given["floor_s"], end], [0, 100, 100], color=style.INK, linestyle=FLOOR, linewidth=1.2,
                  label="floor: a worker that wastes nothing")
        for number, (policy, look) in enumerate(styles(storms).items()):
            mine = timelines[timelines["policy"] == policy]
            at = np.append(mine["at_s"] + 1, end)
            share = np.append(mine["connected_share"] * 100, mine["connected_share"].iloc[-1] * 100)
            axes.plot(at, share, color=look.colour, marker=look.marker, markevery=(3 * number, 21),
                      label=look.name)
        axes.axvspan(-given["down_s"], 0, color="#000000", alpha=0.07, linewidth=0)
        axes.annotate("server\ndown", (-given["down_s"] / 2, 50), ha="center", va="center", size=8,
                      rotation=90)
        axes.set(xlim=(-given["down_s"], end), ylim=(-2, 104), ylabel="clients that are back (%)",
                 xlabel="seconds since the server is back (first seed of each policy)")
        style.legend(figure, axes)
    return figure


def pressure(storms: pd.DataFrame, timelines: pd.DataFrame) -> Figure:
    """Draw attempts and connections per second against the capacity, and the wait against the timeout, for
    each policy."""
    policies, given = order(storms), storms.iloc[0]
    capacity, end = 1000 / given["connection_ms"], _shown_until(storms)
    with style.settings():
        figure = Figure(figsize=(9.2, 1.1 + 1.25 * len(policies)), layout="constrained")
        grid = np.atleast_2d(figure.subplots(len(policies), 2, sharex=True, sharey="col"))
        for (left, right), policy in zip(grid, policies, strict=True):
            mine, look = timelines[timelines["policy"] == policy], styles(storms)[policy]
            edges = np.append(mine["at_s"], mine["at_s"].iloc[-1] + 1)
            attempts, connected = (np.maximum(mine[name], 0.5) for name in ("attempts", "connected"))
            left.stairs(attempts, edges, color=style.INK, linewidth=0.8, baseline=0.5)
            left.stairs(connected, edges, fill=True, color=look.colour, alpha=0.7, baseline=0.5)
            left.axhline(capacity, color=style.INK, linestyle=FLOOR, linewidth=1.2)
            left.set_title(look.name, weight="normal", size=10, pad=4)
            wait = mine["wait_mean_s"]
            right.plot(mine["at_s"] + 0.5, wait, color=look.colour, marker=look.marker, markersize=4,
                       markevery=10)
            right.axhline(given["timeout_s"], color=style.INK, linestyle=(0, (1.2, 1.6)), linewidth=1.2)
            if wait.isna().all():
                right.text(0.5, 0.3, "no connection succeeds: refusals take all CPU", size=9, ha="center",
                           transform=right.transAxes)
        for axes in grid[:, 0]:
            axes.set_yscale("log")
            axes.set_ylim(1, 3 * _most(timelines, "attempts"))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axes.set_ylabel("a second", size=9)
        for axes in grid[:, 1]:
            axes.set(ylim=(0, 1.25 * max(given["timeout_s"], _most(timelines, "wait_mean_s"))))
            axes.set_ylabel("seconds", size=9)
        for axes in grid[-1]:
            axes.set(xlim=(-given["down_s"], end), xlabel="seconds since the server is back")
        grid[0, 0].set_title(f"line: attempts, filled: connected, dashed: capacity {capacity:g}/s\n\n"
                             f"{styles(storms)[policies[0]].name}", weight="normal", size=10, pad=4)
        grid[0, 1].set_title(f"mean wait in the backlog, dotted: timeout {given['timeout_s']:g} s\n\n ",
                             weight="normal", size=10, pad=4)
    return figure


def map_of(points: pd.DataFrame) -> Figure:
    """Draw recovery time in floors over the depth of the backlog and the width of the window."""
    backlogs, windows = sorted(points["backlog_share"].unique()), sorted(points["window_share"].unique())
    whole = points.assign(ratio=points["recovered_s"] / points["floor_s"])
    ratios = whole.pivot_table("ratio", "backlog_share", "window_share").to_numpy(dtype=np.float64)
    with style.settings():
        figure = Figure(figsize=(9.2, 1.6 + 0.46 * len(backlogs)), layout="constrained")
        axes = figure.subplots()
        finite = ratios[np.isfinite(ratios)]
        high = max(2.0, float(finite.max())) if finite.size else 2.0
        shown = np.where(np.isfinite(ratios), ratios, np.nan)
        image = axes.imshow(shown, cmap="cividis_r", vmin=1, vmax=high, aspect="auto", origin="lower")
        for _, point in points.iterrows():
            row, column = backlogs.index(point["backlog_share"]), windows.index(point["window_share"])
            _cell(axes, row, column, float(ratios[row, column]), point, high)
        if backlogs[0] <= 1 <= backlogs[-1]:
            limit = float(np.interp(1.0, backlogs, range(len(backlogs))))
            axes.axhline(limit, color="#D55E00", linewidth=2, linestyle=(0, (4, 2)))
        axes.set_xticks(range(len(windows)), [f"{each:g}" for each in windows])
        axes.set_yticks(range(len(backlogs)), [f"{each:g}" for each in backlogs])
        axes.grid(visible=False)
        axes.set(xlabel="window of the first attempts ÷ floor",
                 ylabel="backlog ÷ clients that are connected within the timeout")
        bar = figure.colorbar(image, ax=axes, pad=0.02)
        bar.set_label("time until 99.9 % are back ÷ floor")
    return figure


def map_headline(points: pd.DataFrame) -> str:
    """Return the finding of the map as a title."""
    never = points[points["recovered"] == 0]
    if never.empty:
        return "Every storm ends here: time until 99.9 % are back, in floors"
    whole = (points["recovered"] == points["seeds"]).groupby(points["window_share"]).all()
    safe = [float(each) for each in whole.index[whole] if each > float(never["window_share"].max())]
    depth = (f"A backlog of {float(never['backlog_share'].min()):g} × the clients that a worker connects within "
             "the timeout, or a deeper one, may never clear")
    rest = f"; first attempts spread over {safe[0]:g} × the floor always get through" if safe else ""
    return depth + rest


def _cell(axes: Axes, row: int, column: int, ratio: float, point: pd.Series, high: float) -> None:
    """Write the result of one point into the map; hatch it where most of its seeds never recovered."""
    if math.isfinite(ratio):
        dark = ratio > 1 + 0.45 * (high - 1)
        some = point["recovered"] < point["seeds"]
        axes.text(column, row, f"{ratio:.2f}" + ("*" if some else ""), ha="center", va="center", size=9,
                  color="white" if dark else style.INK)
        return
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor="#eeeeee", edgecolor=style.FAINT,
                             hatch="///", linewidth=0))
    back = style.whole_percent(point["connected_share"])
    axes.text(column, row, f"never\n{back} back", ha="center", va="center", size=7, linespacing=0.95,
              bbox={"facecolor": "#eeeeee", "edgecolor": "none", "pad": 0.6})


def _spread(axes: Axes, place: int, values: pd.Series) -> None:
    """Draw a bar from the least to the greatest value of the seeds."""
    low, high = float(values.min()), float(values.max())
    axes.plot([low, high], [place, place], color=style.INK, linewidth=1.4, marker="|", markersize=8)


def _shown_until(storms: pd.DataFrame) -> float:
    """Return the end of the time axis in seconds: a little past the slowest storm that ended."""
    ends = [*_finite(storms["recovered_s"]), 1.5 * float(storms["floor_s"].iloc[0])]
    return min(float(storms["horizon_s"].iloc[0]), 1.25 * max(ends))


def _finite(values: pd.Series) -> list[float]:
    return [float(each) for each in values if math.isfinite(each)]


def _most(table: pd.DataFrame, column: str) -> float:
    return float(table[column].max())
