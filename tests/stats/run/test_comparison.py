"""Comparisons: all pairs, by block, corrected together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.stats.run.comparison import comparisons


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
