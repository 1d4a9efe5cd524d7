"""Delays, links and the station."""

from dataclasses import replace

import numpy as np
from random_shards import costs_of, feed

from bench.simulation.engine.inputs import LoadClient, NetworkDelays, Shard, SlowLinks
from bench.simulation.engine.network import Network
from bench.transports.cycle import Cycle


def shard_of(**changes):
    rng = np.random.default_rng(1)
    shard = Shard(1, np.arange(2000), feed(rng, 1.0, 1), Cycle(pushes=True), costs_of(rng, 1e-6),
                  NetworkDelays(0.01, 0.02), 0.0, 1.0, 1.0)
    return replace(shard, **changes)


def sizes(count, size=100):
    return np.full(count, size)


def test_the_ways_take_what_they_take():
    network = Network(shard_of(cycle=Cycle(parks=True, new_connection=True, handshakes=2.0)))
    who, cycle = np.array([3, 1]), np.zeros(2000, dtype=int)
    np.testing.assert_allclose(network.up(who, cycle, np.array([1.0, 2.0])), [1.01, 2.01])
    np.testing.assert_allclose(network.down(who, cycle, np.array([1.0, 2.0]), sizes(2)), [1.02, 2.02])
    np.testing.assert_allclose([network.opening_s, network.lookahead_s], [0.06, 0.09])
    assert Network(shard_of(cycle=Cycle(parks=True))).opening_s == 0


def test_jitter_has_the_mean_that_was_asked_for_and_is_never_negative():
    who, cycle, leave = np.arange(2000), np.zeros(2000, dtype=int), np.zeros(2000)
    for kind, mean_s in (("exponential", 0.05), ("uniform", 0.025)):
        network = Network(shard_of(net=NetworkDelays(0.01, 0.02, jitter_s=0.05, jitter=kind)))
        up, down = network.up(who, cycle, leave) - 0.01, network.down(who, cycle, leave, sizes(2000)) - 0.02
        for delays in (up, down):
            assert delays.min() >= 0
            assert abs(delays.mean() / mean_s - 1) < 0.08
        assert abs(np.corrcoef(up, down)[0, 1]) < 0.08


def test_pushes_keep_their_order_on_the_way():
    network = Network(shard_of(net=NetworkDelays(0.01, 0.02, jitter_s=0.5)))
    who = np.arange(2000)
    first = network.down(who, np.full(2000, 1), np.zeros(2000), sizes(2000))
    second = network.down(who, np.full(2000, 2), np.full(2000, 0.001), sizes(2000))
    assert (second >= first).all()
    assert (second == first).any()


def test_a_slow_link_lets_bytes_out_one_after_the_other_and_fills():
    links = SlowLinks(1.0, bytes_per_s=1000.0, overhead_bytes=50, bound_bytes=300, resume_bytes=100)
    network, who, cycle = Network(shard_of(slow_links=links)), np.array([0]), np.zeros(2000, dtype=int)
    at = np.array([1.0])
    assert network.down(who, cycle, at, sizes(1)).tolist() == [1.15 + 0.02]
    assert not network.full(who, at)[0][0]
    np.testing.assert_allclose(network.down(who, cycle, at, sizes(1)), [1.32])
    assert not network.full(who, at)[0][0]          # 300 bytes are not over the bound
    network.down(who, cycle, at, sizes(1))
    full, drained_s = network.full(who, at)
    assert full[0]
    np.testing.assert_allclose(drained_s, [1.35])   # 450 bytes are out at 1.45, 100 are left at 1.35
    assert drained_s[0] - at[0] >= network.drains_s
    network.cut(who)
    np.testing.assert_allclose(network.down(who, cycle, at, sizes(1)), [1.17])


def test_some_clients_have_slow_links():
    network = Network(shard_of(slow_links=SlowLinks(0.25, 1000.0)))
    assert 0.2 < network.slow.mean() < 0.3


def test_the_load_client_reads_one_answer_after_the_other():
    network = Network(shard_of(load_client=LoadClient(wake_s=0.1, answer_s=0.5, update_s=0.25)))
    seen, done = network.read(np.array([1.0, 1.0, 5.0]), np.array([2, 0, 1]))
    np.testing.assert_allclose(seen, [1.1, 2.1, 5.1])
    np.testing.assert_allclose(done, [2.1, 2.6, 5.85])
    kernel = np.array([1.0])
    assert Network(shard_of()).read(kernel, np.array([1])) == (kernel, kernel)
