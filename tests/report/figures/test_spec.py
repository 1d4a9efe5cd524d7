"""A figure in one place: its title and its caption may follow from the data."""

from __future__ import annotations

from matplotlib.figure import Figure

from bench.report.figures.spec import FigureSpec


def draw(_: int) -> Figure:
    figure = Figure(layout="constrained")
    figure.subplots()
    return figure


def test_title_and_caption_are_texts_or_follow_from_the_data() -> None:
    fixed: FigureSpec[int] = FigureSpec("fixed", "A title", draw, "A caption.")
    assert (fixed.figure(1).get_suptitle(), fixed.caption_of(1), fixed.worth(1)) == ("A title", "A caption.", True)
    told: FigureSpec[int] = FigureSpec("told", lambda n: f"{n} found", draw, lambda n: f"{n} of them.")
    assert (told.figure(2).get_suptitle(), told.caption_of(2)) == ("2 found", "2 of them.")
