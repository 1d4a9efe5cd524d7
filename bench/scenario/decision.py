"""The tables `[decision]` and `[use_case]`: one situation for which a transport is to be chosen.

    clients, updates per second, round trip, prices ─► from the scenario's other tables
    how late an update may be, and what is used now  ─► from this one

The answer comes from the closed forms and the costs file; the engine simulates one worker of each transport for
its percentiles.

A scenario of a use case measures a part that fits on one machine; `[use_case]` has the situation at its full size,
which `decide --use` takes in place of the command line's options.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bench.scenario.crossover import Budget, Clients, Rate, RoundTrip
from bench.scenario.fields import Count, Table

Payload = Annotated[Count, Field(le=1_000_000)]


class Decision(Table):
    """A situation for which a transport is to be chosen: `load.clients` clients, each with `feed.rate_per_s` updates
    per second."""

    within_ms: Budget = 1000.0
    """The longest that an update may take while no worker is overloaded."""
    payload_bytes: Payload | None = None
    """Size of an update; by default that of the feed's own ticks."""
    room_clients: Clients | None = None
    """Clients of a room, if updates are messages that clients send to all of their room: each sends
    `feed.rate_per_s` ÷ `room_clients` per second. By default clients only listen."""
    now: str = ""
    """The setting that is used now, compared: a transport and its options, as `short_polling interval_s=5`."""
    margin: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.1
    """Transports whose costs differ by less than this share are a tie."""


class UseCase(Table):
    """The situation of a use case at its full size, which `tickertape decide --use` answers.

    Trials don't use it: what they measure is in the other tables.
    """

    clients: Clients
    """Clients that want the updates."""
    rate_per_s: Rate
    """Updates per second of each client."""
    within_ms: Budget
    """The longest that an update may take."""
    rtt_ms: RoundTrip
    """Round-trip time between clients and servers."""
    payload_bytes: Payload
    """Size of an update."""
