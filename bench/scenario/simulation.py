"""The table `[simulation]`: settings that a simulated run needs beyond those of a measured run.

All other tables of a scenario mean the same in a measured and in a simulated run. `tickertape run` ignores
this one:

    workers      server processes that share the clients, each with a core and a feed connection of its own
    network      one-way delays between clients and servers; by default the loopback delays of the costs
                 file; with one worker the load client is then a queue of its own, as in a measured trial
    costs        CPU costs of the servers' work: a file that `tickertape calibrate` made
    sample       clients whose every row is kept; histograms, fates and counts cover all clients
    slow         clients on links that are slower than the feed
    capacity     the load at which a worker counts as full, and its price

Known weakness: all clients share one network; near and far clients need separate scenarios.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bench.scenario.fields import Count, NotNegative, Positive, Table
from bench.scenario.parsing import FieldConflict

Delay = Annotated[NotNegative, Field(le=60_000)]
"""One-way delay in ms; a longer one can only be a slip."""


class SlowConsumers(Table):
    """Clients whose link is slow."""

    share: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.0
    """Share of the clients, chosen by hash."""
    bytes_per_s: Annotated[float, Field(strict=True, ge=1, allow_inf_nan=False)] = 10_000.0
    """Bytes per second that their link carries from server to client."""


MONTH_S = 730 * 3600.0
"""A month of 730 hours, as clouds bill it, in seconds."""
Price = Annotated[NotNegative, Field(le=1e9)]


class Prices(Table):
    """Prices of a capacity plan, a map or a decision. They come from the scenario; none are built in.

    Those of requests, messages, connections and memory are for offers that bill by use; a decision and a map
    count them, a capacity plan has workers and traffic only.
    """

    currency: str = "USD"
    """Currency of the other fields."""
    worker_month: Price = 0.0
    """Price of one worker with a core of its own (or the virtual machine that holds it) for a month of 730
    hours."""
    gigabyte_out: Price = 0.0
    """Price of a gigabyte (10⁹ bytes) from server to client."""
    million_requests: Price = 0.0
    """Price of 10⁶ HTTP requests."""
    million_messages: Price = 0.0
    """Price of 10⁶ messages that are pushed to clients."""
    million_connection_minutes: Price = 0.0
    """Price of a minute of 10⁶ connections that are kept open by a push or a held request."""
    gigabyte_second: Price = 0.0
    """Price of a gigabyte of memory for a second, while a request or a connection is under way."""
    memory_gb: Annotated[NotNegative, Field(le=1e3)] = 0.0
    """Memory in gigabytes that is billed for each request or connection while it is under way."""

    @model_validator(mode="after")
    def _prices_something(self) -> Prices:
        known = {name: value for name, value in self if name not in ("currency", "memory_gb")}
        if not any(known.values()):
            raise FieldConflict("worker_month", self.worker_month, "a price above 0, here or of something else")
        if self.gigabyte_second and not self.memory_gb:
            raise FieldConflict("memory_gb", self.memory_gb, "memory above 0 together with gigabyte_second")
        return self

    def month(self, workers: float, bytes_down_per_s: float, requests_per_s: float, messages_per_s: float,
              held: float, under_way: float) -> float:
        """Return the price of a month.

        `held` is the mean number of connections that a push or a held request keeps open, `under_way` the mean
        number of requests and such connections that are being served.
        """
        millions = (requests_per_s * self.million_requests + messages_per_s * self.million_messages
                    + held / 60 * self.million_connection_minutes) * MONTH_S / 1e6
        memory = under_way * self.memory_gb * self.gigabyte_second * MONTH_S
        return workers * self.worker_month + bytes_down_per_s * MONTH_S / 1e9 * self.gigabyte_out + millions + memory


class Simulation(Table):
    """Settings that a simulated run needs beyond those of a measured run; `tickertape run` ignores them."""

    workers: Annotated[Count, Field(le=100_000)] = 1
    """Server processes that share the clients; each receives the whole feed."""
    rtt_ms: Annotated[Positive, Field(le=120_000)] | None = None
    """Round-trip time between clients and servers, half of it each way. By default the network is the
    loopback of the costs file, and the load client of a measured run is simulated too."""
    up_ms: Delay | None = None
    """One-way delay from client to server, in place of `rtt_ms`."""
    down_ms: Delay | None = None
    """One-way delay from server to client, in place of `rtt_ms`."""
    jitter_ms: Delay = 0.0
    """Random delay added to each one-way delay: its mean (`exponential`) or its maximum (`uniform`)."""
    jitter: Literal["uniform", "exponential"] = "exponential"
    """Distribution of `jitter_ms`."""
    costs: str = ""
    """Path of the costs file, relative to the scenario file's folder; by default the newest calibration of
    this host in the results folder, or else the reference that comes with the project."""
    sample_clients: Annotated[Count, Field(le=100_000_000)] = 1000
    """Number of clients, chosen by hash, whose every row is kept; all if there are fewer."""
    full_at: Annotated[float, Field(strict=True, ge=0.01, le=1)] = 0.6
    """Share of a core at which a worker counts as full in a capacity plan."""
    slow: SlowConsumers = SlowConsumers()
    prices: Prices | None = None
    """If given, a capacity plan includes the cost per month."""

    @model_validator(mode="after")
    def _has_one_network(self) -> Simulation:
        if self.rtt_ms is not None and (self.up_ms is not None or self.down_ms is not None):
            raise FieldConflict("rtt_ms", self.rtt_ms, "rtt_ms, or up_ms and down_ms, but not both")
        if (self.up_ms is None) != (self.down_ms is None):
            missing = "up_ms" if self.up_ms is None else "down_ms"
            raise FieldConflict(missing, None, "up_ms and down_ms together")
        if self.up_ms == self.down_ms == 0:
            raise FieldConflict("up_ms", self.up_ms, "up_ms and down_ms that are not both 0")
        return self

    @property
    def delays_s(self) -> tuple[float, float] | None:
        """Return the one-way delays up and down, in s; None means the loopback of the costs file."""
        if self.rtt_ms is not None:
            return self.rtt_ms / 2000, self.rtt_ms / 2000
        if self.up_ms is not None and self.down_ms is not None:
            return self.up_ms / 1000, self.down_ms / 1000
        return None
