"""The figures of what fills a worker and what is done in vain: marks by the engine, lines by the forms."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.figure import Figure
from simulated_runs import made

from bench.report import RunData, style
from bench.report.figures import cost, load
from bench.report.text import forms


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    return made(tmp_path_factory.mktemp("runs"))


def names(figure: Figure) -> set[str]:
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


def test_the_load_has_its_form_and_where_it_is_full(known: RunData) -> None:
    figure = load.worker_load(known)
    axes = figure.axes[0]
    form = next(line for line in axes.get_lines() if line.get_label() == "short polling, closed form")
    assert form.get_xydata().tolist() == [[20, 0.004], [60, 0.012], [700, 0.14], [5000, 1.0]]
    assert [text.get_text() for text in axes.texts] == ["5,000", "full in the capacity plan: 60 %"]
    shown = next(line for line in axes.get_lines() if str(line.get_label()).startswith("WebSocket"))
    assert shown.get_xdata().tolist() == [20, 60]


def test_numbers_of_full_workers_do_not_meet() -> None:
    first, second, third = style.styles(["a", "b", "c"]).values()
    axes = Figure().subplots()
    axes.set(xscale="log", xlim=(5, 40_000))
    load._mark_full(axes, [(30_000.0, first), (3_000.0, second), (18_000.0, third)])
    assert [(text.get_text(), text.xyann[1]) for text in axes.texts] == [
        ("3,000", 7), ("18,000", 7), ("30,000", 18)]
    assert axes.get_legend_handles_labels()[1] == ["a full worker, closed form"]


def test_what_is_missed_in_vain_and_open(known: RunData) -> None:
    figure = load.in_vain(known)
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "updates missed (%)", "empty responses (%)", "sockets (log scale)"]
    for axes, value in zip(figure.axes, (2.0, 10.0, 20.0), strict=True):
        form = next(line for line in axes.get_lines() if line.get_label() == "short polling, closed form")
        assert form.get_ydata()[0] == value
    assert "short polling, closed form" in names(figure)


def test_bytes_have_a_line_across_each_bar(known: RunData) -> None:
    figure = cost.bytes_per_update(known)
    assert sorted(line.get_xdata()[0] for line in figure.axes[0].get_lines()) == [200, 300]
    assert "closed form" in names(figure)


def test_without_the_table_there_are_marks_alone(known: RunData) -> None:
    older = replace(known, closed_forms=None)
    for figure in (load.worker_load(older), load.in_vain(older),
                   cost.bytes_per_update(older)):
        assert not any("closed form" in name for name in names(figure))
    assert set(forms.cells(older)["server_load"].notna()) == {True}
