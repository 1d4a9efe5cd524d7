"""The figure of a browser's pages beside our own clients: median and 90th percentile of both, on one scale.

A row for each transport and client count. A line leads from our own clients' median, a filled mark, to the page's, a
hollow one; what the page adds is written beside it. Rows of one client count are together.
"""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from bench.report import style
from bench.report.data.page_delay import MEDIAN, PageDelay, delays
from bench.report.data.run import RunData
from bench.report.figures.spec import FigureSpec
from bench.report.figures.speed import run_styles

ROW = 0.34
"""Height of a row, in inches."""


def page_delay(run: RunData) -> Figure:
    """Draw the median latency of our own clients and of a browser's pages, a row per transport and client count."""
    rows, styles = _rows(run), run_styles(run)
    with style.settings():
        figure = Figure(figsize=(8.4, 1.6 + ROW * len(rows)), layout="constrained")
        axes = figure.subplots()
        for place, each in enumerate(rows):
            own, page = each.ours.estimate, each.page.estimate
            look = styles[each.pair.ours]
            axes.plot([own, page], [place, place], color=look.colour, linewidth=1.2)
            axes.plot([own], [place], look.marker, color=look.colour)
            axes.plot([page], [place], look.marker, color=look.colour, markerfacecolor="white")
            axes.annotate(_text(each), (max(own, page), place), (9, 0), textcoords="offset points", size=9,
                          verticalalignment="center", color=style.INK)
        axes.plot([], [], "o", color=style.INK, label="our own clients")
        axes.plot([], [], "o", color=style.INK, markerfacecolor="white", label="pages of a browser")
        axes.set_yticks(range(len(rows)), [_name(each) for each in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xscale("log")
        axes.margins(x=0.2)
        style.plain_ticks(axes, "x")
        axes.set_xlabel("median latency (ms, log scale)")
        style.legend(figure, axes)
    return figure


def _rows(run: RunData) -> list[PageDelay]:
    """Return the medians that both clients of a pair have, and that are not among lost updates."""
    return [each for each in delays(run) if each.figure == MEDIAN and math.isfinite(each.added.estimate)]


def _name(each: PageDelay) -> str:
    return f"{style.title(each.pair.ours)}, {style.counted(each.clients, 'client')}"


def _text(each: PageDelay) -> str:
    sign = "+" if each.added.estimate >= 0 else ""
    return f"{sign}{style.number(each.added.estimate)} ms"


PAGE_DELAY = FigureSpec[RunData](
    "page-delay", "How much later does a page of a browser have an update?", page_delay,
    "Filled marks: our own clients. Hollow marks: pages of a headless Chromium, which run the transport's client in "
    "JavaScript, with the same server and the same ticks. The number is the difference within blocks.",
    worth=lambda run: bool(_rows(run)))
