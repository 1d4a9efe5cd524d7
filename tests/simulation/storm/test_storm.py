"""Storms: the laws that hold for any, small ones by hand, and what jitter and backlog do."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.scenario.storm import POLICIES, Backoff
from bench.simulation.storm.storm import RECOVERED, Outcome, StormConditions, simulate

storms = st.builds(
    StormConditions,
    clients=st.integers(1, 150), connection_s=st.floats(0.001, 0.1), backlog=st.integers(1, 60),
    refusal_share=st.sampled_from([0.0, 0.1, 0.5, 1.0]), timeout_s=st.floats(0.05, 3),
    down_s=st.floats(0, 5), horizon_s=st.floats(1, 60), overflow=st.sampled_from(["refused", "dropped"]),
)
backoffs = st.builds(
    Backoff,
    wait=st.sampled_from(["fixed", "exponential", "equal", "full", "decorrelated"]),
    base_s=st.floats(0.2, 2), cap_s=st.floats(2, 30), window_s=st.floats(0, 10),
    heeds_retry_after=st.booleans(),
)


@settings(deadline=None, max_examples=150)
@given(storms, backoffs, st.integers(0, 2**32))
def test_the_laws_of_any_storm(storm: StormConditions, backoff: Backoff, seed: int) -> None:
    outcome = simulate(storm, backoff, seed)
    table = outcome.timeline.table()
    assert outcome.connected <= storm.clients                        # nobody connects twice (asserted within)
    assert outcome.recovered_s >= math.ceil(RECOVERED * storm.clients) * storm.connection_s * (1 - 1e-9)
    if outcome.connected == storm.clients:
        assert outcome.attempts >= storm.clients
        assert outcome.recovered_s <= storm.horizon_s + 1e-9
        assert outcome.ended_s - storm.down_s >= storm.floor_s * (1 - 1e-9)
    else:
        assert outcome.ended_s == storm.down_s + storm.horizon_s
    # Each attempt fails while the server is down, is refused, or gets a place; and only places are worked on.
    taken = outcome.attempts - outcome.failed_down - outcome.refused
    assert 0 <= taken - outcome.connected - outcome.stale <= storm.backlog
    assert table["attempts"].sum() == outcome.attempts
    assert table["connected"].sum() == outcome.connected
    assert table["stale"].sum() == outcome.stale
    assert table["refused"].sum() == outcome.refused
    busy = (outcome.connected + outcome.stale) * storm.connection_s
    assert busy <= storm.horizon_s * (1 + 1e-9) + storm.connection_s
    assert 0 <= outcome.wasted_share <= 1


@settings(deadline=None, max_examples=30)
@given(storms, backoffs, st.integers(0, 2**32))
def test_the_same_draws_give_the_same_storm(storm: StormConditions, backoff: Backoff, seed: int) -> None:
    assert simulate(storm, backoff, seed) == simulate(storm, backoff, seed)


def test_a_storm_of_three_is_as_worked_out_by_hand() -> None:
    """Three clients, one place, 1 s each, retry after 1 s, a refusal takes half a second."""
    storm = StormConditions(clients=3, connection_s=1.0, backlog=1, refusal_share=0.5, timeout_s=10.0, down_s=0.0,
                            horizon_s=20.0)
    outcome = simulate(storm, Backoff(wait="fixed"), 1)
    # 0: client 0 waits, 1 and 2 are refused (0 through at 2). 1: both refused (3). 2: both refused (4) … the
    # two that retry each second take all of it. 0 gives up at 10, and from 11 on is refused for the place
    # that it still has.
    assert outcome.connected == 0
    assert outcome.refused == 2 * 21 + 10
    free = StormConditions(**{**{name: getattr(storm, name) for name in storm.__slots__}, "refusal_share": 0.0})
    outcome = simulate(free, Backoff(wait="fixed"), 1)
    # 0: client 0 through at 1, just as 1 comes again: through at 2, and so on.
    assert (outcome.connected, outcome.refused, outcome.ended_s) == (3, 2 + 1, 3.0)
    assert outcome.recovered_s == free.floor_s


def test_a_dropped_attempt_is_sent_again_and_costs_nothing() -> None:
    """Two clients, one place, 0.5 s each: the SYN of the second comes again after 1 s, though it would back
    off for a minute; where the backlog stays full it comes after 1 and 3 s, and then the client gives up."""
    storm = StormConditions(clients=2, connection_s=0.5, backlog=1, refusal_share=9.0, timeout_s=10.0, down_s=0.0,
                            horizon_s=20.0, overflow="dropped")
    outcome = simulate(storm, Backoff(wait="fixed", base_s=60.0), 1)
    assert (outcome.connected, outcome.attempts, outcome.refused, outcome.ended_s) == (2, 3, 1, 1.5)
    assert outcome.wasted_share == 0.0
    busy = replace(storm, connection_s=100.0, timeout_s=5.0)
    outcome = simulate(busy, Backoff(wait="fixed", base_s=60.0), 1)
    assert np.flatnonzero(outcome.timeline.table()["refused"]).tolist() == [0, 1, 3]


def test_who_gives_up_burns_the_server_all_the_same() -> None:
    storm = StormConditions(clients=4, connection_s=1.0, backlog=4, refusal_share=0.0, timeout_s=2.0, down_s=0.0,
                            horizon_s=60.0)
    outcome = simulate(storm, Backoff(wait="fixed", base_s=20.0), 1)
    # Through at 1, 2 (in time), 3 and 4 (in vain); the two come again at 22.
    assert (outcome.connected, outcome.stale, outcome.ended_s) == (4, 2, 24.0)
    assert outcome.wasted_share == pytest.approx(2 / 6)
    assert outcome.attempts_by_client == (1, 2)


def test_an_attempt_counts_for_its_client_though_nothing_came_of_it_yet() -> None:
    """Two are connected by the end, and two still wait for their turn; a SYN that comes again is one more."""
    storm = StormConditions(clients=4, connection_s=1.0, backlog=4, refusal_share=0.0, timeout_s=10.0, down_s=0.0,
                            horizon_s=2.5)
    outcome = simulate(storm, Backoff(wait="fixed"), 1)
    assert (outcome.connected, outcome.attempts, outcome.attempts_by_client) == (2, 4, (1, 1))
    dropped = replace(storm, clients=2, backlog=1, overflow="dropped")
    outcome = simulate(dropped, Backoff(wait="fixed"), 1)
    assert (outcome.attempts, outcome.attempts_by_client[1]) == (3, 2)


def test_with_free_refusals_and_a_small_backlog_even_fixed_retries_end_at_the_floor() -> None:
    storm = StormConditions(clients=2000, connection_s=1 / 40, backlog=80, refusal_share=0.0, timeout_s=3.0,
                            down_s=5.0, horizon_s=245.0)
    outcome = simulate(storm, Backoff(wait="fixed"), 1)
    assert outcome.recovered_s == pytest.approx(storm.floor_s, rel=0.02)


def run(policy: str, backlog: int, refusal_share: float) -> Outcome:
    storm = StormConditions(clients=2000, connection_s=1 / 40, backlog=backlog, refusal_share=refusal_share,
                            timeout_s=3.0, down_s=5.0, horizon_s=245.0)
    return simulate(storm, POLICIES[policy], 3)


def test_fixed_retries_never_recover_only_where_a_refusal_is_dear() -> None:
    """The verdict hangs on what is assumed of who finds the backlog full."""
    assert math.isinf(run("fixed", 80, 0.1).recovered_s)
    storm = StormConditions(clients=2000, connection_s=1 / 40, backlog=80, refusal_share=0.1, timeout_s=3.0,
                            down_s=5.0, horizon_s=245.0, overflow="dropped")
    assert simulate(storm, POLICIES["fixed"], 3).recovered_s < 2 * storm.floor_s


def test_lockstep_never_recovers_where_jitter_does() -> None:
    assert run("exponential", 80, 0.1).connected < 200
    assert run("full_jitter", 80, 0.1).recovered_s < 2 * 50
    assert run("spread", 80, 0.1).attempts < run("full_jitter", 80, 0.1).attempts / 3


def test_a_backlog_that_is_longer_than_patience_stays_stale() -> None:
    """Little: the backlog is harmless only up to C · timeout = 120."""
    deep = run("full_jitter", 164, 0.0)
    assert math.isinf(deep.recovered_s)
    assert deep.wasted_share > 0.9
    assert run("full_jitter", 110, 0.0).recovered_s < 100


def test_a_server_that_says_when_to_come_back_is_quicker_than_jitter() -> None:
    assert run("retry_after", 80, 0.1).recovered_s < run("full_jitter", 80, 0.1).recovered_s
