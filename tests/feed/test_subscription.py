"""A server's end of the feed: nothing is missed that the feed still holds, and a gap is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import pairwise
from types import SimpleNamespace

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from bench.feed.outlet import Outlet
from bench.feed.subscription import FeedSubscription, _Connection
from bench.feed.tape import Tape
from bench.wire.contract import Cursor, Subscription

SYMBOLS = ("AAA", "BBB")
WAIT_S = 20.0


class Stage:
    """A feed whose lives come and go on one port, and a subscription to it."""

    def __init__(self) -> None:
        self.source = Tape(50)
        self.outlet: Outlet | None = None
        self.port = 0
        self.tape = Tape(1000)
        self.told: list[tuple[str | None, int]] = []
        """The tape's epoch and head at each call."""
        self._news = asyncio.Event()
        self.life("e1")

    def life(self, epoch: str, after: int = 0, symbols: tuple[str, ...] = SYMBOLS) -> None:
        self.source.begin(epoch, frozenset(symbols), after)
        self.listen(symbols)

    def listen(self, symbols: tuple[str, ...] = SYMBOLS) -> None:
        self.outlet = Outlet(asyncio.get_running_loop(), self.source, symbols, "127.0.0.1", self.port)
        self.port = self.outlet.address[1]

    def silence(self) -> None:
        """Close the feed's connections and its port."""
        assert self.outlet is not None
        self.outlet.close()
        self.outlet = None

    def put(self, count: int) -> None:
        for _ in range(count):
            seq = self.source.head + 1
            line = json.dumps({"seq": seq, "symbol": SYMBOLS[seq % 2]}).encode()
            self.source.append(seq, SYMBOLS[seq % 2], line)
        if self.outlet is not None:
            self.outlet.publish()

    def on_ticks(self) -> None:
        self.told.append((self.tape.epoch, self.tape.head))
        self._news.set()

    async def until(self, epoch: str, head: int) -> None:
        while (self.tape.epoch, self.tape.head) != (epoch, head):
            await self._news.wait()
            self._news.clear()


def on_stage(play: Callable[[Stage, FeedSubscription], Awaitable[None]]) -> None:
    async def run() -> None:
        stage = Stage()
        feed = FeedSubscription("127.0.0.1", stage.port, stage.tape, stage.on_ticks)
        running = asyncio.ensure_future(feed.run())
        try:
            await asyncio.wait_for(play(stage, feed), WAIT_S)
            assert not running.done()
        finally:
            running.cancel()
            if stage.outlet is not None:
                stage.outlet.close()

    uvloop.run(run())


def held(tape: Tape, after: int) -> list[int]:
    assert tape.epoch is not None
    batch = tape.read(Subscription(), Cursor(tape.epoch, after), 1000)
    return [json.loads(line)["seq"] for line in batch.ticks]


def test_what_is_held_and_what_comes_is_on_the_tape() -> None:
    async def play(stage: Stage, feed: FeedSubscription) -> None:
        stage.put(10)
        await feed.ready.wait()
        await stage.until("e1", 10)
        assert stage.tape.symbols == frozenset(SYMBOLS)
        stage.put(5)
        await stage.until("e1", 15)
        assert held(stage.tape, 0) == list(range(1, 16))
        assert (feed.ticks, feed.feed_connections) == (15, 1)
        assert len(stage.told) <= 4  # once a read, not once a tick

    on_stage(play)


def test_a_subscription_is_ready_once_it_has_caught_up_with_the_head_that_was_named() -> None:
    feed = FeedSubscription("127.0.0.1", 1, Tape(10), lambda: None)
    connection = _Connection(feed, None)   # type: ignore[arg-type]
    header = b'{"feed":"tickertape/1","epoch":"e1","after":%d,"head":5,"symbols":["AAA"]}\n'
    connection.data_received(header % 3)
    for seq in (4, 5):
        assert not feed.ready.is_set()
        connection.data_received(b'{"seq":%d,"symbol":"AAA"}\n' % seq)
    assert feed.ready.is_set()


@pytest.mark.parametrize("line", [b"[]", b"7", b'"no"', b"null", b'{"feed":"tickertape/1"}'])
def test_a_header_that_is_none_ends_the_connection(line: bytes, caplog: pytest.LogCaptureFixture) -> None:
    feed = FeedSubscription("127.0.0.1", 1, Tape(10), lambda: None)
    connection = _Connection(feed, None)   # type: ignore[arg-type]
    aborted: list[bool] = []
    connection._transport = SimpleNamespace(abort=lambda: aborted.append(True))   # type: ignore[assignment]
    connection.data_received(line + b"\n")
    assert aborted == [True]
    assert "the feed at 127.0.0.1:1" in caplog.text
    assert (feed.feed_connections, feed.tape.epoch) == (0, None)


def test_a_compact_tick_is_held_as_it_came() -> None:
    tape = Tape(10)
    tape.begin("e1", frozenset({"AAA"}), after=0)
    feed = FeedSubscription("127.0.0.1", 1, tape, lambda: None)
    feed.take_ticks([b'[0,1,23.82,100,"AAA"]'])
    assert tape.read(Subscription(), Cursor("e1", 0), 10).ticks == (b'[0,1,23.82,100,"AAA"]',)


def test_a_header_alone_is_told() -> None:
    async def play(stage: Stage, feed: FeedSubscription) -> None:
        await stage.until("e1", 0)
        assert stage.told == [("e1", 0)]

    on_stage(play)


def test_a_lost_feed_is_found_again_and_nothing_is_missed() -> None:
    async def play(stage: Stage, feed: FeedSubscription) -> None:
        stage.put(10)
        await stage.until("e1", 10)
        for again in range(1, 4):
            stage.silence()
            stage.put(7)
            stage.listen()
            await stage.until("e1", 10 + 7 * again)
        assert held(stage.tape, 0) == list(range(1, 32))
        assert (feed.ticks, feed.feed_connections) == (31, 4)

    on_stage(play)


def test_a_hole_empties_the_tape() -> None:
    async def play(stage: Stage, feed: FeedSubscription) -> None:
        stage.put(10)
        await stage.until("e1", 10)
        stage.silence()
        stage.put(80)  # the feed holds 50
        stage.listen()
        await stage.until("e1", 90)
        assert stage.tape.oldest == 40
        assert held(stage.tape, 40) == list(range(41, 91))

    on_stage(play)


def test_a_new_life_is_a_new_epoch() -> None:
    async def play(stage: Stage, feed: FeedSubscription) -> None:
        stage.put(10)
        await stage.until("e1", 10)
        stage.silence()
        stage.life("e2", symbols=("AAA", "BBB", "CCC"))
        await stage.until("e2", 0)
        assert "CCC" in stage.tape.symbols
        stage.put(2)
        await stage.until("e2", 2)
        assert held(stage.tape, 0) == [1, 2]

    on_stage(play)


@given(st.sets(st.integers(1, 400)))
def test_lines_may_come_in_any_pieces(cuts: set[int]) -> None:
    header = {"feed": "tickertape/1", "epoch": "e9", "after": 4, "head": 9, "symbols": ["AAA"]}
    ticks = [{"seq": seq, "symbol": "AAA"} for seq in range(5, 15)]
    stream = b"".join(json.dumps(line).encode() + b"\n" for line in (header, *ticks))
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    told: list[int] = []
    tape = Tape(100)
    feed = FeedSubscription("127.0.0.1", 0, tape, lambda: told.append(tape.head))
    loop = asyncio.new_event_loop()
    connection = _Connection(feed, loop.create_future())
    for begin, end in pairwise(edges):
        connection.data_received(stream[begin:end])
        whole = stream[:end].count(b"\n")
        assert (tape.epoch is not None) == (whole > 0)
        assert tape.head == (4 + whole - 1 if whole else 0)
    assert held(tape, 4) == list(range(5, 15))
    assert told == sorted(set(told))
    loop.close()


def test_a_feed_that_speaks_otherwise_is_tried_again() -> None:
    answers = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b'{"error":"no"}\n',
        b'{"feed":"tickertape/2","epoch":"e7","after":0,"head":0,"symbols":[]}\n',
        b'{"feed":"tickertape/1","epoch":"e7","after":0,"head":"9","symbols":[]}\n',
        b"[]\n",
        b"",
    ]

    async def play(stage: Stage, feed: FeedSubscription) -> None:
        await feed.ready.wait()
        stage.silence()
        left = list(answers)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(left.pop(0))
            writer.close()
            if not left:
                server.close()

        server = await asyncio.start_server(serve, "127.0.0.1", stage.port)
        while left:
            await asyncio.sleep(0.01)
        assert stage.tape.epoch == "e1"
        stage.listen()
        stage.put(3)
        await stage.until("e1", 3)

    on_stage(play)
