"""Comparisons: all pairs, by block, corrected together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.stats.run.comparison import at_equal_staleness, comparisons


def frame(latency: dict[str, list[float]], clients: int = 10) -> pd.DataFrame:
    return pd.DataFrame([
        {"transport": label, "clients": clients, "block": block, "verdict": "VALID",
         "latency_mean_ms": value}
        for label, values in latency.items() for block, value in enumerate(values)
    ])


def test_the_larger_is_mine_and_pairs_are_by_block() -> None:
    blocks = np.array([1.0, 8.0, 64.0])
    found = comparisons(frame({"a": list(blocks), "b": list(blocks * [1.2, 1.21, 1.19])}), "latency_mean_ms",
                        ("a", "b"))
    assert [(each.mine, each.theirs) for each in found] == [("b", "a")]
    assert found[0].effect.interval.estimate == pytest.approx(1.2, rel=0.01)
    assert found[0].effect.separable


def test_a_ratio_can_be_read_from_either_side() -> None:
    blocks = np.array([1.0, 8.0, 64.0, 3.0])
    [found] = comparisons(frame({"a": list(blocks), "b": list(blocks * [1.2, 1.3, 1.1, 1.25])}), "latency_mean_ms",
                          ("a", "b"))
    more, less = found.times("b"), found.times("a")
    assert more == found.effect.interval
    assert less.low < less.estimate < less.high < 1 < more.low
    assert (less.estimate * more.estimate, less.low * more.high, less.high * more.low) == pytest.approx((1, 1, 1))


def test_correction_is_over_all_pairs_and_counts() -> None:
    rng = np.random.default_rng(2)
    trials = pd.concat([
        frame({label: list(rng.lognormal(0, 0.1, 5)) for label in "abc"}, clients) for clients in (1, 2, 3)])
    found = comparisons(trials, "latency_mean_ms", tuple("abc"))
    assert len(found) == 9
    smallest = min(found, key=lambda each: each.effect.p)
    assert smallest.effect.p_holm == pytest.approx(min(1, 9 * smallest.effect.p))


def test_invalid_trials_are_left_out() -> None:
    trials = frame({"a": [1.0, 1.1, 0.9], "b": [2.0, 2.2, 1.8]})
    bad = trials.iloc[[0]].assign(verdict="INVALID", latency_mean_ms=1e9)
    found = comparisons(pd.concat([bad, trials]), "latency_mean_ms", ("a", "b"))
    assert found[0].effect.interval.count == 3
    assert found[0].effect.interval.estimate == pytest.approx(2.0)


def test_cells_that_the_blocks_of_both_contradict_are_a_tie() -> None:
    """`a` lacks a slow block: over all of its own `b` is slower, in each block of both faster."""
    trials = frame({"a": [10.0, 10.1, 9.9], "b": [9.0, 9.1, 8.9, 40.0]})
    [found] = comparisons(trials, "latency_mean_ms", ("a", "b"))
    assert (found.mine, found.theirs) == ("b", "a")
    assert found.effect.interval.estimate == pytest.approx(0.9, rel=0.01)
    assert found.effect.separable
    assert found.opposed
    assert not found.separable
    [whole] = comparisons(trials[trials["block"] < 3], "latency_mean_ms", ("a", "b"))
    assert (whole.mine, whole.theirs) == ("a", "b")
    assert whole.separable
    assert not whole.opposed


def test_one_block_says_nothing() -> None:
    found = comparisons(frame({"a": [1.0], "b": [5.0]}), "latency_mean_ms", ("a", "b"))
    assert not found[0].effect.assessed
    assert not found[0].effect.separable


def test_a_figure_that_is_missing_is_not_compared() -> None:
    found = comparisons(frame({"a": [1.0, 1.0], "b": [np.nan, 2.0]}), "latency_mean_ms", ("a", "b"))
    assert found == []


def test_a_figure_that_is_lost_in_one_trial_is_the_larger_without_a_ratio() -> None:
    lossy = frame({"a": [1.0, np.inf, 1.1, 0.9], "b": [3.0, 3.1, 2.9, 3.0], "c": [9.0, 9.1, 8.9, 9.2]})
    found = {frozenset((each.mine, each.theirs)): each
             for each in comparisons(lossy, "latency_mean_ms", ("a", "b", "c"))}
    assert found[frozenset("ab")].mine == found[frozenset("ac")].mine == "a"
    assert found[frozenset("ab")].effect.kind == found[frozenset("ac")].effect.kind == "lost"
    assert not found[frozenset("ab")].effect.separable
    # What is lost is no comparison that others would have to be corrected for.
    assert found[frozenset("bc")].effect.p_holm == found[frozenset("bc")].effect.p


def test_it_is_lost_even_where_the_other_has_no_trial_of_that_block() -> None:
    trials = frame({"a": [1.0, 1.1, np.inf], "b": [3.0, 3.1]})
    assert comparisons(trials, "latency_mean_ms", ("a", "b"))[0].effect.kind == "lost"


def test_a_factor_of_five_is_no_tie_among_many_subjects() -> None:
    """Holm's correction over 45 pairs asks for more than two blocks can show."""
    costs = {"expensive": [50.0, 56.0]}
    costs |= {f"other{number}": [10 + number / 10, (10 + number / 10) * (1 + 0.007 * number)] for number in range(9)}
    found = comparisons(frame(costs), "latency_mean_ms", tuple(costs))
    of_expensive = [each for each in found if each.mine == "expensive"]
    assert len(of_expensive) == 9
    assert min(each.effect.p_holm for each in of_expensive) > 0.05
    assert {each.mine for each in found if each.effect.separable} == {"expensive"}


def power_law(factor: float, ages: list[float]) -> list[tuple[float, float]]:
    """Return the points of a curve whose cost falls as staleness grows."""
    return [(age, factor * age ** -0.5) for age in ages]


def test_curves_are_compared_where_all_of_them_reach() -> None:
    """Along a power law, lines on logarithmic scales are exact: the ratio is that of the factors, for any points."""
    blocks = [{"polls": power_law(30 * noise, [50, 250, 2500]), "push": power_law(10 * noise, [500, 1, 40, 160])}
              for noise in (1.0, 1.3, 0.8)]
    found = at_equal_staleness(blocks)
    assert found is not None
    assert (found.low, found.high) == (50, 500)
    assert list(found.costs) == ["push", "polls"]
    effect = found.effect("push", "polls")
    assert effect.interval.estimate == pytest.approx(1 / 3)
    assert effect.interval.high - effect.interval.low == pytest.approx(0, abs=1e-9)   # what blocks share cancels
    middle = (50 * 500) ** 0.5
    assert found.costs["polls"][0] == pytest.approx(30 * middle ** -0.5)


def test_the_mean_of_a_curve_with_a_knee_is_exact() -> None:
    """On logarithms from 0 to 2 along the first half of the range, and 2 along the second: 1.5 on average."""
    found = at_equal_staleness([{"a": [(1, 1), (10, 100), (100, 100)], "b": [(1, 1), (100, 1)]}])
    assert found is not None
    assert found.costs == {"b": (1.0,), "a": (pytest.approx(10**1.5),)}


@pytest.mark.parametrize("blocks", [
    [], [{"polls": power_law(1, [50, 100]), "push": power_law(1, [1, 40])}],
    [{"polls": power_law(1, [50, 100]), "push": power_law(1, [60, 400])},
     {"polls": power_law(1, [50, 100]), "push": power_law(1, [120, 400])}],
    [{"polls": power_law(1, [50, 100]), "push": []}],
])
def test_curves_that_are_nowhere_equally_stale_are_not_compared(blocks: list[dict[str, list[tuple[float, float]]]]
                                                               ) -> None:
    assert at_equal_staleness(blocks) is None
