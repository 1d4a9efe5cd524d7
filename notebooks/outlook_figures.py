"""Figures of simulations beyond a measured run: more clients, whole fleets, longer distances.

They take frames (`outlook` makes them) and the run's styles, and say in title or legend what
is simulated. Measured results are filled and have solid lines, simulated ones are hollow and dashed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.report import style
from bench.report.figures import decision
from bench.report.pages import validation
from bench.report.style import Style
from bench.stats.run.prediction import ValidationRow
from bench.stats.trial.arrays import Floats
from bench.stats.trial.latency import bin_quantiles

SHARES = np.linspace(0.01, 0.99, 99)
WAYS = (("measured", "-", True), ("simulated", (0, (4.0, 2.0)), False))
"""The two sides of a figure: its word, its line style, and whether its marks are filled."""


def percentiles(styles: Mapping[str, Style], measured: pd.DataFrame, simulated: pd.DataFrame,
                distributions: Sequence[pd.DataFrame]) -> Figure:
    """Draw latency by percentile of the same trials, measured and simulated.

    `measured` and `simulated` hold rows of `trials.csv`; `distributions` holds their latencies, in the same
    order.
    """
    with style.settings():
        figure = Figure(figsize=(8.4, 4.4), layout="constrained")
        axes = figure.subplots()
        for label, look in _there(styles, simulated):
            for rows, frame, (word, line, _) in zip((measured, simulated), distributions, WAYS, strict=True):
                row = rows[rows["transport"] == label].iloc[0]
                axes.plot(100 * SHARES, _spectrum(row, frame), color=look.colour, linestyle=line,
                          label=f"{look.name}, {word}")
        axes.set_yscale("log")
        style.plain_ticks(axes, "y")
        axes.set_xlabel("share of updates that are at least as fast (%)")
        axes.set_ylabel("latency (ms, log scale)")
        axes.set_title("Does a simulated trial look like the measured one?")
        style.legend(figure, axes)
    return figure


def errors(rows: Sequence[ValidationRow]) -> Figure:
    """Draw each prediction of a validation over its measurement."""
    return validation.FIGURES[0].figure(validation.ValidationPage("", "", rows, {}))


def frontier(table: pd.DataFrame, lines: pd.DataFrame, within_ms: float) -> Figure:
    """Draw CPU against the longest staleness of an update, for each transport at its best.

    `table` and `lines` are those of a decision, `within_ms` is the staleness that it allows.
    """
    figure = decision.frontier(table, lines, within_ms, "cores", "CPU cores")
    with style.settings():
        style.heading(figure, "What does freshness cost? (computed)")
    return figure


def raised(styles: Mapping[str, Style], found: pd.DataFrame, full_at: float) -> Figure:
    """Draw load and mean latency of one worker over its clients, by closed forms (lines) and engine (marks).

    `found` has a row for each transport and client count; `full_at` is the load at which a worker counts as
    full.
    """
    with style.settings():
        figure = Figure(figsize=(8.4, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        for label, look in _there(styles, found):
            mine = found[found["transport"] == label]
            for axes, form, engine in ((left, "load_form", "load_engine"),
                                       (right, "latency_mean_form_ms", "latency_mean_engine_ms")):
                axes.plot(mine["clients"], mine[form].replace(np.inf, np.nan), color=look.colour,
                          dashes=look.dashes, label=f"{look.name}, {style.CLOSED_FORM}")
                axes.plot(mine["clients"], mine[engine], color=look.colour, marker=look.marker, linestyle="",
                          markerfacecolor="white", label=f"{look.name}, engine")
        left.axhline(full_at, color=style.FAINT, linewidth=1)
        left.annotate(f"full at {100 * full_at:.0f} %", (0.02, full_at), (0, 3), size=9, color=style.FAINT,
                      xycoords=("axes fraction", "data"), textcoords="offset points")
        left.set_ylabel("share of a core")
        left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
        left.set_ylim(0)
        right.set_ylabel("mean latency (ms, log scale)")
        right.set_yscale("log")
        style.plain_ticks(right, "y")
        for axes in (left, right):
            axes.set_xscale("log")
            style.plain_ticks(axes, "x")
            axes.set_xlabel("clients of one worker (log scale)")
        style.heading(figure, "How many clients can one worker serve? (simulated)")
        style.legend(figure, left)
    return figure


def fleets(styles: Mapping[str, Style], plan: pd.DataFrame) -> Figure:
    """Draw workers, traffic and, where known, price of the fleet that each transport needs, with their
    bounds."""
    panels = [("workers", "workers"), ("gbit_out_per_s", "traffic out (Gbit/s)")]
    if plan["month"].notna().all():
        panels.append(("month", f"per month (thousand {plan['currency'].iloc[0]})"))
    with style.settings():
        figure = Figure(figsize=(8.4, 3.2), layout="constrained")
        for number, (name, text) in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), number + 1)
            unit = 1000 if name == "month" else 1
            for place, (label, look) in enumerate(_there(styles, plan)):
                row = plan[plan["transport"] == label].iloc[0]
                value, low, high = (float(row[name + side]) / unit for side in ("", "_low", "_high"))
                axes.barh(place, value, color=look.colour, height=0.6)
                if low == low:
                    axes.plot([low, high], [place, place], color=style.INK, linewidth=1.4, marker="|")
            names = [look.name for _, look in _there(styles, plan)]
            axes.set_yticks(range(len(names)), names if number == 0 else [""] * len(names))
            axes.invert_yaxis()
            axes.grid(visible=False, axis="y")
            axes.set_xlabel(text)
        style.heading(figure, f"What do {int(plan['clients'].iloc[0]):,} clients take? (simulated)")
    return figure


def farther(styles: Mapping[str, Style], near: pd.DataFrame, far: pd.DataFrame, rtt_ms: float) -> Figure:
    """Draw the median and the 99th percentile of the same trials, measured on the loopback and simulated.

    `near` (measured) and `far` (simulated with a round trip of `rtt_ms`) hold rows of `trials.csv`.
    """
    with style.settings():
        figure = Figure(figsize=(8.4, 3.0), layout="constrained")
        axes = figure.subplots()
        found = _there(styles, far)
        for place, (label, look) in enumerate(found):
            for rows, lift, (word, _, filled) in zip((near, far), (-0.14, 0.14), WAYS, strict=True):
                row = rows[rows["transport"] == label].iloc[0]
                ends = [float(row["latency_p50_ms"]), float(row["latency_p99_ms"])]
                axes.plot(ends, [place + lift] * 2, color=look.colour, marker=look.marker,
                          linestyle="-" if filled else (0, (3.0, 2.0)),
                          markerfacecolor=look.colour if filled else "white")
                axes.annotate(word, (ends[1], place + lift), (8, -3), size=9, color=style.FAINT,
                              textcoords="offset points")
        axes.set_yticks(range(len(found)), [look.name for _, look in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xscale("log")
        axes.margins(x=0.15)
        style.plain_ticks(axes, "x")
        axes.set_xlabel("latency, median to 99th percentile (ms, log scale)")
        axes.set_title(f"What does a round trip of {rtt_ms:g} ms change?")
    return figure


def _there(styles: Mapping[str, Style], rows: pd.DataFrame) -> list[tuple[str, Style]]:
    """Return the transports that have a row, with their styles."""
    have = set(rows["transport"])
    return [(label, look) for label, look in styles.items() if label in have]


def _spectrum(row: pd.Series, distributions: pd.DataFrame) -> Floats:
    """Return a trial's latencies in ms, at the shares in `SHARES`."""
    mine = (distributions["trial"] == row["trial"]) & (distributions["instant"] == "app")
    held = distributions[mine].sort_values("bin")
    numbers, counts = (held[name].to_numpy(dtype=np.int64) for name in ("bin", "count"))
    return bin_quantiles(numbers, counts, int(row["lost"]), SHARES) / 1e6
