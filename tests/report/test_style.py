"""Numbers as they are written, looks that differ, drawings that are the same every time."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

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


def test_no_two_transports_look_alike() -> None:
    looks = style.looks([str(number) for number in range(7)])
    assert len({look.colour for look in looks.values()}) == len({look.marker for look in looks.values()}) == 7


def test_what_is_simulated_is_marked() -> None:
    looks = style.looks(["short_polling", "websocket"], ["websocket"])
    assert [look.name for look in looks.values()] == ["short polling", "WebSocket (simulated)"]


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
