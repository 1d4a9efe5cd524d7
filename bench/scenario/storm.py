"""The table `[storm]`: all clients lose their server at once and reconnect, each after its backoff.

    drop ── the server is down ── it is back: backlog, capacity, timeouts ── 99.9 % connected, or never

`tickertape simulate` of a scenario with this table simulates the storm in place of a feed, once for each
policy and seed. With `[storm.map]` it also makes a map of recovery time over the backlog's size and the
spread of the first retries.

Known weakness: every client follows the same policy, and reconnects to the worker that it had before.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bench.scenario.fields import Count, NotNegative, Positive, Table
from bench.scenario.parsing import FieldConflict

Wait = Annotated[float, Field(strict=True, ge=0.01, le=86_400)]
"""Wait in s. It has a lower bound because each attempt is simulated: with no wait there would be no end."""


class Backoff(Table):
    """Time that a client waits between its attempts.

    n counts its failures from 0, U(a, b) is drawn uniformly, v = min(`cap_s`, `base_s` · 2ⁿ).
    """

    wait: Literal["fixed", "exponential", "equal", "full", "decorrelated"] = "full"
    """`fixed`: `base_s`. `exponential`: v. `equal`: v/2 + U(0, v/2). `full`: U(0, v). `decorrelated`:
    min(`cap_s`, U(`base_s`, 3 · the previous wait))."""
    base_s: Wait = 1.0
    """The first wait, before any jitter."""
    cap_s: Wait = 30.0
    """The longest wait (not for `fixed`)."""
    window_s: Annotated[NotNegative, Field(le=86_400)] = 0.0
    """The first attempt is made U(0, `window_s`) after the drop; with 0 every client makes it at once."""
    heeds_retry_after: bool = False
    """If true, a client that is refused comes back at the time in the server's `Retry-After`. The server
    then gives each refused client a place behind those it refused before, in whole seconds (RFC 9110
    §10.2.3)."""


POLICIES = {
    "fixed": Backoff(wait="fixed"),
    "exponential": Backoff(wait="exponential"),
    "equal_jitter": Backoff(wait="equal"),
    "full_jitter": Backoff(wait="full"),
    "decorrelated": Backoff(wait="decorrelated"),
    "spread": Backoff(wait="full", window_s=60.0),
    "retry_after": Backoff(wait="full", heeds_retry_after=True),
}


class StormMap(Table):
    """The map: recovery time over the size of the backlog and the spread of the first retries. Later
    retries follow the policy named here."""

    policy: str = "full_jitter"
    """One of `[storm.policies]`; the map sets its `window_s`."""
    backlogs: Annotated[tuple[Annotated[Positive, Field(le=1000)], ...], Field(min_length=2)] = (
        0.125, 0.25, 0.5, 0.75, 0.95, 1.05, 1.25, 1.5, 2.0)
    """Backlogs, as shares of the connections that a worker makes in one `timeout_s`."""
    windows: Annotated[tuple[Annotated[NotNegative, Field(le=1000)], ...], Field(min_length=2)] = (
        0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
    """Windows, as shares of the time in which a worker connects all its clients."""
    seeds: Annotated[Count, Field(le=1000)] = 3
    """Number of times that each point is simulated, with different draws."""


class Storm(Table):
    """A reconnect storm. Its clients are the one count in `load.clients`, shared by `simulation.workers`;
    it is simulated `trials.count` times with different draws."""

    connection_ms: Annotated[float, Field(strict=True, ge=0.001, le=60_000)] | None = None
    """CPU time for one reconnection: handshakes, authentication, first response. By default the cost of a
    new connection and its first request in the costs file, which does not include authentication."""
    backlog: Annotated[Count, Field(le=100_000_000)] = 800
    """Connections that may wait at a worker; further ones are refused."""
    refusal_share: Annotated[NotNegative, Field(le=100)] = 0.1
    """Cost of a refusal, as a share of the cost of a connection. Refusals are handled first, as they are
    on arrival. It is an assumption: the report lists the other assumptions that could be made, and the
    value at which the result changes."""
    timeout_s: Wait = 3.0
    """Time after which a client gives up and backs off; the server still connects it, too late."""
    down_s: Annotated[NotNegative, Field(le=86_400)] = 5.0
    """Time that the server is down. Attempts in it fail at once and cost nothing."""
    horizon_s: Annotated[Positive, Field(le=86_400)] = 245.0
    """Time that the storm is simulated after the server is back."""
    policies: Annotated[dict[str, Backoff], Field(min_length=1)] = Field(
        default_factory=lambda: dict(POLICIES))
    """The policies that are compared. By default seven: the five waits, `full` with a first attempt within
    60 s, and `full` with Retry-After respected. If a file names any, only those are compared."""
    map: StormMap | None = None
    """If given, the map is made as well."""

    @model_validator(mode="after")
    def _maps_a_policy(self) -> Storm:
        if self.map is not None and self.map.policy not in self.policies:
            raise FieldConflict("map.policy", self.map.policy, "one of storm.policies: " + ", ".join(self.policies))
        return self
