"""Bursts of polls: the busier the server, the fewer find it asleep; `tests/simulation/test_forms.py` has the engine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.simulation.analytic.bursts import bursts_that_wake

SHARES, POLLS = st.floats(0.01, 0.95), st.floats(0.5, 50.0)


@given(SHARES, SHARES, st.floats(0.0, 0.5), POLLS)
def test_the_busier_the_server_the_fewer_bursts_wake_it(one: float, other: float, waking: float, polls: float) -> None:
    less, more = sorted((one, other))
    assert 0 <= bursts_that_wake(more, waking, polls) <= bursts_that_wake(less, waking, polls) + 1e-9 <= 1 + 1e-9


def test_every_burst_wakes_an_idle_server_and_none_a_full_one() -> None:
    assert bursts_that_wake(1e-6, 0.1, 3.0) == pytest.approx(1.0)
    assert bursts_that_wake(2.0, 0.1, 50.0) == pytest.approx(0.0, abs=1e-3)
