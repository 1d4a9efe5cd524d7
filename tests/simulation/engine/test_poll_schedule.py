"""When clients ask, against a client that looks at its clock."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_shards import costs_of, feed

from bench.simulation.engine.inputs import LoadClient, NetworkDelays, Shard
from bench.simulation.engine.poll_schedule import BURST_SHARE, PollSchedule
from bench.simulation.engine.random_streams import Stream, uniform
from bench.transports.cycle import Cycle


def shard_of(cycle, clients=5, seed=3):
    rng = np.random.default_rng(seed)
    return Shard(seed, np.arange(clients) * 7, feed(rng, 1.0, 1), cycle, costs_of(rng, 1e-6), NetworkDelays(0.1, 0.1),
                 0.0, 1.0, 1.0)


def instant_s(shard, client, number):
    """Return the instant of a client's poll, by the formula of the schedule's docstring."""
    who = shard.clients[client : client + 1]
    phase = float(uniform(shard.seed, Stream.PHASE, who)[0])
    draw = float(uniform(shard.seed, Stream.POLL, who, number)[0])
    cycle = shard.cycle
    return cycle.interval_s * (phase + number + cycle.jitter * (draw - 0.5))


@given(
    jitter=st.sampled_from([0.0, 0.3, 1.0]),
    took=st.lists(st.floats(0.001, 4.0), min_size=1, max_size=20),
    cuts=st.lists(st.booleans(), min_size=20, max_size=20),
)
@settings(deadline=None)
def test_polls_keep_their_instants_and_go_out_late_where_they_must(jitter, took, cuts):
    shard = shard_of(Cycle(interval_s=1.0, pace="rate", jitter=jitter))
    polls, client, number = PollSchedule(shard), 2, 0
    who = np.array([client])
    now_s = float(polls.first_s[client])
    assert now_s == instant_s(shard, client, 0)
    for took_s, cut in zip(took, cuts, strict=False):
        done_s = now_s + took_s
        planned_s = instant_s(shard, client, number + 1)
        assert polls._instant_s[client] == planned_s
        assert polls.not_before(now_s) <= planned_s
        leave, missed, instants = polls.next(who, np.array([done_s]), np.array([cut]))
        if planned_s <= done_s:
            assert (missed.tolist(), instants.tolist()) == ([0], [planned_s])
            while instant_s(shard, client, number + 1) <= done_s:
                number += 1
            expected_s = done_s
        else:
            assert not len(missed)
            expected_s = done_s if cut else planned_s
            number += not cut
        assert leave[0] == expected_s
        now_s = expected_s


def test_with_a_delay_the_interval_begins_with_the_answer():
    shard = shard_of(Cycle(interval_s=2.0, pace="delay", jitter=0.5))
    polls, who = PollSchedule(shard), np.arange(5)
    leave, missed, _ = polls.next(who, np.full(5, 10.0), np.array([False, True, False, False, False]))
    draws = uniform(shard.seed, Stream.POLL, shard.clients, 1)
    expected = 12.0 + 2.0 * 0.5 * (draws - 0.5)
    expected[1] = 10.0
    np.testing.assert_allclose(leave, expected)
    assert not len(missed)
    assert polls.not_before(9.9) == pytest.approx(9.9 + 0.1 + 1.5)


def test_without_a_pace_the_next_request_follows_at_once():
    polls = PollSchedule(shard_of(Cycle(parks=True)))
    done = np.array([1.0, 2.0])
    assert polls.next(np.array([0, 1]), done, np.array([True, False]))[0].tolist() == [1.0, 2.0]


def test_who_is_still_asking_at_the_end_has_missed_its_instant():
    polls = PollSchedule(shard_of(Cycle(interval_s=1.0, pace="rate")))
    who, instants = polls.missed(1.5)
    assert all(1.0 <= instant < 1.5 for instant in instants)
    assert len(who) == sum(polls.first_s + 1.0 < 1.5)


@given(st.lists(st.floats(-3.0, 50.0), min_size=1, max_size=30, unique=True))
def test_polls_of_one_turn_of_the_timer_leave_together_and_in_their_order(wishes):
    """Never before they are due, never more than a turn and their own place later, and all of a turn after
    those of the turn before."""
    shard = shard_of(Cycle(interval_s=1.0, pace="rate"))
    wish_s = np.sort(wishes)
    assert PollSchedule(shard).leaving_s(wish_s) is wish_s
    timer_s = 0.5
    polls = PollSchedule(replace(shard, load_client=LoadClient(timer_s=timer_s)))
    leave_s = polls.leaving_s(wish_s)
    assert (leave_s >= wish_s - 1e-12).all()
    assert (leave_s - wish_s <= timer_s + 1e-12).all()
    assert (np.diff(leave_s) >= 0).all()
    turn = np.floor(wish_s / timer_s)
    assert (leave_s >= (turn + 1) * timer_s).all()
    assert (leave_s <= (turn + 1 + BURST_SHARE) * timer_s + 1e-12).all()
