"""The panel: bars on one scale, the best and ties marked, every figure with its interval."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from bench.report import RunData
from bench.report.figures.speed import run_styles
from bench.report.tables.panel import Panel, panel
from bench.report.text.first_screen import ranked
from bench.stats.run.intervals import Interval


def of(run: RunData) -> Panel:
    found = panel(ranked(run), run_styles(run))
    assert found is not None
    return found


def test_a_bar_ends_where_its_ratio_to_the_lowest_is(run: RunData) -> None:
    shown, measures = of(run), ranked(run)
    (one, _), (ten, text) = shown.ticks[:2]
    assert text == "10 ×"
    for card, label in zip(shown.cards, run.transports, strict=True):
        for bar, each in zip(card.bars, measures, strict=True):
            lowest = next(iter(each.figures.values())).estimate
            times = each.figures[label].estimate / lowest
            assert bar.end == pytest.approx(one + (ten - one) * math.log10(times), abs=1e-6)
            assert bar.one == one
            assert bar.low <= bar.end <= bar.high


def test_the_best_and_the_ties_are_marked(run: RunData, troubled: RunData) -> None:
    for each in (run, troubled):
        shown, measures = of(each), ranked(each)
        for place, measure in enumerate(measures):
            marks = {label: card.bars[place].mark for label, card in zip(each.transports, shown.cards, strict=True)}
            best = "tie" if len(measure.best) > 1 else "best"
            assert marks == {label: best if label in measure.best else "" for label in each.transports}


def test_the_table_has_all_of_it_in_words(run: RunData) -> None:
    shown = of(run)
    assert shown.table.columns == ("", "short polling", "long polling", "WebSocket")
    median = shown.table.rows[0]
    assert median[0] == "Median latency"
    assert "BEST" in median[3]
    assert median[1].endswith(" ×")
    assert "(" in median[1]


def test_what_is_lost_or_missing_has_no_end(run: RunData) -> None:
    first, *others = ranked(run)
    lost = replace(first, figures={**first.figures, "short_polling": Interval(math.inf, math.nan, math.nan, 4)})
    some = replace(others[0], figures={"websocket": others[0].figures["websocket"]}, best=("websocket",))
    shown = panel([lost, some], run_styles(run))
    assert shown is not None
    by_name = {card.name: card.bars for card in shown.cards}
    assert by_name["short polling"][0].text == "lost"
    assert by_name["short polling"][0].end == 100
    assert (by_name["short polling"][1].text, by_name["short polling"][1].mark) == ("–", "")
    assert math.isnan(by_name["short polling"][1].end)
    assert panel([], run_styles(run)) is None
