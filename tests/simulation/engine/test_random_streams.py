"""Draws depend on who draws and for what, and look like chance otherwise."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.simulation.engine.random_streams import Stream, uniform

WHOLE = st.integers(0, 2**40)


@given(seed=WHOLE, client=st.integers(0, 2**32), cycle=st.integers(0, 2**32), stream=st.sampled_from(Stream))
def test_a_draw_is_the_same_alone_and_among_others(seed, client, cycle, stream):
    alone = uniform(seed, stream, np.array([client]), cycle)
    among = uniform(seed, stream, np.array([5, client, 7]), np.array([1, cycle, 2]))
    assert alone[0] == among[1]
    assert 0 <= alone[0] < 1


def test_draws_are_even_and_know_nothing_of_their_neighbours():
    clients, cycles = np.meshgrid(np.arange(400), np.arange(400))
    draws = uniform(3, Stream.POLL, clients.ravel(), cycles.ravel()).reshape(400, 400)
    counts = np.histogram(draws, bins=100, range=(0, 1))[0]
    assert ((counts - 1600) ** 2 / 1600).sum() < 160   # χ² with 99 degrees of freedom: beyond it once in 10⁴
    shifted = ((draws[1:], draws[:-1]), (draws[:, 1:], draws[:, :-1]), (draws[1:, 1:], draws[:-1, :-1]))
    for one, other in shifted:
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.012


def test_streams_and_seeds_are_apart():
    clients = np.arange(10_000)
    columns = [uniform(seed, stream, clients) for seed in (0, 1) for stream in Stream]
    between = np.corrcoef(np.array(columns)) - np.eye(len(columns))
    assert np.abs(between).max() < 0.05


def test_there_are_as_many_draws_as_pairs():
    clients, cycles = np.meshgrid(np.arange(300), np.arange(300))
    assert len(np.unique(uniform(9, Stream.UP, clients.ravel(), cycles.ravel()))) == 90_000
