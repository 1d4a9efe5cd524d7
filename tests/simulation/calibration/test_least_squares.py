"""The fit: known costs come back within their intervals, and what can't be told apart is not told."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.simulation.calibration import least_squares as fitting
from bench.simulation.calibration.costs import Estimate
from bench.simulation.calibration.least_squares import TERMS, Measurement, fit, separable
from bench.simulation.engine.inputs import crowding
from bench.simulation.engine.server_queue import mean_coldness

TRUE = {"base": 0.004, "exchange": 20e-6, "tick": 150e-6, "connection": 80e-6, "update": 3e-6,
        "byte": 2e-9, "socket": 1e-6, "wake": 200e-6, "switch": 90e-6, "crowd": 6e-6}


def made(seed: int, noise: float, trials: int = 3, bend: float = 0.0) -> list[Measurement]:
    """Return trials like those of a calibration, with CPU that errs by `noise` and, per response, grows by `bend`."""
    rng = np.random.default_rng(seed)
    cells = [   # clients, ticks/s, updates per answer, bytes per update, a connection for each answer, wake-ups
        (25, 20, 1, 80, 0, 400), (100, 20, 1, 80, 0, 30), (200, 20, 1.4, 80, 0, 20), (50, 80, 3, 80, 0, 90),
        (100, 20, 2, 600, 0, 35), (50, 20, 1, 80, 1, 300), (400, 5, 0.5, 80, 0, 10),
        (10, 10, 1, 80, 0, 20), (300, 2, 1, 80, 1, 120), (60, 10, 1, 80, 0, 900),
    ]
    found = []
    for clients, rate, updates, size, connects, wakes in cells:
        for _ in range(trials):
            answers = clients * rate * 2.0
            counts = {
                "exchange": answers, "tick": rate * 2.0, "connection": connects * answers,
                "update": updates * answers, "byte": size * updates * answers, "socket": clients * 2.0,
                "wake": wakes * mean_coldness(1.5, wakes, 0.1), "switch": wakes, "crowd": answers * crowding(clients),
            }
            cpu_s = 2.0 * TRUE["base"] + sum(TRUE[name] * counts[name] for name in counts)
            cpu_s *= (1 + bend * answers) * math.exp(noise * rng.standard_normal())
            found.append(Measurement(2.0, cpu_s, counts))
    return found


@given(st.permutations(range(30)))
@settings(max_examples=10, deadline=None)   # the first call loads SciPy
def test_costs_come_back_exactly_where_nothing_errs(order: list[int]) -> None:
    """In whatever order the trials come."""
    stretches = made(0, noise=0.0)
    found = fit([stretches[place] for place in order])
    for name, true in TRUE.items():
        assert found.costs[name].value == pytest.approx(true, rel=1e-6), name
    assert found.residual_share == pytest.approx(0, abs=1e-9)


def test_intervals_hold_the_true_cost_as_often_as_they_say() -> None:
    """95 % of them, over all costs and 200 calibrations whose trials err by 5 %."""
    held = dict.fromkeys(TRUE, 0)
    for seed in range(200):
        found = fit(made(seed, noise=0.05))
        for name, true in TRUE.items():
            held[name] += found.costs[name].low <= true <= found.costs[name].high
    assert min(held.values()) > 200 * 0.90, held
    assert sum(held.values()) > len(held) * 200 * 0.93, held


def test_trials_that_a_neighbour_made_expensive_count_for_little() -> None:
    """A tenth of them takes half as much again: the mean of all is 5 % too much, the fit a third of that."""
    excess = []
    for seed in range(20):
        stretches = made(seed, noise=0.03)
        spoilt = [replace(each, cpu_s=1.5 * each.cpu_s) if place % 10 == seed % 10 else each
                  for place, each in enumerate(stretches)]
        fitted_s = fit(spoilt).fitted_cpu_s
        excess += [found / each.cpu_s - 1 for found, each in zip(fitted_s, stretches, strict=True)]
    assert -0.01 < sum(excess) / len(excess) < 0.02


def test_costs_are_never_negative() -> None:
    """Where the data would have one below 0, it is 0, and the others make up for it."""
    stretches = [Measurement(1.0, 0.01 + 1e-5 * count, {"exchange": count, "tick": 1000 - count})
                 for count in (100, 200, 400, 900)]
    found = fit(stretches, ("exchange", "tick"))
    assert all(each.value >= 0 for each in found.costs.values())


def test_what_always_comes_together_is_given_to_the_first() -> None:
    """One update with each answer: the answer has it all, the update's cost is not told."""
    stretches = [Measurement(1.0, 1e-3 + 30e-6 * count, {"exchange": count, "update": count, "byte": 80 * count})
                 for count in (100, 300, 500, 1000)]
    found = fit(stretches, ("base", "exchange", "update", "byte"))
    assert found.costs["exchange"].value == pytest.approx(30e-6)
    assert found.costs["update"].value == found.costs["byte"].value == 0
    assert math.isnan(found.costs["update"].low)
    assert separable(stretches, ("base", "exchange", "update", "byte")) == ["base", "exchange"]


def test_a_stretch_that_took_nothing_counts_but_not_without_bound() -> None:
    """An idle server says that the base is small; it does not drown what busy ones say."""
    busy = [Measurement(1.0, 20e-6 * count, {"exchange": count}) for count in (500, 1000, 2000)]
    found = fit([*busy, Measurement(0.3, 0.0, {})], ("base", "exchange"))
    assert found.costs["base"].value == pytest.approx(0, abs=1e-9)
    assert found.costs["exchange"].value == pytest.approx(20e-6)
    assert found.fitted_cpu_s[-1] == pytest.approx(0, abs=1e-9)


def test_a_wrong_model_shows_in_the_residuals() -> None:
    """Costs that grow with load don't fit a straight line, and the fit says by how much."""
    right, wrong = fit(made(1, noise=0.02)), fit(made(1, noise=0.02, bend=2e-4))
    assert right.residual_share < 0.03 < 0.07 < wrong.residual_share


def test_without_more_stretches_than_costs_no_bound_is_known() -> None:
    """Not the lower one either, which would otherwise be 0."""
    stretches = [Measurement(1.0, 1e-3 + 30e-6 * count, {"exchange": count}) for count in (100, 1000)]
    found = fit(stretches, ("base", "exchange"))
    assert found.costs["exchange"].value == pytest.approx(30e-6)
    for each in found.costs.values():
        assert math.isnan(each.low)
        assert math.isnan(each.high)


def test_the_residuals_are_shares_of_all_cpu() -> None:
    """Also of what known costs explain."""
    stretches = [Measurement(1.0, cpu_s, {"exchange": 1000}) for cpu_s in (0.019, 0.021)]
    found = fit(stretches, ("exchange",), {"base": Estimate(0.010)})
    assert found.fitted_cpu_s == pytest.approx((0.020, 0.020))
    assert found.residual_share == pytest.approx(0.0502, abs=1e-4)


def test_the_terms_are_those_that_a_trial_counts() -> None:
    """Or a cost would never be fitted."""
    assert set(TERMS) == set(TRUE)
    assert fitting.apart(np.zeros((3, 2))) == []
