"""Waits: the bounds of each formula, the doubling, the cap, and draws that are indexed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scenario.storm import Backoff
from bench.simulation.storm.backoff import WaitDraws, draws, is_drawn, wait_s

UNIFORM = st.floats(0, 1, exclude_max=True)
KINDS = ("fixed", "exponential", "equal", "full", "decorrelated")


@given(st.sampled_from(KINDS), st.integers(0, 2000), UNIFORM, st.floats(0.5, 30))
def test_no_wait_leaves_its_bounds(kind: str, failures: int, uniform: float, before_s: float) -> None:
    backoff = Backoff(wait=kind, base_s=0.5, cap_s=30.0)   # type: ignore[arg-type]
    wait = wait_s(backoff, failures, uniform, before_s)
    least = {"full": 0.0, "equal": min(30.0, 0.5 * 2**min(failures, 20)) / 2}.get(kind, 0.5)
    assert least <= wait <= 30.0


def test_waits_double_up_to_the_cap() -> None:
    backoff = Backoff(wait="exponential", base_s=1.0, cap_s=30.0)
    assert [wait_s(backoff, n, 0.9, 1.0) for n in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_the_formulas_are_those_of_the_source() -> None:
    of = {kind: Backoff(wait=kind, base_s=1.0, cap_s=30.0) for kind in KINDS}   # type: ignore[arg-type]
    assert wait_s(of["full"], 3, 0.25, 1.0) == 2.0
    assert wait_s(of["equal"], 3, 0.25, 1.0) == 5.0
    assert wait_s(of["decorrelated"], 9, 0.5, 5.0) == 1 + 0.5 * (15 - 1)
    assert wait_s(of["fixed"], 9, 0.5, 5.0) == 1.0


def test_only_jittered_waits_are_drawn() -> None:
    assert [is_drawn(Backoff(wait=kind)) for kind in KINDS] == [False, False, True, True, True]   # type: ignore[arg-type]


def test_draws_are_indexed_so_that_their_order_does_not_matter() -> None:
    one, other = WaitDraws(7, 50), WaitDraws(7, 50)
    assert one.of(3, 20) == other.of(3, 20)
    assert one.of(0, 1) == draws(7, 1, 0, 50)[1]
    assert WaitDraws(8, 50).of(3, 20) != one.of(3, 20)
    assert sum(draws(1, 0, 0, 10_000)) / 10_000 == pytest.approx(0.5, abs=0.02)
