"""`[storm]`: all clients lose their server at once and come back, each by its backoff.

    drop ── the server is down ── it is back: backlog, capacity, timeouts ── 99.9 % connected, or never

`tickertape simulate` of a scenario with this table simulates the storm in place of a feed, once for each
policy and seed, and a map over how deep the backlog is and how widely the first retries are spread.

Known weakness: every client follows the same policy, and connects to the worker that it had before.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bench.scenario.fields import Count, NotNegative, Positive, Table
from bench.scenario.parsing import Misfit

Wait = Annotated[float, Field(strict=True, ge=0.01, le=86_400)]
"""Each attempt is simulated, so that one without end would be one that never ends."""


class Backoff(Table):
    """How long a client waits between its attempts.

    n counts its failures from 0, U(a, b) is drawn evenly, v = min(`cap_s`, `base_s` · 2ⁿ).
    """

    wait: Literal["fixed", "exponential", "equal", "full", "decorrelated"] = "full"
    """`fixed`: `base_s`. `exponential`: v. `equal`: v/2 + U(0, v/2). `full`: U(0, v). `decorrelated`:
    min(`cap_s`, U(`base_s`, 3 · the wait before))."""
    base_s: Wait = 1.0
    """The first wait, before any jitter."""
    cap_s: Wait = 30.0
    """No wait is longer (not for `fixed`)."""
    window_s: Annotated[NotNegative, Field(le=86_400)] = 0.0
    """The first attempt is made U(0, `window_s`) after the drop; 0: at once, by everybody."""
    heeds_retry_after: bool = False
    """Whether a client that is refused comes back when the server's `Retry-After` says. The server then gives
    each that it refuses a place behind those it refused before, in whole seconds (RFC 9110 §10.2.3)."""


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
    """The map: recovery time against how deep the backlog is and how widely first retries are spread. Later
    retries follow the policy named here."""

    policy: str = "full_jitter"
    """One of `[storm.policies]`; its `window_s` is set by the map."""
    backlogs: Annotated[tuple[Annotated[Positive, Field(le=1000)], ...], Field(min_length=2)] = (
        0.125, 0.25, 0.5, 0.75, 0.95, 1.05, 1.25, 1.5, 2.0)
    """Backlogs, as shares of what a worker connects in one `timeout_s`."""
    windows: Annotated[tuple[Annotated[NotNegative, Field(le=1000)], ...], Field(min_length=2)] = (
        0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
    """Windows, as shares of the time in which a worker connects all its clients."""
    seeds: Annotated[Count, Field(le=1000)] = 3
    """How often each point is simulated, with different draws."""


class Storm(Table):
    """A reconnect storm. Its clients are the one count in `load.clients`, shared by `simulation.workers`; it
    is simulated `trials.count` times with different draws."""

    connection_ms: Annotated[float, Field(strict=True, ge=0.001, le=60_000)] | None = None
    """CPU time for one reconnection: handshakes, authentication, first answer. By default what a new
    connection and its first request cost by the costs file, which knows of no authentication."""
    backlog: Annotated[Count, Field(le=100_000_000)] = 800
    """Connections that may wait at a worker; further ones are refused."""
    refusal_share: Annotated[NotNegative, Field(le=100)] = 0.1
    """What a refusal costs, as a share of a connection. Refusals are made first, as they are on arrival.
    It is an assumption: the report says beside it what else may be assumed, and where the answer flips."""
    timeout_s: Wait = 3.0
    """After so long a client gives up and backs off; the server connects it all the same, in vain."""
    down_s: Annotated[NotNegative, Field(le=86_400)] = 5.0
    """How long the server is away. Attempts fail at once meanwhile and cost nothing."""
    horizon_s: Annotated[Positive, Field(le=86_400)] = 245.0
    """How long it is watched after the server is back."""
    policies: Annotated[dict[str, Backoff], Field(min_length=1)] = Field(
        default_factory=lambda: dict(POLICIES))
    """What is compared. By default seven: the five waits, `full` with a first attempt within 60 s, and `full`
    with Retry-After heeded. Where a file names any, it has those alone."""
    map: StormMap | None = None
    """Where it stands, the map is made, too."""

    @model_validator(mode="after")
    def _maps_a_policy(self) -> Storm:
        if self.map is not None and self.map.policy not in self.policies:
            raise Misfit("map.policy", self.map.policy, "one of storm.policies: " + ", ".join(self.policies))
        return self
