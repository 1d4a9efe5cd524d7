"""`[crossover]`: which transport is the cheapest, and which the freshest, over four axes.

    update rate × clients × round-trip time × staleness budget ─► workers, bytes, money, age of each transport

Both come from the closed forms and the costs file, in no time; some points are checked by the engine. A
transport that polls at an interval has a free knob, and the comparison would be about that knob if it stood
still: so it asks as seldom as the budget allows where the cheapest is sought, and as often as the workers
stand where the freshest is.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from bench.scenario.fields import Count, Table, Whole
from bench.scenario.parsing import Misfit

Rate = Annotated[float, Field(strict=True, ge=0.001, le=1_000_000)]
Clients = Annotated[Count, Field(le=100_000_000)]
RoundTrip = Annotated[float, Field(strict=True, ge=0.001, le=120_000)]
Budget = Annotated[float, Field(strict=True, ge=0.1, le=1_800_000)]


class Crossover(Table):
    """The map over four axes. Feed, load, windows and trials of the scenario hold for the points that the
    engine checks; `simulation` says when a worker is full and what one costs."""

    rates_per_s: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.01, 0.1, 1.0, 10.0, 100.0)
    """Ticks a second that each client is to have."""
    clients: Annotated[tuple[Clients, ...], Field(min_length=1)] = (100, 1000, 10_000, 100_000, 1_000_000)
    """Client counts."""
    rtt_ms: Annotated[tuple[RoundTrip, ...], Field(min_length=1)] = (1.0, 40.0, 200.0)
    """Round-trip times."""
    staleness_ms: Annotated[tuple[Budget, ...], Field(min_length=1)] = (250.0, 1000.0, 5000.0, 30_000.0)
    """Staleness budgets: how late an update may be at worst while no worker is overloaded."""
    workers: Annotated[Count, Field(le=100_000)] = 1
    """What there is where the freshest is sought: servers, each filled up to `simulation.full_at`."""
    margin: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Two that are nearer to each other than this are a tie."""
    checked: Annotated[Whole, Field(le=1000)] = 6
    """How many points of the map the engine simulates, too."""
    checked_clients: Annotated[Count, Field(le=1_000_000)] = 2000
    """A point with more clients than this a worker is not simulated, to be quick."""

    @model_validator(mode="after")
    def _rises(self) -> Crossover:
        for name in ("rates_per_s", "clients", "rtt_ms", "staleness_ms"):
            values = getattr(self, name)
            if list(values) != sorted(set(values)):
                raise Misfit(name, values, "numbers in rising order, each once")
        return self
