"""The agenda is a priority queue, the parking a list in the order of waiting."""

import heapq
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.simulation.engine.event_queue import EventQueue, WaitingClients

INSTANTS = st.lists(st.floats(0, 100), min_size=0, max_size=12)
STEPS = st.lists(st.tuples(INSTANTS, st.floats(0, 100), st.floats(0, 100), st.integers(1, 9)), max_size=12)


@given(steps=STEPS)
def test_the_agenda_gives_out_what_a_heap_would(steps):
    events, heap, number = EventQueue(), [], 0
    for instants, until_s, before_s, most in steps:
        who = np.arange(number, number + len(instants))
        number += len(instants)
        events.put(np.array(instants), who)
        for entry in zip(instants, who.tolist(), strict=True):
            heapq.heappush(heap, entry)
        chosen = np.arange(number) % 3 == 0
        assert events.first_s == min((at for at, _ in heap), default=math.inf)
        assert events.first_of(chosen) == min((at for at, who in heap if who % 3 == 0), default=math.inf)
        at, whom = events.take(until_s, before_s, most)
        expected = []
        while heap and heap[0][0] <= until_s and heap[0][0] < before_s and len(expected) < most:
            expected.append(heapq.heappop(heap))
        assert at.tolist() == [instant for instant, _ in expected]
        if len(set(instants)) == len(instants):
            left = {who for _, who in heap}
            assert left.isdisjoint(whom.tolist()) or len({at for at, _ in expected}) < len(expected)
        heap = sorted([entry for entry in heap if entry[1] not in set(whom.tolist())]
                      + [entry for entry in expected if entry[1] not in set(whom.tolist())])


def test_many_small_runs_become_few():
    events = EventQueue()
    for at in range(1000):
        events.put(np.array([float(at % 37)]), np.array([at]))
    assert len(events._runs) <= 11
    at, who = events.take(50.0, math.inf, 10_000)
    assert np.all(np.diff(at) >= 0)
    assert sorted(who.tolist()) == list(range(1000))


def test_who_waits_is_woken_in_order_and_waits_no_more():
    waiting = WaitingClients(np.array([4, 2]), np.array([10.0, 11.0]), by_client=False)
    waiting.put(np.array([3, 0]), np.array([12.0, 13.0]))
    wanted = np.array([True, False, True, False, False])
    assert waiting.wake(wanted).tolist() == [2, 0]
    assert waiting.peek(None).tolist() == [4, 3]
    assert waiting.wake(None).tolist() == [4, 3]
    assert waiting.wake(None).tolist() == []
    assert waiting.first_s == math.inf


def test_who_has_waited_long_enough_leaves():
    waiting = WaitingClients(np.array([4, 2]), np.array([10.0, 11.0]), by_client=False)
    waiting.put(np.array([3]), np.array([12.0]))
    assert waiting.first_s == 10.0
    assert [column.tolist() for column in waiting.expire(9.0, 20.0)] == [[], []]
    assert [column.tolist() for column in waiting.expire(11.5, 11.0)] == [[10.0], [4]]
    assert [column.tolist() for column in waiting.expire(11.5, 20.0)] == [[11.0], [2]]
    assert waiting.peek(None).tolist() == [3]


def test_those_who_are_pushed_to_stand_in_the_order_of_clients():
    waiting = WaitingClients(np.array([0, 1, 2, 3]), np.full(4, math.inf), by_client=True)
    waiting.leave(np.array([False, True, False, False]))
    assert waiting.peek(None).tolist() == [0, 2, 3]
    waiting.put(np.array([1]), np.array([math.inf]))
    assert waiting.peek(None).tolist() == [0, 1, 2, 3]
