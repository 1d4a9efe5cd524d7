"""Numbers as they are written, styles that differ, drawings that are the same every time."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from bench import transports
from bench.report import style


@pytest.mark.parametrize(("value", "text"), [
    (0.95123, "0.951"), (1.0, "1.00"), (12.34, "12.3"), (499.6, "500"), (1234.5, "1,230"),
    (0.00012345, "0.000123"), (0, "0"), (-2.5, "−2.50"), (math.inf, "lost"), (math.nan, "–"),
    (9.999, "10.0"), (99.96, "100"),
])
def test_three_significant_digits(value: float, text: str) -> None:
    assert style.number(value) == text


@given(st.floats(1e-4, 1e9))
def test_a_number_is_close_to_what_it_stands_for(value: float) -> None:
    assert float(style.number(value).replace(",", "")) == pytest.approx(value, rel=0.0051)


def test_the_looks_of_any_seven_subjects_differ_in_colour_and_in_marker() -> None:
    styles = style.styles([str(number) for number in range(7)])
    assert len({look.colour for look in styles.values()}) == len({look.marker for look in styles.values()}) == 7


@given(st.lists(st.sampled_from([*transports.names(), *map(str, range(12))]), unique=True, max_size=14))
def test_no_two_subjects_of_a_figure_look_alike(labels: list[str]) -> None:
    styles = style.styles(labels)
    assert len({(look.colour, look.marker) for look in styles.values()}) == len(labels)
    of_few = list(styles.values())[:7]
    assert len(labels) > 7 or len({look.colour for look in of_few}) == len(of_few)


@pytest.mark.parametrize("name", transports.names())
def test_a_transport_looks_as_it_declares_whoever_is_beside(name: str) -> None:
    said = transports.describe(name)
    bare = [f"{each}_bare" for each in transports.names()]   # more than there are colours
    for labels in ([name], ["mine", name, f"{name}_2"], [*transports.names(), *bare]):
        styles = style.styles(labels)
        look = styles[name]
        assert [label for label in labels if styles[label].colour == said.colour] == [name]
        assert (look.name, look.colour, look.marker, look.dashes) == (
            said.title, said.colour, said.marker, said.dashes)


@pytest.mark.parametrize(("label", "title"), [
    ("short_polling", "short polling"), ("websocket_tls", "WebSocket tls"), ("a_websocket", "a WebSocket"),
    ("websockets", "websockets"), ("mine", "mine"), ("slow_long_polling", "slow long polling"),
    ("websocket_bare", "WebSocket (bare)"), ("sse_browser", "SSE (browser)"),
])
def test_a_label_is_read_with_the_titles_of_the_transports_in_it(label: str, title: str) -> None:
    assert style.title(label) == title


def test_names_are_listed() -> None:
    assert style.listed(["a", "b", "c"]) == "a, b and c"
    assert style.listed(["a"]) == "a"


def test_a_legend_is_read_line_by_line_and_kind_by_kind() -> None:
    with style.settings():
        figure = Figure(figsize=(8.4, 4.0), layout="constrained")
        axes = figure.subplots()
        for label in ("checked range", "a", "a, closed form", "b", "b, closed form", "b, measured"):
            axes.plot([1, 2], label=label)
        style.legend(figure, axes)
        figure.draw_without_rendering()
        placed = [(round(-text.get_window_extent().y0), text.get_window_extent().x0, text.get_text())
                  for text in figure.legends[0].get_texts()]
    assert [text for *_, text in sorted(placed)] == [
        "a", "b", "b, measured", "a, closed form", "b, closed form", "checked range"]


def test_what_is_simulated_is_marked() -> None:
    styles = style.styles(["short_polling", "websocket"], ["websocket"])
    assert [look.name for look in styles.values()] == ["short polling", "WebSocket (simulated)"]


@pytest.mark.parametrize(("high", "written"), [
    (480.0, ["50", "100", "200"]), (48_000.0, ["100", "1,000", "10,000"]),
    (4_800_000.0, ["100", "1,000", "10,000", "100,000", "1,000,000"])])
def test_a_short_logarithmic_axis_has_more_than_a_tick(high: float, written: list[str]) -> None:
    with style.settings():
        figure = Figure()
        axes = figure.subplots()
        axes.set(yscale="log", ylim=(37.0, high))
        style.plain_ticks(axes, "y")
        figure.draw_without_rendering()
        axis = axes.yaxis
        shown = [tick for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]
                 if tick.label1.get_text() and 37 <= tick.get_loc() <= high]
    assert [tick.label1.get_text() for tick in sorted(shown, key=lambda tick: tick.get_loc())] == written


@pytest.mark.parametrize("labels", [
    ["checked range", *(f"{name}, measured" for name in ("short polling", "long polling", "WebSocket")),
     *(f"{name} (simulated)" for name in ("short polling", "long polling", "WebSocket"))],
    ["short polling", "long polling", "WebSocket", "server-sent events", "another one"],
    ["a transport whose name somebody made longer than any other one",
     "and one more that is about as long as it"],
    [f"{name}{what}" for what in ("", ", closed form")
     for name in ("short polling", "long polling", "WebSocket")],
])
def test_a_legend_is_no_wider_than_its_figure(labels: list[str]) -> None:
    with style.settings():
        figure = Figure(figsize=(8.4, 4.0), layout="constrained")
        axes = figure.subplots()
        for label in labels:
            axes.plot([1, 2], label=label)
        style.legend(figure, axes)
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width


def drawing(name: str) -> str:
    with style.settings():
        figure = Figure(figsize=(3, 2))
        figure.subplots().plot([1, 2], label="a")
    return style.svg(figure, name)


def test_a_drawing_is_the_same_every_time_and_has_its_own_identifiers() -> None:
    first = drawing("one")
    assert first == drawing("one")
    assert not re.search(r"\d{4}-\d\d-\d\d|<metadata>.*date", first)
    mine, theirs = (set(re.findall(r'\bid="([^"]+)"', drawing(name))) for name in ("one", "two"))
    assert mine
    assert not mine & theirs
    referred = set(re.findall(r'href="#([^"]+)"', first)) | set(re.findall(r"url\(#([^)]+)\)", first))
    assert referred <= mine


def test_a_drawing_needs_no_style_sheet_of_its_own() -> None:
    """A page's policy refuses any other; the sheet of the page gives it its colours in the dark."""
    text = drawing("one")
    assert "style" not in text
    assert 'fill="#ffffff"' in text
    assert 'stroke-linejoin="round"' in text


def test_the_pages_sheet_knows_the_shades_of_closed_forms() -> None:
    sheet = (Path(style.__file__).parent / "templates" / "page.css").read_text()
    for colour in style.COLOURS[:-1]:   # black is the ink's own
        assert f'[stroke="{style.darker(colour)}"]' in sheet
    for colour in (style.INK, style.FAINT, style.GRID):
        assert f'"{colour}"' in sheet


@pytest.mark.parametrize(("share", "signed", "text"), [
    (0.288, True, "+28.8 %"), (-0.288, True, "−28.8 %"), (-0.0004, True, "+0.0 %"), (-0.0004, False, "0.0 %"),
    (math.nan, True, "–"),
])
def test_a_share_that_rounds_to_nothing_is_no_less_than_nothing(share: float, signed: bool, text: str) -> None:
    assert style.percent(share, signed=signed).replace(style.NARROW, " ") == text


@pytest.mark.parametrize(("share", "text"), [
    (0.0, "0 %"), (0.002, "< 1 %"), (0.624, "62 %"), (0.998, "> 99 %"), (1.0, "100 %"),
])
def test_a_whole_share_is_none_or_all_only_where_it_is(share: float, text: str) -> None:
    assert style.whole_percent(share) == text
