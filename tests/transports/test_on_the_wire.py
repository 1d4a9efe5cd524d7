"""The models' sizes on the wire, against what the kernel counted between our clients and our servers."""

from __future__ import annotations

import random
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from quick_options import fields, quick
from servers import ScriptedFeed, ServerProcess, running_server

from bench import transports
from bench.clock import RunClock
from bench.measure import tcp
from bench.measure.recording import Recorder
from bench.transports import ClientSpec
from bench.transports.driver import Driver
from bench.transports.tls import TlsMachine
from bench.transports.tls_sizes import client_context
from bench.wire.contract import Cursor, Subscription
from bench.wire.options import ORIGIN
from bench.wire.sizes import SEGMENT_BYTES, Conversation, columns, traffic

pytestmark = [pytest.mark.process, pytest.mark.skipif(not tcp.LINUX, reason="the counters are Linux's own")]
CLIENTS, TICKS, APART_S = 4, 12, 0.09
BEFORE = 2
"""The ticks that are published before it counts."""
INTERVAL_S = 0.25
KINDS = ("bytes", "segments", "data_segments", "control_segments")
SETTLED_S = 0.3
"""After this nothing is under way any more: acknowledgements wait for 40 ms."""
CHOICES: list[dict[str, Any]] = [
    {}, {"tls": True}, {"headers": "heavy", "entity_tags": False}, {"headers": "browser", "tls": True},
    {"connection": "new"}, {"connection": "new", "tls": True},
    {"compression": "permessage-deflate", "context_takeover": True},
]
CASES = [(name, {**quick(name, INTERVAL_S), **own}) for name in transports.names() for own in CHOICES
         if own.keys() <= fields(name).keys()]


@dataclass
class Talk:
    """Clients of one server, and what they and the kernel had counted at the beginning and at the end."""

    server: ServerProcess
    transport: str
    own: dict[str, Any]
    clock: RunClock
    recorder: Recorder = field(default_factory=Recorder)
    machines: list[Any] = field(default_factory=list)
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.options = transports.options_of(self.transport, self.own, "scenario.toml", "it")
        self.host = f"{self.server.host}:{self.server.port}"
        self.driver = Driver(self.server.host, self.server.port, self.clock, select.epoll())
        context = client_context(self.server.certificate) if self.own.get("tls") else None
        make = transports.part(self.transport, "client").Client
        for number in range(CLIENTS):
            inner = make(ClientSpec(number, self.host, Subscription()), self.options, self.recorder,
                         random.Random(number))
            self.machines.append(inner if context is None else TlsMachine(inner, context, self.server.host))
            self.driver.add(self.machines[-1])

    def look(self) -> dict[str, float]:
        """Return all clients' counters, summed."""
        total: dict[str, float] = {}
        for link, machine in zip(self.driver.links, self.machines, strict=True):
            info, counts = link.tcp_info(), machine.counts
            assert info is not None
            own = {name: getattr(counts, name) for name in (
                "connections", "requests", "responses", "answers_empty", "updates", "polls_late",
                "request_duration_ns", "header_bytes_up", "header_bytes_down", "body_bytes_down")}
            own |= {f"{kind}_{way}": getattr(info, f"{kind}_{way}") for kind in KINDS for way in ("up", "down")}
            for name, value in own.items():
                total[name] = total.get(name, 0) + value
        return total


def pump(talks: Sequence[Talk], condition: Callable[[Talk], bool], least_s: float = 0.0) -> None:
    """Drive until the condition holds for each, at least so long."""
    clock = talks[0].clock
    begin_ns = clock.now_ns()
    while (now_ns := clock.now_ns()) < begin_ns + least_s * 1e9 or not all(map(condition, talks)):
        assert now_ns < begin_ns + 20e9, "it never came"
        for talk in talks:
            talk.driver.turn(0.0)
            talk.driver.run_timers()
        time.sleep(0.001)


@pytest.fixture(scope="module")
def talked() -> Iterator[dict[int, tuple[Talk, list[bytes]]]]:
    """Each case's clients on a server of its own, all at once on one feed; by the case's number."""
    feed, clock = ScriptedFeed(), RunClock.start()
    with ExitStack() as stack:
        talks = [Talk(stack.enter_context(running_server(feed, name, options=own, origins=[ORIGIN])), name, own, clock)
                 for name, own in CASES]
        feed.publish("AAA")   # a parked request is answered, so that its client counts as subscribed
        pump(talks, lambda talk: all(machine.subscribed for machine in talk.machines))
        feed.publish("AAA")   # a tick that every client gets before it counts, since some came after the first
        told = {id(talk): talk.recorder.delivered + CLIENTS for talk in talks}
        pump(talks, lambda talk: talk.recorder.delivered >= told[id(talk)], SETTLED_S)
        for talk in talks:
            talk.before = talk.look()
        for _ in range(TICKS):
            feed.publish("AAA")
            pump(talks, lambda _: True, APART_S)
        pump(talks, lambda talk: talk.recorder.delivered >= told[id(talk)] + CLIENTS * TICKS, SETTLED_S)
        for talk in talks:
            talk.after = talk.look()
            talk.driver.close()
    yield dict(enumerate((talk, feed.lines) for talk in talks))
    feed.close()


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{name}-{own}" for name, own in CASES])
def test_the_bytes_are_those_that_the_kernel_counts(
    talked: dict[int, tuple[Talk, list[bytes]]], number: int
) -> None:
    talk, lines = talked[number]
    did = {name: talk.after[name] - talk.before[name] for name in talk.after}
    said = Conversation(tuple(lines), host=talk.host, cursor=Cursor("e1", TICKS // 2))
    sizes = transports.model_of(talk.transport).wire(talk.options, said)
    counts: dict[str, Any] = {name: [did[name]] for name in (
        "connections", "requests", "responses", "answers_empty", "updates", "polls_late",
        "request_duration_ns")}
    counts["payload_bytes"] = [did["updates"] * sum(map(len, lines[BEFORE:])) / TICKS]
    if sizes.pushes:
        del counts["responses"]
    if sizes.parks and not sizes.new_connection:
        counts["brief"] = [0.0]   # ticks are further apart than 40 ms
    found = {name: float(values[0]) for name, values in columns(sizes, traffic(sizes, counts)).items()}
    for way in ("up", "down"):
        assert found[f"bytes_{way}"] == pytest.approx(did[f"bytes_{way}"], rel=0.02), way
        expected = did[f"bytes_{way}"] + SEGMENT_BYTES * did[f"segments_{way}"]
        total = found[f"bytes_{way}"] + SEGMENT_BYTES * found[f"segments_{way}"]
        if not sizes.new_connection:   # who closes first is a race
            assert total == pytest.approx(expected, rel=0.05), way
    both = {which: sum(of[f"segments_{way}"] for way in ("up", "down")) for which, of in (
        ("found", found), ("did", did))}
    assert both["found"] == pytest.approx(both["did"], rel=0.06, abs=CLIENTS)
    assert found["header_bytes_up"] == pytest.approx(did["header_bytes_up"], rel=0.02)
    assert found["header_bytes_down"] == pytest.approx(did["header_bytes_down"], rel=0.02)
