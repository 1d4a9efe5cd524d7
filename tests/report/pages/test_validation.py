"""The page of a validation: every miss is told, with its reason, and the figure is there."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from bench.report import style
from bench.report.pages import validation
from bench.report.pages.validation import ValidationPage
from bench.stats.run.prediction import QUANTITIES, ValidationRow


def rows(error: float = 0.02) -> list[ValidationRow]:
    """Two cells, the second missed in p50 and without a goal for p99; and a capacity limit without a bracket."""
    found = []
    for clients, load in ((500, 0.3), (900, 0.75)):
        for quantity in QUANTITIES:
            off = 0.5 if (clients, quantity.name) == (500, "latency_p50_ms") else error
            none = quantity.goal is None or (quantity.of_latency and load > 0.7)
            goal = math.nan if none else float(quantity.goal or 0)
            met = "" if math.isnan(goal) else "no" if off > goal else "yes"
            found.append(ValidationRow("long_polling", clients, load, quantity.name, 10.0, 10 * (1 + off), off,
                                       off - 0.01, off + 0.01, goal, met))
    nan = math.nan
    return [*found, ValidationRow("websocket", 1900, 0.2, "knee_clients", nan, nan, nan, nan, nan, 0.1, "open")]


def judged() -> ValidationPage:
    """A validation with one miss and one that is open."""
    reasons = {("long_polling", 500, "latency_p50_ms"): "The load client's queue was longer."}
    return ValidationPage("a-validation", "costs measured on here", rows(), reasons, ("A trial was left out.",))


def test_every_miss_is_told_with_its_reason() -> None:
    """And one without a reason says that there is none."""
    page = validation.page(judged())
    assert page.summary[0] == (
        "Goals: 5 inside with proof, 0 inside, 0 outside, 1 outside with proof, 1 unknown: the point "
        "estimate lies outside in 1 of 7.")
    assert page.summary[-1] == "A trial was left out."
    misses = page.sections[0].rows
    assert [row[-1] for row in misses] == [
        "The load client's queue was longer.", "No other measurement explains it."]
    assert misses[0][:5] == ("long polling", "500", "latency, median (ms)", f"+50.0{style.NARROW}%",
                             "outside with proof")


def test_a_finding_names_the_worst_cell() -> None:
    """Of each quantity that has a goal."""
    finding = next(each for each in validation.page(judged()).summary if each.startswith("Latency, median"))
    assert finding.replace(style.NARROW, " ").endswith(
        "at worst by +50.0 % (long polling, 500 clients); goal ± 10 %: 0 inside with proof, 0 inside, 0 "
        "outside, 1 outside with proof: the point estimate lies outside in 1 of 1.")


def test_a_transport_looks_as_in_other_reports() -> None:
    """And its cells are listed together, whatever the order in which they were judged."""
    mixed = [replace(row, transport=label, clients=clients) for label, clients in (
        ("mine", 20), ("long_polling", 50), ("short_polling", 50), ("long_polling", 20))
        for row in rows()[:len(QUANTITIES)]]
    page = validation.page(replace(judged(), rows=mixed))
    assert [row[:2] for row in page.leading[0].rows] == [
        ("mine", "20"), ("long polling", "20"), ("long polling", "50"), ("short polling", "50")]
    drawn = validation.predicted_over_measured(mixed)
    names = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert names == ["goal", "mine", "long polling", "short polling"]
    colours = {line.get_markerfacecolor() for line in drawn.axes[0].get_lines() if line.get_marker() == "o"}
    assert colours == {style.styles(["short_polling"])["short_polling"].colour}


def test_the_page_stands_alone(tmp_path: Path) -> None:
    """HTML with its figure, Markdown beside it, the same bytes each time."""
    validation.write(tmp_path, judged())
    first = (tmp_path / "report.html").read_bytes()
    assert b"<svg" in first
    assert b"costs measured on here" in first
    assert (tmp_path / "report.md").is_file()
    assert (tmp_path / "figures" / "predicted-over-measured.svg").is_file()
    validation.write(tmp_path, judged())
    assert (tmp_path / "report.html").read_bytes() == first


@pytest.mark.parametrize("given", [[], rows()[:8]], ids=["nothing", "one cell"])
def test_the_figure_is_drawn_of_whatever_there_is(given: list[ValidationRow]) -> None:
    """A validation may have few cells."""
    assert validation.FIGURES[0].figure(replace(judged(), rows=given)).get_suptitle()
