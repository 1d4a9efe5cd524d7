"""Hand-outs are as many, and as cold, as ticks that are drawn make them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.simulation.analytic.flushes import flush_coldness, flushes_per_s

EVERY_S, TURNS = 0.1, 60_000


def drawn(took_s: float, ticks_per_s: float, cooling_s: float) -> tuple[float, float]:
    """Return the hand-outs per second, and their mean coldness, turn by turn."""
    random = np.random.default_rng(11)
    due_s = np.cumsum(random.exponential(1 / ticks_per_s, int(ticks_per_s * EVERY_S * TURNS)))
    turn, over_s, taken, served = 0, -math.inf, 0, []
    while (at_s := turn * EVERY_S) < due_s[-1]:
        come = int(np.searchsorted(due_s, at_s, "right"))
        if come > taken:
            if over_s > 0:
                served.append(1 - math.exp(-(at_s - over_s) / cooling_s))
            taken, over_s = come, at_s + took_s
            turn += math.floor(took_s / EVERY_S)
        turn += 1
    return len(served) / due_s[-1], float(np.mean(served))


@pytest.mark.parametrize("cooling_s", [0.012, 0.1])
@pytest.mark.parametrize(("ticks_per_s", "took_s"), [(45.0, 0.002), (45.0, 0.09), (3.0, 0.05), (20.0, 0.13)])
def test_hand_outs_are_as_many_and_as_cold_as_drawn_ticks_make_them(
    ticks_per_s: float, took_s: float, cooling_s: float
) -> None:
    per_s, found = drawn(took_s, ticks_per_s, cooling_s)
    assert flush_coldness(took_s, EVERY_S, ticks_per_s, cooling_s, False) == pytest.approx(found, abs=0.012)
    if took_s < EVERY_S:
        assert flushes_per_s(EVERY_S, ticks_per_s, False) == pytest.approx(per_s, rel=0.02)


@pytest.mark.parametrize("ticks_per_s", [2.0, 10.0, 200.0])
def test_regular_ticks_flush_at_each_turn_or_one_by_one(ticks_per_s: float) -> None:
    assert flushes_per_s(EVERY_S, ticks_per_s, True) == min(ticks_per_s, 10.0)
    apart_s = max(1 / ticks_per_s, EVERY_S) - 0.02
    assert flush_coldness(0.02, EVERY_S, ticks_per_s, 0.1, True) == pytest.approx(1 - math.exp(-apart_s / 0.1))
