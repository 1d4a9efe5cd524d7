"""The figures of speed and freshness: latency by percentile and by client count, age, deliveries over time.

Each takes a run and gives a figure that can be understood alone: its axes have units, its title (see
`FigureSpec`, at the end) is the question that it answers, and its caption says how to read it. Only VALID
trials enter. A percentile is drawn only where it may be printed (`bench.stats.trial.latency`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from bench.report import style
from bench.report.data.run import RunData, shown_clients
from bench.report.figures.spec import FigureSpec
from bench.report.text import forms, simulated
from bench.scenario.sweep import curves
from bench.stats.run.intervals import FEW, interval, within_blocks
from bench.stats.run.summary import bounds, highest_percentile
from bench.stats.trial.arrays import Floats
from bench.stats.trial.latency import BEYOND_CELL, BEYOND_TRIAL, bin_quantiles

LEVELS = 1 - 10 ** -np.linspace(0.0, 3.0, 121)
"""Shares at which the percentile plot is read: 0 to 99.9 %, at uniform steps in the number of nines."""
DODGE = 0.04
"""The distance between the marks of two transports, as a share of that between two client counts."""
TICKS = (0.0, 0.5, 0.9, 0.95, 0.99, 0.995, 0.999)


def run_styles(run: RunData) -> dict[str, style.Style]:
    """Return the style of each transport of the run, by label.

    The subjects of a sweep have the colour of their transport, and a marker each.
    """
    simulated_labels = set(run.trials.loc[run.trials["source"] == "simulated", "transport"])
    swept = {subject: (curve.label, place) for curve in curves(run.scenario.sweep)
             for place, (_, subject) in enumerate(curve.subjects)}
    labels = list(dict.fromkeys(swept.get(label, (label, 0))[0] for label in run.transports))
    found, known = style.styles(run.transports, tuple(simulated_labels)), style.styles(labels)
    return {label: replace(found[label], colour=known[swept[label][0]].colour,
                           marker=style.MARKERS[swept[label][1] % len(style.MARKERS)]) if label in swept else
            replace(known[label], name=found[label].name) for label in run.transports}


def percentiles(run: RunData) -> Figure:
    """Draw latency by percentile, one line per transport, with the interval between trials as a band."""
    clients = shown_clients(run)
    with style.settings():
        figure = Figure(figsize=(8.4, 4.8), layout="constrained")
        axes = figure.subplots()
        drawn: list[Floats] = []
        for label, look in run_styles(run).items():
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
            style.point_tips(axes, x[::4], values[::4, 0], [
                f"{look.name}, {100 * share:.4g} %: {style.number(at)} ms"
                for share, at in zip(shares[::4], values[::4, 0], strict=True)])
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
        style.legend(figure, axes)
    return figure


def age_by_clients(run: RunData) -> Figure:
    """Draw the age of information against the number of clients: all of it, and the excess age."""
    with style.settings():
        figure = Figure(figsize=(8.4, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        by_clients(left, run, "age_mean_ms", "mean age (ms)", paired=True)
        by_clients(right, run, "age_excess_mean_ms", "mean excess age (ms, log scale)", logarithmic=True)
        left.set_title("age of information", weight="normal", size=10)
        right.set_title("beyond that of an ideal client", weight="normal", size=10)
        style.legend(figure, left)
    return figure


def by_clients(axes: Axes, run: RunData, column: str, label: str, *, logarithmic: bool = False,
               unit: float = 1.0, paired: bool = False) -> None:
    """Draw one column of `summary.csv` against the number of clients, with its closed form.

    Cells of more than `FEW` trials have their 95 % interval; with `paired`, that of what differs within blocks
    (`intervals.within_blocks`), which is right where the level of a block is common to all transports. Closed
    forms are dashed, in a darker shade of their transport's colour. Values are divided by `unit` (1000 draws
    bytes as kB). The points of one client count are drawn a little side by side, so that their intervals do not
    hide each other.
    """
    places = {clients: place for place, clients in enumerate(simulated.counts(run, column))}
    low, high = bounds(column)
    measured = simulated.beside(run, column)
    expected = [each for each in forms.predicted(run) if each.figure == column]
    all_styles = run_styles(run)
    within = _within_blocks(run, column) if paired else {}
    for number, (transport, look) in enumerate(all_styles.items()):
        cells = run.summary[run.summary["transport"] == transport].dropna(subset=[column])
        if logarithmic:
            cells = cells[cells[column] > 0]
        shift = dodged(number, len(all_styles))
        x = np.array([places[int(clients)] for clients in cells["clients"]]) + shift
        y, bottom, top = (cells[name].to_numpy(dtype=np.float64) / unit for name in (column, low, high))
        error = np.vstack((y - bottom, top - y))
        for place, clients in enumerate(cells["clients"]):
            if (transport, int(clients)) in within:
                error[:, place] = np.array(within[transport, int(clients)]) / unit
        spans = y - error[0], y + error[1]
        error[:, cells["valid_trials"].to_numpy(dtype=np.int64) <= FEW] = np.nan
        axes.errorbar(x, y, yerr=error, color=look.colour, marker=look.marker, capsize=4,
                      label=look.name)
        style.point_tips(axes, x, y, [
            f"{look.name}, {style.counted(int(clients), 'client')}: {style.number(at)} ({style.number(ends[0])} to "
            f"{style.number(ends[1])})" for clients, at, *ends in zip(cells["clients"], y, *spans, strict=True)])
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
    _scale(axes, places, label, logarithmic=logarithmic)
    _shade_checked(axes, run, places)


def _scale(axes: Axes, places: Mapping[int, int], label: str, *, logarithmic: bool) -> None:
    """Set both axes of a diagram by client counts, whose places are `places`; `label` is that of the values."""
    if logarithmic:
        axes.set_yscale("log")
        style.plain_ticks(axes, "y")
    else:
        axes.set_ylim(0, 1.04 * axes.get_ylim()[1])
        axes.yaxis.set_major_formatter("{x:,.6g}")
    axes.set_xticks(list(places.values()), [f"{clients:,}" for clients in places])
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("clients")
    axes.set_ylabel(label)


def _shade_checked(axes: Axes, run: RunData, places: Mapping[int, int]) -> None:
    """Shade the client counts up to which the model was checked; `places` are their places on the axis."""
    most = simulated.checked_most(run)
    within = [place for clients, place in places.items() if clients <= most]
    if within:
        axes.axvspan(-0.5, max(within) + 0.5, color="#000000", alpha=0.05, zorder=0, label=style.CHECKED)


def _within_blocks(run: RunData, column: str) -> dict[tuple[str, int], tuple[float, float]]:
    """Return the reach of the interval within blocks, downwards and upwards, by transport and client count."""
    found = {}
    for clients, here in run.valid.groupby("clients"):
        table = here.pivot_table(column, "block", "transport")
        for label, each in zip(table.columns, within_blocks(table.to_numpy(dtype=np.float64)), strict=True):
            if math.isfinite(each.low):
                found[str(label), int(str(clients))] = (each.estimate - each.low, each.high - each.estimate)
    return found


def dodged(number: int, count: int) -> float:
    """Return the distance by which the marks of one of `count` transports are moved aside, in client counts.

    It is so small that a mark is never nearer to a place between two counts than to its own.
    """
    return min(DODGE, 3 * DODGE / max(1, count - 1)) * (number - (count - 1) / 2)


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
            look = run_styles(run)[label]
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


def several(column: str) -> Callable[[RunData], bool]:
    """Return a test: has the run more than one client count in the figure of `column`?

    With one, the figure is a point for each transport, and says no more than the first table.
    """
    return lambda run: len(simulated.counts(run, column)) > 1


def _latency_caption(run: RunData) -> str:
    text = "Mean latency of what arrived. Bars are 95 % intervals between trials. "
    if run.simulated:
        return text + simulated.forms_note(run, of_a_push=True) + simulated.beside_note(run, "latency_mean_ms")
    return text + (
        "Dashed on a pale band of its transport's colour: the closed form of polling, where there is one for "
        "the feed's schedule, without any fitting: the wait for the next poll, plus the measured mean of the "
        "pushing transport as the delay to the client.")


def _age_caption(run: RunData) -> str:
    text = ("Age of information: how long ago the newest update that a client has was due, averaged over time, "
            "clients and symbols. Left, all of it: a quiet symbol is old for everyone, and the transports of a "
            "block have the same ticks, so bars are 95 % intervals of what differs within blocks. Right, only "
            "what the transport adds, with 95 % intervals between trials. ")
    if run.simulated:
        return text + simulated.forms_note(run, of_a_push=True) + simulated.beside_note(run, "age_mean_ms")
    return text + ("Dashed: the closed form of what is added, on the left added to the measured age of an ideal "
                   "client.")


PERCENTILES = FigureSpec[RunData](
    "latency-percentiles",
    lambda run: f"How long does an update take? ({style.counted(shown_clients(run), 'client')})",
    percentiles,
    "Latency runs from the instant at which an update was due to the moment the client's code had it. At "
    "99 %, one update in a hundred took longer. Bands are 95 % intervals between trials. A line ends at "
    "the highest of the percentiles 50, 90, 95, 99 and 99.9 that is known to ± 25 %, or, where marked, "
    "because the rest was lost.")
LATENCY_BY_CLIENTS = FigureSpec[RunData](
    "latency-by-clients", "Does latency grow with the number of clients?", latency_by_clients, _latency_caption,
    worth=several("latency_mean_ms"))
AGE_BY_CLIENTS = FigureSpec[RunData](
    "age-by-clients", "How old is what clients know?", age_by_clients, _age_caption, worth=several("age_mean_ms"))
DELIVERIES_OVER_TIME = FigureSpec[RunData](
    "deliveries-over-time",
    lambda run: f"Do updates arrive when they are due? ({style.counted(shown_clients(run), 'client')})",
    deliveries_over_time,
    "One trial of each transport, all clients together, in steps of 100 ms. Where the fill leaves the "
    "line, updates waited. What is lost or conflated never fills it: then the filled area is smaller.")
