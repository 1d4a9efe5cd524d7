"""Inputs that no shard can have."""

import math
from dataclasses import replace

import numpy as np
import pytest
from random_shards import costs_of, feed

from bench.simulation.engine.inputs import Costs, FeedTicks, LoadClient, NetworkDelays, Shard, SlowLinks
from bench.transports.cycle import Cycle

RNG = np.random.default_rng(1)


def shard_of(cycle=None, net=None, **more):
    return Shard(1, np.arange(3), feed(RNG, 5.0, 1), cycle or Cycle(parks=True), costs_of(RNG, 1e-6),
                 net or NetworkDelays(0.1, 0.1), 1.0, 2.0, 0.5, **more)


def test_the_drain_lasts_twice_what_is_late():
    assert shard_of().end_s == 3.0


def test_ticks_come_in_order():
    with pytest.raises(AssertionError, match="order"):
        FeedTicks(np.arange(2), np.array([1.0, 0.5]), np.zeros(2, dtype=int), np.ones(2, dtype=int))


def test_who_asks_is_some_way_off():
    with pytest.raises(AssertionError, match="delay"):
        shard_of(net=NetworkDelays(0.0, 0.0))
    assert shard_of(Cycle(pushes=True), NetworkDelays(0.0, 0.0))


def test_a_load_client_needs_arrivals_in_order():
    with pytest.raises(AssertionError, match="load client"):
        shard_of(net=NetworkDelays(0.1, 0.1, jitter_s=0.1), load_client=LoadClient())
    with pytest.raises(AssertionError, match="load client"):
        shard_of(slow_links=SlowLinks(0.1, 1000.0), load_client=LoadClient())


def test_an_idle_worker_costs_its_base_and_its_sockets():
    assert Costs(base_share=0.01, socket_share=1e-6).idle_s(10.0, 1000) == pytest.approx(0.11)


def test_a_crowd_makes_requests_and_answers_dearer_and_nothing_else():
    """Stated at 100 connections; by the share for each e-fold of the crowd, however large."""
    costs = Costs(tick_s=2e-4, request_s=1e-5, answer_s=2e-5, update_s=1e-6, wake_s=1e-4, crowd_share=0.3)
    assert costs.crowded(100).request_s == pytest.approx(1e-5)
    assert costs.crowded(100 * (2 * math.e - 1)).answer_s == pytest.approx(2e-5 * 1.3)
    assert costs.crowded(1).answer_s < 2e-5 < costs.crowded(200).answer_s < costs.crowded(10_000).answer_s
    crowded = costs.crowded(400)
    assert replace(crowded, request_s=1e-5, answer_s=2e-5, crowd_share=0.3) == costs
    assert crowded.crowded(9_000) == crowded, "a crowd is counted once"
    assert replace(costs, crowd_share=0.0).crowded(9_000) == replace(costs, crowd_share=0.0)
