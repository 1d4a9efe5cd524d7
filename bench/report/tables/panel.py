"""The panel of the first screen: for each transport its values that matter, as bars on one common scale.

    a bar's end = how many times the lowest value of its measure, on a logarithmic scale common to all measures

So a glance along a row shows who is best and by how much, whatever the unit: the lowest has a bar of no length
and is marked *best*, those that can't be separated from it are marked *tie*. The thin line is the 95 % interval
of the value, divided by the same lowest value.

Known weakness: an interval holds what differs between trials, also what all transports of a block have in common;
the test behind *tie* compares within blocks, so two intervals may overlap where the difference is separable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import style
from bench.report.tables.run import TextTable
from bench.report.text.findings import amount_text
from bench.report.text.first_screen import RankedMeasure
from bench.stats.run.intervals import Interval

LEAST = 0.5
"""The left end of the scale, in times of the lowest value, at the least."""
BEST, TIE = "best", "tie"


@dataclass(frozen=True, slots=True)
class PanelBar:
    """One value of one transport. Places are from 0 to 100 along the scale; NaN where nothing is drawn."""

    heading: str
    text: str
    """The value with its unit."""
    spread: str
    """Its interval, in brackets."""
    times: str
    """The value as a multiple of the lowest one; empty for the lowest."""
    mark: str
    """`best`, `tie` or nothing."""
    one: float
    """The place of the lowest value, where the bar begins."""
    end: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PanelCard:
    """The bars of one transport."""

    name: str
    colour: str
    bars: tuple[PanelBar, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """The cards of all transports, with the ticks of their scale: place and text."""

    measures: tuple[RankedMeasure, ...]
    cards: tuple[PanelCard, ...]
    ticks: tuple[tuple[float, str], ...]

    @property
    def table(self) -> TextTable:
        """Return the panel as a table, for a page without bars: a row for each measure."""
        rows = []
        for place, measure in enumerate(self.measures):
            bars = [card.bars[place] for card in self.cards]
            rows.append((style.sentence(measure.heading), *(
                " ".join(filter(None, (bar.text + bar.spread, bar.mark.upper(), bar.times))) for bar in bars)))
        return TextTable("panel", "At first sight", ("", *(card.name for card in self.cards)), tuple(rows), NOTE)


NOTE = ("BEST: the lowest, separable from all others. TIE: not separable from the lowest. ×: times the lowest "
        "value. In brackets: 95 % interval between trials; of up to three trials, their own values.")


def panel(found: Sequence[RankedMeasure], styles: dict[str, style.Style]) -> Panel | None:
    """Return the panel of the ranked measures; None where there are none.

    `styles` gives names and colours, by label.
    """
    labels = [label for label in styles if any(label in each.figures for each in found)]
    if not labels:
        return None
    low, high = _ends(found)

    def place(times: float) -> float:
        if math.isnan(times):
            return math.nan
        return 100 * math.log(min(max(times, low), high) / low) / math.log(high / low)

    cards = []
    for label in labels:
        bars = []
        for each in found:
            figure = each.figures.get(label)
            ends = _times(each, figure) if figure else (math.nan,) * 3
            bars.append(PanelBar(
                each.heading, *_text(each, figure), _times_text(each, label, ends[0]), _mark(each, label),
                place(1.0), *(place(times) for times in ends)))
        cards.append(PanelCard(styles[label].name, styles[label].colour, tuple(bars)))
    return Panel(tuple(found), tuple(cards), tuple((place(at), f"{at:,} ×") for at in _ticks(high)))


def _ends(found: Sequence[RankedMeasure]) -> tuple[float, float]:
    """Return the ends of the scale, in times of the lowest value."""
    all_times = [times for each in found for figure in each.figures.values() for times in _times(each, figure)
                 if math.isfinite(times)]
    return max(LEAST, min([0.9, *(times for times in all_times if times > 0)])), 1.05 * max([2.0, *all_times])


def _ticks(high: float) -> list[int]:
    """Return the numbers of the scale: powers of ten, or 1, 2 and 5 where there would be few."""
    if high < 12:
        return [each for each in (1, 2, 5, 10) if each <= high]
    return [10**power for power in range(math.floor(math.log10(high)) + 1)]


def _times(each: RankedMeasure, figure: Interval) -> tuple[float, float, float]:
    """Return a value and the ends of its interval, divided by the lowest; NaN where that is not positive."""
    lowest = next(iter(each.figures.values())).estimate
    if not (math.isfinite(lowest) and lowest > 0):
        return (math.nan,) * 3
    few = figure.values
    low, high = (min(few), max(few)) if few else (figure.low, figure.high)
    return figure.estimate / lowest, low / lowest, high / lowest


def _text(each: RankedMeasure, figure: Interval | None) -> tuple[str, str]:
    """Return a value with its unit, and its interval."""
    if figure is None:
        return "–", ""
    text = amount_text(figure, each.question)
    value, bracket, spread = text.partition(" (")
    return value, bracket + spread


def _times_text(each: RankedMeasure, label: str, times: float) -> str:
    if label == next(iter(each.figures)) or not math.isfinite(times):
        return ""
    return f"{style.number(times)} ×"


def _mark(each: RankedMeasure, label: str) -> str:
    if label not in each.best:
        return ""
    return BEST if len(each.best) == 1 and len(each.figures) > 1 else TIE if len(each.best) > 1 else ""
