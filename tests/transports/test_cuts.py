"""Connections that are cut in mid stream, with real processes: a client resumes, and has each tick exactly once."""

from __future__ import annotations

import random
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import pytest
from cutting_proxy import CuttingProxy
from quick_options import fields
from servers import OWN_MAKES, PATIENCE_S, ScriptedFeed, running_server

from bench import transports
from bench.clock import RunClock
from bench.measure.recording import Recorder
from bench.transports import ClientMachine, ClientSpec
from bench.transports.driver import Driver
from bench.wire.contract import Subscription

pytestmark = pytest.mark.process
CLIENTS, TICKS, APART_S, CUTS = 3, 60, 0.02, 12


def pushes(name: str) -> bool:
    """Return whether the transport's server sends ticks unasked."""
    options = transports.options_of(name, {}, "scenario.toml", "it")
    return transports.model_of(name).cycle(options).pushes


PUSHES = [make for make in OWN_MAKES if pushes(make.partition("/")[0])]


@dataclass
class Resumed:
    """Clients of one server behind a proxy that cuts their connections."""

    proxy: CuttingProxy
    driver: Driver
    recorder: Recorder = field(default_factory=Recorder)
    machines: list[ClientMachine] = field(default_factory=list)

    def add_clients(self, transport: str, address: str) -> None:
        own = {"retry_s": 0.02} if "retry_s" in fields(transport) else {}
        options = transports.options_of(transport, own, "scenario.toml", "it")
        make = transports.part(transport, "client").Client
        for number in range(CLIENTS):
            self.machines.append(make(ClientSpec(number, address, Subscription()), options, self.recorder,
                                      random.Random(number)))
            self.driver.add(self.machines[-1])

    def arrivals(self, client: int) -> list[int]:
        """Return the indices of the ticks that a client got, in their order."""
        rows = np.concatenate(list(self.recorder.deliveries_since(0)))
        return [int(index) for index in rows["index"][rows["client"] == client]]


def pump(all_of: Sequence[Resumed], until: Callable[[], bool], least_s: float = 0.0) -> None:
    """Drive the clients until the condition holds, at least so long."""
    begin_s = time.monotonic()
    while (now_s := time.monotonic()) < begin_s + least_s or not until():
        assert now_s < begin_s + PATIENCE_S, "it never came"
        for each in all_of:
            each.driver.turn(0.0)
            each.driver.run_timers()
        select.select([], [], [], 0.001)


@pytest.fixture(scope="module")
def resumed() -> Iterator[dict[str, Resumed]]:
    """The clients of every push server, all on one feed, after their connections were cut; by server."""
    feed, clock = ScriptedFeed(), RunClock.start()
    with ExitStack() as stack:
        stack.callback(feed.close)
        found = {}
        for seed, make in enumerate(PUSHES):
            server = stack.enter_context(running_server(feed, make))
            proxy = CuttingProxy(server.host, server.port, seed, CUTS)
            stack.callback(proxy.close)
            found[make] = Resumed(proxy, Driver(proxy.host, proxy.port, clock, select.epoll()))
            stack.callback(found[make].driver.close)
            found[make].add_clients(make.partition("/")[0], f"{server.host}:{server.port}")
        everyone = list(found.values())
        feed.publish("AAA")
        pump(everyone, lambda: all(machine.subscribed for each in everyone for machine in each.machines))
        for each in everyone:
            each.proxy.begin()
        for number in range(TICKS):
            feed.publish(*(("AAA",) if number % 5 else ("BBB", "AAA", "BBB")))   # bare ticks, and batches
            pump(everyone, lambda: True, APART_S)
        last = feed.head - 1
        pump(everyone, lambda: all(each.arrivals(client)[-1:] == [last] for each in everyone
                                   for client in range(CLIENTS)))
        yield found


@pytest.mark.parametrize("make", PUSHES)
def test_who_is_cut_off_resumes_without_a_gap_and_gets_nothing_twice(resumed: dict[str, Resumed], make: str) -> None:
    each = resumed[make]
    assert each.proxy.cuts >= 2 * CLIENTS
    assert sum(machine.counts.connections for machine in each.machines) >= each.proxy.cuts   # each was opened again
    for client in range(CLIENTS):
        got = each.arrivals(client)
        assert got == list(range(got[0], got[-1] + 1))
        assert len(got) >= TICKS
    assert {word for machine in each.machines for word in machine.counts.errors} <= {"eof", "reset"}
