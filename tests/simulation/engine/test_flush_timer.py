"""The turns of a timer are a grid, of which those that passed are left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_shards import costs_of, feed

from bench.simulation.engine.flush_timer import FlushTimer
from bench.simulation.engine.inputs import NetworkDelays, Shard
from bench.transports.cycle import Cycle


def timer_of(flush_s, seed=3, first=0):
    rng = np.random.default_rng(1)
    return FlushTimer(Shard(
        seed, np.arange(first, 20, 4), feed(rng, 1.0, 1), Cycle(pushes=True, flush_s=flush_s), costs_of(rng, 1e-6),
        NetworkDelays(0.1, 0.1), 0.0, 1.0, 1.0))


@given(st.sampled_from([0.001, 0.1, 3.0]), st.lists(st.floats(0, 1e4), min_size=1, max_size=20))
def test_the_next_turn_is_the_first_after_what_passed(flush_s, instants):
    timer = timer_of(flush_s)
    first_s = timer.turn_s
    assert 0 <= first_s < flush_s
    passed_s = 0.0
    for at_s in instants:
        timer.pass_over(at_s)
        passed_s = max(passed_s, at_s)
        assert passed_s < timer.turn_s <= max(passed_s, first_s) + flush_s * (1 + 1e-9)
        turns = (timer.turn_s - first_s) / flush_s
        assert turns == pytest.approx(round(turns), abs=1e-6)


def test_each_worker_and_each_trial_has_a_phase_of_its_own():
    phases = {timer_of(1.0, seed, first).turn_s for seed in range(20) for first in range(4)}
    assert len(phases) == 80
    assert np.mean(list(phases)) == pytest.approx(0.5, abs=0.15)
