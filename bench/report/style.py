"""The style of all figures: one colour, marker and line for each transport, the same in every figure.

A transport declares its own style (`bench.transports.description`). A subject whose label is no transport's
name, such as the second of two subjects of one transport, gets a style that nobody else in the figure has.

The colours are those of Okabe and Ito, which readers with any of the common colour blindnesses can tell
apart. Markers, line styles and hatches carry the same information without colour. Text is drawn as paths, and
nothing in a file depends on when or where it was made, so the same run gives the same bytes.
"""

from __future__ import annotations

import io
import itertools
import math
import re
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

from bench import transports
from bench.scenario.model import BROWSER, DEFAULT_SERVER
from bench.stats.run import uncertainty
from bench.stats.run.uncertainty import brief as brief
from bench.stats.run.uncertainty import number as number

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ((4.0, 2.0), (1.2, 1.6), (7.0, 2.0, 1.2, 2.0), (9.0, 3.0))
"""The styles of labels that no transport declares: of the same place in each, past the end from the start."""
CLOSED_FORM, MEASURED, CHECKED = "closed form", "measured", "checked range"
"""Endings of the legend's labels for marks other than a transport's own."""
NARROW = "\u202f"
"""A narrow space at which no line is broken."""
FULL = (0, (1, 2))
"""The dash pattern of the line that marks a full worker."""
WIDTH = 13.0
"""Characters of a legend that fit side by side in one inch of a figure's width."""
TITLE = 9.5
"""Characters of a title that fit in one inch of a figure's width."""
HANDLE = 8
"""Characters that the mark of a label takes, with the space around it."""
SHORT = 60.0
"""The ratio of its ends below which a logarithmic axis has only a few powers of ten on it."""
INK = "#222222"
FAINT = "#767676"
GRID = "#e3e3e3"

SETTINGS = {
    "font.family": "DejaVu Sans", "font.size": 10.0, "axes.titlesize": 12.0, "axes.titlelocation": "left",
    "axes.titleweight": "bold", "axes.titlepad": 12.0, "axes.spines.top": False,
    "axes.spines.right": False, "axes.edgecolor": FAINT, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.grid": True, "grid.color": GRID, "axes.axisbelow": True,
    "legend.frameon": False, "figure.facecolor": "white", "lines.linewidth": 1.8, "lines.markersize": 6.5,
    "hatch.linewidth": 0.7, "svg.fonttype": "path", "figure.dpi": 110.0,
}


@dataclass(frozen=True, slots=True)
class Style:
    """The style of one transport: its name in a legend, colour, marker, and dashes of its closed form."""

    name: str
    colour: str
    marker: str
    dashes: tuple[float, ...]
    """The dash pattern of its closed form."""


def styles(labels: Sequence[str], simulated: Sequence[str] = ()) -> dict[str, Style]:
    """Return the style of each subject, by label.

    A label that is a transport's name has the style which that transport declares, whatever else is in the run,
    so that a reader of two reports meets the same one. All others get the next free style, in the order of
    `labels`: first the colours that no transport in the figure declares, then those again, with other markers. The
    labels in `simulated` are marked as such in the name.
    """
    declared = {label: transports.describe(label) for label in labels if label in transports.names()}
    taken = {each.colour for each in declared.values()}
    fresh = [place for place, colour in enumerate(COLOURS) if colour not in taken] or range(len(COLOURS))
    free = ((turn, place) for turn in itertools.count() for place in fresh)
    found = {}
    for label in labels:
        name = title(label) + (" (simulated)" if label in simulated else "")
        if label in declared:
            own = declared[label]
            found[label] = Style(name, own.colour, own.marker, own.dashes)
        else:
            turn, place = next(free)
            found[label] = Style(
                name, COLOURS[place], MARKERS[(place + turn) % len(MARKERS)], DASHES[place % len(DASHES)])
    return found


def darker(colour: str) -> str:
    """Return a darker shade of a colour (`#rrggbb`), to be distinguished where one lies on the other."""
    return "#" + "".join(f"{int(colour[place:place + 2], 16) * 3 // 4:02x}" for place in (1, 3, 5))


@lru_cache
def title(label: str) -> str:
    """Return a label as a reader reads it: the names of transports in it as their titles, and no underscores.

    `short_polling` is short polling, and `websocket_bare` is WebSocket (bare) if WebSocket has a server `bare`; where
    pages of a browser are the clients, it is WebSocket (browser).
    What a sweep adds, such as `interval_s=0.5`, is kept.
    """
    titles = {name: transports.describe(name).title for name in transports.names()}
    titles |= {f"{name}_{server}": subject_title(name, server)
               for name in titles for server in (*transports.servers(name), BROWSER)}
    longest_first = "|".join(sorted(titles, key=len, reverse=True))
    names = re.compile(rf"(?<![A-Za-z0-9])({longest_first})(?![A-Za-z0-9])")
    words = names.sub(lambda found: titles[found[0]], label).split(" ")
    return " ".join(word if "=" in word else word.replace("_", " ") for word in words)


def subject_title(transport: str, server: str) -> str:
    """Return the title of a transport that this server serves; the default one goes without saying."""
    known = transport in transports.names()
    name = transports.describe(transport).title if known else transport.replace("_", " ")
    return name if server == DEFAULT_SERVER else f"{name} ({server})"


def sentence(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def listed(names: Sequence[str]) -> str:
    """Return names as a list in words: "one, two and three"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: "1 worker", "1,000 workers"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def tick_rate(rates: Sequence[float]) -> str:
    """Return the rates of feeds, in ticks per second: "1 tick/s", "1, 10 and 100 ticks/s"."""
    return f"{listed([f'{rate:g}' for rate in rates])} tick{'s' * (list(rates) != [1])}/s"


def percent(share: float, digits: int = 1, *, signed: bool = True) -> str:
    """Return a share in per cent, without a line break: `+28.8 %`; a dash for NaN."""
    if math.isnan(share):
        return "–"
    return f"{100 * share:{'+' if signed else ''}z.{digits}f}{NARROW}%".replace("-", "−")   # z: no zero is negative


def whole_percent(share: float) -> str:
    """Return a share in whole per cent, which is 0 % or 100 % only where it is exactly that."""
    text = f"{100 * share:.0f} %"
    if text == "0 %" and share > 0:
        return "< 1 %"
    return "> 99 %" if text == "100 %" and share < 1 else text


def banded(value: float, low: float, high: float) -> str:
    """Return a value with its band: `510 (450–580)`.

    The last digit written is that of half the band's width. Without a band, it has three significant digits.
    """
    if not (math.isfinite(low) and math.isfinite(high) and math.isfinite(value)) or high <= low:
        return number(value)
    end = uncertainty.digits(value, low, high)

    def number_text(figure: float) -> str:
        return f"{round(figure / 10.0**end) * 10.0**end:,.{max(0, -end)}f}"

    return f"{number_text(value)} ({number_text(low)}–{number_text(high)})"


def settings() -> AbstractContextManager[None]:
    """Return a context with the matplotlib settings under which a figure is drawn or written."""
    return mpl.rc_context(SETTINGS)  # type: ignore[arg-type]


def plain_ticks(axes: Axes, which: str) -> None:
    """Write the ticks of a logarithmic axis (`x` or `y`) as plain numbers: 0.1, 1, 10, 1,000.

    Where the axis is so short that only one or two of these are on it, 2 and 5, 20 and 50 … are written as
    well.
    """
    axis = axes.xaxis if which == "x" else axes.yaxis

    def between(value: float, _: int) -> str:
        low, high = sorted(axis.get_view_interval())
        first = f"{value:e}"[0]
        return f"{value:,.12g}" if 0 < high < SHORT * low and first in "25" else ""

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    axis.set_minor_formatter(FuncFormatter(between))


def heading(figure: Figure, text: str) -> None:
    """Set the title of a whole figure, wrapped to as many lines as it needs."""
    lines = textwrap.wrap(text, int(TITLE * figure.get_figwidth()))
    figure.suptitle("\n".join(lines), x=0.01, ha="left", weight="bold", size=12)


def aside(figure: Figure, text: str) -> None:
    """Write a small note along a figure's right edge, which says what it is wherever it is shown alone."""
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine), "as every figure of a report"
    with settings():
        engine.set(rect=(0, 0, 0.98, 1))
        figure.text(0.995, 0.5, text, rotation=90, ha="right", va="center", size=6.5, color=FAINT)


def closed_form(axes: Axes, look: Style, label: str, x: Sequence[float], y: Sequence[float]) -> None:
    """Draw a closed form: a dashed line in a darker shade of its transport's colour on a wide pale band, with a
    stroke at each point.

    It lies below what was found, and hides none of it: where both agree the band shows on either side.
    """
    axes.plot(x, y, color=look.colour, linewidth=8, alpha=0.22, zorder=1.5, solid_capstyle="butt")
    colour = darker(look.colour)
    axes.plot(x, y, color=colour, linestyle=(0, look.dashes), linewidth=1.5, zorder=1.6,
              label=f"{title(label)}, {CLOSED_FORM}")
    axes.plot(x, y, color=colour, linestyle="", marker="_", markersize=22, markeredgewidth=1.8, zorder=1.6)


def explain_full(axes: Axes) -> None:
    """Add the meaning of a line of the style `FULL` to the legend."""
    axes.plot([], [], color=FAINT, linestyle=FULL, linewidth=1.1, label=f"a full worker, {CLOSED_FORM}")


def say_nothing_is_there(axes: Axes) -> None:
    """Write in place of the marks that no trial has any."""
    axes.text(0.5, 0.5, "no valid trial has this value", ha="center", transform=axes.transAxes)


def legend(figure: Figure, axes: Axes) -> None:
    """Add a legend of what was drawn on `axes`: transports first, then the other marks, kind by kind.

    Where nothing was drawn, the figure says so instead.
    """
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        say_nothing_is_there(axes)
        return
    kinds = ("", f", {MEASURED}", f", {CLOSED_FORM}", CHECKED)
    drawn = sorted(zip(handles, labels, strict=True), key=lambda each: max(
        place for place, kind in enumerate(kinds) if each[1].endswith(kind)))
    key(figure, [handle for handle, _ in drawn], [label for _, label in drawn])


def key(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """Add a legend below the figure, where it hides nothing, in the order of reading line by line."""
    columns = _columns(labels, WIDTH * figure.get_figwidth())
    by_columns = [place for first in range(columns) for place in range(first, len(labels), columns)]
    figure.legend([handles[place] for place in by_columns], [labels[place] for place in by_columns],
                  loc="outside lower left", ncols=columns)


def _columns(labels: Sequence[str], room: float) -> int:
    """Return the most labels that fit side by side within `room` characters and fill their lines."""
    for columns in range(min(6, len(labels)), 1, -1):
        longest = [max(map(len, labels[first::columns])) for first in range(columns)]
        balanced = math.ceil(len(labels) / math.ceil(len(labels) / columns)) == columns
        if balanced and sum(longest) + HANDLE * columns <= room:
            return columns
    return 1


def tips(artist: Artist, texts: Sequence[str]) -> None:
    """Give each mark of a drawn line, or the one patch, a text that is shown while the pointer is on it.

    In the drawing each text is an SVG `<title>` (see `svg`). Raises `ValueError` for a text that holds the
    character by which they are kept apart.
    """
    if any(BETWEEN in text for text in texts):
        raise ValueError(f"found {BETWEEN} in one of {texts}")
    artist.set_gid(TIPS + BETWEEN.join(texts))


def point_tips(axes: Axes, x: ArrayLike, y: ArrayLike, texts: Sequence[str]) -> None:
    """Lay an unseen mark with a text over each point, wide enough to be met with a finger."""
    if len(texts):
        (marks,) = axes.plot(x, y, linestyle="", marker="o", markersize=15, markeredgewidth=0, alpha=0, zorder=9)
        tips(marks, texts)


TIPS, BETWEEN = "tips:", "\u00a6"


def svg(figure: Figure, name: str) -> str:
    """Return the figure as SVG for a page: no prolog, no dates, and identifiers that begin with `name`.

    It has no `style` attribute and no `<style>`: a page whose policy allows one style sheet alone shows it all
    the same, and that sheet can give it other colours in the dark.
    """
    buffer = io.StringIO()
    with settings(), mpl.rc_context({"svg.hashsalt": name}):
        # `savefig` would draw the figure twice: first for its layout alone, which this does while it draws.
        FigureCanvasSVG(figure).print_svg(buffer, metadata={   # type: ignore[no-untyped-call]
            "Date": None, "Creator": None, "Type": None, "Format": None})
    text = buffer.getvalue()
    text = text[text.index("<svg"):].rstrip()
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, count=1, flags=re.DOTALL)
    text = text.replace("<svg ", '<svg stroke-linejoin="round" stroke-linecap="butt" ', 1)
    text = re.sub(r'style="([^"]*)"', _as_attributes, text)
    text = re.sub(rf'<g id="{TIPS}([^"]*)">(.*?)</g>', _with_titles, text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    return re.sub(r"url\(#", f"url(#{name}-", text) + "\n"


def _as_attributes(found: re.Match[str]) -> str:
    """Return the declarations of a `style` attribute as attributes of their own."""
    pairs = (each.split(":", 1) for each in found[1].split(";") if each.strip())
    return " ".join(f'{name.strip()}="{value.strip()}"' for name, value in pairs)


def _with_titles(found: re.Match[str]) -> str:
    """Return a group with the texts of `tips` as titles: one for each mark, or one for the whole group."""
    texts, marks = iter(found[1].split(BETWEEN)), found[2]
    if "<use " not in marks:
        return f"<g><title>{next(texts)}</title>{marks}</g>"
    return "<g>" + re.sub(r"(<use [^>]*?)\s*/>", lambda mark: f"{mark[1]}><title>{next(texts)}</title></use>",
                          marks) + "</g>"
