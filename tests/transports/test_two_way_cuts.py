"""Connections that are cut and servers that are restarted while clients send, with real processes.

All servers are on one exchange, so the clients of all of them are in the same rooms: what one sends by one transport,
the others get by all. In the middle every server is killed, and another one takes its place.
"""

from __future__ import annotations

import random
import select
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from cutting_proxy import CuttingProxy
from quick_options import fields, quick
from servers import OWN_MAKES, PATIENCE_S, running_server

from bench import transports
from bench.clock import NO_STAMP, RunClock
from bench.experiment.trial import commands
from bench.experiment.trial.processes import TrialProcesses
from bench.feed import log
from bench.feed.schedule import make
from bench.measure.recording import Recorder
from bench.scenario.model import Feed
from bench.stats.trial.uplinks import fates, numbered
from bench.transports import ClientSpec
from bench.transports.driver import Driver
from bench.transports.link import Link
from bench.transports.outgoing import Outgoing, Uplink
from bench.uplink.authors import authors, rooms_of
from bench.uplink.message import Message, encode
from bench.wire.contract import Subscription

pytestmark = pytest.mark.process
EACH, ROOMS, ROOMS_EACH, CUTS = 2, 4, 2, 12
CLIENTS = EACH * len(OWN_MAKES)
FEED = Feed.model_validate({"source": "clients", "schedule": "constant", "rate_per_s": 100.0, "symbols": ROOMS})
HORIZON_S = 1.5
SCHEDULE = make(FEED, 1, HORIZON_S, 0.0)
AUTHORS = authors(SCHEDULE, CLIENTS, ROOMS_EACH)


@dataclass
class Room:
    """The clients of one server, behind a proxy that cuts their connections."""

    make: str
    proxy: CuttingProxy
    driver: Driver
    recorder: Recorder = field(default_factory=Recorder)
    outgoing: dict[int, Outgoing] = field(default_factory=dict)
    links: dict[int, tuple[Link, ...]] = field(default_factory=dict)

    def add_client(self, number: int, address: str) -> None:
        """Begin a client that also sends, as the load generator does."""
        transport = self.make.partition("/")[0]
        own = quick(transport, 0.05) | ({"retry_s": 0.02} if "retry_s" in fields(transport) else {})
        machines, rng = transports.two_way(transport), random.Random(number)
        assert machines is not None
        symbols = frozenset(SCHEDULE.symbols[room] for room in rooms_of(number, ROOMS, ROOMS_EACH))
        self.outgoing[number] = Outgoing(rng)
        made = machines(ClientSpec(number, address, Subscription(symbols)),
                        transports.options_of(transport, own, "scenario.toml", "it"), self.recorder, rng,
                        self.outgoing[number])
        self.links[number] = tuple(map(self.driver.add, made))

    def plan(self, warmup_ns: int) -> None:
        """Give each client its messages."""
        for number, outgoing in self.outgoing.items():
            outgoing.plan([uplink(index, warmup_ns) for index in np.flatnonzero(number == AUTHORS).tolist()])
            self.driver.wake(self.links[number][-1])

    def is_answered(self) -> bool:
        return all(each.answered_ns is not None for outgoing in self.outgoing.values() for each in outgoing.uplinks)

    def arrivals(self, client: int) -> list[int]:
        """Return the indices of the messages that a client got, in their order."""
        rows = np.concatenate([*self.recorder.deliveries_since(0)])
        return [int(index) for index in rows["index"][rows["client"] == client]]


def uplink(index: int, warmup_ns: int) -> Uplink:
    """Return a message of the schedule."""
    symbol = SCHEDULE.symbols[SCHEDULE.symbol[index]]
    body = encode(Message(index, int(AUTHORS[index]), symbol, float(SCHEDULE.price[index]), int(SCHEDULE.size[index])))
    return Uplink(index, warmup_ns + int(SCHEDULE.offset_ns[index]), body)


@dataclass(frozen=True)
class Ended:
    """A trial that has ended: its rooms by server, and the publisher's log as a table of records."""

    rooms: dict[str, Room]
    feed: Any


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    """A trial with connections that are cut, and servers that are killed in the middle and started anew."""
    folder, clock = tmp_path_factory.mktemp("trial"), RunClock.start()
    with TrialProcesses(folder / "logs") as processes, ExitStack() as stack:
        exchange = processes.start(commands.publisher(
            folder, FEED, seed=SCHEDULE.seed, horizon_s=HORIZON_S, t0_s=0.0, clock_origin_ns=clock.origin_ns,
            clients=CLIENTS, symbols_per_client=ROOMS_EACH))
        feed = cast(Any, SimpleNamespace(port=processes.expect(exchange, "ready", PATIENCE_S)["port"]))
        rooms, running = {}, {}
        for seed, make in enumerate(OWN_MAKES):
            server = running[make] = stack.enter_context(running_server(feed, make, takes_messages=True))
            proxy = CuttingProxy(server.host, server.port, seed, CUTS)
            stack.callback(proxy.close)
            room = rooms[make] = Room(make, proxy, Driver(proxy.host, proxy.port, clock, select.epoll()))
            stack.callback(room.driver.close)
            for number in range(EACH * seed, EACH * (seed + 1)):
                room.add_client(number, f"{proxy.host}:{proxy.port}")
        everyone = list(rooms.values())
        pump(everyone, lambda: all(links[0].machine.subscribed for room in everyone for links in room.links.values()))
        warmup_ns = clock.now_ns()
        exchange.send({"start": {"warmup_ns": warmup_ns}})
        for room in everyone:
            room.plan(warmup_ns)
            room.proxy.begin()
        pump(everyone, lambda: clock.now_ns() > warmup_ns + HORIZON_S / 2 * 1e9)
        for make, server in running.items():
            server.process.kill()
            server.process.wait(PATIENCE_S)
            another = stack.enter_context(running_server(feed, make, takes_messages=True))
            rooms[make].proxy.lead_to(another.host, another.port)
        pump(everyone, lambda: all(room.is_answered() for room in everyone))
        pump(everyone, lambda: all(len(room.arrivals(client)) >= len(owed(client)) for room in everyone
                                   for client in room.links))
        processes.stop(exchange)
        yield Ended(rooms, log.to_table(folder, SCHEDULE, warmup_ns))


def pump(rooms: list[Room], until: Callable[[], bool]) -> None:
    """Drive the clients until the condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < deadline, "it never came"
        for each in rooms:
            each.driver.turn(0.0)
            each.driver.run_timers()
        select.select([], [], [], 0.001)


def owed(client: int) -> list[int]:
    """Return the messages of a client's rooms."""
    return np.flatnonzero(np.isin(SCHEDULE.symbol, rooms_of(client, ROOMS, ROOMS_EACH))).tolist()


@pytest.mark.parametrize("make", OWN_MAKES)
def test_who_is_cut_off_and_loses_its_server_gets_every_message_of_its_rooms_once(ended: Ended, make: str) -> None:
    room = ended.rooms[make]
    assert room.proxy.cuts == CUTS
    order = dict(zip(ended.feed["index"].to_pylist(), ended.feed["seq"].to_pylist(), strict=True))
    for client in room.links:
        got = room.arrivals(client)
        assert sorted(got) == owed(client)
        assert got == sorted(got, key=order.__getitem__), "in the publisher's order"


@pytest.mark.parametrize("make", OWN_MAKES)
def test_the_fate_of_every_message_is_known_and_it_is_that_it_was_accepted(ended: Ended, make: str) -> None:
    uplinks = [each for outgoing in ended.rooms[make].outgoing.values() for each in outgoing.uplinks]
    index = np.array([each.index for each in uplinks])
    assert sorted(index) == np.flatnonzero(np.isin(AUTHORS, list(ended.rooms[make].links))).tolist()
    sent, answered, refused = (np.array([getattr(each, name) is not None for each in uplinks])
                               for name in ("sent_ns", "answered_ns", "refusal"))
    found = fates(sent, answered & refused, numbered(ended.feed, index) != NO_STAMP)
    assert [int(mask.sum()) for mask in found] == [0, 0, 0, len(uplinks)]
    assert answered.all()


def test_messages_whose_answer_was_cut_off_were_sent_again_and_numbered_once(ended: Ended) -> None:
    again = {make: sum(each.sends > 1 for outgoing in room.outgoing.values() for each in outgoing.uplinks)
             for make, room in ended.rooms.items()}
    assert sum(again.values()) > len(again), again
    assert Counter(ended.feed["epoch"].to_pylist()).keys() == {ended.feed["epoch"][0].as_py()}, "one life, all numbered"
    assert sorted(ended.feed["seq"].to_pylist()) == list(range(1, len(SCHEDULE) + 1))
