from __future__ import annotations

import asyncio
from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.scenario.model import Server, SlowClient
from bench.serving.chassis import Chassis
from bench.serving.config import Address, ServerConfig
from bench.serving.fanout import Fanout, next_turn
from bench.wire.contract import Batch, Cursor, Refusal, Request, Subscription

SYMBOLS = ("AAA", "BBB")
EVERYTHING = Subscription()


class Connection:
    """A connection of the test: it keeps what was written to it, and is congested when the test says so."""

    def __init__(self, subscription: Subscription = EVERYTHING, variant: str = "plain", room: int = 10**9) -> None:
        self.subscription = subscription
        self.variant = variant
        self.room = room
        """The number of further writes until it is congested."""
        self.is_open = True
        self.cursor: Cursor | None = None
        self.written: list[Batch] = []
        self.refusal: Refusal | None = None
        self.start = 0

    @property
    def paused(self) -> bool:
        return self.room <= 0

    def write(self, data: bytes) -> None:
        assert not self.paused
        assert self.refusal is None
        self.room -= 1
        self.written.append(Room.batches[data])

    def refuse(self, refusal: Refusal) -> None:
        self.refusal = refusal

    @property
    def seqs(self) -> list[int]:
        return [int(line) for batch in self.written for line in batch.ticks]

    @property
    def skipped(self) -> int:
        return sum(sum(batch.conflated.values()) + sum(batch.dropped.values()) for batch in self.written)


class Room:
    """A chassis without sockets, and a fan-out on it; the bytes of a batch are its number."""

    batches: dict[bytes, Batch] = {}   # noqa: RUF012

    def __init__(self, flush_ms: float = 0.0, policy: str = "conflate", batch_max: int = 1000,
                 buffer_ticks: int = 1000, tape_ticks: int = 65536) -> None:
        slow = SlowClient(policy=policy, buffer_ticks=buffer_ticks)   # type: ignore[arg-type]
        server = Server(batch_max=batch_max, slow_client=slow, tape_ticks=tape_ticks)
        self.chassis = Chassis(ServerConfig(transport="websocket", feed=Address(port=1), server=server))
        self.fanout: Fanout[Connection] = Fanout(self.chassis, self.encode, flush_ms)
        self.encoded = 0
        self.begin_epoch("e1")

    def encode(self, batch: Batch, variant: Hashable) -> bytes:
        self.encoded += 1
        data = b"%d" % len(self.batches)
        self.batches[data] = batch
        return data

    def begin_epoch(self, epoch: str) -> None:
        self.chassis.tape.begin(epoch, frozenset(SYMBOLS), 0)
        self.chassis.feed.ready.set()
        self.chassis._on_ticks()

    def publish(self, *symbols: str) -> None:
        tape = self.chassis.tape
        for symbol in symbols:
            tape.append(tape.head + 1, symbol, b"%d" % (tape.head + 1))
        self.chassis._on_ticks()

    def connect(self, connection: Connection, after: int | None = None) -> Connection:
        cursor = None if after is None else Cursor(self.chassis.tape.epoch or "", after)
        hello = self.chassis.read(Request(connection.subscription, cursor))
        connection.start = self.chassis.tape.head if after is None else after
        connection.write(self.encode(hello, connection.variant))
        self.fanout.begin(connection, hello)
        return connection

    def drain(self, connection: Connection, room: int) -> None:
        connection.room = room
        self.fanout.catch_up(connection)


def test_a_batch_is_encoded_once_for_all_who_are_up_to_date_and_once_for_each_variant() -> None:
    room = Room()
    plain = [room.connect(Connection()) for _ in range(5)]
    pressed = [room.connect(Connection(variant="pressed")) for _ in range(5)]
    room.encoded = 0
    room.publish("AAA")
    assert room.encoded == 2
    assert [each.seqs for each in plain + pressed] == [[1]] * 10
    assert room.chassis.counts.deliveries == 10


def test_a_congested_connection_goes_on_from_where_it_was() -> None:
    room = Room()
    slow, fast = room.connect(Connection(room=2)), room.connect(Connection())
    for _ in range(4):
        room.publish("AAA")
    assert (slow.seqs, fast.seqs) == ([1], [1, 2, 3, 4])
    assert room.fanout.lagging == {slow}
    room.drain(slow, 9)
    room.publish("AAA")
    assert slow.seqs == [1, 2, 3, 4, 5]
    assert not room.fanout.lagging


def test_a_turn_sends_what_has_come_since_the_last_one_as_one_batch() -> None:
    room = Room(flush_ms=100)
    one = room.connect(Connection())
    for _ in range(3):
        room.publish("AAA", "BBB")
    assert one.seqs == []
    room.fanout.turn()
    assert [batch.ticks for batch in one.written[1:]] == [(b"1", b"2", b"3", b"4", b"5", b"6")]
    room.fanout.turn()
    assert len(one.written) == 2


def test_who_begins_between_two_turns_waits_for_the_next_one_and_gets_nothing_from_before() -> None:
    room = Room(flush_ms=100)
    first = room.connect(Connection())
    room.publish("AAA")
    second = room.connect(Connection())
    room.publish("AAA")
    third = room.connect(Connection(), after=1)
    assert (second.seqs, third.seqs) == ([], [2])
    room.publish("AAA")
    room.fanout.turn()
    assert (first.seqs, second.seqs, third.seqs) == ([1, 2, 3], [2, 3], [2, 3])
    assert len(room.fanout.audiences) == 1
    assert not room.fanout.joining
    room.encoded = 0
    room.publish("BBB")
    room.fanout.turn()
    assert room.encoded == 1, "from the first turn on they are one audience"


def test_waiting_for_a_turn_is_not_lagging() -> None:
    room = Room(flush_ms=100, policy="disconnect", buffer_ticks=2)
    early, late = room.connect(Connection()), Connection()
    room.publish("AAA")
    room.connect(late)
    room.publish(*["AAA"] * 9)
    room.fanout.refuse_slow()
    room.fanout.turn()
    assert (early.skipped, late.skipped) == (0, 0)
    assert (early.seqs[-1], late.seqs[-1]) == (10, 10)


def test_latest_mode_conflates_what_comes_between_two_turns() -> None:
    room = Room(flush_ms=100)
    latest = room.connect(Connection(Subscription(mode="latest")))
    for _ in range(3):
        room.publish("AAA", "BBB")
    room.fanout.turn()
    assert (latest.seqs, latest.skipped) == ([5, 6], 4)


@pytest.mark.parametrize("flush_ms", [0.0, 100.0])
def test_a_new_epoch_ends_all_at_once(flush_ms: float) -> None:
    room = Room(flush_ms=flush_ms)
    up_to_date = room.connect(Connection())
    congested = room.connect(Connection(room=1))
    room.publish("AAA")
    between = room.connect(Connection())
    room.begin_epoch("e2")
    for each in (up_to_date, between):
        assert each.refusal is not None
        assert (each.refusal.code, each.refusal.resume) == ("other-epoch", Cursor("e2", 0))
    room.drain(congested, 1)
    assert congested.refusal is not None
    assert room.fanout.members() == []
    assert room.chassis.counts.refused == {"other-epoch": 3}


@pytest.mark.parametrize("flush_ms", [0.0, 100.0])
def test_a_hole_in_the_feed_ends_those_too_whose_symbols_have_had_no_tick_since(flush_ms: float) -> None:
    room = Room(flush_ms=flush_ms)
    some, every = room.connect(Connection(Subscription(frozenset({"BBB"})))), room.connect(Connection())
    room.publish("AAA", "BBB")
    room.chassis.tape.begin("e1", frozenset(SYMBOLS), 10)
    room.publish("AAA")
    room.fanout.turn()
    for each in (some, every):
        assert each.refusal is not None
        assert (each.refusal.code, each.refusal.resume) == ("left-tape", Cursor("e1", 10))
    assert room.fanout.members() == []


def test_where_the_policy_is_to_disconnect_a_lagging_connection_is_refused_though_it_takes_nothing() -> None:
    room = Room(policy="disconnect", buffer_ticks=2)
    stuck, fast = room.connect(Connection(room=1)), room.connect(Connection())
    room.publish(*["AAA"] * 2)
    room.fanout.refuse_slow()
    assert stuck.refusal is None
    room.publish("AAA")
    room.fanout.refuse_slow()
    assert stuck.refusal is not None
    assert stuck.refusal.code == "slow-client"
    assert fast.refusal is None
    assert room.fanout.members() == [fast]


def test_a_connection_that_closes_gets_nothing_more_and_its_end_is_not_counted() -> None:
    room = Room()
    gone = room.connect(Connection())
    gone.is_open = False
    room.publish("AAA")
    room.fanout.dismiss(gone, Refusal("stopping", ""))
    assert gone.seqs == []
    assert room.chassis.counts.refused == {}
    assert room.chassis.counts.deliveries == 0
    assert room.fanout.audiences == {}


events = st.lists(st.one_of(
    st.tuples(st.just("publish"), st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=4)),
    st.tuples(st.just("connect"), st.tuples(
        st.sampled_from([None, frozenset({"AAA"}), frozenset(SYMBOLS)]), st.sampled_from(["every", "latest"]),
        st.booleans(), st.integers(1, 4))),
    st.tuples(st.just("drain"), st.tuples(st.integers(0, 9), st.integers(0, 3))),
    st.tuples(st.just("turn"), st.none()),
    st.tuples(st.just("leave"), st.integers(0, 9)),
), max_size=40)


@settings(max_examples=150, deadline=None)
@given(events, st.sampled_from([0.0, 100.0]), st.sampled_from(["conflate", "drop-oldest"]), st.integers(2, 5))
def test_every_tick_reaches_every_connection_once_in_order_or_is_declared(
    script: list[tuple[str, object]], flush_ms: float, policy: str, batch_max: int
) -> None:
    room = Room(flush_ms, policy, batch_max, buffer_ticks=3)
    connections: list[Connection] = []
    for event, what in script:
        if event == "publish":
            room.publish(*what)   # type: ignore[misc]
        elif event == "connect":
            symbols, mode, from_start, takes = what   # type: ignore[misc]
            connections.append(Connection(Subscription(symbols, mode), room=takes))
            room.connect(connections[-1], after=0 if from_start else None)
        elif event == "turn":
            room.fanout.turn()
        elif connections and event == "drain":
            number, more = what   # type: ignore[misc]
            room.drain(connections[number % len(connections)], more)
        elif connections:
            gone = connections.pop(what % len(connections))   # type: ignore[operator]
            room.fanout.forget(gone)
    for connection in connections:
        room.drain(connection, 10**6)
    room.fanout.turn()
    tape = room.chassis.tape
    for connection in connections:
        wanted = connection.subscription.symbols or frozenset(SYMBOLS)
        due = [at for at, symbol, _ in tape._ticks(wanted, connection.start)]
        assert connection.seqs == sorted(set(connection.seqs))
        assert set(connection.seqs) <= set(due)
        assert len(connection.seqs) + connection.skipped == len(due)
    assert not room.fanout.lagging
    assert set(room.fanout.members()) == set(connections)
    heads = {audience.cursor for audience in room.fanout.audiences.values()}
    assert heads <= {Cursor("e1", tape.head)}


@given(st.integers(0, 50), st.floats(0, 100), st.floats(0.001, 2))
def test_turns_keep_their_instants(last: int, elapsed_s: float, flush_s: float) -> None:
    turn = next_turn(last, elapsed_s, flush_s)
    assert turn > last, "an early turn is not repeated"
    assert turn * flush_s > elapsed_s - 1e-9, "a missed turn is left out"
    assert turn == last + 1 or (turn - 1) * flush_s <= elapsed_s, "and no other"


def test_the_timer_takes_turns_until_it_is_cancelled() -> None:
    async def run() -> None:
        room = Room(flush_ms=1)
        turns = asyncio.Event()
        count = 0

        def turn() -> None:
            nonlocal count
            count += 1
            if count == 3:
                turns.set()

        room.fanout.turn = turn   # type: ignore[method-assign]
        timer = asyncio.create_task(room.fanout.keep_turning())
        await asyncio.wait_for(turns.wait(), 20)
        timer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await timer
        assert count >= 3

    asyncio.run(run())


def test_without_turns_the_timer_ends_before_its_first() -> None:
    async def run() -> None:
        room = Room()
        room.fanout.turn = lambda: pytest.fail("a turn was taken")   # type: ignore[method-assign]
        with pytest.raises(StopIteration):
            room.fanout.keep_turning().send(None)   # it runs to its first wait, and has none

    asyncio.run(run())
