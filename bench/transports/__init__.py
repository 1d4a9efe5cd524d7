"""The transports: one folder each, with the same file names in every one.

    __init__.py   `DESCRIPTION`: its title, its style, its words for refusals, the command to try it by hand
    live.js       its client in a browser's page (`Description.live` names it), which reports to `feed.js`
    protocol.py   pure: `Options` (the transport's own scenario fields), decisions and encoding;
                  no socket, no sleep, no clock (`now_ns` is an argument)
    client.py     `Client`: a state machine that a driver feeds with bytes and instants
    model.py      the closed forms of the transport: latency, age, share of ticks skipped, cost
                  (`model.Model` has the functions)
    servers/      one file for each implementation of the server, with `install(chassis, options)`: a thin
                  asyncio shell over `protocol`. A scenario names the implementation, `server = "library"`

To add a transport, add a folder, and to add a server implementation, add a file; nothing else is edited.
`names()` finds the folders and `servers()` the files. `part()` and `server()` import one file of one folder, so
that a server never imports a client, and a report imports neither. A transport may also be a package of its own,
with the same files, that is installed beside this one and names itself in an entry point:

    [project.entry-points."tickertape.transports"]
    bulletin = "bulletin"                          # the transport's name, and its package

    driver                                     client machine
      │  start(now) ──────────────────────────►  action = OPEN
      │  opened(now) ─────────────────────────►  outbox: request, deadline
      │  receive(bytes, kernel_ns, app_ns) ───►  sink.deliver(…) for each update; outbox; deadline
      │  timer(now) at deadline ──────────────►  outbox: next poll, ping …
      │  closed(now, reason) ─────────────────►  action = OPEN after a pause (deadline)
      │  stop(now) ───────────────────────────►  outbox: close frame; action = CLOSE
      after each call the driver sends the outbox, carries out the action and re-arms the deadline

Transports do not know each other. What two of them share is in `bench.wire.contract` (refusal words and
batches), `bench.wire.http_client` (the client's side of HTTP) or `bench.serving` (the chassis).

Modules, in reading order:

    short_polling  ask on a schedule, be answered at once
    long_polling   ask, and be answered when there is news
    sse            ask once; the server pushes over a response that does not end
    websocket      connect once; the server pushes
    description    a transport's description of itself
    clients        the code shared by all client state machines
    driver         drives client state machines over real sockets
    link           a client's connection as the driver sees it
    outgoing       the messages of a client that also sends
    posting        the second connection of a client over HTTP, for its messages
    tls            TLS as a state machine around a state machine
    cycle          the repeated steps of a client, as plain numbers
    queueing       formulas for the time spent waiting for a server
    model          the functions that every transport's `model` offers
    pushing        closed forms that all pushing transports share
    poll_sizes     sizes on the wire of polls and their responses, and of messages that clients post
    push_sizes     sizes on the wire of pushes
    tls_sizes      sizes on the wire of TLS
"""

from __future__ import annotations

import enum
import importlib
import pkgutil
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from bench.errors import ScenarioError
from bench.scenario.fields import Table
from bench.scenario.model import DEFAULT_SERVER, Subject
from bench.scenario.parsing import validated
from bench.transports.description import Description
from bench.wire.contract import Subscription

if TYPE_CHECKING:   # a server needs no model, and a report no chassis
    from bench.serving.chassis import Chassis, Service
    from bench.transports.model import Model
    from bench.transports.outgoing import Outgoing

Part = Literal["protocol", "client", "model"]

ENTRY_POINTS = "tickertape.transports"
"""The group of entry points in which an installed package names its transport."""

NEVER = 2**63 - 1
"""A deadline that never comes."""


class Action(enum.Enum):
    """The operation that the driver is to perform on the connection after a call."""

    NONE = "none"
    OPEN = "open"
    CLOSE = "close"
    """Close gracefully: send the outbox, shut down, read to the end of file; `closed` is called after it."""


class Sink(Protocol):
    """The receiver of a client's records.

    Instants are in ns on the run clock; `kernel_ns` may be `clock.NO_STAMP`.
    """

    def deliver(self, client: int, index: int, due_ns: int, kernel_ns: int, app_ns: int) -> None:
        """Record that the tick `index` arrived at the client; it may be a repeated arrival.

        `due_ns` is the due instant that the tick itself names; `NO_STAMP` if it names none.
        """

    def skip(self, client: int, kind: str, symbol: str, count: int, index: int, app_ns: int) -> None:
        """Record that the server declared `count` skipped ticks of `symbol`.

        They are `conflated` or `dropped` (`kind`), and come just before the tick `index` of that symbol.
        """


@dataclass(slots=True)
class ClientCounts:
    """The counters of a client since its start. Bytes are application bytes, before TLS and TCP."""

    connections: int = 0
    """Connections opened."""
    requests: int = 0
    """HTTP requests sent, including a WebSocket's upgrade."""
    responses: int = 0
    """Complete HTTP responses, including the 101 to an upgrade."""
    answers_empty: int = 0
    """The part of `responses` that answered a poll and brought no tick."""
    updates: int = 0
    """Ticks received, including repeated ones."""
    header_bytes_up: int = 0
    """Bytes of the requests' heads, from the start line to the blank line."""
    header_bytes_down: int = 0
    """Bytes of the responses' heads, from the start line to the blank line."""
    body_bytes_up: int = 0
    """All other bytes sent (frames of a WebSocket, bodies)."""
    body_bytes_down: int = 0
    """All other bytes received: payload and framing."""
    compressed_bytes_down: int = 0
    """The part of `body_bytes_down` that is compressed bodies and messages, in bytes as they were sent."""
    expanded_bytes_down: int = 0
    """The size of those bodies and messages after decompression."""
    polls_late: int = 0
    """Polls that were sent after their instant because the poll before was still under way."""
    retries: int = 0
    """The part of `requests` that was sent again because the server closed the persistent connection before it
    answered."""
    polls_overdue: int = 0
    """Polls that the client side itself started too late, independently of the server."""
    request_duration_ns: int = 0
    """Sum over all complete responses of the time from request to response."""
    request_overlap_ns: int = 0
    """The part of `request_duration_ns` after the last `begin_stretch` that preceded the response."""
    in_flight_ns: int = 0
    """The number of requests under way, integrated over time up to the last `gauge`."""
    errors: Counter[str] = field(default_factory=Counter)
    """Errors, counted by word: `http-503`, `close-4008`, `reset`, `timeout`, `bad-answer` …"""
    goodbyes: int = 0
    """Words of the protocol by which the client itself ended a connection: a WebSocket's close frames."""
    goodbyes_answered: int = 0
    """The part of `goodbyes` that the server answered with the same code."""
    in_flight: int = 0
    """Requests under way since the last `gauge`."""
    gauged_ns: int = 0
    may_wait: bool = False
    """True if the server may hold a response back until there is news."""
    asked_ns: int = NEVER
    """The instant at which the last request was sent; for a repeated request, the first time."""
    stretch_ns: int = 0
    """The instant of the last `begin_stretch`."""
    open_ended_ns: int = NEVER
    """The instant at which the request under way at the last `begin_stretch` was answered, or lost its connection."""

    def gauge(self, now_ns: int, in_flight: int) -> None:
        """Record that from now on `in_flight` requests are under way.

        The integral that this builds up does not depend on individual requests, so that it can be compared
        with `request_duration_ns` (Little's law).
        """
        self.in_flight_ns += self.in_flight * (now_ns - self.gauged_ns)
        self.in_flight = in_flight
        self.gauged_ns = now_ns

    def begin_stretch(self, now_ns: int) -> int | None:
        """Begin a new stretch of counting.

        Return the instant at which the request that is under way was sent, or None if there is none.
        """
        self.gauge(now_ns, self.in_flight)
        self.stretch_ns = now_ns
        self.open_ended_ns = NEVER
        return self.asked_ns if self.in_flight else None

    def answered(self, now_ns: int) -> None:
        """Count the response to the last request."""
        self.responses += 1
        self.request_duration_ns += now_ns - self.asked_ns
        if self.asked_ns > self.stretch_ns:
            self.request_overlap_ns += now_ns - self.asked_ns
        else:
            self.request_overlap_ns += now_ns - self.stretch_ns
            self.open_ended_ns = now_ns

    def unanswered(self, now_ns: int) -> None:
        """Record that the connection of the last request was lost before the response came."""
        if self.asked_ns <= self.stretch_ns:
            self.open_ended_ns = min(self.open_ended_ns, now_ns)


@dataclass(frozen=True, slots=True)
class ClientSpec:
    """The identity of a client: its number, its server and its subscription."""

    number: int
    host: str
    """`host:port`, as in the Host header."""
    subscription: Subscription


class ClientMachine(Protocol):
    """One client of one transport, as a state machine (see the diagram above).

    Constructed as `Client(spec, options, sink, rng)`. It reads no clock and opens no socket. `rng` is its own
    random generator (poll phase, reconnect jitter).
    """

    counts: ClientCounts
    outbox: bytearray
    """Bytes to send on the open connection; the driver sends them and clears the buffer."""
    action: Action
    """Set by a call; the driver carries it out and sets it back to NONE."""
    deadline_ns: int
    """The instant at which `timer` is to be called, or `NEVER`."""
    subscribed: bool
    """True once the first response has come: from then on this client must receive every tick."""

    def start(self, now_ns: int) -> None:
        """Begin the client's operation."""

    def opened(self, now_ns: int) -> None:
        """Handle the establishment of the connection that was asked for."""

    def receive(self, data: bytes, kernel_ns: int, app_ns: int) -> bool | None:
        """Handle received bytes.

        `kernel_ns` is the instant at which the kernel received them, `app_ns` the instant at which the driver
        read them. Returns True if the call left outbox, action and deadline as they were, so that the driver need not
        look.
        """

    def closed(self, now_ns: int, reason: str) -> None:
        """Handle the end of the connection, or its refusal.

        `reason` is `eof`, `reset`, `refused`, `timeout` … Bytes that are still in the outbox were never sent:
        the machine takes them off its counts.
        """

    def timer(self, now_ns: int) -> None:
        """Handle the arrival of the deadline."""

    def stop(self, now_ns: int) -> None:
        """Leave gracefully; the machine asks for CLOSE when it is done."""


class TwoWay(Protocol):
    """`two_way` of a transport's `client`: the machines of a client that also sends messages.

    The first one is the client, which receives; a second one, if there is one, is its further connection. A transport
    without this function has clients that only listen.
    """

    def __call__(
        self, spec: ClientSpec, options: Any, sink: Sink, rng: random.Random, outgoing: Outgoing
    ) -> tuple[ClientMachine, ...]:
        """Return the machines of the client; `outgoing` has the messages that they send."""


class ServerPart(Protocol):
    """One implementation of a transport's server, a module in `servers/`."""

    def install(self, chassis: Chassis, options: Any) -> Service:
        """Return the service that answers the transport's clients; `options` are its `protocol.Options`."""


@cache
def _packages() -> Mapping[str, str]:
    """Return the package of each transport by its name: the folders beside this file, then what is installed.

    A name that is here already is this project's own.
    """
    own = {name: f"{__name__}.{name}" for name in own_names()}
    installed = {entry.name: entry.value for entry in sorted(entry_points(group=ENTRY_POINTS))}
    return {**own, **{name: package for name, package in installed.items() if name not in own}}


def own_names() -> tuple[str, ...]:
    """Return the names of the transports that come with the project, in alphabetical order."""
    return tuple(sorted(entry.name for entry in pkgutil.iter_modules(__path__) if entry.ispkg))


def names() -> tuple[str, ...]:
    """Return the names of all transports: the project's own, then installed ones, each in alphabetical order."""
    return tuple(_packages())


def describe(name: str) -> Description:
    """Return a transport's description of itself; `name` is one of `names()`."""
    found: Description = importlib.import_module(_packages()[name]).DESCRIPTION
    return found


def part(name: str, file: Part) -> ModuleType:
    """Import and return one file of a transport's folder."""
    return importlib.import_module(f"{_packages()[name]}.{file}")


def model_of(name: str) -> Model:
    """Import and return the closed forms of a transport."""
    return cast("Model", part(name, "model"))


def servers(name: str) -> tuple[str, ...]:
    """Return the names of a transport's server implementations, the default one first."""
    package = importlib.import_module(f"{_packages()[name]}.servers")
    found = {entry.name for entry in pkgutil.iter_modules(package.__path__)}
    return (DEFAULT_SERVER, *sorted(found - {DEFAULT_SERVER}))


def server(name: str, implementation: str = DEFAULT_SERVER) -> ServerPart:
    """Import and return one implementation of a transport's server."""
    return cast(ServerPart, importlib.import_module(f"{_packages()[name]}.servers.{implementation}"))


def two_way(name: str) -> TwoWay | None:
    """Import and return the function that makes a transport's clients that also send; None if it has none."""
    found: TwoWay | None = getattr(part(name, "client"), "two_way", None)
    return found


def options(label: str, subject: Subject, where: str) -> Table:
    """Return the subject's options, validated by its transport's folder.

    `where` names the scenario file. Raises `ScenarioError` if there is no such transport, if the transport has
    no such server implementation, or if an option is not allowed.
    """
    prefix = f"transports.{label}"
    if subject.transport not in names():
        raise ScenarioError(where, f"{prefix}.transport", repr(subject.transport), ", ".join(names()))
    if subject.external is None:
        refuse_unknown_server(subject.transport, subject.implementation, where, f"{prefix}.server")
    return options_of(subject.transport, subject.options, where, prefix)


def refuse_unknown_server(name: str, implementation: str, where: str, field: str) -> None:
    """Raise `ScenarioError` where the transport `name` has no such server implementation."""
    known = servers(name)
    if implementation not in known:
        raise ScenarioError(where, field, repr(implementation), ", ".join(known))


def options_of(name: str, table: Mapping[str, Any], where: str, prefix: str) -> Table:
    """Validate `table` as the `Options` of the transport `name`, and return them.

    Raises `ScenarioError` where the table is not valid; `where` and `prefix` name the place in the
    message.
    """
    model: type[Table] = part(name, "protocol").Options
    return validated(model, table, where, prefix)


def random_of(seed: int, number: int) -> random.Random:
    """Return the random generator of client `number` in a trial with this seed."""
    return random.Random(f"{seed}/{number}")
