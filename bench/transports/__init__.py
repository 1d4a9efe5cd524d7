"""The transports: one folder each, with the same file names in every one.

    protocol.py   pure: `Options` (the transport's own scenario fields), decisions and encoding;
                  no socket, no sleep, no clock (`now_ns` is an argument)
    server.py     `install(chassis, options)`: a thin asyncio shell over `protocol`
    client.py     `Client`: a state machine that a driver feeds with bytes and instants
    model.py      the closed forms of the transport: latency, age, share skipped, cost

Adding a transport is adding a folder; nothing else is edited. `names()` finds the folders, `part()`
imports one file of one of them, so that a server never imports a client and a report neither.

    driver                                     client machine
      │  start(now) ──────────────────────────►  action = OPEN
      │  opened(now) ─────────────────────────►  outbox: request, deadline
      │  receive(bytes, kernel_ns, app_ns) ───►  sink.deliver(…) for each update; outbox; deadline
      │  timer(now) at deadline ──────────────►  outbox: next poll, ping …
      │  closed(now, reason) ─────────────────►  action = OPEN after a pause (deadline)
      │  stop(now) ───────────────────────────►  outbox: close frame; action = CLOSE
      after each call the driver sends the outbox, carries out the action and re-arms the deadline

Transports do not know each other. What two of them need lives in `bench.wire.contract` (words and
batches), `bench.wire.http_client` (the client's side of HTTP) or `bench.serving` (the chassis).

Modules, in reading order:

    short_polling  ask on a schedule, be answered at once
    long_polling   ask, and be answered when there is news
    websocket      connect once, and be pushed to
    clients        what the client state machines share
    driver         drives client state machines over real sockets
    link           a client's connection as the driver sees it
    tls            TLS as a state machine around a state machine
    cycle          what a client does again and again, as plain numbers
    queueing       formulas of waiting for a server
    poll_sizes     what polls and their answers take on the wire
    tls_sizes      what TLS takes on the wire
"""

from __future__ import annotations

import enum
import importlib
import pkgutil
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal, Protocol

from bench.errors import ScenarioError
from bench.scenario.fields import Table
from bench.scenario.model import Subject
from bench.scenario.parsing import validated
from bench.wire.contract import Subscription

Part = Literal["protocol", "server", "client", "model"]

NEVER = 2**63 - 1
"""A deadline that does not come."""


class Action(enum.Enum):
    """What the driver is to do with the connection after a call."""

    NONE = "none"
    OPEN = "open"
    CLOSE = "close"
    """Close in order: send the outbox, shut down, read to the end; `closed` is called then."""


class Sink(Protocol):
    """Where a client's records go. Instants are ns on the run clock; `kernel_ns` may be `clock.NO_STAMP`."""

    def deliver(self, client: int, index: int, due_ns: int, kernel_ns: int, app_ns: int) -> None:
        """The tick `index`, which says that it was due at `due_ns` (`NO_STAMP`: it doesn't say), arrived at
        the client (again, if it had before)."""

    def skip(self, client: int, kind: str, symbol: str, count: int, index: int, app_ns: int) -> None:
        """The server declared `count` ticks of `symbol` as `conflated` or `dropped` just before the
        tick `index` of that symbol."""


@dataclass(slots=True)
class Counts:
    """What a client counted, from its start on. Bytes are application bytes, before TLS and TCP."""

    connections: int = 0
    """Connections opened."""
    requests: int = 0
    """HTTP requests sent, the WebSocket's upgrade among them."""
    responses: int = 0
    """Complete HTTP responses, the 101 among them."""
    answers_empty: int = 0
    """Of them, answers to a poll that brought no tick."""
    updates: int = 0
    """Ticks received, repeated ones too."""
    header_bytes_up: int = 0
    """Start line to blank line, of requests."""
    header_bytes_down: int = 0
    """The same of responses."""
    body_bytes_up: int = 0
    """All other bytes sent (frames of a WebSocket, bodies)."""
    body_bytes_down: int = 0
    """All other bytes received: payload and framing."""
    compressed_bytes_down: int = 0
    """Of `body_bytes_down`, those of compressed bodies and messages, as they were sent."""
    expanded_bytes_down: int = 0
    """The size of the same once decompressed."""
    polls_late: int = 0
    """Polls that went out after their instant because the one before was still under way."""
    retries: int = 0
    """Of `requests`, those sent again because the server closed the kept connection before it answered."""
    polls_overdue: int = 0
    """Polls that the client's own side got to too late, whatever the server did."""
    request_duration_ns: int = 0
    """Over all complete responses: the time from request to response, added up."""
    request_overlap_ns: int = 0
    """The part of `request_duration_ns` that lies after the last `look` before the response."""
    in_flight_ns: int = 0
    """The number of requests under way, integrated over time until the last `gauge`."""
    errors: Counter[str] = field(default_factory=Counter)
    """What went wrong, by word: `http-503`, `close-4008`, `reset`, `timeout`, `bad-answer` …"""
    in_flight: int = 0
    """Requests under way since the last `gauge`."""
    gauged_ns: int = 0
    may_wait: bool = False
    """An answer may wait until there is something to say."""
    asked_ns: int = NEVER
    """When the last request went out; the first time, where it was repeated."""
    looked_ns: int = 0
    """When the last `look` was."""
    open_ended_ns: int = NEVER
    """When the request that was under way at the last `look` got its answer, or lost its connection."""

    def gauge(self, now_ns: int, in_flight: int) -> None:
        """From now on there are so many requests under way.

        What this adds up knows nothing of single requests, so that it can be held against what
        `request_duration_ns` says (Little's law).
        """
        self.in_flight_ns += self.in_flight * (now_ns - self.gauged_ns)
        self.in_flight = in_flight
        self.gauged_ns = now_ns

    def look(self, now_ns: int) -> int | None:
        """Begin a stretch of counting; return when the request that is under way went out, None without."""
        self.gauge(now_ns, self.in_flight)
        self.looked_ns = now_ns
        self.open_ended_ns = NEVER
        return self.asked_ns if self.in_flight else None

    def answered(self, now_ns: int) -> None:
        """Count the answer to the last request."""
        self.responses += 1
        self.request_duration_ns += now_ns - self.asked_ns
        if self.asked_ns > self.looked_ns:
            self.request_overlap_ns += now_ns - self.asked_ns
        else:
            self.request_overlap_ns += now_ns - self.looked_ns
            self.open_ended_ns = now_ns

    def unanswered(self, now_ns: int) -> None:
        """Note that the connection of the last request is gone, and its answer with it."""
        if self.asked_ns <= self.looked_ns:
            self.open_ended_ns = min(self.open_ended_ns, now_ns)


@dataclass(frozen=True, slots=True)
class ClientSpec:
    """Who a client is: its number, whom it asks and for what."""

    number: int
    host: str
    """`host:port`, as the Host header has it."""
    subscription: Subscription


class ClientMachine(Protocol):
    """One client of one transport, as a state machine (see the diagram above).

    Constructed as `Client(spec, options, sink, rng)`; it reads no clock and opens no socket. `rng` is
    its own generator (poll phase, reconnect jitter).
    """

    counts: Counts
    outbox: bytearray
    """Bytes to send on the open connection; the driver sends and clears them."""
    action: Action
    """Set by a call, carried out and set back to NONE by the driver."""
    deadline_ns: int
    """When `timer` is to be called, or `NEVER`."""
    subscribed: bool
    """Whether the first answer has come: from here on every tick is owed to this client."""

    def start(self, now_ns: int) -> None:
        """Begin this client's life."""

    def opened(self, now_ns: int) -> None:
        """The connection that was asked for is up."""

    def receive(self, data: bytes, kernel_ns: int, app_ns: int) -> None:
        """Bytes came in: `kernel_ns` when the kernel had them, `app_ns` when the driver read them."""

    def closed(self, now_ns: int, reason: str) -> None:
        """The connection is gone, or was refused: `eof`, `reset`, `refused`, `timeout` … What is still in
        the outbox was never sent: the machine takes it off its counts."""

    def timer(self, now_ns: int) -> None:
        """The deadline has come."""

    def stop(self, now_ns: int) -> None:
        """Say goodbye; the machine asks for CLOSE when it is done."""


def names() -> tuple[str, ...]:
    """The transports there are: the folders beside this file, in alphabetical order."""
    return tuple(sorted(entry.name for entry in pkgutil.iter_modules(__path__) if entry.ispkg))


def part(name: str, file: Part) -> ModuleType:
    """One file of a transport's folder, imported."""
    return importlib.import_module(f"{__name__}.{name}.{file}")


def options(label: str, subject: Subject, where: str) -> Table:
    """The subject's options, validated by its transport's folder; `where` names the scenario file."""
    prefix = f"transports.{label}"
    if subject.transport not in names():
        raise ScenarioError(where, f"{prefix}.transport", repr(subject.transport), ", ".join(names()))
    return options_of(subject.transport, subject.options, where, prefix)


def options_of(name: str, table: Mapping[str, Any], where: str, prefix: str) -> Table:
    """`table` as the `Options` of the transport `name`."""
    model: type[Table] = part(name, "protocol").Options
    return validated(model, table, where, prefix)


def random_of(seed: int, number: int) -> random.Random:
    """The generator of client `number` in a trial with this seed."""
    return random.Random(f"{seed}/{number}")
