"""The drawn map: the best has its colour and marker, a tie all markers, nobody a cross."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from bench.report.figures import crossover as figures

NAMES = ("short_polling", "long_polling", "websocket")


def field(asked: str, rate: float, clients: int, prices: tuple[float | None, ...],
          known: bool = True) -> list[dict[str, object]]:
    """Return a field's rows; without a price, nobody can serve it."""
    standing = sorted(each for each in prices if each is not None)
    best = [each is not None and each <= standing[0] * 1.1 for each in prices]
    ahead = standing[1] / standing[0] if len(standing) > 1 else math.nan
    return [{
        "asked": asked, "rate_per_s": rate, "clients": clients, "rtt_ms": 40.0,
        "staleness_ms": 1000.0 if asked == "cheapest" else math.nan, "transport": name,
        "possible": price is not None, "why_not": "" if price is not None else "overload",
        "best": won, "alone": won and sum(best) == 1,
        "ahead": ahead if price is not None and price == standing[0] else math.nan,
        "price_month": price, "age_excess_ms": price, "cores": price,
        "workers": 2, "interval_s": math.nan, "bytes_down_per_s": 1e6,
        "latency_mean_ms": 20.0, "latency_worst_ms": 30.0,
        "known": known, "least": math.inf if price is None else price * (1.0 if known else 0.4),
        "most": math.inf if price is None else price,
    } for name, price, won in zip(NAMES, prices, best, strict=True)]


TABLE = pd.DataFrame([
    row for asked in ("cheapest", "freshest") for rows in (
        field(asked, 0.1, 100, (30.0, 30.5, 31.0)), field(asked, 10.0, 100, (90.0, 200.0, 45.0)),
        field(asked, 0.1, 100_000, (500.0, None, 50.0)), field(asked, 10.0, 100_000, (None, None, None)),
    ) for row in rows])


def test_every_field_says_who_and_by_how_much() -> None:
    axes = figures.cheapest(TABLE).axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["10 ×", "2.0 ×", "tie"]
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [(1, 1)]   # type: ignore[index]
    won = [line for line in axes.lines if line.get_marker() == "^"]
    assert len(won) == 3   # twice alone, once in the tie
    assert [label.get_text() for label in axes.get_yticklabels()] == ["100", "100 k"]


def test_what_the_costs_leave_open_is_hatched_with_all_who_may_be_the_best() -> None:
    """Where each may take 0.4 times as much: long polling with 100 can't, the others with 45 and 30 can."""
    table = pd.DataFrame(field("cheapest", 0.1, 100, (45.0, 100.0, 30.0), known=False))
    assert figures.may_be_best(table) == ["short_polling", "websocket"]
    axes = figures.cheapest(table).axes[0]
    assert [text.get_text() for text in axes.texts] == ["open"]
    assert axes.patches[0].get_hatch() == "////"
    assert len(axes.lines) == 2


def test_the_freshest_map_has_the_age_in_it() -> None:
    figure = figures.freshest(TABLE)
    assert {text.get_text() for text in figure.axes[0].texts} == {"tie", "45 ms", "50 ms"}


def test_an_age_has_no_exponent() -> None:
    ages = pd.DataFrame({"possible": [True], "age_excess_ms": [99.7]})
    assert figures.age(ages) == "100 ms"
    assert figures.age(ages.assign(age_excess_ms=1_234_000.0)) == "1,230 s"


def test_lines_go_through_the_middle_and_leave_out_who_cannot() -> None:
    figure = figures.lines(TABLE, "USD per month")
    assert figures.lines_title(TABLE) == "Where do the lines cross? (100,000 clients, round trip 40 ms)"
    left = figure.axes[0]
    assert left.get_ylabel().startswith("USD per month")
    points = {str(line.get_label()): len(line.get_xdata()) for line in left.lines}   # type: ignore[arg-type]
    assert points == {"short polling": 1, "long polling": 0, "WebSocket": 1}


def test_without_prices_cores_are_compared() -> None:
    assert figures.figure_column(TABLE) == "price_month"
    assert figures.figure_column(TABLE.assign(price_month=math.nan)) == "cores"


@pytest.mark.parametrize(("value", "text"), [(100, "100"), (1000, "1 k"), (50_000, "50 k"), (2e6, "2 M")])
def test_counts_are_short(value: float, text: str) -> None:
    assert figures.count(value) == text
