"""When a message leaves its author, and what becomes of it; `test_engine` holds all of it to the referee."""

from __future__ import annotations

import numpy as np
import pytest
from random_shards import Kept

from bench.simulation.engine.engine import simulate
from bench.simulation.engine.inputs import (
    ELSEWHERE,
    Costs,
    FeedTicks,
    NetworkDelays,
    Shard,
    ShardOutcome,
    UplinkOutcome,
    Uplinks,
)
from bench.transports.cycle import Cycle

UP_S, DOWN_S, HOP_S, MESSAGE_S, TICK_S = 0.1, 0.2, 0.05, 0.01, 0.001
COSTS = Costs(tick_s=TICK_S, message_s=MESSAGE_S)
ANSWER_S = UP_S + MESSAGE_S + HOP_S + TICK_S + DOWN_S


def became(due_s: list[float], author: list[int], rate_per_s: float = np.inf, posts: bool = True) -> UplinkOutcome:
    found = outcome(due_s, author, rate_per_s, posts).uplinks
    assert found is not None
    return found


def outcome(due_s: list[float], author: list[int], rate_per_s: float = np.inf, posts: bool = True,
            costs: Costs = COSTS) -> ShardOutcome:
    count = len(due_s)
    ticks = FeedTicks(np.arange(count), np.array(due_s), np.zeros(count, dtype=np.int64), np.full(count, 9))
    shard = Shard(
        1, np.arange(2), ticks, Cycle(pushes=True, posts=posts), costs,
        NetworkDelays(UP_S, DOWN_S, hop_s=HOP_S), 0.0, 5.0, 1.0,
        uplinks=Uplinks(np.array(author), np.full(len(due_s), 70), rate_per_s))
    return simulate(shard, Kept())


@pytest.mark.parametrize("posts", [False, True])
def test_a_message_that_is_alone_takes_its_ways_and_its_work(posts: bool) -> None:
    found = became([1.0], [0], posts=posts)
    assert found.sent_s.tolist() == [1.0]
    assert found.numbered_s[0] == pytest.approx(1.0 + UP_S + MESSAGE_S + HOP_S / 2)
    assert found.answered_s[0] == pytest.approx(1.0 + ANSWER_S)


def test_only_who_posts_waits_for_the_answer_to_the_message_before() -> None:
    due_s, author = [1.0, 1.01, 1.02], [0, 0, 1]
    assert became(due_s, author, posts=False).sent_s.tolist() == due_s
    found = became(due_s, author)
    assert found.sent_s[1] == pytest.approx(found.answered_s[0])
    assert found.sent_s[2] == 1.02   # another author's
    assert np.argsort(found.numbered_s).tolist() == [0, 2, 1]


def test_a_message_beyond_the_rate_is_refused_and_answered_at_once() -> None:
    found = became([1.0, 1.01, 1.02, 4.0], [0, 0, 1, 0], rate_per_s=0.5, posts=False)
    assert found.refused.tolist() == [False, True, False, False]
    assert np.isinf(found.numbered_s).tolist() == found.refused.tolist()
    assert found.answered_s[1] == pytest.approx(1.0 + UP_S + 2 * MESSAGE_S + DOWN_S)


def test_what_comes_after_the_end_did_not_happen() -> None:
    found = became([1.0, 6.95], [0, 0])
    assert np.isfinite(found.sent_s).all()
    assert np.isinf([found.numbered_s[1], found.answered_s[1]]).all()


@pytest.mark.parametrize("posts", [False, True])
def test_a_message_of_another_worker_s_client_comes_as_a_tick_and_takes_no_time(posts: bool) -> None:
    due_s = [1.0, 1.0, 3.0]
    found = outcome(due_s, [0, ELSEWHERE, ELSEWHERE], posts=posts)
    became = found.uplinks
    assert became is not None
    done_s = np.array([1.0 + MESSAGE_S, 1.0 + 2 * MESSAGE_S, 3.0 + MESSAGE_S]) + UP_S   # the second waits for the first
    assert became.numbered_s == pytest.approx(done_s + HOP_S / 2)
    assert np.isfinite(became.answered_s).tolist() == [True, False, False]
    assert found.busy_s == pytest.approx(MESSAGE_S + 3 * TICK_S)
    assert found.counted["updates"].tolist() == [3, 3]
    assert found.counted["uplinks"].tolist() == [1, 0]
    assert (found.server_counts["messages"], found.server_counts["messages_accepted"]) == (1, 1)


@pytest.mark.parametrize("slept_s", [0.0, 0.02, 2.0])
def test_a_message_of_another_worker_s_client_waits_as_an_own_one_would(slept_s: float) -> None:
    """In its sleep, just behind another one, or after a short sleep."""
    costs = Costs(
        tick_s=TICK_S, message_s=MESSAGE_S, message_cold_s=0.004, wake_s=0.003, switch_s=0.002, cold_share=0.5)
    due_s = [1.0, 1.0 + MESSAGE_S + slept_s]
    own, elsewhere = (outcome(due_s, [0, author], posts=False, costs=costs).uplinks for author in (0, ELSEWHERE))
    assert own is not None
    assert elsewhere is not None
    assert elsewhere.numbered_s == pytest.approx(own.numbered_s, abs=1e-12)


def test_ticks_come_in_the_order_in_which_their_messages_were_accepted() -> None:
    """The second message finds the worker cold, and would take it 0.5 s; a tick wakes it before the third comes."""
    costs = Costs(tick_s=1e-4, message_s=1e-4, message_cold_s=0.5)
    tick_s = 1.0 + 0.5001 + HOP_S   # the first message's, as seen from where messages leave
    found = outcome([1.0, tick_s - 0.005, tick_s + 0.0002], [0, ELSEWHERE, ELSEWHERE], costs=costs)
    assert found.uplinks is not None
    assert np.diff(found.uplinks.numbered_s).min() > 0
    assert found.counted["updates"].tolist() == [3, 3]
