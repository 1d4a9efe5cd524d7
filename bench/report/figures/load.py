"""The figures that only a simulated run has: load of a worker, missed updates, empty responses, open sockets.

Marks are the engine's results, fine lines the closed forms, as in `bench.report.figures.speed`. A run without
closed forms has only the marks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.report import style
from bench.report.data.run import RunData
from bench.report.figures.spec import FigureSpec
from bench.report.figures.speed import dodged, run_styles
from bench.report.style import Style
from bench.report.text import forms

FINE = 1.0
"""Width of a closed form's line, in points."""
TOP = 1.22
"""Share of a core at the upper edge of `worker_load`, with space for the numbers above a full core."""
NEAR = 0.12
"""Share of an axis' width within which two of these numbers would overlap."""


def worker_load(run: RunData) -> Figure:
    """Draw the share of a core that each worker uses against all clients, up to where it is full."""
    found, workers = forms.cells(run), run.scenario.simulation.workers
    with style.settings():
        figure = Figure(figsize=(8.4, 4.4), layout="constrained")
        axes = figure.subplots()
        for label, look in run_styles(run).items():
            mine = found[found["transport"] == label].dropna(subset=[forms.LOAD])
            axes.plot(mine["clients"], mine[forms.LOAD], color=look.colour, marker=look.marker, linestyle="",
                      label=look.name, zorder=3)
            style.point_tips(axes, mine["clients"].tolist(), mine[forms.LOAD].tolist(), [
                f"{look.name}, {style.counted(int(clients), 'client')}: {style.percent(load, signed=False)}"
                for clients, load in zip(mine["clients"], mine[forms.LOAD], strict=True)])
            if run.closed_forms is not None:
                curve = forms.load_curve(run, label)
                axes.plot(curve["clients"], curve["value"], color=style.darker(look.colour), linewidth=FINE,
                          dashes=look.dashes, label=f"{style.title(label)}, {style.CLOSED_FORM}")
        axes.set_xscale("log")
        _mark_full(axes, [(forms.full(run, label), look) for label, look in run_styles(run).items()])
        full_at = run.scenario.simulation.full_at
        axes.axhline(full_at, color=style.FAINT, linewidth=0.8)
        axes.annotate(f"full in the capacity plan: {100 * full_at:.0f} %", (0.01, full_at), (0, 4), size=9,
                      color=style.FAINT, xycoords=("axes fraction", "data"), textcoords="offset points")
        style.plain_ticks(axes, "x")
        axes.set_ylim(0, TOP)
        axes.set_yticks(np.linspace(0, 1, 6))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
        axes.set_xlabel(f"clients on {style.counted(workers, 'worker')} (log scale)")
        axes.set_ylabel("load of a worker (share of a core)")
        style.legend(figure, axes)
    return figure


def _mark_full(axes: Axes, found: Sequence[tuple[float, Style]]) -> None:
    """Mark the client count at which a worker's work takes all of its core, for each transport.

    `found` holds (clients, look). Numbers that would overlap are written one above the other.
    """
    marked = sorted(((clients, look) for clients, look in found if math.isfinite(clients) and clients >= 1),
                    key=lambda each: each[0])
    for clients, look in marked:
        colour = style.darker(look.colour)
        axes.axvline(clients, ymax=1 / TOP, color=colour, linewidth=FINE, linestyle=style.FULL)
        axes.plot([clients], [1.0], color=colour, marker=look.marker, markerfacecolor="white", linestyle="")
    low, high = axes.get_xlim()
    level, before = 0, 0.0
    for clients, look in marked:
        level = level + 1 if before and math.log(clients / before) < NEAR * math.log(high / low) else 0
        before = clients
        axes.annotate(style.number(clients, 2), (clients, 1.0), (0, 7 + 11 * level), size=9, ha="center",
                      textcoords="offset points", color=style.darker(look.colour))
    if marked:
        style.explain_full(axes)


def in_vain(run: RunData) -> Figure:
    """Draw updates missed, empty responses and open sockets, against the number of clients."""
    panels = (("missed_share", "updates missed (%)", 100.0),
              ("answers_empty_share", "empty responses (%)", 100.0), ("sockets", "sockets (log scale)", 1.0))
    with style.settings():
        figure = Figure(figsize=(8.4, 3.9), layout="constrained")
        first, *others = figure.subplots(1, len(panels))
        for axes, (column, text, unit) in zip((first, *others), panels, strict=True):
            _panel(axes, run, column, unit)
            axes.set_ylabel(text)
        style.legend(figure, others[0] if len(others[0].get_lines()) > len(first.get_lines()) else first)
    return figure


def _panel(axes: Axes, run: RunData, column: str, unit: float) -> None:
    """Draw one column of `forms.cells` with its closed form; values are multiplied by `unit`."""
    places = {clients: place for place, clients in enumerate(run.clients)}
    found, expected = forms.cells(run), forms.predicted(run)
    styles = run_styles(run)
    for number, (label, look) in enumerate(styles.items()):
        shift = dodged(number, len(styles))
        mine = found[found["transport"] == label].dropna(subset=[column])
        axes.plot([places[int(clients)] + shift for clients in mine["clients"]], unit * mine[column],
                  color=look.colour, marker=look.marker, linestyle="", label=look.name)
        form = [each for each in expected if (each.transport, each.figure) == (label, column)]
        if form:
            style.closed_form(axes, look, label, [places[each.clients] + shift for each in form],
                              [unit * each.predicted for each in form])
    if column == "sockets":
        axes.set_yscale("log")
        style.plain_ticks(axes, "y")
    else:
        axes.set_ylim(0, max(1.0, 1.08 * axes.get_ylim()[1]))
    axes.set_xticks(list(places.values()), [f"{clients:,}" for clients in places])
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("clients")


WORKER_LOAD = FigureSpec[RunData](
    "worker-load", "How many clients fill the servers?", worker_load,
    "CPU of each worker, with its idle base. Marks: simulated, one for each client count. Fine lines: "
    "closed forms. Dotted, with the number of clients at its top: where a worker's work would take all of "
    "its core, if no work waited. Near it polls come late, and long polls and pushes share reads, so the "
    "load grows more slowly.",
    worth=lambda run: len(run.clients) > 1 or run.closed_forms is not None)
IN_VAIN = FigureSpec[RunData](
    "in-vain", "How many updates are missed, responses empty, and sockets open?", in_vain,
    "Left: updates that did not arrive, because newer ones replaced them or they were lost. Middle: "
    "responses to polls without an update. Right: sockets open at the servers. Fine lines: closed forms.",
    worth=lambda run: len(run.clients) > 1)
