"""The configuration of a load process: one JSON file, named by `TICKERTAPE_LOAD`.

    {"subject": "websocket", "transport": "websocket", "options": {"ping_interval_s": 20},
     "host": "127.0.0.1", "port": 40213, "clients": 50, "mode": "every", "symbols": null,
     "seed": 1, "spawn_rate_per_s": 500, "clock_origin_ns": 81362000000000, "folder": "…/trials/…"}

`clock_origin_ns` is the run clock's zero, the same as the publisher's, or latencies mean nothing.
Without a `port` the process says that it is ready and waits for its target. Without a `folder` nothing
is kept, and no windows are expected: Locust's web interface shows live numbers until it is stopped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from bench.errors import UserError
from bench.scenario.fields import Count, Positive, Table
from bench.scenario.parsing import validated
from bench.wire.contract import Subscription

VARIABLE = "TICKERTAPE_LOAD"


class ScheduledMessage(NamedTuple):
    """One message that a client is to send."""

    index: int   # type: ignore[assignment]  # not a tuple's method
    """Its place in the schedule."""
    offset_ns: int
    """When it is due, from the start of warm-up."""
    author: int
    """The number of the client."""
    symbol: str
    price: float
    size: int | float


class LoadConfig(Table):
    """The content of the configuration file."""

    subject: str
    """The label in the scenario: the name of the row in Locust's table."""
    transport: str
    options: Mapping[str, Any] = Field(default_factory=dict)
    """The transport's own options, validated by its folder."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The port on which the server listens; None: the runner reports it later (`target`)."""
    page_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The port of the measured pages, which the server allows as their origin; None: no browser is the client."""
    clients: Count
    """Number of clients of all workers together."""
    worker: Annotated[int, Field(ge=0)] = 0
    """The number of this worker, from 0 to `workers` − 1: it has the clients `worker`, `worker +
    workers`, …"""
    workers: Count = 1
    mode: Literal["every", "latest"] = "every"
    messages: tuple[ScheduledMessage, ...] | None = None
    """The messages that the clients send, in the order of the schedule; None: clients only listen."""
    symbols: tuple[tuple[str, ...], ...] | None = None
    """Each client's symbols; None: all symbols for all clients."""
    seed: int = 1
    spawn_rate_per_s: Positive = 500.0
    clock_origin_ns: int
    folder: Path | None = None
    """The trial's folder, for the raw records."""

    @property
    def numbers(self) -> range:
        """Return the numbers of this worker's clients."""
        return range(self.worker, self.clients, self.workers)

    def number(self, place: int) -> int:
        """Return the number of this worker's client at `place`; there may be more clients than were
        configured."""
        return self.worker + place * self.workers

    def subscription(self, number: int) -> Subscription:
        """Return the symbols of client `number`. Clients beyond those configured begin again at the
        first."""
        mine = None if self.symbols is None else frozenset(self.symbols[number % len(self.symbols)])
        return Subscription(mine, self.mode)


def load() -> LoadConfig:
    """Return the configuration that the environment names."""
    path = os.environ.get(VARIABLE)
    if path is None:
        raise UserError(f"{VARIABLE}: found nothing, allowed is the path of a JSON file")
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:   # no JSON, or no UTF-8
        raise UserError(f"{VARIABLE}: {path}: {error}") from error
    return validated(LoadConfig, table, path)
