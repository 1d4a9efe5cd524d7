"""The figures of speed and freshness: latency by percentile and by client count, age, deliveries over time.

Each takes a run and gives a figure that can be understood alone: its title is the question that it answers,
its axes have units, and its caption says how to read it. Only VALID trials enter. A percentile is drawn only
where it may be printed (`bench.stats.trial.latency`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from bench.report import style
from bench.report.data.run import RunData, shown_clients
from bench.report.text import forms, simulated
from bench.stats.run.intervals import FEW, interval
from bench.stats.run.summary import bounds, highest_percentile
from bench.stats.trial.arrays import Floats
from bench.stats.trial.latency import BEYOND_CELL, BEYOND_TRIAL, bin_quantiles

LEVELS = 1 - 10 ** -np.linspace(0.0, 3.0, 121)
"""Shares at which the percentile plot is read: 0 to 99.9 %, at uniform steps in the number of nines."""
TICKS = (0.0, 0.5, 0.9, 0.95, 0.99, 0.995, 0.999)


def run_looks(run: RunData) -> dict[str, style.Style]:
    """Return the look of each transport of the run, by label."""
    labels = set(run.trials.loc[run.trials["source"] == "simulated", "transport"])
    return style.looks(run.transports, tuple(labels))


def percentiles(run: RunData) -> Figure:
    """Draw latency by percentile, one line per transport, with the interval between trials as a band."""
    clients = shown_clients(run)
    with style.settings():
        figure = Figure(figsize=(8.4, 4.8), layout="constrained")
        axes = figure.subplots()
        drawn: list[Floats] = []
        for label, look in run_looks(run).items():
            shares, values, rest_lost = _spectrum(run, label, clients)
            if not len(shares):
                if rest_lost:
                    axes.plot([], [], color=look.colour, marker=look.marker, label=f"{look.name}: all lost")
                continue
            x = -np.log10(1 - shares)
            if rest_lost:
                axes.annotate("the rest is lost", (x[-1], values[-1, 0]), (5, 5), size=9, color=look.colour,
                              textcoords="offset points")
            axes.plot(x, values[:, 0], color=look.colour, marker=look.marker, markevery=12, label=look.name)
            axes.fill_between(x, values[:, 1], values[:, 2], color=look.colour, alpha=0.18, linewidth=0)
            drawn.append(values[:, 0])
        axes.set_yscale("log")
        if drawn:
            # The band of two trials can span everything; the lines are what readers compare.
            estimates = np.concatenate(drawn)
            axes.set_ylim(estimates.min() / 2.5, estimates.max() * 2.5)
        axes.set_xlim(0, 3.08)
        axes.xaxis.set_major_locator(FixedLocator([-np.log10(1 - share) for share in TICKS]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * (1 - 10 ** -x):.4g} %"))
        style.plain_ticks(axes, "y")
        axes.set_xlabel("share of updates that are at least as fast")
        axes.set_ylabel("latency (ms, log scale)")
        axes.set_title(f"How long does an update take? ({clients:,} clients)")
        style.legend(figure, axes)
    return figure


def _spectrum(run: RunData, label: str, clients: int) -> tuple[Floats, Floats, bool]:
    """Return the shares that may be printed and are not lost, their latencies, and whether further ones are
    lost.

    The latencies have shape (shares, 3): estimate, low and high, in ms.
    """
    cell = run.valid[(run.valid["transport"] == label) & (run.valid["clients"] == clients)]
    counted = (cell["delivered"] + cell["late"] + cell["lost"]).to_numpy(dtype=np.float64)
    if not len(counted):
        return np.empty(0), np.empty((0, 3)), False
    most = highest_percentile(cell)
    if cell["latency_p50_error_share"].isna().any():   # of an older version: use the updates beyond
        most = 1 - max(BEYOND_TRIAL / max(counted.min(), 1), BEYOND_CELL / max(counted.sum(), 1))
    shares = LEVELS[: int(np.searchsorted(LEVELS, most + 1e-12, side="right"))]
    app = run.distributions[run.distributions["instant"] == "app"]
    by_trial = []
    for trial, lost in zip(cell["trial"], cell["lost"], strict=True):
        mine = app[app["trial"] == trial]
        bins, counts = mine["bin"].to_numpy(dtype=np.int64), mine["count"].to_numpy(dtype=np.int64)
        by_trial.append(bin_quantiles(bins, counts, int(lost), shares) / 1e6)
    found = [interval(np.array(values)) for values in zip(*by_trial, strict=True)]
    rows = np.array([(each.estimate, each.low, each.high) for each in found]).reshape(-1, 3)
    finite = np.isfinite(rows[:, 0])
    return shares[finite], rows[finite], not bool(finite.all())


def latency_by_clients(run: RunData) -> Figure:
    """Draw mean latency against the number of clients, with the closed form as a line."""
    with style.settings():
        figure = Figure(figsize=(8.4, 4.6), layout="constrained")
        axes = figure.subplots()
        by_clients(axes, run, "latency_mean_ms", "mean latency (ms, log scale)", logarithmic=True)
        many = len(run.clients) > 1
        axes.set_title("Does latency grow with the number of clients?" if many
                       else "How long does an update take on average?")
        style.legend(figure, axes)
    return figure


def age_by_clients(run: RunData) -> Figure:
    """Draw the age of information against the number of clients: all of it, and the excess age."""
    with style.settings():
        figure = Figure(figsize=(8.4, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        by_clients(left, run, "age_mean_ms", "mean age (ms)")
        by_clients(right, run, "age_excess_mean_ms", "mean excess age (ms, log scale)", logarithmic=True)
        style.heading(figure, "How old is what clients know?")
        left.set_title("age of information", weight="normal", size=10)
        right.set_title("beyond that of an ideal client", weight="normal", size=10)
        style.legend(figure, left)
    return figure


def by_clients(axes: Axes, run: RunData, column: str, label: str, *, logarithmic: bool = False,
               unit: float = 1.0) -> None:
    """Draw one column of `summary.csv` against the number of clients, with its closed form.

    Cells of more than `FEW` trials have their 95 % interval. Closed forms are dashed, in a darker shade of
    their transport's colour. Values are divided by `unit` (1000 draws bytes as kB). The points of one client
    count are drawn side by side, so that their intervals do not hide each other.
    """
    places = {clients: place for place, clients in enumerate(simulated.counts(run, column))}
    low, high = bounds(column)
    measured = simulated.beside(run, column)
    expected = [each for each in forms.predicted(run) if each.figure == column]
    all_looks = run_looks(run)
    for number, (transport, look) in enumerate(all_looks.items()):
        cells = run.summary[run.summary["transport"] == transport].dropna(subset=[column])
        if logarithmic:
            cells = cells[cells[column] > 0]
        shift = 0.09 * (number - (len(all_looks) - 1) / 2)
        x = np.array([places[int(clients)] for clients in cells["clients"]]) + shift
        y, bottom, top = (cells[name].to_numpy(dtype=np.float64) / unit for name in (column, low, high))
        error = np.vstack((y - bottom, top - y))
        error[:, cells["valid_trials"].to_numpy(dtype=np.int64) <= FEW] = np.nan
        axes.errorbar(x, y, yerr=error, color=look.colour, marker=look.marker, capsize=4,
                      label=look.name)
        if measured is not None:
            points = measured[measured["transport"] == transport]
            axes.errorbar(
                [places[int(clients)] + shift + 0.04 for clients in points["clients"]], points[column] / unit,
                yerr=np.vstack((points[column] - points[low], points[high] - points[column])) / unit,
                color=look.colour, marker=look.marker, markerfacecolor="white", linestyle="none", capsize=4,
                label=f"{style.title(transport)}, {style.MEASURED}")
        mine = [each for each in expected if each.transport == transport]
        if mine:
            style.closed_form(axes, look, transport, [places[each.clients] + shift for each in mine],
                              [each.predicted / unit for each in mine])
    if logarithmic:
        axes.set_yscale("log")
        style.plain_ticks(axes, "y")
    else:
        axes.set_ylim(0, 1.04 * axes.get_ylim()[1])
        axes.yaxis.set_major_formatter("{x:,.6g}")
    simulated.shade(axes, run, places)
    axes.set_xticks(list(places.values()), [f"{clients:,}" for clients in places])
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("clients")
    axes.set_ylabel(label)


def deliveries_over_time(run: RunData) -> Figure:
    """Draw updates due and arrived over one trial of each transport, from the same block where there is
    one."""
    clients = shown_clients(run)
    chosen = _same_block(run, clients)
    with style.settings():
        rows = max(1, len(chosen))
        figure = Figure(figsize=(8.4, 1.2 + 1.55 * rows), layout="constrained")
        all_axes: Sequence[Axes] = np.atleast_1d(figure.subplots(rows, 1, sharex=True, sharey=True)).tolist()
        for axes, (label, trial) in zip(all_axes, chosen.items(), strict=False):
            look = run_looks(run)[label]
            line = run.timelines[run.timelines["trial"] == trial["trial"]]
            line = line[line["at_s"] < float(trial["measure_s"])]
            edges = np.append(line["at_s"], line["at_s"].iloc[-1] + 0.1)
            axes.stairs(line["arrived"] * 10, edges, fill=True, color=look.colour, alpha=0.55)
            axes.stairs(line["due"] * 10, edges, color=style.INK, linewidth=0.9)
            axes.set_xlim(edges[0], edges[-1])
            axes.axvspan(0, float(trial["measure_s"]), color="#000000", alpha=0.045, zorder=0)
            axes.set_ylabel("updates per second", size=9)
            axes.set_title(f"{look.name}: filled is arrived, the line is due", weight="normal", size=10)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        all_axes[-1].set_ylim(bottom=0)   # after all were drawn, since they share the axis
        all_axes[-1].set_xlabel("seconds since measuring began (before it: warm-up)")
        style.heading(figure, f"Do updates arrive when they are due? ({clients:,} clients)")
    return figure


def _same_block(run: RunData, clients: int) -> dict[str, pd.Series]:
    """Return a valid trial of each transport, from the first block that has valid trials of most transports.

    A transport without one in that block has its last valid trial.
    """
    here = run.valid[run.valid["clients"] == clients]
    if not len(here):
        return {}
    blocks = here.groupby("block")["transport"].nunique()
    best = blocks.idxmax()
    found = {}
    for label in run.transports:
        mine = here[here["transport"] == label]
        of_block = mine[mine["block"] == best]
        for trials in (of_block, mine):
            if len(trials) and label not in found:
                found[label] = trials.iloc[-1]
    return found
