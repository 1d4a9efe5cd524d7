"""A server's end of the feed: keeps a tape (the ticks that the server still holds) full.

          ┌──────────────────── a pause, 50 ms to 1 s, jittered ◄───────────────┐
          ▼                                                                     │
    connect ─► "after <cursor>" ─► header ─► tick, tick, … ─► connection lost ──┘
                                     │
                                     ├ continues at the end of the tape: nothing was missed
                                     └ other epoch, or a hole: the tape begins anew

All ticks of one read are appended to the tape, then the owner is called once (`on_ticks`), so that it can
serve all of them together. It is called in the same way for a new life of the publisher, even without a
tick.

A server that has just started is ready once its tape has reached the head that the header named, and not
before. The ticks that its clients saw before the restart are then on the tape, or known to have left it.

The pause starts at 50 ms and doubles up to 1 s, each time drawn uniformly from half to the whole of it,
so that many servers don't come back in step. A connection that brought a header resets it.

A feed that doesn't follow the protocol is treated like one that is gone: logged, and tried again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import orjson

from bench.feed.outlet import PROTOCOL
from bench.feed.tape import Tape
from bench.wire.contract import EPOCH, tick_fields

PAUSE_FIRST_S = 0.05
PAUSE_MAX_S = 1.0

log = logging.getLogger("tickertape.feed")


class FeedSubscription:
    """Connects to the publisher at (`host`, `port`) again and again, and appends its ticks to `tape`.

    `on_ticks` is called after each read that changed the tape. It runs in the loop's read callback, so
    it must be quick.
    """

    def __init__(self, host: str, port: int, tape: Tape, on_ticks: Callable[[], None]) -> None:
        self.host = host
        self.port = port
        self.tape = tape
        self.ready = asyncio.Event()
        """Set once the tape has caught up with the head that the feed's header named."""
        self._head_named = 0
        """The feed's head when the present connection began."""
        self.ticks = 0
        """Ticks received, over all connections."""
        self.feed_connections = 0
        """Connections that brought a header."""
        self.transport: asyncio.Transport | None = None
        """The present connection, from its header to its end."""
        self._on_ticks = on_ticks

    async def run(self) -> None:
        """Keep the tape full until cancelled."""
        loop = asyncio.get_running_loop()
        pause_s = PAUSE_FIRST_S
        while True:
            lost: asyncio.Future[None] = loop.create_future()
            before = self.feed_connections
            try:
                connection = partial(_Connection, self, lost)
                transport, _ = await loop.create_connection(connection, self.host, self.port)
            except OSError as error:
                log.info("the feed at %s:%s: %s", self.host, self.port, error)
            else:
                try:
                    await lost
                finally:
                    transport.abort()
            pause_s = PAUSE_FIRST_S if self.feed_connections > before else min(2 * pause_s, PAUSE_MAX_S)
            await asyncio.sleep(random.uniform(pause_s / 2, pause_s))

    def hello(self) -> bytes:
        """Return the request for the ticks that the tape doesn't have yet."""
        after = "-" if self.tape.epoch is None else f"{self.tape.epoch}:{self.tape.head}"
        return f"after {after}\n".encode()

    def take_header(self, line: bytes) -> None:
        """Continue the tape, or start it again if the feed doesn't continue at its end.

        Raises `ValueError` if the line is not a header of this protocol.
        """
        header: Any = orjson.loads(line)
        if type(header) is not dict or header.get("feed") != PROTOCOL or not EPOCH.fullmatch(header["epoch"]):
            raise ValueError(f"the feed answers {line[:120]!r}")
        epoch, after, head = header["epoch"], header["after"], header["head"]
        if type(after) is not int or type(head) is not int:
            raise ValueError(f"the feed answers {line[:120]!r}")
        self._head_named = head
        if (epoch, after) != (self.tape.epoch, self.tape.head):
            self.tape.begin(epoch, frozenset(header["symbols"]), after)
        self.feed_connections += 1

    def take_ticks(self, lines: list[bytes]) -> None:
        """Append ticks, one per line. Raises `ValueError`, `KeyError` or `TypeError` if a line is not a
        tick."""
        for line in lines:
            fields = orjson.loads(line)
            if type(fields) is list:
                fields = tick_fields(fields)
            self.tape.append(fields["seq"], fields["symbol"], line)
        self.ticks += len(lines)

    def disconnected(self) -> None:
        """Handle the end of a connection that brought a header."""
        self.transport = None

    def changed(self) -> None:
        """Notify the owner of new ticks; set `ready` if the tape has caught up."""
        if self.tape.head >= self._head_named:
            self.ready.set()
        self._on_ticks()


class _Connection(asyncio.Protocol):
    """One connection: splits the received bytes into lines."""

    def __init__(self, feed: FeedSubscription, lost: asyncio.Future[None]) -> None:
        self._feed = feed
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._partial: list[bytes] = []
        self._has_header = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)   # uvloop's is not a subclass
        self._transport.write(self._feed.hello())

    def data_received(self, data: bytes) -> None:
        if b"\n" not in data:
            self._partial.append(data)
            return
        *lines, rest = b"".join((*self._partial, data)).split(b"\n")
        self._partial = [rest] if rest else []
        try:
            if not self._has_header:
                self._feed.take_header(lines.pop(0))
                self._has_header = True
                self._feed.transport = self._transport
            self._feed.take_ticks(lines)
        except (ValueError, KeyError, TypeError) as error:
            log.warning("the feed at %s:%s: %s", self._feed.host, self._feed.port, error)
            assert self._transport is not None
            self._transport.abort()
            return
        self._feed.changed()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._has_header:
            self._feed.disconnected()
        if not self._lost.done():
            self._lost.set_result(None)
