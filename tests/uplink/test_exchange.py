"""The exchange and a server's relay, over a real connection in one event loop."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvloop

from bench.clock import RunClock
from bench.feed.log import FeedLog, to_table
from bench.feed.publisher import Life
from bench.feed.schedule import make
from bench.feed.tape import Tape
from bench.scenario.model import Feed, Messages
from bench.uplink.authors import authors
from bench.uplink.exchange import LINE_BYTES_MAX, Correspondent, ExchangeConfig, ExchangeLife
from bench.uplink.message import Message, encode
from bench.uplink.relay import Relay, TwoWayFeed
from bench.wire.contract import Refusal

FEED = Feed.model_validate({"source": "clients", "rate_per_s": 20, "symbols": 3})
SCHEDULE = make(FEED, 1, 1.0, 0.0)
CLIENTS = 9
AUTHORS = authors(SCHEDULE, CLIENTS, 1)
PATIENCE_S = 10.0


def line(index: int, **fields: Any) -> bytes:
    """Return the message that the schedule has at an index, with some fields replaced."""
    good = Message(index, int(AUTHORS[index]), SCHEDULE.symbols[SCHEDULE.symbol[index]], 1.5, 10)
    return encode(good._replace(**fields))


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.001)


class Stage:
    """An exchange, and servers that are subscribed to it."""

    def __init__(self, folder: Path, clock: RunClock) -> None:
        self.folder, self.clock = folder, clock
        self.servers: list[tuple[TwoWayFeed, Relay, asyncio.Task[None]]] = []
        self.port, self.lives = 0, 0
        self.refusals: list[str] = []

    def begin(self) -> ExchangeLife:
        """Begin a life on the same port."""
        self.lives += 1
        epoch, tape = f"e{self.lives}", Tape(1000)
        tape.begin(epoch, frozenset(SCHEDULE.symbols), after=0)
        config = ExchangeConfig(
            feed=FEED, seed=1, horizon_s=1.0, t0_s=0.0, clock_origin_ns=self.clock.origin_ns, port=self.port,
            folder=self.folder, clients=CLIENTS, symbols_per_client=1)
        log = FeedLog(self.folder, epoch, len(SCHEDULE))
        life = ExchangeLife(Life(asyncio.get_running_loop(), config, SCHEDULE, self.clock, tape, log))
        self.port = life.outlet.address[1]
        return life

    def serve(self, **limits: float) -> tuple[TwoWayFeed, Relay]:
        """Start a server's end of the feed."""
        feed = TwoWayFeed("127.0.0.1", self.port, Tape(1000), lambda: None)
        relay = Relay(Messages.model_validate(limits), feed, self._refuse, lambda: True)
        self.servers.append((feed, relay, asyncio.create_task(feed.run())))
        return feed, relay

    def _refuse(self, refusal: Refusal) -> None:
        self.refusals.append(refusal.code)

    async def end(self) -> None:
        for _, _, task in self.servers:
            task.cancel()
        await asyncio.gather(*(task for _, _, task in self.servers), return_exceptions=True)


def on_stage(folder: Path, play: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        stage = Stage(folder, RunClock.start())
        try:
            await play(stage)
        finally:
            await stage.end()
    uvloop.run(whole())


async def answered(relay: Relay, *lines: bytes) -> list[tuple[int, dict[str, Any]]]:
    """Send messages over one connection, and return their answers in the order of the messages."""
    answers: dict[int, tuple[int, dict[str, Any]]] = {}
    bucket = relay.bucket(0.0)
    for place, data in enumerate(lines):
        relay.take(data, bucket, 0.0, lambda status, body, place=place: answers.update(  # type: ignore[misc]
            {place: (status, orjson.loads(body))}))
    await until(lambda: len(answers) == len(lines), "the answers")
    return [answers[place] for place in range(len(lines))]


def test_messages_are_numbered_in_the_order_in_which_they_come_and_reach_every_server(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        life = stage.begin()
        (feed, relay), (other, _) = stage.serve(), stage.serve()
        await until(lambda: feed.transport and other.transport, "the servers")
        assert await answered(relay, line(0)) == [(503, {
            "error": "no-feed", "detail": "the feed has not begun, so send it again later, or has ended", "index": 0})]
        warmup_ns = stage.clock.now_ns()
        life.start(warmup_ns)
        order = [4, 0, 2, 4, 7, 0]
        assert await answered(relay, *map(line, order)) == [(202, {"accepted": index}) for index in order]
        await until(lambda: other.tape.head == feed.tape.head == 4, "the ticks")
        for tape in (feed.tape, other.tape):
            assert [orjson.loads(tape._lines[seq])["index"] for seq in range(1, 5)] == [4, 0, 2, 7]
        tick = orjson.loads(feed.tape._lines[1])
        assert tick == {"index": 4, "seq": 1, "due_ns": warmup_ns + int(SCHEDULE.offset_ns[4]),
                        "symbol": SCHEDULE.symbols[SCHEDULE.symbol[4]], "price": 1.5, "size": 10}
        assert (life.published, relay.received, relay.accepted) == (4, 7, 6)
        table = to_table(stage.folder, SCHEDULE, warmup_ns).to_pydict()
        assert [index for index, seq in enumerate(table["seq"]) if seq] == [0, 2, 4, 7]
        life.outlet.close()
    on_stage(tmp_path, play)


def test_each_refusal_has_its_word_and_numbers_nothing(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        life = stage.begin()
        feed, relay = stage.serve(rate_per_s=8, bytes_max=100)
        await until(lambda: feed.transport, "the server")
        life.start(stage.clock.now_ns())
        stranger = next(client for client in range(CLIENTS) if client % 3 != AUTHORS[5] % 3)
        beyond = line(5).replace(b'"index":5', b'"index":%d' % len(SCHEDULE))
        sent = [b"{", line(5, symbol="ZZZ"), line(5) + b" " * 100, line(5, author=stranger), beyond, *[line(5)] * 7]
        found = await answered(relay, *sent)
        words = [(status, fields.get("error", ""), fields.get("index")) for status, fields in found]
        assert words[:5] == [(400, "bad-request", None), (404, "unknown-symbol", 5), (413, "too-large", None),
                             (403, "not-author", 5), (403, "not-author", len(SCHEDULE))]
        assert words[5:] == [(202, "", None)] * 6 + [(429, "too-many", 5)]
        assert stage.refusals.count("too-many") == 1
        assert (life.published, feed.tape.head) == (1, 1)
        life.outlet.close()
    on_stage(tmp_path, play)


def test_a_message_whose_answer_was_lost_is_accepted_again_by_the_next_life_and_not_handed_out_again(
    tmp_path: Path,
) -> None:
    async def play(stage: Stage) -> None:
        life = stage.begin()
        feed, relay = stage.serve()
        await until(lambda: feed.transport, "the server")
        life.start(stage.clock.now_ns())
        await answered(relay, line(1))
        waiting: list[int] = []
        feed.transport.pause_reading()   # type: ignore[union-attr]
        relay.take(line(2), relay.bucket(0.0), 0.0, lambda status, body: waiting.append(status))
        await until(lambda: life.published == 2, "the message")
        life.outlet.close()
        feed.transport.resume_reading()   # type: ignore[union-attr]
        await until(lambda: waiting, "an answer")   # the exchange's own, or that the feed is lost
        life = stage.begin()
        life.start(stage.clock.now_ns())
        await until(lambda: feed.tape.epoch == "e2", "the next life")
        assert await answered(relay, *map(line, (1, 2, 3))) == [(202, {"accepted": index}) for index in (1, 2, 3)]
        assert life.published == 1
        life.outlet.close()
        await until(lambda: feed.transport is None, "the loss")
        assert (await answered(relay, line(4)))[0][0] == 503
    on_stage(tmp_path, play)


@pytest.mark.parametrize("what", ["endless", "deaf"])
def test_a_server_that_breaks_the_rules_is_disconnected_and_harms_no_other(tmp_path: Path, what: str) -> None:
    async def play(stage: Stage) -> None:
        life = stage.begin()
        feed, relay = stage.serve()
        await until(lambda: feed.transport, "the server")
        life.start(stage.clock.now_ns())
        bad = socket.create_connection(("127.0.0.1", stage.port))
        bad.sendall(b"after -\n")
        await until(lambda: len(life.outlet.subscribers) == 2, "the other server")
        await until(lambda: all(each._cursor for each in life.outlet.subscribers), "its request")
        bad.setblocking(False)
        sent = b"x" * (LINE_BYTES_MAX + 1) if what == "endless" else b"{}\n" * 300

        def is_gone() -> bool:
            try:
                bad.send(sent)
            except BlockingIOError:
                pass
            except OSError:
                return True
            return len(life.outlet.subscribers) == 1

        await until(is_gone, "the end of the connection")
        assert await answered(relay, line(3)) == [(202, {"accepted": 3})]
        await until(lambda: feed.tape.head == 1, "the tick")
        bad.close()
        life.outlet.close()
    on_stage(tmp_path, play)


def test_an_answer_that_comes_behind_a_full_socket_waits_for_no_tick(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        life = stage.begin()   # which takes no messages yet, so that no tick brings the answer along
        near, far = socket.socketpair()
        for each in (near, far):
            each.setblocking(False)
        server = Correspondent(life.outlet, near, life)
        life.outlet.subscribers.add(server)
        far.send(b"after -\n")
        await until(lambda: server.is_current, "the request")
        server._unsent = b"the rest of a chunk\n"
        server._become(current=False)   # as after a socket that took only a part of it
        server.heard(line(0) + b"\n")
        came = bytearray()

        def is_answered() -> bool:
            with suppress(BlockingIOError):
                came.extend(far.recv(4096))
            return came.partition(b"the rest of a chunk\n")[2].startswith(b'{"error":"no-feed"')

        await until(is_answered, "the answer")
        await until(lambda: server.is_current, "the end of what waits")
        _, rest, answer = came.splitlines()   # behind the feed's header
        assert (rest, b'"no-feed"' in answer) == (b"the rest of a chunk", True)
        assert life.published == 0   # no tick has come that could have brought the answer along
        far.close()
        life.outlet.close()
    on_stage(tmp_path, play)
