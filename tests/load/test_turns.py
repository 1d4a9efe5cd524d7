from __future__ import annotations

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


def test_clearing_keeps_the_last_turn_and_the_gap_before_it() -> None:
    gaps = TurnGaps()
    gaps.turn(100)
    gaps.clear()
    gaps.turn(400)
    gaps.turn(500)
    assert gaps.facts()["turn_gap_max_ns"] == 300
    gaps.clear()
    assert (gaps.facts()["turn_gap_max_ns"], gaps.facts()["turns"]) == (100, 1)
