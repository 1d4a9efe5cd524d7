"""The engine against the referee: the same draws must bring the same deliveries, whatever the shard."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_shards import LATE_AFTER_S, Kept, records, shards, two_way
from referee import Referee

from bench.scenario.model import SlowClient
from bench.simulation.engine import tape_reads
from bench.simulation.engine.engine import simulate
from bench.simulation.engine.inputs import (
    COUNTED,
    Costs,
    FeedTicks,
    LoadClient,
    NetworkDelays,
    Shard,
    SlowLinks,
)
from bench.stats.trial.arrays import trial_arrays
from bench.stats.trial.fates import fates
from bench.transports.cycle import Cycle

EXACT_S = 1e-9
KINDS = ("short", "long", "push")


def owed(shard, rows, tick, app):
    """Return those of the rows whose ticks are due before t1 and came before the end of the drain."""
    chosen = [row for row in rows
              if shard.ticks.due_s[row[tick]] < shard.t1_s and row[app] < shard.end_s - EXACT_S]
    return sorted(chosen, key=lambda row: (row[:tick], row[tick], row[app]))


def assert_close(mine, other, within):
    assert np.abs(np.array(mine, dtype=float) - np.array(other, dtype=float)).max(initial=0.0) <= within


def assert_same(shard):
    kept = Kept()
    outcome = simulate(shard, kept)
    referee = Referee(shard).run()
    ours, theirs = owed(shard, kept.deliveries, 1, 3), owed(shard, referee.deliveries, 1, 3)
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    assert_close(ours, theirs, EXACT_S)
    ours, theirs = owed(shard, kept.skips, 2, 4), owed(shard, referee.skips, 2, 4)
    assert [row[:4] for row in ours] == [row[:4] for row in theirs]
    assert_close([row[4] for row in ours], [row[4] for row in theirs], EXACT_S)
    assert_close(outcome.busy_s, referee.busy_s, 1e-8)
    for name in COUNTED:
        assert_close(outcome.counted[name], referee.counted[name], 1e-8)
    assert_same_uplinks(shard, outcome, referee)


def assert_same_uplinks(shard, outcome, referee):
    if shard.uplinks is None:
        assert outcome.uplinks is None
        return
    mine = outcome.uplinks
    for message in np.flatnonzero(shard.ticks.due_s < shard.t1_s):
        fate, *instants = referee.fates[message]
        ours = mine.sent_s[message], mine.numbered_s[message], mine.answered_s[message]
        for at_s, their_s in zip(ours, instants, strict=True):
            if min(at_s, their_s) < shard.end_s - EXACT_S:
                assert at_s == pytest.approx(their_s, abs=EXACT_S)
        if np.isfinite(ours[1]):
            assert fate == "accepted"


@pytest.mark.parametrize("sends", [False, True], ids=["", "two-way"])
@pytest.mark.parametrize("kind", ["short", "long", "push", "flush"])
@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_referee_sees_the_same(kind, sends, data):
    shard = data.draw(shards((kind,)))
    assert_same(two_way(shard, data) if sends else shard)


@given(shard=shards(("push", "flush")), bytes_per_s=st.sampled_from([300.0, 1000.0, 3000.0]),
       policy=st.sampled_from(["conflate", "drop-oldest", "disconnect"]), most=st.sampled_from([1, 3]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_referee_sees_the_same_of_sockets_that_are_often_full(shard, bytes_per_s, policy, most):
    """They drain often, and are cut, dropped from and disconnected. No whole number of bytes is at the bound: whether
    such a socket is full would be decided by rounding."""
    links = SlowLinks(0.9, bytes_per_s, overhead_bytes=7.0, bound_bytes=350.5, resume_bytes=90.0)
    shard = replace(shard, slow_links=links, load_client=None, tape_ticks=6, batch_max=most,
                    slow_client=SlowClient(policy=policy, buffer_ticks=3))
    assert_same(shard)


def test_a_turn_of_the_timer_waits_in_line_behind_drained_sockets():
    """Each fan-out takes longer than many turns, and sockets drain meanwhile: a turn that comes after them finds the
    ticks that arrive while they are served."""
    due_s = np.array([0.34, 0.48, 0.63, 0.65, 1.1, 1.55])
    ticks = FeedTicks(np.arange(6), due_s, np.zeros(6, dtype=int), np.array([126, 123, 132, 90, 96, 128]))
    assert_same(Shard(
        448124, np.array([145, 201, 293, 654, 682, 906]), ticks, Cycle(pushes=True, flush_s=0.003),
        Costs(tick_s=0.018, answer_s=0.024, update_s=0.016, byte_s=0.000155), NetworkDelays(3e-5, 4e-5, 0.006),
        t0_s=0.5, t1_s=2.0, late_after_s=0.8, slow_client=SlowClient(policy="conflate"),
        slow_links=SlowLinks(0.9, 1000.0, overhead_bytes=7.0, bound_bytes=350.5, resume_bytes=90.0)))


@pytest.mark.parametrize("flush_s", [0.0, 0.5])
@pytest.mark.parametrize(("mode", "updates", "conflated"), [("every", 25, 0), ("latest", 2, 23)])
@pytest.mark.parametrize("policy", ["conflate", "drop-oldest", "disconnect"])
def test_ticks_that_come_together_are_one_message_to_clients_that_are_up_to_date(
    monkeypatch, flush_s, mode, updates, conflated, policy
):
    """They are behind by all these ticks, but not slow; and each symbol's newest fits into a batch. They are read for
    one after the other."""
    monkeypatch.setattr(tape_reads, "ROWS", 1)
    ticks = FeedTicks(np.arange(25), np.full(25, 1.0), np.arange(25) % 2, np.full(25, 100))
    kept, shard = Kept(), Shard(
        3, np.arange(4), ticks, Cycle(pushes=True, flush_s=flush_s), Costs(answer_s=1e-3, update_s=1e-4),
        NetworkDelays(0.003, 0.002), t0_s=0.5, t1_s=2.0, late_after_s=0.8, mode=mode,
        batch_max=25 if mode == "every" else 2, slow_client=SlowClient(policy=policy, buffer_ticks=3))
    found = simulate(shard, kept)
    assert found.counted["messages"].tolist() == [1] * 4
    assert [row[4] for row in kept.deliveries] == [updates] * 4 * updates
    assert sum(row[3] for row in kept.skips) == 4 * conflated


@pytest.mark.parametrize(("takes", "apart"), [(0.4, 1), (0.99, 1), (1.01, 2), (1.99, 2), (2.01, 3)])
def test_turns_that_pass_during_a_hand_out_are_left_out(takes, apart):
    """As the server's own timer does: it looks for its next turn when the one before is over."""
    every_s, clients = 0.1, 4
    due_s = np.arange(0.0, 4.0, 0.001)
    ticks = FeedTicks(np.arange(len(due_s)), due_s, np.zeros(len(due_s), dtype=int), np.full(len(due_s), 100))
    kept, shard = Kept(), Shard(
        3, np.arange(clients), ticks, Cycle(pushes=True, flush_s=every_s), Costs(answer_s=takes * every_s / clients),
        NetworkDelays(0.003, 0.002), t0_s=0.5, t1_s=2.0, late_after_s=0.8)
    simulate(shard, kept)
    seen_s = np.unique([app_s for client, *_, app_s, _ in kept.deliveries if client == 0])
    assert np.diff(seen_s) == pytest.approx(apart * every_s)
    assert_same(shard)


@given(shard=shards(("short", "long", "push")), switches=st.sampled_from([0.3, 5.0]),
       timer_s=st.sampled_from([0.0, 0.0011, 0.04]), slower=st.sampled_from([1e-5, 2e-2]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_referee_sees_the_same_of_wake_ups_and_of_polls_that_leave_together(shard, switches, timer_s, slower):
    """A wake-up may take longer than the job that it is for, and than the time to the next job."""
    costs = replace(shard.costs, switch_s=switches * shard.costs.request_s)
    load_client = LoadClient(0.3 * slower, 0.7 * slower, 0.1 * slower, timer_s=timer_s)
    net = replace(shard.net, jitter_s=0.0)
    assert_same(replace(shard, costs=costs, net=net, slow_links=None, load_client=load_client))


@given(shard=shards((*KINDS, "flush")))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_update_that_is_due_has_one_fate(shard):
    kept = Kept()
    outcome = simulate(shard, kept)
    table = fates(trial_arrays(*records(shard, kept)))
    assert (table[["delivered", "late", "conflated", "lost"]].sum(axis=1) == table["due"]).all()
    assert not table["duplicate"].any()
    refused = any(name.startswith("refused") for name in outcome.server_counts)
    if not refused and "dropped" not in outcome.server_counts:
        assert not table["holes"].any()   # whatever is skipped is declared
    if "conflated" not in outcome.server_counts:
        assert not table["conflated"].any()


@given(shard=shards())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_is_in_flight_at_the_end(shard):
    """Where nothing takes long, what is lost was dropped, and declared unless no later tick of its symbol
    came."""
    assume(shard.cycle.interval_s < LATE_AFTER_S)
    shard = replace(shard, costs=Costs(), net=NetworkDelays(0.003, 0.002), slow_links=None, load_client=None)
    kept = Kept()
    outcome = simulate(shard, kept)
    assume(not any(name.startswith("refused") for name in outcome.server_counts))
    table = fates(trial_arrays(*records(shard, kept)))
    newest = defaultdict(lambda: -1)
    for client, tick, *_ in kept.deliveries:
        pair = client, shard.ticks.symbol[tick]
        newest[pair] = max(newest[pair], tick)
    after_all = [sum(tick > newest[client, symbol] for tick, symbol in enumerate(shard.ticks.symbol))
                 for client in range(len(shard.clients))]
    assert (table["lost"] >= table["dropped"]).all()
    assert (table["lost"] - table["dropped"] <= after_all).all()


@given(shard=shards(), share=st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_client_alone_draws_the_same_luck(shard, share):
    """Draws go by the client's number, so where nothing queues a shard may be cut in two."""
    shard = replace(shard, costs=Costs(), load_client=None)
    kept, left, right = Kept(), Kept(), Kept()
    simulate(shard, kept)
    cut = int(len(shard.clients) * share)
    parts = (slice(None, cut), left), (slice(cut, None), right)
    for which, sink in parts:
        if len(shard.clients[which]):
            mine = None if shard.subscribed is None else shard.subscribed[which]
            simulate(replace(shard, clients=shard.clients[which], subscribed=mine), sink)
    apart = left.deliveries + [(client + cut, *rest) for client, *rest in right.deliveries]
    ours, theirs = owed(shard, kept.deliveries, 1, 3), owed(shard, apart, 1, 3)
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    assert_close(ours, theirs, EXACT_S)
