"""An author's queue: nothing is sent early, nothing is sent twice without a reason, and each message has one fate."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from bench.transports import NEVER
from bench.transports.outgoing import AGAIN, Outgoing, Uplink
from bench.uplink.message import Answer

STEPS = st.lists(st.tuples(
    st.integers(0, 50), st.sampled_from(["take", "accept", "refuse", "no-feed", "lose", "strange"])), max_size=80)


def planned(*due_ns: int) -> Outgoing:
    outgoing = Outgoing(random.Random(1))
    outgoing.plan([Uplink(index, at_ns, b"{}") for index, at_ns in enumerate(due_ns)])
    return outgoing


@given(st.lists(st.integers(0, 500), max_size=12), STEPS)
def test_in_whatever_way_things_go_each_message_is_sent_until_it_has_a_final_answer(
    due_ns: list[int], steps: list[tuple[int, str]]
) -> None:
    outgoing, now_ns, waiting = planned(*sorted(due_ns)), 0, list[int]()
    for after_ns, step in steps:
        now_ns += after_ns
        if step == "take":
            uplink = outgoing.take(now_ns)
            assert (uplink is None) or uplink.index not in waiting
            if uplink is not None:
                assert uplink.due_ns <= now_ns
                waiting.append(uplink.index)
        elif step == "lose":
            outgoing.lost()
            waiting.clear()
        elif step == "strange":
            outgoing.answered(Answer(None, "bad-request"), now_ns)
            outgoing.answered(Answer(999, None), now_ns)
        elif waiting:
            refusal = {"accept": None, "refuse": "too-many"}.get(step, "no-feed")
            outgoing.answered(Answer(waiting.pop(0), refusal), now_ns)
    outgoing.lost()
    for _ in range(2 * len(due_ns) + 1):
        now_ns = max(now_ns, min(outgoing.next_ns, 10**12))
        if (uplink := outgoing.take(now_ns)) is not None:
            outgoing.answered(Answer(uplink.index, None), now_ns)
    assert outgoing.next_ns == NEVER
    for uplink in outgoing.uplinks:
        assert uplink.answered_ns is not None
        assert uplink.sent_ns is not None
        assert uplink.due_ns <= uplink.sent_ns <= uplink.answered_ns
        assert uplink.refusal not in AGAIN
        assert uplink.sends >= 1


def test_what_was_not_answered_goes_first_and_in_its_order() -> None:
    outgoing = planned(1, 2, 3, 4)
    assert [outgoing.take(5).index for _ in range(3)] == [0, 1, 2]   # type: ignore[union-attr]
    outgoing.answered(Answer(1, None), 6)
    outgoing.lost()
    assert outgoing.next_ns <= 6
    assert [outgoing.take(7).index for _ in range(3)] == [0, 2, 3]   # type: ignore[union-attr]
    assert outgoing.take(8) is None
    assert [each.sends for each in outgoing.uplinks] == [2, 1, 2, 1]


def test_what_never_left_was_not_sent() -> None:
    outgoing = planned(1, 2, 3)
    for _ in range(3):
        outgoing.take(5)
    outgoing.lost(never_left=2)
    assert [(each.sent_ns, each.sends) for each in outgoing.uplinks] == [(5, 1), (None, 0), (None, 0)]
    for _ in range(3):
        outgoing.take(9)
    assert [(each.sent_ns, each.sends) for each in outgoing.uplinks] == [(5, 2), (9, 1), (9, 1)]


def test_after_a_server_without_a_feed_an_author_waits_longer_each_time_and_later_messages_do_not() -> None:
    outgoing, now_ns, pauses = planned(0, 10**13), 0, []
    for _ in range(8):
        assert outgoing.take(now_ns) is not None
        outgoing.answered(Answer(0, "no-feed"), now_ns)
        assert outgoing.take(now_ns) is None
        pauses.append(outgoing.next_ns - now_ns)
        now_ns = outgoing.next_ns
    assert 50_000_000 <= pauses[0] <= 150_000_000
    assert pauses[4] > 3 * pauses[0]
    assert max(pauses) <= 3_000_000_000
