"""A transport in memory for tests of servers that own their protocol: it keeps what is written, without
sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bench.serving.bare import BareService, Connection
from bench.serving.chassis import Chassis
from bench.serving.config import Address, ServerConfig


class MemoryTransport(asyncio.Transport):
    """Keeps the bytes that are written, and the calls that are made."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = self.aborted = self.ended = False
        self.reading = True
        self.high: int | None = None

    def write(self, data: bytes) -> None:   # type: ignore[override]
        assert not self.closed
        assert not self.ended
        self.written += data

    def taken(self) -> bytes:
        """Return the bytes written since the last call."""
        data, self.written = self.written, b""
        return data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_reading(self) -> bool:
        return self.reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high


def chassis_of(transport: str, **config: Any) -> Chassis:
    """Return a chassis whose feed has begun: symbols AAA and BBB, epoch e1, no ticks."""
    chassis = Chassis(ServerConfig(transport=transport, feed=Address(port=1), **config))
    chassis.tape.begin("e1", frozenset({"AAA", "BBB"}), 0)
    chassis.feed.ready.set()
    chassis._on_ticks()
    return chassis


def publish(chassis: Chassis, *symbols: str) -> None:
    """Publish ticks of these symbols, all at once; the line of each is its number."""
    tape = chassis.tape
    for symbol in symbols:
        tape.append(tape.head + 1, symbol, b"%d" % (tape.head + 1))
    chassis._on_ticks()


def connected(service: BareService) -> tuple[Connection, MemoryTransport]:
    """Return a new connection to a service, and its transport."""
    connection, transport = Connection(service), MemoryTransport()
    connection.connection_made(transport)
    return connection, transport


def in_loop(service_of: Callable[[], BareService], act: Callable[[BareService], None]) -> None:
    """Run `act` on a service in an event loop, without a listening socket."""

    async def run() -> None:
        service = service_of()
        service.loop = asyncio.get_running_loop()
        act(service)

    asyncio.run(run())
