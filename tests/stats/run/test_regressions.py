"""Two runs: what became worse is found and named, what did not is left alone as often as claimed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from bench.stats.run.intervals import Effect, Interval
from bench.stats.run.regressions import FIGURES, Change, changes

CELLS = [(label, clients) for label in ("poll", "push") for clients in (10, 100)]


def frame(seed: int, trials: int = 5, spread: float = 0.03, **factors: float) -> pd.DataFrame:
    """Return a run's trials, all figures about 10; `factors` multiply a column."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame([
        {"transport": label, "clients": clients, "block": block, "verdict": "VALID", "delivered": 10_000,
         "late": 0, "lost": 0, "updates_due": 10_000,
         **{figure: 10 * rng.lognormal(0, spread) * factors.get(figure, 1)
            for figure in FIGURES if figure != "lost_share"}}
        for block in range(1, trials + 1) for label, clients in CELLS
    ])


def regressed(before: pd.DataFrame, after: pd.DataFrame, threshold: float = 0.05) -> list[Change]:
    found = changes(before, after, ("poll", "push"))
    return [each for each in found if each.verdict(threshold) == "regressed"]


def test_a_run_against_itself_has_not_changed() -> None:
    run = frame(1)
    found = changes(run, run, ("poll", "push"))
    assert len(found) == len(CELLS) * len(FIGURES)
    assert {each.verdict() for each in found} == {"no change"}
    for each in found:
        assert each.effect.interval.estimate == pytest.approx(int(each.effect.kind == "ratio"))


def test_a_server_that_burns_a_fifth_more_is_found_and_only_that() -> None:
    found = regressed(frame(1), frame(2, server_cpu_us_per_update=1.2))
    assert {each.figure for each in found} == {"server_cpu_us_per_update"}
    assert {(each.label, each.clients) for each in found} == set(CELLS)
    assert all(each.effect.interval.low < 1.2 < each.effect.interval.high for each in found)


def test_what_became_better_is_no_regression() -> None:
    found = changes(frame(1), frame(2, latency_p99_ms=0.7), ("poll", "push"))
    assert {each.figure for each in found if each.verdict() == "improved"} == {"latency_p99_ms"}
    assert not [each for each in found if each.verdict() == "regressed"]


def test_a_change_that_is_sure_but_small_is_let_pass() -> None:
    before, after = frame(1, spread=0.001), frame(2, spread=0.001, latency_mean_ms=1.03)
    assert regressed(before, after) == []
    assert {each.figure for each in regressed(before, after, 0.02)} == {"latency_mean_ms"}


@pytest.mark.parametrize(("lost", "found"), [(0, []), (5, []), (500, ["lost_share"])])
def test_lost_updates_are_counted_by_their_share(lost: int, found: list[str]) -> None:
    after = frame(1).assign(lost=lambda trials: lost + trials["block"] % 2)
    assert sorted({each.figure for each in regressed(frame(1), after)}) == found


def test_a_percentile_that_is_lost_now_is_a_regression() -> None:
    after = frame(1)
    after.loc[after["block"] == 2, "latency_p99_ms"] = math.inf
    assert {each.figure for each in regressed(frame(1), after)} == {"latency_p99_ms"}
    assert regressed(after, after) == []


def test_a_cell_that_is_gone_is_a_regression_and_one_that_never_was_is_not() -> None:
    broken = frame(1)
    broken.loc[broken["transport"] == "push", "verdict"] = "ABORTED"
    assert {each.label for each in regressed(frame(1), broken)} == {"push"}
    assert regressed(broken, broken) == []
    assert regressed(broken, frame(1)) == []


def test_figures_that_may_be_negative_are_compared_by_their_difference() -> None:
    before = frame(1).assign(age_excess_mean_ms=lambda trials: trials["block"] - 3.0)
    found = [each for each in changes(before, before, ("poll",)) if each.figure == "age_excess_mean_ms"]
    assert [each.effect.kind for each in found] == ["difference"] * 2
    sure = Effect("difference", Interval(0.4, 0.3, 0.5, 10), 0.001, 0.001)
    assert Change("poll", 1, "x", 10.0, 10.4, sure).verdict(0.05) == "no change"
    assert Change("poll", 1, "x", 5.0, 5.4, sure).verdict(0.05) == "regressed"
    assert Change("poll", 1, "x", -5.0, -4.6, sure).verdict(0.05) == "regressed"


def test_a_cell_with_one_valid_trial_left_is_gone() -> None:
    left = frame(1)
    left.loc[(left["transport"] == "push") & (left["block"] > 1), "verdict"] = "ABORTED"
    assert {each.label for each in regressed(frame(1), left)} == {"push"}


@pytest.mark.parametrize(("ratio", "verdict"), [
    (1.44, "no change"), (1.46, "regressed"), (1 / 1.44, "no change"), (1 / 1.46, "improved")])
def test_the_threshold_is_a_share(ratio: float, verdict: str) -> None:
    sure = Effect("ratio", Interval(ratio, ratio, ratio, 10), 0.001, 0.001)
    assert Change("poll", 1, "x", 1.0, ratio, sure).verdict(0.45) == verdict


def test_one_trial_says_nothing() -> None:
    found = changes(frame(1, trials=1), frame(2, trials=1), ("poll", "push"))
    assert {each.verdict() for each in found} == {"not compared"}


def test_a_false_alarm_is_in_at_most_5_of_100_pairs_of_runs() -> None:
    alarms = sum(bool(regressed(frame(2 * seed), frame(2 * seed + 1), threshold=0.0))
                 for seed in range(150))
    assert alarms <= 14   # the binomial's 99 % bound for 5 %; half of all changes are improvements
