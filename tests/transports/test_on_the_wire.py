"""What the models say of the wire, against what the kernel counted between our clients and our servers."""

from __future__ import annotations

import random
import select
from collections.abc import Callable
from typing import Any

import pytest
from servers import ScriptedFeed, running_server

from bench import transports
from bench.clock import RunClock
from bench.measure import tcp
from bench.measure.recording import Recorder
from bench.transports import ClientSpec
from bench.transports.driver import Driver
from bench.transports.tls import TlsMachine
from bench.transports.tls_sizes import client_context
from bench.wire.contract import Cursor, Subscription
from bench.wire.sizes import SEGMENT_BYTES, Conversation, columns, traffic

pytestmark = [pytest.mark.process, pytest.mark.skipif(not tcp.LINUX, reason="the counters are Linux's own")]
CLIENTS, TICKS, APART_S = 4, 12, 0.09
KINDS = ("bytes", "segments", "data_segments", "control_segments")
SETTLED_S = 0.3
"""After this nothing is under way any more: acknowledgements wait for 40 ms."""


def pump(driver: Driver, clock: RunClock, condition: Callable[[], bool], least_s: float = 0.0) -> None:
    """Drive until the condition holds, at least so long."""
    begin_ns = clock.now_ns()
    while (now_ns := clock.now_ns()) < begin_ns + least_s * 1e9 or not condition():
        assert now_ns < begin_ns + 20e9, "it never came"
        driver.turn(0.002)
        driver.run_timers()


def look(driver: Driver, machines: list[Any]) -> dict[str, float]:
    """All clients' counters, summed."""
    total: dict[str, float] = {}
    for link, machine in zip(driver.links, machines, strict=True):
        info, counts = link.tcp_info(), machine.counts
        assert info is not None
        own = {name: getattr(counts, name) for name in (
            "connections", "requests", "responses", "answers_empty", "updates", "polls_late",
            "request_duration_ns", "header_bytes_up", "header_bytes_down", "body_bytes_down")}
        own |= {f"{kind}_{way}": getattr(info, f"{kind}_{way}") for kind in KINDS for way in ("up", "down")}
        for name, value in own.items():
            total[name] = total.get(name, 0) + value
    return total


@pytest.mark.parametrize(("transport", "own"), [
    ("short_polling", {"interval_s": 0.25}),
    ("short_polling", {"interval_s": 0.25, "headers": "heavy", "entity_tags": False}),
    ("short_polling", {"interval_s": 0.25, "tls": True}),
    ("long_polling", {}), ("long_polling", {"tls": True, "headers": "browser"}),
    ("websocket", {}), ("websocket", {"tls": True}),
    ("short_polling", {"interval_s": 0.25, "connection": "new"}),
    ("short_polling", {"interval_s": 0.25, "connection": "new", "tls": True}),
    ("long_polling", {"connection": "new"}), ("long_polling", {"connection": "new", "tls": True}),
])
def test_the_bytes_are_those_that_the_kernel_counts(
    feed: ScriptedFeed, transport: str, own: dict[str, Any]
) -> None:
    options = transports.options_of(transport, own, "scenario.toml", "it")
    make = transports.part(transport, "client").Client
    clock, recorder = RunClock.start(), Recorder()
    with running_server(feed, transport, options=own) as server:
        driver = Driver(server.host, server.port, clock, select.epoll())
        context = client_context(server.certificate) if own.get("tls") else None
        machines = []
        for number in range(CLIENTS):
            spec = ClientSpec(number, f"{server.host}:{server.port}", Subscription())
            inner = make(spec, options, recorder, random.Random(number))
            machines.append(inner if context is None else TlsMachine(inner, context, server.host))
            driver.add(machines[-1])
        feed.publish("AAA")   # a first tick, so that all have been served before it counts
        pump(driver, clock, lambda: all(machine.subscribed for machine in machines), SETTLED_S)
        before = look(driver, machines)
        for _ in range(TICKS):
            feed.publish("AAA")
            pump(driver, clock, lambda: True, APART_S)
        pump(driver, clock, lambda: recorder.delivered >= CLIENTS * TICKS, SETTLED_S)
        after = look(driver, machines)
        driver.close()
    did = {name: after[name] - before[name] for name in after}
    said = Conversation(
        tuple(feed.lines), host=f"{server.host}:{server.port}", cursor=Cursor("e1", TICKS // 2))
    sizes = transports.model_of(transport).wire(options, said)
    counts: dict[str, Any] = {name: [did[name]] for name in (
        "connections", "requests", "responses", "answers_empty", "updates", "polls_late",
        "request_duration_ns")}
    counts["payload_bytes"] = [did["updates"] * sum(map(len, feed.lines[1:])) / TICKS]
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
