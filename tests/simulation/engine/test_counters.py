"""The counts of a shard at the window's edges. The sums are held to the referee's in `test_engine`."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from random_shards import Kept, costs_of, feed
from random_shards import shards as of_any_kind

from bench.simulation.engine.counters import STEPS_A_STRETCH, CountSteps, ShardCounts
from bench.simulation.engine.engine import simulate
from bench.simulation.engine.inputs import COUNTED, Costs, FeedTicks, NetworkDelays, Shard, Uplinks
from bench.simulation.engine.tape_reads import WorkerTape
from bench.transports.cycle import Cycle

WHO = np.array([0, 2])


@pytest.fixture
def shard():
    rng = np.random.default_rng(1)
    return Shard(1, np.arange(3), feed(rng, 5.0, 1), Cycle(parks=True), costs_of(rng, 1e-6), NetworkDelays(0.1, 0.1),
                 1.0, 2.0, 1.0)


def counts_of(shard, asked_s=0.0):
    return ShardCounts(shard, np.full(3, asked_s))


def test_a_request_counts_when_it_leaves(shard):
    counts = counts_of(shard)
    counts.ask(WHO, np.array([0.99, 1.0]), connects_s=np.array([1.5, 2.0]))
    assert counts.clients["requests"].tolist() == [0, 0, 1]
    assert counts.clients["connections"].tolist() == [1, 0, 0]


@pytest.mark.parametrize("who", list(permutations(range(3))))
def test_the_order_of_the_clients_in_a_round_does_not_matter(shard, who):
    counts, leave_s = counts_of(shard), np.array([0.5, 1.25, 1.5])
    counts.ask(np.array(who), leave_s[list(who)])
    assert counts.clients["requests"].tolist() == [0, 1, 1]


def test_a_response_counts_when_it_is_seen(shard):
    counts = counts_of(shard)
    batches = WorkerTape(shard).alone(1, 2)
    counts.respond(WHO, np.array([1.5, 2.0]), batches)
    assert counts.clients["responses"].tolist() == [1, 0, 0]
    assert counts.clients["updates"].tolist() == [1, 0, 0]
    assert counts.clients["payload_bytes"].tolist() == [int(shard.ticks.payload_bytes[1]), 0, 0]
    assert counts.clients["request_duration_s"].tolist() == [1.5, 0, 0]
    assert counts.clients["answers_empty"].tolist() == [0, 0, 0]


def test_what_is_under_way_is_cut_at_the_windows_edges(shard):
    counts = counts_of(shard, asked_s=0.5)
    counts.respond(WHO, np.array([1.25, 3.0]), WorkerTape(shard).alone(0, 2))
    np.testing.assert_allclose(counts.clients["in_flight_s"], [0.25, 0, 1.0])
    counts.ask(WHO, np.array([3.0, 4.0]))
    counts.close()   # client 1 has been waiting all the time
    np.testing.assert_allclose(counts.clients["in_flight_s"], [0.25, 1.0, 1.0])


def test_the_first_push_on_a_new_connection_is_a_response(shard):
    counts = counts_of(shard, asked_s=1.0)
    counts.push(WHO, np.array([1.25, 1.5]), WorkerTape(shard).alone(0, 2), np.array([True, False]))
    assert counts.clients["messages"].tolist() == [1, 0, 1]
    assert counts.clients["responses"].tolist() == [1, 0, 0]


def test_there_is_a_column_for_every_name(shard):
    assert tuple(counts_of(shard).clients) == COUNTED


@given(shard=of_any_kind())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_steps_add_up_to_what_was_counted(shard):
    steps = CountSteps(shard)
    outcome = simulate(shard, Kept(), steps)
    assert steps.busy_s.sum() == pytest.approx(outcome.busy_s)
    for name in {*COUNTED} - {"in_flight_s"}:
        missing = outcome.counted[name].sum() - steps.counted[name].sum()
        assert missing >= -1e-6, name   # what warm-up brought: each client has but one request under way
        if name in ("connections", "requests", "responses"):
            assert missing <= len(shard.clients) + 1e-6, name
    step_s = shard.late_after_s / STEPS_A_STRETCH
    assert (steps.busy_s >= 0).all()
    assert len(steps.busy_s) == np.ceil((shard.t1_s - shard.t0_s) / step_s)


def test_a_burst_is_in_the_steps_in_which_it_is_worked_on():
    """Two ticks for three clients take 0.7 s from 1.35 s on; one before, and one after, 0.35 s each."""
    ticks = FeedTicks(np.arange(4), np.array([0.5, 1.35, 1.36, 2.5]), np.zeros(4, dtype=int), np.full(4, 50))
    shard = Shard(1, np.arange(3), ticks, Cycle(pushes=True), Costs(tick_s=0.05, answer_s=0.1), NetworkDelays(0.1, 0.1),
                  1.0, 3.0, late_after_s=1.0)
    steps = CountSteps(shard)
    simulate(shard, Kept(), steps)
    expected = np.zeros(20)
    expected[3:11] = [0.05, *[0.1] * 6, 0.05]
    expected[15:19] = [0.1, 0.1, 0.1, 0.05]
    np.testing.assert_allclose(steps.busy_s, expected, atol=1e-9)
    assert steps.counted["updates"].sum() == 9


def test_what_warm_up_brings_is_in_no_step():
    """Polls that were booked then, for the window's first second, are not all in its first step."""
    count = 100
    ticks = FeedTicks(np.arange(1), np.array([0.5]), np.zeros(1, dtype=int), np.full(1, 50))
    cycle = Cycle(pace="rate", interval_s=1.0, new_connection=True)
    shard = Shard(1, np.arange(count), ticks, cycle, Costs(request_s=1e-6), NetworkDelays(0.001, 0.001), 2.0, 5.0,
                  late_after_s=1.0)
    steps = CountSteps(shard)
    simulate(shard, Kept(), steps)
    assert steps.counted["connections"].max() < count / 3


def test_messages_are_in_the_steps_in_which_they_are_sent_and_answered():
    """The one before the window is in none. 0.1 s up, 0.01 s of work, 0.1 s down."""
    due_s = np.array([0.5, 1.35, 2.55])
    ticks = FeedTicks(np.arange(3), due_s, np.zeros(3, dtype=int), np.full(3, 50))
    shard = Shard(1, np.arange(3), ticks, Cycle(pushes=True), Costs(message_s=0.01), NetworkDelays(0.1, 0.1), 1.0, 3.0,
                  late_after_s=1.0, uplinks=Uplinks(np.arange(3), np.array([60, 70, 80])))
    steps = CountSteps(shard)
    outcome = simulate(shard, Kept(), steps)
    for name, amounts in (("uplinks", {3: 1, 15: 1}), ("uplink_bytes", {3: 70, 15: 80}),
                          ("uplinks_answered", {5: 1, 17: 1}), ("uplink_duration_s", {5: 0.21, 17: 0.21})):
        expected = np.zeros(20)
        expected[list(amounts)] = list(amounts.values())
        np.testing.assert_allclose(steps.counted[name], expected, atol=1e-9, err_msg=name)
        assert steps.counted[name].sum() == pytest.approx(outcome.counted[name].sum()), name
