"""The figure of a validation: every prediction over its measurement."""

from __future__ import annotations

from dataclasses import replace

from judged import judged_rows

from bench.report import style
from bench.report.figures.validation import DRAWN, HEADINGS, goal_text, predicted_over_measured
from bench.stats.run.prediction import QUANTITIES


def test_a_transport_is_drawn_as_in_other_reports() -> None:
    mixed = [replace(row, transport=label) for label in ("mine", "long_polling", "short_polling")
             for row in judged_rows()[:len(QUANTITIES)]]
    drawn = predicted_over_measured(mixed)
    names = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert names == ["goal", "mine", "long polling", "short polling"]
    colours = {line.get_markerfacecolor() for line in drawn.axes[0].get_lines() if line.get_marker() == "o"}
    assert colours == {style.styles(["short_polling"])["short_polling"].colour}


def test_each_panel_names_its_quantity_and_its_goal() -> None:
    goals = {each.name: each.goal or 0.0 for each in QUANTITIES}
    titles = [axes.get_title(loc="left") for axes in predicted_over_measured(judged_rows()).axes]
    assert titles == [f"{HEADINGS[name]}, {goal_text(goals[name])}" for name in DRAWN]
