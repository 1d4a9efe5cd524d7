"""The table `[crossover]`: a map of the cheapest and the freshest transport over four axes.

    update rate × clients × round-trip time × staleness budget ─► workers, bytes, money, age of each transport

The map comes from the closed forms and the costs file, without simulation; the engine then simulates some of
its points as a check.

A transport that polls at an interval has a free parameter, and so has one that pushes at an interval (`flush_ms`).
With a fixed interval, the comparison would say more about the interval than about the transport. The interval is
therefore chosen for each point: as long as
the staleness budget allows where the cheapest transport is sought, and as short as the workers can carry
where the freshest is sought.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from bench.scenario.fields import Count, Table, Whole
from bench.scenario.parsing import FieldConflict

Rate = Annotated[float, Field(strict=True, ge=0.001, le=1_000_000)]
Clients = Annotated[Count, Field(le=100_000_000)]
RoundTrip = Annotated[float, Field(strict=True, ge=0.001, le=120_000)]
Budget = Annotated[float, Field(strict=True, ge=0.1, le=1_800_000)]


class Crossover(Table):
    """The map over four axes.

    The scenario's feed, load, windows and trials apply to the points that the engine checks. `[simulation]`
    sets the load at which a worker is full, and the price of a worker.
    """

    rates_per_s: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.01, 0.1, 1.0, 10.0, 100.0)
    """Ticks per second that each client is to receive."""
    clients: Annotated[tuple[Clients, ...], Field(min_length=1)] = (100, 1000, 10_000, 100_000, 1_000_000)
    """Client counts."""
    rtt_ms: Annotated[tuple[RoundTrip, ...], Field(min_length=1)] = (1.0, 40.0, 200.0)
    """Round-trip times."""
    staleness_ms: Annotated[tuple[Budget, ...], Field(min_length=1)] = (250.0, 1000.0, 5000.0, 30_000.0)
    """Staleness budgets: the greatest lateness allowed for an update while no worker is overloaded."""
    workers: Annotated[Count, Field(le=100_000)] = 1
    """Servers available where the freshest transport is sought, each loaded up to `simulation.full_at`."""
    margin: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.1
    """Transports whose values differ by less than this share are a tie."""
    checked: Annotated[Whole, Field(le=1000)] = 6
    """Number of points of the map that the engine simulates as well."""
    checked_clients: Annotated[Count, Field(le=1_000_000)] = 2000
    """A point with more clients per worker than this is not simulated, to save time."""

    @model_validator(mode="after")
    def _rises(self) -> Crossover:
        for name in ("rates_per_s", "clients", "rtt_ms", "staleness_ms"):
            values = getattr(self, name)
            if list(values) != sorted(set(values)):
                raise FieldConflict(name, values, "numbers in rising order, each once")
        return self
