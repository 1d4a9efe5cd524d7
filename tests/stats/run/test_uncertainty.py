"""Bands of predicted figures: they hold what they say, ties are ties, and digits end where a band begins."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.report import style
from bench.stats.run import uncertainty


def test_draws_hold_the_bounds_that_they_were_made_of() -> None:
    """Each side its own; no bounds, no spread."""
    low, high = uncertainty.band(uncertainty.of_costs(0.9, 1.4, uncertainty.generator("a")))
    assert (low, high) == (pytest.approx(0.9, rel=0.03), pytest.approx(1.4, rel=0.05))
    assert set(uncertainty.of_costs(1.0, 1.0, uncertainty.generator("a")).tolist()) == {1.0}
    assert (uncertainty.of_model([], uncertainty.generator("a")) == 1).all()


def test_a_band_holds_what_was_predicted() -> None:
    """Also where the validation says that the truth is always more."""
    more = uncertainty.of_model([(-0.01, -0.012, -0.008)], uncertainty.generator("a")) * 100
    assert uncertainty.band(more)[0] > 100
    assert uncertainty.band(more, 100.0)[0] == 100


def test_a_model_that_foretold_too_much_leaves_less() -> None:
    """Predicted ÷ measured − 1 = +25 % in one cell, −20 % in the other; with an interval of its own each."""
    drawn = uncertainty.of_model([(0.25, math.nan, math.nan), (-0.2, math.nan, math.nan)],
                                 uncertainty.generator("a"))
    assert sorted(set(np.round(drawn, 12).tolist())) == [0.8, 1.25]
    wide = uncertainty.of_model([(0.0, -0.1, 0.1)], uncertainty.generator("a"))
    assert uncertainty.band(wide) == pytest.approx((1 / 1.1, 1 / 0.9), rel=0.01)


def test_draws_are_the_same_each_time_and_others_for_other_words() -> None:
    first, again, other = (uncertainty.of_costs(0.5, 2.0, uncertainty.generator(word)) for word in "aab")
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(("times", "left"), [(1.02, ["a", "b"]), (1.6, ["a"])])
def test_what_bands_do_not_separate_is_a_tie(times: float, left: list[str]) -> None:
    """Two per cent between figures that are known to 17 % say nothing; sixty do."""
    draws = {"a": 384 * uncertainty.of_costs(0.83, 1.17, uncertainty.generator("a")),
             "b": 384 * times * uncertainty.of_costs(0.83, 1.17, uncertainty.generator("b"))}
    shares = uncertainty.least_shares(draws)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert uncertainty.candidates(shares) == left


def test_figures_that_are_equal_share_a_draw() -> None:
    ones = np.ones(10)
    assert uncertainty.least_shares({"a": ones, "b": ones, "c": 2 * ones}) == {"a": 0.5, "b": 0.5, "c": 0.0}


@pytest.mark.parametrize(("value", "low", "high", "told"), [
    (18_619.0, 16_100.0, 21_400.0, "19,000 (16,000–21,000)"),
    (18_619.0, 18_600.0, 18_640.0, "18,620 (18,600–18,640)"),
    (0.4213, 0.39, 0.46, "0.42 (0.39–0.46)"), (384.0, math.nan, math.nan, "384"),
    (18_619.0, 5.0, 5.0, "18,600"),
])
def test_digits_end_where_the_band_begins(value: float, low: float, high: float, told: str) -> None:
    assert style.banded(value, low, high) == told


@pytest.mark.parametrize(("value", "digits", "told"), [
    (62.4, 2, "62"), (374.6, 2, "370"), (99.6, 2, "100"), (3.0, 2, "3"), (1.02, 2, "1"), (0.204, 2, "0.2"),
    (9_640.0, 2, "9,600"), (1386.0, 3, "1,390"), (18.49, 3, "18.5"),
])
def test_a_brief_number_has_no_exponent(value: float, digits: int, told: str) -> None:
    assert uncertainty.brief(value, digits) == told
