"""The chassis: the parts of a server process that do not depend on its transport.

    publisher ──lines──► FeedSubscription ──► Tape ──► news() of each listener, once a chunk of lines
                                                          │
    client ── request ──► Service ── response(request) ────┘      a batch, encoded once for all who ask

A transport's `install(chassis, options)` makes its `Service`, which asks the chassis for batches and is
called when there is news. Everything that is handed over is counted here, so that the counts of two
transports mean the same. Answers are kept until the next news: a thousand clients that were woken by one
tick ask for the same ticks, and get the same bytes.

The life of the process: listen; wait until the tape (the ticks that the server still holds) has caught up
with the feed; send `ready`; serve. At `stop` from the runner, SIGTERM or SIGINT, close every client's
connection gracefully, send `done` with the counts, and end. If the runner is gone (end of file on the
lifeline), the process ends at once.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Protocol

import orjson

from bench.errors import HostError
from bench.feed.subscription import FeedSubscription
from bench.feed.tape import Tape
from bench.lifeline import Lifeline
from bench.serving.admission import Admission, TwoWayAdmission
from bench.serving.certificate import Identity
from bench.serving.config import ServerConfig
from bench.serving.responses import BatchResponse, response_of
from bench.serving.sockets import listening_socket
from bench.uplink.relay import Relay, TwoWayFeed
from bench.wire.contract import Batch, Refusal, Request

RESPONSES_MAX = 1024
"""The largest number of responses that are kept; the oldest are dropped first."""

log = logging.getLogger("tickertape.server")


class Service(Protocol):
    """The part of a server that serves one transport on a listening socket."""

    async def start(self, sock: socket.socket) -> None:
        """Begin to serve on `sock`."""

    async def stop(self) -> None:
        """Accept no new clients, close the connections of the present ones, and release the socket."""


class HttpBase:
    """The part of an HTTP service that does not depend on the server implementation."""

    takes_posts = True
    """True if clients of this transport send their messages as POST requests, where the server takes messages."""

    def __init__(self, chassis: Chassis, description: bytes | None) -> None:
        self.chassis = chassis
        if self.takes_posts:
            chassis.take_posts()
        self.description = description
        """The response to `GET /openapi.json`; None if there is none."""

    async def start(self, sock: socket.socket) -> None:
        """Begin to serve on `sock`."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Accept no new clients, and close the connections of the present ones."""
        raise NotImplementedError


@dataclass(slots=True)
class ServerCounts:
    """The counters of a server since its start; the same names for every transport."""

    ticks: int = 0
    """Ticks received from the feed."""
    deliveries: int = 0
    """Ticks handed to clients; a tick counts once per client."""
    conflated: int = 0
    """Ticks that were declared to clients as conflated."""
    dropped: int = 0
    """Ticks that were declared to clients as dropped."""
    requests: int = 0
    """Requests for ticks, including a WebSocket's upgrade."""
    answers_empty: int = 0
    """Responses without a tick: 304, empty batches, a push's first batch where the client has missed nothing."""
    connections: int = 0
    """Connections accepted."""
    connections_open: int = 0
    """Connections open at present."""
    slow_disconnects: int = 0
    """Clients refused or closed because they were too slow (`disconnect`)."""
    timeouts: int = 0
    """Connections ended because nothing came: no complete request head, or no sign of life of a WebSocket."""
    feed_connections: int = 0
    """Connections made to the feed; more than one means that a connection was lost."""
    refused: dict[str, int] = field(default_factory=dict)
    """Refusals by code."""

    def hand_over(self, batch: Batch, times: int = 1) -> None:
        """Count a batch that was handed to `times` clients."""
        self.deliveries += len(batch.ticks) * times
        if not batch.ticks:
            self.answers_empty += times
        if batch.conflated:
            self.conflated += sum(batch.conflated.values()) * times
        if batch.dropped:
            self.dropped += sum(batch.dropped.values()) * times

    def respond(self, batch: Batch, status: int) -> None:
        """Count a response to a poll: with 304 it hands over nothing, whatever there was."""
        if status == 304:
            self.answers_empty += 1
        else:
            self.hand_over(batch)

    def refuse(self, refusal: Refusal) -> None:
        """Count a refused request, or a connection that was closed for a reason in the contract."""
        self.refused[refusal.code] = self.refused.get(refusal.code, 0) + 1
        self.slow_disconnects += refusal.code == "slow-client"

    def to_json(self) -> dict[str, int]:
        """Return the counters as flat integers, with refusals as `refused_<code>`."""
        flat = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "refused"}
        return flat | {f"refused_{code}": count for code, count in sorted(self.refused.items())}


class Chassis:
    """The tape, news, responses and counters of one server process."""

    def __init__(self, config: ServerConfig, identity: Identity | None = None) -> None:
        self.config = config
        self.identity = identity
        """The certificate and key for encrypted connections; None if they are not encrypted."""
        self._rules: type[Admission] = Admission
        self.admission = Admission(config.host, config.hosts, config.origins)
        self.tape = Tape(config.server.tape_ticks)
        self.counts = ServerCounts()
        self.serving = False
        """True while requests are answered: from catching up with the feed until the server stops."""
        self.stopping = False
        """True once no client is served any more; the listeners are called when it is set, as for news."""
        self.feed = FeedSubscription(config.feed.host, config.feed.port, self.tape, self._on_ticks)
        self.relay: Relay | None = None
        """Takes the messages of clients; None if the server takes none."""
        if config.takes_messages:
            self.feed = feed = TwoWayFeed(config.feed.host, config.feed.port, self.tape, self._on_ticks)
            self.relay = Relay(config.server.messages, feed, self.counts.refuse, lambda: self.serving)
        self._listeners: list[Callable[[], None]] = []
        self._responses: dict[Request, BatchResponse] = {}

    def take_posts(self) -> None:
        """Admit a message as a POST, if the server takes messages."""
        if self.relay is not None:
            self._rules = TwoWayAdmission
            self.admission = TwoWayAdmission(self.config.host, self.config.hosts, self.config.origins)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS context for the listening service, or None without encryption."""
        return None if self.identity is None else self.identity.context

    def on_news(self, listener: Callable[[], None]) -> None:
        """Register `listener`, to be called after ticks have come, after a new epoch, and when the server stops."""
        self._listeners.append(listener)

    def _on_ticks(self) -> None:
        self._responses.clear()
        self.serving = self.feed.ready.is_set() and not self.stopping
        for listener in self._listeners:
            listener()

    def read(self, request: Request) -> Batch:
        """Return the ticks that the tape has for a request, under the policy for slow clients.

        Raises `Refusal` if the server does not serve or the tape refuses the request.
        """
        if not self.serving:
            if self.stopping:
                raise Refusal("stopping", "the server stops")
            raise Refusal("no-feed", "the server has not caught up with the feed; ask again later")
        server = self.config.server
        return self.tape.read(request.subscription, request.after, server.batch_max, server.slow_client)

    def response(self, request: Request) -> BatchResponse:
        """Return the encoded response to a request; it is kept until the next news.

        Does not count it as handed over. Raises `Refusal` like `read`.
        """
        response = self._responses.get(request)
        if response is None or not self.serving:
            response = response_of(request, self.read(request))
            if len(self._responses) >= RESPONSES_MAX:
                del self._responses[next(iter(self._responses))]
            self._responses[request] = response
        return response

    def page(self, path: str, description: bytes | None = None) -> tuple[int, bytes]:
        """Return the status and JSON of a page that every server has.

        `description` is that of an HTTP server's own responses, in OpenAPI. Raises `Refusal` if there is no such page.
        """
        if path == "/stats":
            return 200, orjson.dumps(self.stats())
        if path == "/health":
            status = {
                "status": "ok" if self.serving else "waiting",
                "transport": self.config.transport,
                "epoch": self.tape.epoch,
                "head": self.tape.head,
            }
            return (200 if self.serving else 503), orjson.dumps(status)
        if path == "/openapi.json" and description is not None:
            return 200, description
        others = "/health and /stats" if description is None else "/health, /stats and /openapi.json"
        raise Refusal("not-found", f"there are /ticks, {others}")

    def stats(self) -> dict[str, int]:
        """Return the counters at this instant."""
        self.counts.ticks = self.feed.ticks
        self.counts.feed_connections = self.feed.feed_connections
        counts = self.counts.to_json()
        if self.relay is not None:
            counts |= {"messages": self.relay.received, "messages_accepted": self.relay.accepted}
        return counts

    async def run(self, service: Service, lifeline: Lifeline | None) -> None:
        """Run the process, from listening until all clients are disconnected.

        Raises `HostError` if the server can't listen at its address.
        """
        config = self.config
        stop = asyncio.Event()
        watch(lifeline, stop)
        try:
            sock = listening_socket(config.host, config.port, config.limits.stall_s)
        except OSError as error:
            raise HostError(f"can't listen at {config.host}:{config.port}: {error}") from error
        host, port = sock.getsockname()[:2]
        self.admission = self._rules(config.host, {*config.hosts, host}, config.origins)
        await service.start(sock)
        async with asyncio.TaskGroup() as tasks:
            feed = tasks.create_task(self.feed.run())
            await first(self.feed.ready, stop)
            if not stop.is_set():
                gc.collect()
                gc.freeze()   # a collection over all permanent objects takes tens of milliseconds
                log.info("%s listens at %s:%d", config.transport, host, port)
                if lifeline is not None:
                    certificate = None if self.identity is None else self.identity.certificate
                    lifeline.send({"ready": {"host": host, "port": port, "certificate": certificate}})
                await stop.wait()
            feed.cancel()
        self.stopping = True
        self._on_ticks()
        await service.stop()
        if lifeline is not None:
            lifeline.send({"done": {"counts": self.stats()}})


async def first(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def watch(lifeline: Lifeline | None, stop: asyncio.Event) -> None:
    """Set `stop` on SIGTERM, SIGINT and the runner's `stop`; exit at once when the runner is gone."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if lifeline is None:
        return

    def receive() -> None:
        messages = lifeline.receive_ready()
        if messages is None:
            os._exit(1)
        if any("stop" in message for message in messages):
            stop.set()

    loop.add_reader(lifeline.fileno(), receive)
