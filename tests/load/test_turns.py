from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.turns import GAP_LIMIT_NS, TurnGaps


@given(st.lists(st.integers(1, 300_000_000), min_size=1, max_size=200), st.floats(0.01, 1))
def test_gaps_are_what_lies_between_turns(gaps_ns: list[int], share: float) -> None:
    gaps = TurnGaps()
    now_ns = 0
    gaps.turn(now_ns)
    for gap_ns in gaps_ns:
        now_ns += gap_ns
        gaps.turn(now_ns)
    facts = gaps.facts()
    assert facts["turns"] == len(gaps_ns)
    assert facts["turn_gap_max_ns"] == max(gaps_ns)
    assert facts["turn_gaps_over_20ms"] == sum(gap_ns > GAP_LIMIT_NS for gap_ns in gaps_ns)
    quantile_ns = gaps.quantile_ns(share)
    assert sum(gap_ns <= quantile_ns for gap_ns in gaps_ns) >= share * len(gaps_ns) - 1e-9


@pytest.mark.parametrize("turns_ns", [[400, 500], [300, 401, 500], [400, 401, 402, 500]])
def test_a_stretch_begins_with_the_gap_over_its_beginning_whatever_turns_follow(turns_ns: list[int]) -> None:
    gaps = TurnGaps()
    for now_ns in (100, 110):
        gaps.turn(now_ns)
    gaps.begin(300)
    for now_ns in turns_ns:
        gaps.turn(now_ns)
    facts = gaps.facts()
    assert (facts["turn_gap_max_ns"], facts["turns"]) == (turns_ns[0] - 110, len(turns_ns))


def test_turns_before_a_stretch_are_not_counted_in_it() -> None:
    gaps = TurnGaps()
    gaps.begin(300)
    for now_ns in (100, 290, 310, 320):
        gaps.turn(now_ns)
    assert (gaps.facts()["turn_gap_max_ns"], gaps.facts()["turns"]) == (20, 2)
