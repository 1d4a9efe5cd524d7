"""The page of a validation: every miss is told, with its reason, and the figure is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from judged import judged_rows

from bench.report import style
from bench.report.pages import validation
from bench.report.pages.validation import ValidationPage
from bench.stats.run.prediction import QUANTITIES, ValidationRow


def judged() -> ValidationPage:
    """Return a validation with one miss and one that is open."""
    reasons = {("", "long_polling", 500, "latency_p50_ms"): "The load client's queue was longer."}
    return ValidationPage("a-validation", "costs measured on here", judged_rows(), reasons, ("A trial was left out.",))


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


def test_of_an_even_number_of_cells_the_median_is_between_two() -> None:
    missed = next(row for row in judged_rows() if row.quantity == "latency_p50_ms" and row.error == 0.5)
    rows = [replace(missed, error=error) for error in (0.1, -0.3)]
    told = validation._findings(replace(judged(), rows=rows))[0].replace(style.NARROW, " ")
    assert told.startswith("Latency, median (ms): off by 20.0 % in the median of 2 cells, at worst by −30.0 % (")


def test_the_cells_of_a_transport_are_listed_together() -> None:
    """Whatever the order in which they were judged."""
    mixed = [replace(row, transport=label, clients=clients) for label, clients in (
        ("mine", 20), ("long_polling", 50), ("short_polling", 50), ("long_polling", 20))
        for row in judged_rows()[:len(QUANTITIES)]]
    page = validation.page(replace(judged(), rows=mixed))
    assert [row[:2] for row in page.leading[0].rows] == [
        ("mine", "20"), ("long polling", "20"), ("long polling", "50"), ("short polling", "50")]


def test_a_cell_that_two_runs_have_is_listed_for_each_under_its_name() -> None:
    """The other one keeps its own error and its own reason; a cell of one run is not named by it."""
    first = judged_rows()[:len(QUANTITIES)]
    rows = [replace(row, run="larger") for row in judged_rows()] + [replace(row, run="faster") for row in first]
    reasons = {(run, "long_polling", 500, "latency_p50_ms"): f"That of {run}." for run in ("larger", "faster")}
    page = validation.page(replace(judged(), rows=rows, reasons=reasons))
    assert [row[:2] for row in page.leading[0].rows] == [
        ("long polling (larger)", "500"), ("long polling (faster)", "500"), ("long polling", "900")]
    assert [(row[0], row[-1]) for row in page.sections[0].rows][:2] == [
        ("long polling (larger)", "That of larger."), ("long polling (faster)", "That of faster.")]


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


@pytest.mark.parametrize("given", [[], judged_rows()[:8]], ids=["nothing", "one cell"])
def test_the_figure_is_drawn_of_whatever_there_is(given: list[ValidationRow]) -> None:
    """A validation may have few cells."""
    assert validation.FIGURES[0].figure(replace(judged(), rows=given)).get_suptitle()
