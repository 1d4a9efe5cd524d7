"""A server and its clients in one event loop: real sockets, no process, and a clock that need not be waited for.

    publish ─► tape ─► Service ── loopback ──► Talker ─[cut]─► TLS? ─► client machine ─► Kept

Any transport and any implementation of its server can be tried, since a client machine is the way to speak to a server
that all have in common. Bytes are moved as they come, or cut at random places in both directions. The machines' clock
runs ahead of the real one: a pause of seconds is over after some turns of the loop.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import TracebackType
from typing import Any, cast

import orjson
import uvloop

from bench import transports
from bench.feed.outlet import PROTOCOL
from bench.feed.tick import Tick, encode
from bench.scenario.parsing import validated
from bench.serving.config import ServerConfig
from bench.serving.sockets import listening_socket
from bench.transports import Action, ClientMachine, ClientSpec
from bench.transports.__main__ import assemble
from bench.transports.outgoing import Outgoing, Uplink
from bench.transports.tls import TlsMachine
from bench.transports.tls_sizes import client_context
from bench.uplink.message import Message, accepted
from bench.uplink.message import decode as decode_message
from bench.uplink.message import encode as encode_message
from bench.wire.contract import Subscription
from bench.wire.options import ORIGIN

PATIENCE_S = 20.0
STEP_NS = 100_000_000
"""The machines' time in one turn."""
SEND_BUFFER, RECEIVE_BUFFER = 16_384, 4_096
"""Sizes of the kernel's buffers, in bytes: small, so that a client that does not read is soon felt."""
SYMBOLS = ("AAA", "BBB", "CCC")


@dataclass(frozen=True)
class Subject:
    """One implementation of one transport's server."""

    transport: str
    server: str

    def __str__(self) -> str:
        return f"{self.transport}-{self.server}"


SUBJECTS = tuple(Subject(name, server) for name in transports.names() for server in transports.servers(name))


@dataclass
class Kept:
    """A sink that keeps everything that one client was given."""

    deliveries: list[int] = field(default_factory=list)
    skips: list[tuple[str, str, int]] = field(default_factory=list)

    def deliver(self, client: int, index: int, due_ns: int, kernel_ns: int, app_ns: int) -> None:
        self.deliveries.append(index)

    def skip(self, client: int, kind: str, symbol: str, count: int, index: int, app_ns: int) -> None:
        self.skips.append((kind, symbol, count))

    @property
    def skipped(self) -> int:
        """The number of ticks that were declared skipped."""
        return sum(count for _, _, count in self.skips)

    @property
    def accounted(self) -> int:
        """The number of ticks that were delivered or declared skipped."""
        return len(self.deliveries) + self.skipped


def whole(data: bytes) -> Iterator[bytes]:
    """Cut nothing."""
    yield data


def cutting(seed: int) -> Callable[[bytes], Iterator[bytes]]:
    """Return a cut at up to five random places, now and then after every byte."""
    rng = random.Random(seed)

    def cut(data: bytes) -> Iterator[bytes]:
        places: Sequence[int] = [rng.randrange(len(data) + 1) for _ in range(rng.randrange(6))]
        if len(data) < 300 and rng.random() < 0.1:
            places = range(len(data))
        for begin, end in pairwise(sorted({0, *places, len(data)})):
            yield data[begin:end]

    return cut


class Talker(asyncio.Protocol):
    """A client machine and its connection."""

    def __init__(self, party: Party, machine: ClientMachine, kept: Kept) -> None:
        self.party, self.machine, self.kept = party, machine, kept
        self.transport: asyncio.Transport | None = None
        self.up: deque[bytes] = deque()
        self.bytes_up = self.bytes_down = 0
        self.held = self._wants_open = self._leaving = False
        self._reason = "eof"

    # Hands of a test

    def cut_off(self) -> None:
        """Break the connection, as a network does."""
        if self.transport is not None:
            self._reason = "reset"
            self.transport.abort()

    def hold_off(self) -> None:
        """Break the connection, and open no other before `let_on`."""
        self.held = True
        self.cut_off()

    def let_on(self) -> None:
        """Let the machine open connections again."""
        self.held = False
        if self._wants_open:
            self._wants_open = False
            self._open_soon()

    def stop_reading(self) -> None:
        """Leave what comes in the kernel."""
        assert self.transport is not None
        self.transport.pause_reading()

    def read_on(self) -> None:
        """Read again, if the connection is still there."""
        if self.transport is not None:
            self.transport.resume_reading()

    # What a driver does

    def tick(self) -> None:
        """Call the machine's timer if its deadline has come."""
        if self.machine.deadline_ns <= self.party.now_ns:
            self.machine.timer(self.party.now_ns)
            self.follow()

    def follow(self) -> None:
        """Carry out what the machine asked for in its last call."""
        machine = self.machine
        action, machine.action = machine.action, Action.NONE
        if self.transport is not None and machine.outbox:
            self.up.extend(self.party.cut(bytes(machine.outbox)))
            machine.outbox.clear()
        if action is Action.OPEN:
            if self.held:
                self._wants_open = True
            else:
                self._open_soon()
        elif action is Action.CLOSE:
            self._leaving = True
            if self.transport is None:
                self.connection_lost(None)
                return
            self.party.loop.call_later(1.0, self.transport.abort)
        self._send()

    def _send(self) -> None:
        """Send the next piece; the others in later turns, so that the server reads each by itself."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self.up:
            piece = self.up.popleft()
            self.bytes_up += len(piece)
            transport.write(piece)
        if self.up:
            self.party.loop.call_soon(self._send)
        elif self._leaving:
            transport.write_eof()

    def _open_soon(self) -> None:
        self.party.tasks.append(self.party.loop.create_task(self._open()))

    async def _open(self) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        if self.party.receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.party.receive_buffer)
        try:
            await self.party.loop.sock_connect(sock, self.party.address)
        except OSError:
            sock.close()
            self.machine.closed(self.party.now_ns, "refused")
            self.follow()
            return
        await self.party.loop.create_connection(lambda: self, sock=sock)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.machine.opened(self.party.now_ns)
        self.follow()

    def data_received(self, data: bytes) -> None:
        self.bytes_down += len(data)
        for piece in self.party.cut(data):
            self.machine.receive(piece, self.party.now_ns, self.party.now_ns)
            self.follow()

    def connection_lost(self, error: Exception | None) -> None:
        reason = "closed" if self._leaving else "reset" if error else self._reason
        self.transport, self._leaving, self._reason = None, False, "eof"
        self.up.clear()
        self.machine.closed(self.party.now_ns, reason)
        self.machine.outbox.clear()
        self.follow()


@dataclass
class Author:
    """A client that also sends, and its connections: the first receives, the last one sends."""

    outgoing: Outgoing
    kept: Kept
    talkers: list[Talker]


class Exchange:
    """The other end of the feed connection: numbers messages and hands them back, in one loop with the server."""

    def __init__(self, party: Party) -> None:
        self.party = party
        self.messages: list[Message] = []
        """The messages that came, in their order, also those that came again."""
        self.silent = False
        """True while it neither numbers nor answers."""
        self._numbered: set[int] = set()

    def write(self, line: bytes) -> None:
        """Take a line, as a transport does."""
        assert line.endswith(b"\n")
        if self.silent:
            return
        message = decode_message(line)
        self.messages.append(message)
        self.party.loop.call_soon(self._answer, message)

    def _answer(self, message: Message) -> None:
        feed, lines = self.party.chassis.feed, [accepted(message.index)]
        if message.index not in self._numbered:
            self._numbered.add(message.index)
            seq = feed.tape.head + 1
            lines.insert(0, encode(Tick(message.index, seq, 0, message.symbol, message.price, int(message.size))))
        feed.take_ticks(lines)
        feed.changed()


class Party:
    """One server, a feed under the test's control, and clients; an async context.

    `options` are the transport's, `server` and `limits` as in `bench.serving.config`.
    """

    def __init__(
        self, subject: Subject, options: dict[str, Any] | None = None, *, cut: int | None = None,
        small_buffers: bool = False, **config: Any,
    ) -> None:
        self.subject, self.own = subject, options or {}
        self.cut = whole if cut is None else cutting(cut)
        self.receive_buffer = RECEIVE_BUFFER if small_buffers else 0
        self.config = validated(ServerConfig, {
            "transport": subject.transport, "implementation": subject.server, "options": self.own, "feed": {"port": 1},
            "origins": [ORIGIN], **config}, "the test")
        self.published: list[str] = []
        """The symbol of each tick, by its index."""
        self.epoch, self._first = "e1", 0
        self.talkers: list[Talker] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._now_ns = 0

    @property
    def now_ns(self) -> int:
        """Return the machines' clock, which always advances."""
        self._now_ns += 1000
        return self._now_ns

    async def __aenter__(self) -> Party:
        self.loop = asyncio.get_running_loop()
        self.chassis, self.service = assemble(self.config, "the test")
        self._take_header()
        self.exchange = Exchange(self)
        self.chassis.feed.transport = cast(asyncio.Transport, self.exchange)
        sock = listening_socket(self.config.host, 0, self.config.limits.stall_s)
        if self.receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.address = sock.getsockname()
        await self.service.start(sock)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for talker in self.talkers:
            talker.hold_off()
        await self.end()

    async def end(self) -> None:
        """Stop the server in order."""
        if not self.chassis.stopping:
            self.chassis.stopping = True
            self.chassis.feed.changed()
            await self.service.stop()

    # The feed

    def _take_header(self) -> None:
        self.chassis.feed.take_header(orjson.dumps({
            "feed": PROTOCOL, "epoch": self.epoch, "after": 0, "head": 0, "symbols": SYMBOLS}))
        self.chassis.feed.changed()

    def publish(self, *symbols: str, padding: int = 0) -> None:
        """Publish one tick for each symbol named, all at once; `padding` makes them larger."""
        levels, lines = ((1.5, 100),) * (padding // 9), []
        for symbol in symbols:
            index = len(self.published)
            self.published.append(symbol)
            lines.append(encode(Tick(index, index + 1 - self._first, index * 1000, symbol, 1.5, 10, levels)))
        self.chassis.feed.take_ticks(lines)
        self.chassis.feed.changed()

    def begin_anew(self) -> None:
        """Begin another life of the publisher."""
        self.epoch, self._first = "e2", len(self.published)
        self._take_header()

    # The clients

    def client(self, subscription: Subscription | None = None) -> Talker:
        """Start a client."""
        options = self.options
        kept = Kept()
        number = len(self.talkers)
        host = f"{self.address[0]}:{self.address[1]}"
        make = transports.part(self.subject.transport, "client").Client
        spec = ClientSpec(number, host, subscription or Subscription())
        machine: ClientMachine = make(spec, options, kept, random.Random(number))
        if self.chassis.identity is not None:
            machine = TlsMachine(machine, client_context(self.chassis.identity.certificate), self.address[0])
        talker = Talker(self, machine, kept)
        self.talkers.append(talker)
        machine.start(self.now_ns)
        talker.follow()
        return talker

    def author(self, *due_ns: int, rooms: Sequence[str] = ("AAA",), first: int = 0) -> Author:
        """Start a client that also sends, in one of the rooms after the other: a message at each instant after `begin`.

        The messages have the indices from `first` on.
        """
        kept, number = Kept(), len(self.talkers)
        outgoing = Outgoing(random.Random(number))
        make = transports.two_way(self.subject.transport)
        assert make is not None
        host = f"{self.address[0]}:{self.address[1]}"
        spec = ClientSpec(number, host, Subscription(frozenset(rooms)))
        machines = make(spec, self.options, kept, random.Random(number), outgoing)
        if self.chassis.identity is not None:
            context = client_context(self.chassis.identity.certificate)
            machines = tuple(TlsMachine(each, context, self.address[0]) for each in machines)
        talkers = [Talker(self, machine, kept) for machine in machines]
        outgoing.uplinks = [
            Uplink(index, at_ns, encode_message(Message(index, number, rooms[index % len(rooms)], 1.5, 10)))
            for index, at_ns in enumerate(due_ns, first)]
        for talker in talkers:
            self.talkers.append(talker)
            talker.machine.start(self.now_ns)
            talker.follow()
        return Author(outgoing, kept, talkers)

    async def begin(self, *authors: Author) -> None:
        """Wait until authors must receive every tick, and let their messages be due from now on."""
        await self.until(lambda: all(each.talkers[0].machine.subscribed for each in authors), "the first answers")
        for author in authors:
            for uplink in author.outgoing.uplinks:
                uplink.due_ns += self.now_ns
            author.outgoing.plan(author.outgoing.uplinks)
            author.talkers[-1].machine.timer(self.now_ns)
            author.talkers[-1].follow()

    @property
    def options(self) -> Any:
        """The transport's options, validated."""
        return transports.options_of(self.subject.transport, self.own, "the test", "options")

    async def subscribed(self, count: int = 1, subscription: Subscription | None = None) -> list[Talker]:
        """Start clients, and wait until each must receive every tick."""
        clients = [self.client(subscription) for _ in range(count)]
        await self.until(lambda: all(each.machine.subscribed for each in clients), "the first answers")
        return clients

    async def settled(self, *clients: Talker) -> None:
        """Wait until the server has met every connection and request of clients none of whose connections broke."""
        def met(name: str) -> bool:
            return self.counts[name] == sum(getattr(each.machine.counts, name) for each in clients)

        parks = transports.model_of(self.subject.transport).cycle(self.options).parks
        await self.until(
            lambda: all(task.done() for task in self.tasks) and met("connections") and met("requests")
            and all(each.machine.counts.in_flight for each in clients if parks), "every connection and request")

    async def leave(self, *clients: Talker) -> None:
        """Let clients leave in order."""
        for client in clients:
            client.machine.stop(self.now_ns)
            client.follow()
        await self.until(lambda: all(each.transport is None for each in clients), "the clients to leave")
        await self.until(lambda: not self.counts["connections_open"], "the server to notice")

    async def away(self, client: Talker) -> None:
        """Break a client's connection and open no other before `let_on`; wait until the server has noticed."""
        client.hold_off()
        await self.until(lambda: client.transport is None, "the connection to break")
        await self.until(
            lambda: self.counts["connections_open"] == sum(each.transport is not None for each in self.talkers),
            "the server to notice")

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Let time go on until the condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            await self.turn()

    async def turn(self) -> None:
        """Let server and clients read and write, and the machines' time advance by a step."""
        for _ in range(3):
            await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        self._now_ns += STEP_NS
        for talker in self.talkers:
            talker.tick()
        for task in [task for task in self.tasks if task.done()]:
            self.tasks.remove(task)
            task.result()

    @property
    def counts(self) -> dict[str, int]:
        """The server's counters."""
        return self.chassis.stats()


def held(meeting: Coroutine[Any, Any, None]) -> None:
    """Hold a party from its beginning to its end."""
    uvloop.run(meeting)
