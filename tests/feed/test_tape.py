"""The tape against a model that keeps everything in a plain list."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.feed.tape import Tape
from bench.scenario.model import SlowClient
from bench.wire.contract import Batch, Cursor, Refusal, Subscription

SYMBOLS = "ABCDE"
EVERY = Subscription()
LATEST = Subscription(mode="latest")


def line_of(seq: int, symbol: str) -> bytes:
    return f"{seq} {symbol}".encode()


@dataclass
class Played:
    """A tape, and all that was ever put on it: (seq, symbol)."""

    tape: Tape
    ticks: list[tuple[int, str]]

    def lines(self, subscription: Subscription, after: int, end: int) -> list[bytes]:
        return [line_of(seq, symbol) for seq, symbol in self.subscribed(subscription) if after < seq <= end]

    def subscribed(self, subscription: Subscription) -> list[tuple[int, str]]:
        wanted = subscription.symbols
        return [(seq, symbol) for seq, symbol in self.ticks if wanted is None or symbol in wanted]

    def append(self, symbol: str) -> None:
        seq = self.tape.head + 1
        self.tape.append(seq, symbol, line_of(seq, symbol))
        self.ticks.append((seq, symbol))


def play(symbols: str, capacity: int = 100, after: int = 0) -> Played:
    tape = Tape(capacity)
    tape.begin("e1", frozenset(SYMBOLS), after)
    played = Played(tape, [])
    for symbol in symbols:
        played.append(symbol)
    return played


tapes = st.builds(
    play,
    symbols=st.text(SYMBOLS, max_size=15) | st.text(SYMBOLS, min_size=15, max_size=40),
    capacity=st.integers(1, 20),
    after=st.integers(0, 3),
)
readers = tapes.flatmap(
    lambda played: st.tuples(st.just(played), st.integers(played.tape.oldest, played.tape.head))
)
"""A tape, and a place from which every tick is held."""
wanted_sets = st.none() | st.frozensets(st.sampled_from(SYMBOLS), min_size=1)
subscriptions = st.builds(Subscription, symbols=wanted_sets, mode=st.sampled_from(["every", "latest"]))
bounds = st.builds(
    SlowClient, policy=st.sampled_from(["conflate", "drop-oldest"]), buffer_ticks=st.integers(1, 10)
)


def refusal(
    tape: Tape, subscription: Subscription, after: Cursor, bound: SlowClient | None = None
) -> Refusal:
    with pytest.raises(Refusal) as caught:
        tape.read(subscription, after, 10, bound)
    return caught.value


@given(tapes, subscriptions, st.integers(0, 40), st.integers(1, 50))
def test_read_is_refused_exactly_when_a_subscribed_tick_has_left(
    played: Played, subscription: Subscription, after: int, limit: int
) -> None:
    tape = played.tape
    after = min(after, tape.head)
    # What was there before `begin` is unknown, so it counts as subscribed ticks that are gone.
    floor = tape.head - len(played.ticks)
    gone = [seq for seq, _ in played.subscribed(subscription) if seq <= tape.head - tape.capacity]
    oldest = max([floor, *gone])
    if after >= oldest:
        tape.read(subscription, Cursor("e1", after), limit)
    else:
        refused = refusal(tape, subscription, Cursor("e1", after))
        assert (refused.code, refused.resume) == ("left-tape", Cursor("e1", oldest))
        tape.read(subscription, refused.resume, limit)


@given(readers, wanted_sets, st.integers(1, 10))
def test_cut_batches_concatenate_to_the_uncut_one(
    reader: tuple[Played, int], wanted: frozenset[str] | None, limit: int
) -> None:
    played, after = reader
    tape, subscription = played.tape, Subscription(wanted)
    whole = tape.read(subscription, Cursor("e1", after), 1000)
    assert list(whole.ticks) == played.lines(subscription, after, tape.head)
    assert whole.cursor == Cursor("e1", tape.head)
    assert not whole.more

    parts, cursor, more = [], Cursor("e1", after), True
    while more:
        batch = tape.read(subscription, cursor, limit)
        assert len(batch.ticks) <= limit
        assert (batch.cursor.seq > cursor.seq) or not batch.more
        parts += batch.ticks
        cursor, more = batch.cursor, batch.more
    assert parts == list(whole.ticks)
    assert cursor == whole.cursor


@given(
    subscriptions,
    st.lists(st.text(SYMBOLS, max_size=12), min_size=1, max_size=12),
    st.integers(1, 6),
    st.none() | bounds,
)
def test_everything_is_handed_out_once_or_declared(
    subscription: Subscription, gaps: list[str], limit: int, bound: SlowClient | None
) -> None:
    """A reader that goes on from each cursor while ticks come between its reads."""
    played = play("")
    tape, cursor = played.tape, Cursor("e1", 0)
    handed: list[bytes] = []
    declared: Counter[str] = Counter()
    for gap in [*gaps, *[""] * 200]:
        for symbol in gap:
            played.append(symbol)
        batch = tape.read(subscription, cursor, limit, bound)
        assert batch.cursor.seq >= cursor.seq
        assert len(batch.ticks) <= limit
        assert batch.more == (batch.cursor.seq < tape.head)
        handed += batch.ticks
        declared += Counter(batch.conflated) + Counter(batch.dropped)
        cursor = batch.cursor
        expected = Counter(s for seq, s in played.subscribed(subscription) if seq <= cursor.seq)
        assert Counter(line.split()[1].decode() for line in handed) + declared <= expected + declared
        if not batch.dropped and not batch.more:
            assert Counter(line.split()[1].decode() for line in handed) + declared == expected
    assert cursor.seq == tape.head
    seqs = [int(line.split()[0]) for line in handed]
    assert seqs == sorted(set(seqs))
    assert Counter(line.split()[1].decode() for line in handed) + declared == Counter(
        symbol for _, symbol in played.subscribed(subscription)
    )
    if subscription.mode == "every" and bound is None:
        assert not declared


@given(readers, wanted_sets, st.integers(1, 5))
def test_latest_is_the_newest_of_each_symbol_as_of_its_cursor(
    reader: tuple[Played, int], wanted: frozenset[str] | None, limit: int
) -> None:
    played, after = reader
    tape, subscription = played.tape, Subscription(wanted, "latest")
    batch = tape.read(subscription, Cursor("e1", after), limit)
    scanned = [
        (seq, symbol) for seq, symbol in played.subscribed(subscription) if after < seq <= batch.cursor.seq
    ]
    newest = {symbol: seq for seq, symbol in scanned}
    expected = sorted((seq, symbol) for symbol, seq in newest.items())
    assert list(batch.ticks) == [line_of(*tick) for tick in expected]
    counts = Counter(symbol for _, symbol in scanned)
    assert batch.conflated == {symbol: count - 1 for symbol, count in counts.items() if count > 1}
    if batch.more:  # cut as late as possible: the next subscribed tick is of one symbol too many
        later = [s for seq, s in played.subscribed(subscription) if seq > batch.cursor.seq]
        assert len(newest) == limit
        assert later[0] not in newest


@given(readers, wanted_sets, st.integers(1, 50), st.integers(1, 10))
def test_drop_oldest_keeps_the_newest_of_the_subscription(
    reader: tuple[Played, int], wanted: frozenset[str] | None, limit: int, buffer: int
) -> None:
    played, after = reader
    tape, subscription = played.tape, Subscription(wanted)
    bound = SlowClient(policy="drop-oldest", buffer_ticks=buffer)
    all_lines = played.lines(subscription, after, tape.head)
    batch = tape.read(subscription, Cursor("e1", after), limit, bound)
    assert list(batch.ticks) == all_lines[-buffer:][:limit]
    dropped = Counter(line.split()[1].decode() for line in all_lines[:-buffer])
    assert batch.dropped == dropped


@given(readers, wanted_sets)
def test_behind_and_news_count_subscribed_ticks(
    reader: tuple[Played, int], wanted: frozenset[str] | None
) -> None:
    played, after = reader
    tape, subscription = played.tape, Subscription(wanted)
    expected = len(played.lines(subscription, after, tape.head))
    assert tape.behind(subscription, after) == expected
    assert tape.has_news(subscription, after) == (expected > 0)


@given(tapes, subscriptions)
def test_a_reader_without_a_cursor_begins_at_the_head(played: Played, subscription: Subscription) -> None:
    assert played.tape.read(subscription, None, 10) == Batch(Cursor("e1", played.tape.head))


def test_policy_acts_only_beyond_the_bound() -> None:
    played = play("AABA")
    at_bound, beyond = SlowClient(policy="conflate", buffer_ticks=4), SlowClient(buffer_ticks=3)
    cursor = Cursor("e1", 0)
    assert len(played.tape.read(EVERY, cursor, 10, at_bound).ticks) == 4
    conflated = played.tape.read(EVERY, cursor, 10, beyond)
    assert list(conflated.ticks) == [b"3 B", b"4 A"]
    assert conflated.conflated == {"A": 2}
    # Ticks of other symbols don't count as being behind.
    only_a = Subscription(frozenset("A"))
    batch = played.tape.read(only_a, cursor, 10, beyond)
    assert (list(batch.ticks), batch.conflated) == ([b"1 A", b"2 A", b"4 A"], {})


def test_disconnect_is_refused_with_the_head_to_resume_from() -> None:
    played = play("AABA")
    bound = SlowClient(policy="disconnect", buffer_ticks=3)
    refused = refusal(played.tape, EVERY, Cursor("e1", 0), bound)
    assert (refused.code, refused.resume) == ("slow-client", Cursor("e1", 4))
    assert list(played.tape.read(EVERY, Cursor("e1", 1), 10, bound).ticks) == [b"2 A", b"3 B", b"4 A"]
    # One that wants only the newest is not slow, however rarely it reads.
    assert list(played.tape.read(LATEST, Cursor("e1", 0), 10, bound).ticks) == [b"3 B", b"4 A"]


def test_refusals_name_what_was_wrong() -> None:
    tape = play("AB").tape
    assert refusal(tape, EVERY, Cursor("e1", 3)).code == "bad-cursor"
    unknown = refusal(tape, Subscription(frozenset({"A", "ZZZ"})), Cursor("e1", 1))
    assert (unknown.code, "'ZZZ'" in unknown.detail) == ("unknown-symbol", True)
    other = refusal(tape, EVERY, Cursor("e0", 1))
    assert (other.code, other.resume) == ("other-epoch", Cursor("e1", 0))
    assert refusal(Tape(4), EVERY, Cursor("e1", 0)).code == "no-feed"


def test_a_hole_in_the_same_epoch_empties_the_tape() -> None:
    played = play("ABC")
    played.tape.begin("e1", frozenset(SYMBOLS), after=10)
    played.append("A")
    refused = refusal(played.tape, Subscription(frozenset("B")), Cursor("e1", 3))
    assert (refused.code, refused.resume) == ("left-tape", Cursor("e1", 10))
    assert list(played.tape.read(EVERY, Cursor("e1", 10), 10).ticks) == [b"11 A"]
    only_b = Subscription(frozenset("B"))   # which may have had ticks in the hole, and has none since
    assert [played.tape.has_news(only_b, seq) for seq in (3, 9, 10, 11)] == [True, True, False, False]


def test_a_new_epoch_forgets_the_old_one() -> None:
    played = play("ABCAB", capacity=3)
    played.tape.begin("e2", frozenset("XY"), after=0)
    played.tape.append(1, "X", b"1 X")
    assert list(played.tape.read(EVERY, Cursor("e2", 0), 10).ticks) == [b"1 X"]
    assert refusal(played.tape, Subscription(frozenset("A")), Cursor("e2", 0)).code == "unknown-symbol"


def test_readers_one_tick_behind_share_one_batch() -> None:
    tape = play("AB").tape
    last = tape.read(EVERY, Cursor("e1", 1), 10)
    assert last.bare
    assert tape.read(Subscription(frozenset("BC")), Cursor("e1", 1), 10) is last
    assert tape.read(LATEST, Cursor("e1", 1), 10) is last
    empty = tape.read(Subscription(frozenset("A")), Cursor("e1", 1), 10)
    assert empty == Batch(Cursor("e1", 2))
    assert tape.read(EVERY, Cursor("e1", 2), 10) is empty


def test_a_hole_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        play("AB").tape.append(4, "A", b"4 A")
