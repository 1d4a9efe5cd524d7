"""The line protocol from the publisher's side, over real sockets in one loop."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from bench.feed import outlet
from bench.feed.outlet import Outlet, begin_at
from bench.feed.tape import Tape
from bench.wire.contract import Cursor, Refusal

SYMBOLS = ("AAA", "BBB")
WAIT_S = 20.0


def put(tape: Tape, count: int = 1, pad: int = 0) -> None:
    for _ in range(count):
        seq = tape.head + 1
        line = json.dumps({"seq": seq, "symbol": SYMBOLS[seq % 2], "pad": "x" * pad}).encode()
        tape.append(seq, SYMBOLS[seq % 2], line)


class Stage:
    """An outlet and programs that connect to it."""

    def __init__(self, capacity: int) -> None:
        self.tape = Tape(capacity)
        self.tape.begin("e1", frozenset(SYMBOLS), 0)
        self.outlet = Outlet(asyncio.get_running_loop(), self.tape, SYMBOLS, "127.0.0.1", 0)
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self, *pieces: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.outlet.address, limit=2**22)
        self._writers.append(writer)  # one that is collected closes its connection
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return reader, writer


def on_stage(play: Callable[[Stage], Awaitable[None]], capacity: int = 100) -> None:
    async def run() -> None:
        stage = Stage(capacity)
        try:
            await asyncio.wait_for(play(stage), WAIT_S)
        finally:
            stage.outlet.close()

    uvloop.run(run())


async def lines(reader: asyncio.StreamReader, count: int) -> list[dict[str, Any]]:
    return [json.loads(await reader.readline()) for _ in range(count)]


def test_header_then_what_is_held_then_what_comes() -> None:
    async def play(stage: Stage) -> None:
        put(stage.tape, 3)
        reader, _ = await stage.connect(b"aft", b"er -\r", b"\n")
        header, *held = await lines(reader, 4)
        assert header == {
            "feed": "tickertape/1", "epoch": "e1", "after": 0, "head": 3, "symbols": ["AAA", "BBB"],
        }
        assert [tick["seq"] for tick in held] == [1, 2, 3]
        for _ in range(3):
            put(stage.tape)
            stage.outlet.publish()
            assert (await lines(reader, 1))[0]["seq"] == stage.tape.head

    on_stage(play)


@pytest.mark.parametrize(
    ("asked", "after"), [("-", 10), ("e1:15", 15), ("e1:20", 20), ("e1:10", 10), ("e1:9", 10), ("e0:15", 10)]
)
def test_the_header_tells_where_it_really_begins(asked: str, after: int) -> None:
    async def play(stage: Stage) -> None:
        put(stage.tape, 20)
        reader, _ = await stage.connect(f"after {asked}\n".encode())
        header, *ticks = await lines(reader, 1 + 20 - after)
        assert (header["after"], header["head"]) == (after, 20)
        assert [tick["seq"] for tick in ticks] == list(range(after + 1, 21))

    on_stage(play, capacity=10)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"after", b"after x", b"before -", b"after e1:21", b"after e1:-1", b"after \xff:1",
        b"GET / HTTP/1.1", b"x" * 5000,
    ],
)
def test_a_malformed_request_is_told_and_closed(line: bytes) -> None:
    async def play(stage: Stage) -> None:
        put(stage.tape, 20)
        reader, _ = await stage.connect(line + b"\n")
        answer = json.loads(await reader.readline())
        assert list(answer) == ["error"]
        assert not await reader.read()
        assert not stage.outlet.subscribers

    on_stage(play)


def test_one_that_says_nothing_is_closed_and_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "HELLO_S", 0.05)

    async def play(stage: Stage) -> None:
        silent, _ = await stage.connect()
        reader, _ = await stage.connect(b"after -\n")
        await lines(reader, 1)
        put(stage.tape)
        stage.outlet.publish()
        assert (await lines(reader, 1))[0]["seq"] == 1
        assert not await silent.read()
        assert len(stage.outlet.subscribers) == 1

    on_stage(play)


def test_what_a_subscriber_says_later_is_ignored_and_its_end_is_noticed() -> None:
    async def play(stage: Stage) -> None:
        reader, writer = await stage.connect(b"after -\n", b"after e1:0\n", b"hello")
        await lines(reader, 1)
        put(stage.tape)
        stage.outlet.publish()
        assert (await lines(reader, 1))[0]["seq"] == 1
        writer.close()
        while stage.outlet.subscribers:
            await asyncio.sleep(0)

    on_stage(play)


def test_a_slow_one_catches_up_without_delaying_a_fast_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the kernel buffers: the slow one is overtaken, and gets everything once it reads."""
    count, pad = 3000, 5000
    pumps: list[object] = []
    pump = outlet.Subscriber.pump
    monkeypatch.setattr(outlet.Subscriber, "pump", lambda one: (pumps.append(one), pump(one)))

    async def play(stage: Stage) -> None:
        slow, _ = await stage.connect(b"after -\n")
        slow._transport.pause_reading()  # type: ignore[attr-defined]
        fast, _ = await stage.connect(b"after -\n")
        await lines(fast, 1)
        for seq in range(1, count + 1):
            put(stage.tape, pad=pad)
            stage.outlet.publish()
            assert (await lines(fast, 1))[0]["seq"] == seq
        assert sorted(one.is_current for one in stage.outlet.subscribers) == [False, True]
        slow._transport.resume_reading()  # type: ignore[attr-defined]
        _, *ticks = await lines(slow, 1 + count)
        assert [tick["seq"] for tick in ticks] == list(range(1, count + 1))
        # Once it has caught up, the loop no longer finds its socket writable, again and again.
        pumped = len(pumps)
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert len(pumps) == pumped

    on_stage(play, capacity=count)


def test_one_whose_place_left_the_tape_is_disconnected() -> None:
    async def play(stage: Stage) -> None:
        stuck, _ = await stage.connect(b"after -\n")
        stuck._transport.pause_reading()  # type: ignore[attr-defined]
        while not stage.outlet.subscribers:
            await asyncio.sleep(0)
        while stage.outlet.subscribers:
            put(stage.tape, pad=50_000)
            stage.outlet.publish()
            await asyncio.sleep(0)
        stuck._transport.resume_reading()  # type: ignore[attr-defined]
        taken = (await stuck.read()).split(b"\n")
        assert len(taken) < stage.tape.head

    on_stage(play)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EPERM])
def test_whoever_cannot_be_accepted_waits_without_a_busy_loop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    monkeypatch.setattr(outlet, "ACCEPT_PAUSE_S", 0.02)

    class Listener:
        """The outlet's listener, of a process that has no descriptors left."""

        def __init__(self, inner: socket.socket) -> None:
            self.inner, self.failing, self.tries = inner, True, 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def accept(self) -> Any:
            self.tries += 1
            if self.failing:
                raise OSError(number, os.strerror(number))
            return self.inner.accept()

    async def play(stage: Stage) -> None:
        put(stage.tape)
        listener = Listener(stage.outlet._listener)
        stage.outlet._listener = listener   # type: ignore[assignment]
        began_s, patience = stage.outlet.loop.time(), 4
        reader, _ = await stage.connect(b"after -\n")
        while listener.tries < patience:
            await asyncio.sleep(0)
        waited_s = stage.outlet.loop.time() - began_s
        assert waited_s >= (patience - 1) * (outlet.ACCEPT_PAUSE_S - 0.001)   # uvloop's clock steps by 1 ms
        listener.failing = False
        assert [line.get("seq") for line in await lines(reader, 2)] == [None, 1]
        assert len(caplog.records) == 1

    on_stage(play)


def test_an_outlet_that_waits_to_accept_can_be_closed_and_accepts_no_more() -> None:
    async def run() -> list[dict[str, Any]]:
        failures: list[dict[str, Any]] = []
        stage = Stage(100)
        stage.outlet.loop.set_exception_handler(lambda _, context: failures.append(context))
        address = stage.outlet.address
        stage.outlet._let_wait(OSError(errno.EMFILE, "no descriptors"))
        pause = stage.outlet._pause
        stage.outlet.close()
        assert pause is not None
        assert pause.cancelled(), "it would listen again, to a socket that is closed"
        with pytest.raises(OSError, match="refused"):
            await asyncio.open_connection(*address)
        return failures

    assert uvloop.run(run()) == []


def test_begin_at_refuses_what_no_cursor_can_be() -> None:
    tape = Tape(4)
    tape.begin("e1", frozenset(SYMBOLS), 0)
    assert begin_at(tape, b"after e1:0") == begin_at(tape, b"after -") == Cursor("e1", 0)
    with pytest.raises(Refusal) as caught:
        begin_at(tape, b"after e1:1")
    assert caught.value.code == "bad-cursor"
