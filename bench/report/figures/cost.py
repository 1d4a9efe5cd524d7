"""The figures of cost: bytes per update by direction and kind, server CPU and memory.

See `bench.report.figures.speed` for what all figures have in common.
"""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.report import style
from bench.report.data.run import RunData, shown_clients
from bench.report.figures.spec import FigureSpec
from bench.report.figures.speed import by_clients, run_styles, several
from bench.report.text import forms, simulated
from bench.stats.trial.bytes import DIRECTIONS, PARTS

KINDS = {
    "payload": ("payload (the ticks)", "", 1.0),
    "header": ("HTTP headers", "////", 0.62),
    "framing": ("framing", "\\\\\\\\", 0.42),
    "tls": ("TLS", "xxxx", 0.3),
    "tcpip": ("TCP/IP headers", "----", 0.18),
    "ack": ("bare acknowledgements", "....", 0.1),
    "connection": ("opening and closing", "++++", 0.24),
    "retransmitted": ("retransmitted", "oooo", 0.5),
}
"""For each kind of bytes: its name, its hatch, and the strength of the transport's colour in its part."""
WORTH_DRAWING = 0.005
"""Share of the longest bar below which a part has neither hatch nor outline, which would hide it."""


def bytes_per_update(run: RunData) -> Figure:
    """Draw the bytes on the wire per update, one bar for each transport and direction, split by kind."""
    clients = shown_clients(run)
    cells = {row["transport"]: row for _, row in run.summary[run.summary["clients"] == clients].iterrows()}
    styles = {label: look for label, look in run_styles(run).items() if label in cells}
    expected = {(each.transport, each.figure): each.predicted for each in forms.predicted(run)
                if each.clients == clients}
    longest = max((_whole(cells[label], direction) for label in styles for direction in DIRECTIONS), default=0)
    with style.settings():
        figure = Figure(figsize=(8.4, 1.9 + 0.75 * max(1, len(styles))), layout="constrained")
        axes = figure.subplots()
        drawn: set[str] = set()
        ticks = []
        for place, (label, look) in enumerate(styles.items()):
            for side, direction in enumerate(DIRECTIONS[::-1]):
                y = -(place + 0.36 * side)
                ticks.append((y, f"{look.name}, {direction}"))
                form = expected.get((label, f"bytes_{direction}_per_update"), 0.0)
                drawn |= _bar(axes, y, cells[label], direction, look, form, longest)
        axes.set_yticks([y for y, _ in ticks], [text for _, text in ticks])
        axes.set_xlim(0, longest * 1.12 or 1)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("bytes per update (wire, IPv4)")
        handles: dict[str, Patch | Line2D] = {
            KINDS[part][0]: Patch(facecolor=_tint("#555555", KINDS[part][2]), hatch=KINDS[part][1],
                                  edgecolor=style.INK, linewidth=0.6) for part in PARTS if part in drawn}
        if any(name.startswith("bytes") for _, name in expected):
            handles[style.CLOSED_FORM] = Line2D([], [], color=style.INK, linewidth=1.1)
        if drawn:
            style.key(figure, list(handles.values()), list(handles))
        else:
            style.say_nothing_is_there(axes)
    return figure


def _bar(axes: Axes, y: float, cell: pd.Series, direction: str, look: style.Style, form: float,
         longest: float) -> set[str]:
    """Draw the bar of one direction of a transport, with its closed form; return the kinds that are large
    enough to be told by their hatch."""
    left, drawn = 0.0, set()
    for part, width in _widths(cell, direction).items():
        if not width:
            continue
        _, hatch, strength = KINDS[part]
        large = width > WORTH_DRAWING * longest
        bar = axes.barh(y, width, 0.32, left=left, color=_tint(look.colour, strength), hatch=hatch * large,
                        edgecolor=style.INK, linewidth=0.6 * large)
        style.tips(bar[0], [f"{look.name}, {direction}: {KINDS[part][0]} {style.number(width)} B"])
        if large:
            drawn.add(part)
        left += width
    if form:
        axes.plot([form, form], [y - 0.2, y + 0.2], color=style.INK, linewidth=1.1, zorder=3)
    if left:
        whole = style.number(_whole(cell, direction))
        axes.text(max(left, form) + 0.012 * longest, y, whole, va="center", size=9)
    return drawn


def server_by_clients(run: RunData) -> Figure:
    """Draw server CPU per update and, of a measured run, memory per client, against the client count."""
    with style.settings():
        figure = Figure(figsize=(8.4, 4.4), layout="constrained")
        if run.simulated:   # memory is not simulated
            axes = figure.subplots()
            by_clients(axes, run, "server_cpu_us_per_update", "CPU time per update (µs)")
            style.legend(figure, axes)
            return figure
        left, right = figure.subplots(1, 2)
        by_clients(left, run, "server_cpu_us_per_update", "CPU time per update (µs)")
        by_clients(right, run, "server_rss_bytes_per_client", "memory per client (kB)", unit=1000)
        left.set_title("CPU time per update", weight="normal", size=10)
        right.set_title("memory, less what it had before clients came", weight="normal", size=10)
        style.legend(figure, left)
    return figure


def _widths(cell: pd.Series, direction: str) -> dict[str, float]:
    """Return the width of each part, in bytes.

    A part may come out slightly negative, since a client's counters and its kernel's are not read at the same
    instant. Then the other parts are drawn a little smaller, so that the bar is as long as the whole.
    """
    widths = {part: max(0.0, counted(cell, f"{part}_bytes_{direction}_per_update")) for part in PARTS}
    drawn, whole = sum(widths.values()), _whole(cell, direction)
    scale = whole / drawn if drawn > whole else 1.0
    return {part: width * scale for part, width in widths.items()}


def _whole(cell: pd.Series, direction: str) -> float:
    """Return all bytes of a direction per update, which is the sum of its parts."""
    return counted(cell, f"bytes_{direction}_per_update")


def counted(cell: pd.Series, name: str) -> float:
    """Return a value of the summary; 0 where it was not measured, since a bar can't show that otherwise."""
    value = cell.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _tint(colour: str, strength: float) -> tuple[float, float, float]:
    """Return `colour` (`#rrggbb`) mixed with white, as red, green and blue from 0 to 1."""
    channels = (int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (1 - strength * (1 - channel) for channel in channels)
    return red, green, blue


def _bytes_caption(run: RunData) -> str:
    source = ("Bytes on the wire per update that arrived, by the project's own encoders and TCP's rules. "
              if run.simulated else
              "Bytes on the wire, counted by the kernel on every connection, per update that arrived. ")
    forms_note = simulated.forms_note(run) if run.simulated else ""
    return (f"{source}Down is to the client. The parts add up to the bar; the table “Bytes per update, by part” has "
            f"the numbers. {forms_note}").rstrip()


def _server_caption(run: RunData) -> str:
    if run.simulated:
        return ("CPU time of all workers over the measuring window per update that arrived. Memory is not "
                "simulated. Bars are 95 % intervals between trials. " + simulated.forms_note(run)
                + simulated.beside_note(run, "server_cpu_us_per_update"))
    return ("CPU time of the server's process over the measuring window per update that arrived, and how much "
            "its resident memory has grown since before the first client came, divided by the clients. So memory "
            "per client includes a share of the server's fixed memory and of its tape (the ticks that it still "
            "holds), a larger one with fewer clients; with several client counts, what each further one takes "
            "is in the first table. Bars are 95 % intervals between trials. Over loopback, a part of the "
            "clients' receiving is charged to the server.")


BYTES_PER_UPDATE = FigureSpec[RunData](
    "bytes-per-update",
    lambda run: f"What does an update cost on the wire? ({style.counted(shown_clients(run), 'client')})",
    bytes_per_update, _bytes_caption)
SERVER_BY_CLIENTS = FigureSpec[RunData](
    "server-by-clients", lambda run: ("What does an update cost the server?" if run.simulated else
                                      "What do updates and clients cost the server?"),
    server_by_clients, _server_caption, worth=several("server_cpu_us_per_update"))
