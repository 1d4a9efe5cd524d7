"""The figure of a validation: every prediction over its measurement."""

from __future__ import annotations

from dataclasses import replace

from judged import judged_rows
from matplotlib.lines import Line2D

from bench.report import style
from bench.report.figures.validation import DRAWN, HEADINGS, goal_text, predicted_over_measured
from bench.stats.run.prediction import QUANTITIES


def test_a_transport_is_drawn_as_in_other_reports() -> None:
    mixed = [replace(row, transport=label) for label in ("mine", "long_polling", "short_polling")
             for row in judged_rows()[:len(QUANTITIES)]]
    drawn = predicted_over_measured(mixed)
    names = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert names == ["mine", "long polling", "short polling", "goal"]
    colours = {line.get_markerfacecolor() for line in drawn.axes[0].get_lines() if line.get_marker() == "o"}
    assert colours == {style.styles(["short_polling"])["short_polling"].colour}


def test_each_panel_names_its_quantity_and_its_goal() -> None:
    goals = {each.name: each.goal or 0.0 for each in QUANTITIES}
    titles = [axes.get_title(loc="left") for axes in predicted_over_measured(judged_rows()).axes]
    assert titles == [f"{HEADINGS[name]}, {goal_text(goals[name])}" for name in DRAWN]


def test_axes_have_units_and_the_legend_has_full_marks() -> None:
    figure = predicted_over_measured([replace(row, met="") for row in judged_rows()])
    for axes, unit in zip(figure.axes, DRAWN.values(), strict=True):
        assert axes.get_xlabel() == f"measured ({unit}, log scale)"
        assert axes.get_ylabel() == f"predicted ({unit}, log scale)"
    marks = [each for each in figure.legends[0].legend_handles if isinstance(each, Line2D)]
    assert marks
    assert "white" not in {each.get_markerfacecolor() for each in marks}
