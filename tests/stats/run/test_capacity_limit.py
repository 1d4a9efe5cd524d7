"""The fitted limit: it lies where steps go either way, and its interval tells how much is known."""

from __future__ import annotations

import math

import pytest

from bench.stats.run.capacity_limit import limit, quantile


def test_the_limit_lies_between_what_held_and_what_broke() -> None:
    levels = [100, 200, 400, 800, 560, 480, 500, 520]
    held = [True, True, True, False, False, True, True, False]
    found = limit(levels, held)
    assert 480 < found.estimate < 560
    assert found.low < found.estimate < found.high
    assert found.reach == pytest.approx(math.sqrt(found.high / found.low) - 1)
    assert quantile(levels, held, 0.5) == pytest.approx(found.estimate)
    again = limit(levels * 2, held * 2)
    assert again.reach < found.reach


def test_levels_are_compared_by_their_ratios() -> None:
    levels, held = [10, 20, 40, 28], [True, True, False, False]
    one, other = limit(levels, held), limit([7 * each for each in levels], held)
    assert other.estimate == pytest.approx(7 * one.estimate)
    assert other.reach == pytest.approx(one.reach)


@pytest.mark.parametrize("least", [100, 1])
def test_of_steps_that_say_the_same_of_either_side_the_limit_is_the_middle(least: int) -> None:
    """One held and one broke: nothing tells above from below but their places."""
    found = limit([least, 200], [True, False])
    assert found.estimate == pytest.approx(math.sqrt(least * 200), rel=1e-6)
    assert math.sqrt(found.low * found.high) == pytest.approx(found.estimate, rel=1e-6)


def test_a_step_that_goes_the_wrong_way_once_does_not_carry_the_limit_off() -> None:
    """One trial in fifty or so fails for a reason of its own."""
    good = ([100, 200, 400, 800, 560, 480, 500, 520, 540], [True] * 3 + [False] * 2 + [True] * 3 + [False])
    once = limit([*good[0], 150], [*good[1], False])
    assert once.estimate == pytest.approx(limit(*good).estimate, rel=0.1)


def test_with_nothing_that_broke_the_interval_is_open_above() -> None:
    found = limit([100, 200, 400], [True, True, True])
    assert found.high > 1200
    assert limit([100, 100], [False, False]).low < 35


def test_steps_that_go_either_way_over_a_wide_range_leave_a_wide_interval() -> None:
    sharp = limit([100, 200, 400, 280, 240, 260, 250], [True, True, False, False, True, False, True])
    vague = limit([100, 200, 400, 280, 240, 400, 150], [True, True, False, False, True, True, False])
    assert vague.reach > 1.5 * sharp.reach
