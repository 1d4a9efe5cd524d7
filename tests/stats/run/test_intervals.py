"""Intervals against scipy, and that they hold the truth as often as they claim."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.stats.run.intervals import LOST, corrected, effect, holm, interval, unpaired, within_blocks

POSITIVE = st.floats(1e-3, 1e6)


@given(st.lists(POSITIVE, min_size=2, max_size=20))
def test_it_is_students_t_on_the_logarithm(values: list[float]) -> None:
    found = interval(values)
    logs = np.log(values)
    if np.ptp(logs) == 0:
        assert found.low == pytest.approx(found.high)
        return
    expected = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert found.estimate == pytest.approx(stats.gmean(values))
    assert found.low == pytest.approx(math.exp(expected.low))
    assert found.high == pytest.approx(math.exp(expected.high))


@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=20))
def test_figures_that_may_be_negative_have_no_logarithm(values: list[float]) -> None:
    values = [*values, -1.0]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    if np.ptp(values) > 1e-6:
        assert interval(values).low == pytest.approx(expected.low, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("values", "estimate"), [
    ([], math.nan), ([1.0, math.nan], math.nan), ([1.0, math.inf], math.inf), ([3.0], 3.0),
    ([math.nan, math.inf], math.inf),
])
def test_what_has_no_interval(values: list[float], estimate: float) -> None:
    found = interval(values)
    assert found.estimate == pytest.approx(estimate, nan_ok=True)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize(("mine", "theirs"), [
    ([math.inf] * 3, [1.0, 1.1, 0.9]), ([2.0, 2.1, math.inf], [1.0, 1.1, 0.9]),
    ([1.0, 1.1, 0.9], [math.inf, 2.0, 2.1]), ([math.inf, 0.0, math.inf], [0.0, 1.0, math.inf]),
])
def test_there_is_no_effect_of_what_is_lost(mine: list[float], theirs: list[float]) -> None:
    found = effect(mine, theirs)
    assert found is LOST
    assert not found.separable
    assert math.isnan(found.interval.estimate)


def test_an_effect_is_a_paired_t_test() -> None:
    rng = np.random.default_rng(3)
    blocks = rng.lognormal(0, 1, 8)
    mine, theirs = blocks * rng.lognormal(0.2, 0.05, 8), blocks * rng.lognormal(0, 0.05, 8)
    found = effect(mine, theirs)
    expected = stats.ttest_rel(np.log(mine), np.log(theirs))
    assert found.kind == "ratio"
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval.low == pytest.approx(math.exp(expected.confidence_interval().low))
    # What blocks have in common cancels: unpaired, the same figures say nothing.
    assert found.p < 0.01 < stats.ttest_ind(np.log(mine), np.log(theirs)).pvalue


def test_an_effect_leaves_out_pairs_that_were_not_measured() -> None:
    found = effect([2.0, 4.0, math.nan, 3.0], [1.0, 2.1, 1.0, math.nan])
    assert found.interval.count == 2
    assert effect([1.0, -1.0, 0.5], [0.0, 1.0, 0.2]).kind == "difference"
    assert not effect([1.0], [2.0]).assessed


def test_two_runs_are_compared_by_welchs_t() -> None:
    rng = np.random.default_rng(5)
    mine, theirs = rng.lognormal(0.3, 0.3, 4), rng.lognormal(0, 0.05, 9)
    found = unpaired([*mine, math.nan], theirs)
    expected = stats.ttest_ind(np.log(mine), np.log(theirs), equal_var=False)
    within = expected.confidence_interval()
    assert (found.kind, found.p) == ("ratio", pytest.approx(expected.pvalue))
    assert (found.interval.low, found.interval.high) == pytest.approx((math.exp(within.low),
                                                                       math.exp(within.high)))
    assert unpaired([0.0, 1.0], [2.0, 3.0]).kind == "difference"


def test_exactly_equal_figures_are_not_separable() -> None:
    assert effect([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).p == 1.0


@pytest.mark.parametrize(("mine", "clear"), [
    ([50.0, 47.0, 55.0], True), ([50.0, 51.0], True), ([0.2, 0.22, 0.18], True),
    ([50.0], False),                  # one block shows no spread
    ([30.0, 60.0, 14.0], False),      # one block is below the factor
    ([16.0, 50.0, 30.0], False),      # each block is above it, and the interval reaches below
    ([14.0, 14.1, 13.9], False),      # certain, and small: for Holm's method to judge
    ([10.0, 10.1, 9.9], False),
])
def test_a_ratio_is_clear_where_every_block_and_the_interval_are_beyond_the_factor(
        mine: list[float], clear: bool) -> None:
    found = effect(mine, [10.0 if max(mine) > 1 else 1.0] * len(mine))
    assert found.clear == clear
    assert replace(found, p_holm=1.0).separable == clear


def test_chance_makes_no_clear_ratio_among_equals() -> None:
    rng = np.random.default_rng(11)
    for blocks in (2, 3):
        assert not any(effect(rng.lognormal(0, 0.1, blocks), rng.lognormal(0, 0.1, blocks)).clear
                       for _ in range(1500))


@given(st.lists(st.floats(0, 1) | st.just(math.nan), max_size=12))
def test_holms_correction(probabilities: list[float]) -> None:
    corrected = holm(probabilities)
    assessed = [(p, c) for p, c in zip(probabilities, corrected, strict=True) if not math.isnan(p)]
    assert [math.isnan(p) for p in probabilities] == [math.isnan(c) for c in corrected]
    for p, c in assessed:
        # By its definition: the largest of what no larger probability is multiplied to.
        no_larger = sorted(q for q, _ in assessed if q <= p)
        steps = [q * (len(assessed) - place) for place, q in enumerate(no_larger)]
        assert c == pytest.approx(min(1.0, max(steps)))


MANY_EFFECTS = st.lists(st.tuples(st.floats(-0.4, 0.4), st.floats(0.001, 0.3), st.booleans()), min_size=1, max_size=28)


@given(MANY_EFFECTS, st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_a_printed_interval_holds_no_effect_where_there_is_a_tie_and_only_there(
        asked: list[tuple[float, float, bool]], blocks: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    effects = []
    for shift, spread, as_ratio in asked:
        one, other = rng.normal(shift, spread, blocks), rng.normal(0, spread, blocks)
        effects.append(effect(np.exp(one), np.exp(other)) if as_ratio else effect(one, other))
    for own, found in zip(effects, corrected(effects), strict=True):
        none = 1.0 if found.kind == "ratio" else 0.0
        printed = found.printed
        if math.isnan(printed.low):   # so wide that no bounds are printed
            assert not found.separable
            continue
        assert (printed.low <= none <= printed.high) == (not found.separable)
        assert found.interval == own.interval
        assert printed.estimate == own.interval.estimate
        assert printed.high - printed.low >= (own.interval.high - own.interval.low) * (1 - 1e-9)
        # Of a few blocks the figures themselves are printed, unless they could all be on one side of a tie.
        assert printed.bounds_only == (not found.separable)
        if found.separable and printed.values:
            assert min(printed.values) > none or max(printed.values) < none


def test_a_tie_among_many_is_printed_as_wide_as_it_was_judged() -> None:
    """Alone, the ratio of 1.19 is certain; as one of 28 it is not."""
    alone = effect([1.19, 1.25, 1.1, 1.2, 1.22], [1.0] * 5)
    equals = [effect([1.0, 1.1, 0.9, 1.05, 0.96], [1.0, 0.95, 1.05, 1.0, 1.0])] * 27
    [own], [among, *_] = corrected([alone]), corrected([alone, *equals])
    assert own.separable
    assert own.printed == own.interval
    noisy = effect([1.19, 1.35, 1.02, 1.3, 1.15], [1.0] * 5)
    one, *_ = corrected([noisy, *equals])
    assert corrected([noisy])[0].separable
    assert not one.separable
    assert one.printed.low < 1 < one.interval.low
    assert one.level == pytest.approx(0.05 / 28)
    assert among.printed.low <= own.printed.low


def test_few_blocks_and_many_pairs_say_that_they_are_too_few() -> None:
    pair = effect([1.1, 1.3], [1.0, 1.0])
    found, *_ = corrected([pair] * 28)
    assert not found.separable
    assert math.isnan(found.printed.low)
    assert found.printed.bounds_only


def test_a_tie_whose_bounds_say_nothing_is_printed_without_them() -> None:
    """Of three blocks, as one of 28 comparisons: anything from a hundredth to a hundred times."""
    found, *_ = corrected([effect([10.2, 9.0, 12.0], [10.0, 10.5, 9.7])] * 28)
    assert found._at(found.level).high > 10 * found._at(found.level).low
    assert math.isnan(found.printed.low)
    near, *_ = corrected([effect([10.2, 10.0, 10.1], [10.0, 10.2, 10.1])] * 28)
    assert near.printed.low < 1 < near.printed.high


def test_wrong_claims_among_many_effects_are_made_in_5_of_100_runs_whatever_is_true() -> None:
    """Half of the effects are real: neither a verdict nor a direction is wrong in more than 5 % of runs."""
    rng = np.random.default_rng(8)
    wrong = 0
    for _ in range(600):
        truths = [1.0] * 5 + [1.3] * 5
        found = corrected([effect(truth * rng.lognormal(0, 0.1, 5), rng.lognormal(0, 0.1, 5)) for truth in truths])
        wrong += any(not each.printed.low <= 1.0 <= each.printed.high and not each.clear for each in found[:5])
        wrong += any(each.printed.high < 1 for each in found[5:])
    assert wrong / 600 < 0.07


@pytest.mark.parametrize("trials", [3, 5, 10])
def test_an_interval_holds_the_truth_in_95_of_100_runs(trials: int) -> None:
    rng = np.random.default_rng(trials)
    held = 0
    for _ in range(4000):
        # A trial's p99 is off by an effect of the trial, which all its updates share.
        found = interval(2.0 * rng.lognormal(0, 0.06, trials) * rng.lognormal(0, 0.02, trials))
        held += found.low <= 2.0 <= found.high
    assert 0.938 < held / 4000 < 0.962


def test_two_that_are_alike_are_told_apart_in_5_of_100_runs_whatever_is_compared() -> None:
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(1500):
        cells = rng.lognormal(0, 0.3, (5, 1)) * rng.lognormal(0, 0.05, (5, 3))
        pairs = [effect(cells[:, one], cells[:, other]) for one, other in ((0, 1), (0, 2), (1, 2))]
        alarms += min(holm([pair.p for pair in pairs])) < 0.05
    assert alarms / 1500 < 0.065


@pytest.mark.parametrize(("values", "few"), [([1.0], ()), ([1.0, 2.0, 4.0], (1, 2, 4)), ([1.0] * 4, ())])
def test_the_figures_of_few_trials_stand_beside_their_interval(
    values: list[float], few: tuple[float, ...]
) -> None:
    for logarithm in (True, False):
        assert interval(values, logarithm).values == few


def test_no_bound_lies_below_what_a_figure_can_be() -> None:
    assert interval([1.0, 140.0, 50.0], logarithm=False).low < 0
    assert interval([1.0, 140.0, 50.0], logarithm=False, least=0.0).low == 0
    assert interval([0.0, 9.0], least=0.0).low == 0


def test_what_a_block_gives_to_all_is_in_no_interval_within_blocks() -> None:
    rng = np.random.default_rng(1)
    own = np.array([1.0, 1.1, 5.0]) * rng.lognormal(0, 0.01, (6, 3))
    level = rng.lognormal(0, 1.0, (6, 1))
    for alone, moved in zip(within_blocks(own), within_blocks(own * level), strict=True):
        assert moved.high / moved.low == pytest.approx(alone.high / alone.low)
        assert moved.high / moved.low < 1.2
    assert interval((own * level)[:, 0]).high > 2 * interval((own * level)[:, 0]).low


def test_of_two_subjects_the_interval_within_blocks_is_that_of_their_difference() -> None:
    """Morey's widening makes it so: the halves of both, added in squares, are the paired interval."""
    rng = np.random.default_rng(2)
    table = rng.normal(0, 1, (5, 2)) + rng.normal(0, 9, (5, 1))
    one, other = within_blocks(table)
    paired = stats.ttest_1samp(table[:, 0] - table[:, 1], 0).confidence_interval(0.95)
    assert math.hypot(one.high - one.estimate, other.high - other.estimate) == pytest.approx(
        (paired.high - paired.low) / 2)


def test_blocks_that_lack_a_subject_are_left_out() -> None:
    whole = np.array([[1.0, 2.0], [1.1, 2.3], [0.9, 1.7]])
    part = np.vstack((whole, [[5.0, np.nan]]))
    assert within_blocks(part) == within_blocks(whole)
    assert all(math.isnan(each.low) for each in within_blocks(whole[:1]))
    assert all(math.isnan(each.low) for each in within_blocks(whole[:, :1]))
