"""`[simulation]`: what a scenario needs beyond a measured run's to be simulated at any scale.

Everything else of a scenario means the same whether it is measured or simulated. What stands in here is
ignored by `tickertape run`:

    workers      server processes that share the clients, each with a core and a feed connection of its own
    network      one-way delays between clients and servers; by default the loopback of the costs file, with
                 the load client as a queue of its own where there is one worker, so as a trial has it
    costs        what the servers' work costs in CPU: a file that `tickertape calibrate` made
    sample       whole clients whose every row is kept; histograms, fates and counts are of all clients
    slow         clients on links that are slower than the feed
    capacity     the load at which a worker counts as full, and what one costs

Known weakness: one network for all clients; a world of near and far ones is several scenarios.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bench.scenario.fields import Count, NotNegative, Positive, Table
from bench.scenario.parsing import Misfit

Delay = Annotated[NotNegative, Field(le=60_000)]
"""One way, in ms; a longer one can only be a slip."""


class SlowConsumers(Table):
    """Clients whose link is slow."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the clients, chosen by hash."""
    bytes_per_s: Annotated[float, Field(strict=True, ge=1, allow_inf_nan=False)] = 10_000.0
    """What their link carries down."""


class Prices(Table):
    """What a capacity plan is priced with; they are the scenario's, none are built in."""

    currency: str = "USD"
    """What the others are in."""
    worker_month: Annotated[NotNegative, Field(le=1e9)]
    """One worker with a core of its own (or the virtual machine that holds it) for a month of 730 hours."""
    gigabyte_out: Annotated[NotNegative, Field(le=1e9)]
    """A gigabyte (10⁹ bytes) from server to client."""


class Simulation(Table):
    """What a simulated run needs beyond a measured one; `tickertape run` ignores it."""

    workers: Annotated[Count, Field(le=100_000)] = 1
    """Server processes that share the clients; each takes the whole feed."""
    rtt_ms: Annotated[Positive, Field(le=120_000)] | None = None
    """Round-trip time between clients and servers, half of it each way. By default the network is the
    loopback of the costs file, and the load client of a measured run is simulated too."""
    up_ms: Delay | None = None
    """One-way delay from client to server, in place of `rtt_ms`."""
    down_ms: Delay | None = None
    """One-way delay from server to client, in place of `rtt_ms`."""
    jitter_ms: Delay = 0.0
    """What is added to each one-way delay: its mean (`exponential`) or its most (`uniform`)."""
    jitter: Literal["uniform", "exponential"] = "exponential"
    """How that is drawn."""
    costs: str = ""
    """The costs file, counted from the scenario file's folder; by default the newest calibration of this
    host in the results folder, else the reference that comes with the project."""
    sample_clients: Annotated[Count, Field(le=100_000_000)] = 1000
    """Whole clients whose rows are kept, chosen by hash; where there are fewer, all."""
    full_at: Annotated[float, Field(ge=0.01, le=1)] = 0.6
    """Share of a core at which a worker counts as full in a capacity plan."""
    slow: SlowConsumers = SlowConsumers()
    prices: Prices | None = None
    """Where it stands, a capacity plan says what it costs a month."""

    @model_validator(mode="after")
    def _has_one_network(self) -> Simulation:
        if self.rtt_ms is not None and (self.up_ms is not None or self.down_ms is not None):
            raise Misfit("rtt_ms", self.rtt_ms, "rtt_ms, or up_ms and down_ms, but not both")
        if (self.up_ms is None) != (self.down_ms is None):
            missing = "up_ms" if self.up_ms is None else "down_ms"
            raise Misfit(missing, None, "up_ms and down_ms together")
        if self.up_ms == self.down_ms == 0:
            raise Misfit("up_ms", self.up_ms, "up_ms and down_ms that are not both 0")
        return self

    @property
    def delays_s(self) -> tuple[float, float] | None:
        """One-way delays up and down; None: the loopback of the costs file."""
        if self.rtt_ms is not None:
            return self.rtt_ms / 2000, self.rtt_ms / 2000
        if self.up_ms is not None and self.down_ms is not None:
            return self.up_ms / 1000, self.down_ms / 1000
        return None
