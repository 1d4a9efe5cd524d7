"""Costs at the ends of their intervals: a client's CPU reaches as far as the root of the sum of squares."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.simulation.calibration.cost_bounds import ends
from bench.simulation.calibration.costs import Estimate
from bench.simulation.engine.inputs import Costs

COSTS = Costs(tick_s=2e-5, request_s=3e-5, answer_s=1e-5, base_share=0.02)


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 1e-5), st.floats(0, 1e-5))
def test_independent_errors_add_up_as_squares(asks: float, answers: float, one: float, other: float) -> None:
    def cpu(costs: Costs) -> float:
        return asks * costs.request_s + answers * costs.answer_s

    bounds = {"request_s": Estimate(3e-5, 3e-5 - one, 3e-5 + one),
              "answer_s": Estimate(1e-5, 1e-5 - other, 1e-5 + other)}
    reach = math.hypot(asks * one, answers * other)
    cheap, expensive = ends(COSTS, bounds, cpu, 0.0)
    assert cpu(expensive) == pytest.approx(cpu(COSTS) + reach)
    assert cpu(cheap) == pytest.approx(cpu(COSTS) - reach)


def test_what_a_worker_takes_by_itself_is_at_its_end() -> None:
    bounds = {"base_share": Estimate(0.02, 0.01, 0.03), "tick_s": Estimate(2e-5, 0.0, 1e-4)}
    cheap, expensive = ends(COSTS, bounds, lambda costs: costs.request_s, 0.0)
    assert (cheap.base_share, cheap.tick_s, expensive.base_share, expensive.tick_s) == (0.01, 0.0, 0.03, 1e-4)


def test_an_update_that_could_not_be_told_apart_takes_at_most_an_exchange_if_it_is_not_the_first() -> None:
    bounds = {"update_s": Estimate(0.0), "request_s": Estimate(3e-5, 2e-5, 4e-5), "answer_s": Estimate(1e-5)}
    cheap, expensive = ends(COSTS, bounds, lambda costs: 50 * costs.update_s, 0.98)
    assert cheap.update_s == 0
    assert expensive.update_s == pytest.approx(0.98 * (4e-5 + 1e-5))
    assert ends(COSTS, bounds, lambda costs: costs.update_s, 0.0)[1].update_s == 0


def test_costs_without_intervals_stay_as_they_are() -> None:
    bounds = {"request_s": Estimate(3e-5), "tick_s": Estimate(2e-5)}
    assert ends(COSTS, bounds, lambda costs: costs.request_s, 0.9) == (COSTS, COSTS)
