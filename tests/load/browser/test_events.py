"""The reports of a page, as records and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bench import transports
from bench.clock import NO_STAMP
from bench.load.browser.brackets import PageClock
from bench.load.browser.events import Asking, PageClient, refusal_words
from bench.measure.recording import Recorder
from bench.records.trial_record import COUNTED
from bench.transports import ClientSpec
from bench.wire.contract import REFUSALS, Subscription

WORDS = {name: f"word-{name}" for name in REFUSALS}
POLLS = Asking(polls=True, may_wait=False, interval_ms=500.0, refusal_words=WORDS)
PUSHES = Asking(polls=False, may_wait=False, interval_ms=0.0, refusal_words=WORDS)
MS = 1_000_000


def client(asking: Asking = PUSHES, number: int = 4) -> tuple[PageClient, Recorder]:
    clock = PageClock()
    clock.bracket(1000 * MS, 0.0, 1000 * MS)   # the page's 0 is 1 s on the run clock
    clock.settle()
    recorder = Recorder()
    return PageClient(ClientSpec(number, "127.0.0.1:1", Subscription()), recorder, clock, asking), recorder


def tick(index: int, symbol: str = "A") -> dict[str, Any]:
    return {"index": index, "seq": index + 1, "due_ns": 7, "symbol": symbol, "price": 1.0, "size": 1}


def batch(*ticks: dict[str, Any], seq: int = 9, **skips: dict[str, int]) -> dict[str, Any]:
    return {"cursor": f"e:{seq}", "more": False, "ticks": list(ticks), **skips}


def rows(recorder: Recorder) -> list[tuple[int, ...]]:
    return [tuple(int(value) for value in row) for piece in recorder.deliveries_since(0) for row in piece]


def test_a_message_is_a_row_for_each_of_its_ticks_at_the_pages_instant() -> None:
    mine, recorder = client()
    compact = [4, 5, 1.0, 1, "A"]
    mine.take([["took", 10.0, batch(tick(1), tick(2))], ["took", 11.0, tick(3)], ["took", 12.0, compact]], [])
    assert rows(recorder) == [
        (4, 1, 7, NO_STAMP, 1010 * MS), (4, 2, 7, NO_STAMP, 1010 * MS), (4, 3, 7, NO_STAMP, 1011 * MS),
        (4, 4, NO_STAMP, NO_STAMP, 1012 * MS)]
    assert (mine.subscribed, mine.subscribed_ns, str(mine.cursor)) == (True, 1010 * MS, "e:5")


def test_two_messages_of_one_instant_are_two_reads() -> None:
    mine, recorder = client()
    mine.take([["took", 10.0, batch(tick(1))], ["took", 10.0, tick(2)]], [])
    assert [row[-1] for row in rows(recorder)] == [1010 * MS, 1010 * MS + 1]


def test_declared_skips_are_recorded_with_the_next_tick_of_their_symbol() -> None:
    mine, recorder = client()
    mine.take([["took", 1.0, batch(tick(8), conflated={"A": 3}, dropped={"B": 2})], ["took", 2.0, tick(9, "B")]], [])
    skips = [(int(row["count"]), int(row["index"])) for piece in recorder.skips_since(0) for row in piece]
    assert skips == [(3, 8), (2, 9)]


@pytest.mark.parametrize("news", [tick(1), {"cursor": "e:1"}, batch({"index": -1}), "text", 5, None])
def test_no_batch_is_the_servers_mistake_and_delivers_nothing(news: object) -> None:
    mine, recorder = client()
    mine.take([["took", 1.0, news]], [])
    assert mine.counts.errors == {"bad-answer": 1}
    assert rows(recorder) == []
    assert not mine.subscribed


EVENTS: Sequence[Sequence[Any]] = (
    ("asked", 100.0, 100.0), ("took", 110.0, batch()),           # before t0
    ("asked", 600.0, 600.0), ("took", 650.0, batch(tick(1))),
    ("asked", 1125.0, 1100.0), ("broke", 1130.0, "TypeError"),   # 25 ms after its instant
    ("asked", 1600.0, 1600.0), ("refused", 1605.0, "left-tape"),
    ("asked", 2400.0, 2400.0), ("took", 2420.0, batch()),        # the one before was 300 ms too slow
    ("asked", 2900.0, 2900.0), ("took", 3300.0, batch(tick(2))),   # over t1 = 3 s
)
T0, T1 = 1500 * MS, 4000 * MS


def counted(asking: Asking, *pieces: Sequence[Sequence[Any]]) -> tuple[PageClient, dict[str, int]]:
    mine, _ = client(asking)
    mine.plan_readings((T0, T1))
    for piece in pieces:
        mine.take(piece, [])
    mine.read_until(5000 * MS)
    before, after = mine.readings
    assert (before.at_ns, after.at_ns) == (T0, T1)
    return mine, {name: late - early for name, early, late in zip(COUNTED, before.counts, after.counts, strict=True)}


def test_counters_are_those_of_the_window_however_the_notes_are_handed_over() -> None:
    mine, whole = counted(POLLS, EVENTS)
    for place in range(len(EVENTS)):
        other, parts = counted(POLLS, EVENTS[:place], EVENTS[place:])
        assert parts == whole
        assert other.readings == mine.readings
    assert whole["requests"] == 5
    assert whole["responses"] == 3   # two batches and a refusal; one broke, one came after t1
    assert whole["answers_empty"] == 1
    assert whole["updates"] == 1
    assert (whole["polls_overdue"], whole["polls_late"]) == (1, 1)
    assert whole["request_duration_ns"] == whole["request_overlap_ns"] == (50 + 5 + 20) * MS
    assert whole["in_flight_ns"] == (50 + 5 + 5 + 20 + 100) * MS
    assert mine.readings[1].asked_ns == 3900 * MS
    assert mine.counts.open_ended_ns == 4300 * MS
    assert mine.counts.errors == {"broken": 1, "word-left-tape": 1}


def test_a_push_has_one_request_that_its_first_message_answers() -> None:
    mine, _ = client(PUSHES)
    mine.take([["asked", 1.0, None], ["took", 2.0, batch()], ["took", 3.0, tick(1)], ["broke", 4.0, "closed"],
               ["asked", 5.0, None], ["took", 6.0, batch(tick(2))]], [])
    assert (mine.counts.requests, mine.counts.responses, mine.counts.in_flight_ns) == (2, 2, 0)
    assert mine.counts.answers_empty == 0


def test_turns_count_from_the_one_over_t0_to_the_last_of_the_drain() -> None:
    mine, _ = client()
    mine.plan_readings((T0, T1))
    mine.take([], [100.0, 110.0, 480.0, 530.0, 540.0])   # 50 ms over t0
    mine.take([], [2990.0])                              # 2450 ms within
    mine.read_until(T1)
    assert not mine.measured                             # its turns are not yet known up to t1
    mine.take([], [3020.0, 3500.0])                      # 30 ms over t1, then 480 ms in the drain
    assert mine.measured
    assert mine.gaps.facts() == {"turns": 5, "turn_gap_p99_ns": 2450 * MS, "turn_gap_max_ns": 2450 * MS,
                                 "turn_gaps_over_20ms": 4}


@pytest.mark.parametrize("name", transports.own_names())
def test_a_refusal_counts_by_the_transports_own_word(name: str) -> None:
    words = transports.describe(name).refusal_words
    found = refusal_words(words)
    assert set(found) == set(REFUSALS)
    assert all(found[each] in words(status) for each, status in REFUSALS.items())
