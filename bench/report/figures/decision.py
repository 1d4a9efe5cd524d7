"""The figure of a decision: cost against staleness, for every transport and its settings.

    a line for each transport   the least cost within each staleness, from 20 ms to a minute
    a ringed marker             its best setting for the situation
    a star                      what is used now
    a vertical line             the staleness that is allowed
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bench.report import style

TICKS_S = (0.02, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0)


def frontier(table: pd.DataFrame, lines: pd.DataFrame, within_ms: float, column: str, unit: str) -> Figure:
    """Draw the cost against the longest staleness.

    `table` is `decision.csv`, `lines` is `decision_frontier.csv`; `column` is that of the cost, `cores` or
    `price_month`, and `unit` its label.
    """
    styles = style.styles(table.loc[table["role"] == "best", "transport"].tolist())
    with style.settings():
        figure = Figure(figsize=(8.4, 4.6), layout="constrained")
        axes = figure.subplots()
        for label, look in styles.items():
            mine = lines[lines["transport"] == label].sort_values("within_ms")
            axes.plot(mine["within_ms"] / 1000, mine[column], color=look.colour, marker=look.marker, markersize=4,
                      label=look.name)
            best = table[(table["role"] == "best") & (table["transport"] == label) & table["possible"]]
            axes.plot([within_ms / 1000] * len(best), best[column], linestyle="", color=look.colour,
                      marker=look.marker, markersize=11, markeredgecolor=style.INK, markeredgewidth=1.6)
        now = table[(table["role"] == "now") & table["possible"]]
        if len(now):
            axes.plot(now["latency_worst_ms"] / 1000, now[column], linestyle="", marker="*", markersize=16,
                      color=styles[str(now["transport"].iloc[0])].colour, markeredgecolor=style.INK, label="now")
        axes.axvline(within_ms / 1000, color=style.FAINT, linewidth=1, linestyle=(0, (2, 2)))
        axes.set(xscale="log", yscale="log", xlabel="longest staleness of an update (s, log scale)",
                 ylabel=f"{unit} (log scale)")
        axes.set_xticks(TICKS_S, [f"{each:g}" for each in TICKS_S])
        axes.xaxis.set_minor_locator(NullLocator())
        style.plain_ticks(axes, "y")
        style.legend(figure, axes)
    return figure
