"""What there is to simulate: one worker and its clients, as frozen data. Seconds, bytes, CPU seconds.

    feed ──feed_s──► worker: one queue, in order of arrival ──down_s──► link ──► kernel ──► station ──► app
                        ▲                                                                             │
                        └──────────────────────────── up_s ◄── next request ◄─────────────────────────┘

Time zero is where warm-up begins; at it every client is subscribed, and nothing has been published. A
shard holds everything that happens at one worker: workers share nothing, so that a run of forty is
forty shards.

What a job costs the worker is the sum of what is in it:

    a tick that comes from the feed       tick
    a poll, answered at once              request + answer + n · update + bytes · byte   (+ connection)
    a request that is parked              request                                       (+ connection)
    a parked one that is woken            answer + update + bytes · byte
    one whose hold time is over           answer
    a pushed tick, for each client        answer + update + bytes · byte

and more, if the worker slept before (`worker`), or has a crowd of connections: request and answer touch the
state of a connection (socket, parser, task), which is in a cache that holds only so many. With N connections
they take

    1 + crowd_share · ln((N + CROWD) / 2 CROWD)

times as long, so the costs are those at `CROWD` connections. The logarithm is that of a row of caches, each
larger and slower than the one before; between 100 and 400 connections it meets what was measured, and a
straight line doesn't. Nobody has seen it hold beyond the connections that were validated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from bench.scenario.model import SlowClient
from bench.transports.cycle import Cycle

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
SkipKind = Literal["conflated", "dropped"]
CROWD = 100.0
"""Connections at which `Costs` are stated."""


def crowding(connections: float) -> float:
    """How many crowd shares more than at `CROWD` connections a request and an answer take."""
    return math.log((connections + CROWD) / (2 * CROWD))


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds of one worker by kind of work, of one transport."""

    tick_s: float = 0.0
    """Each tick that it takes from the feed."""
    request_s: float = 0.0
    """Each request that it takes in and decides on."""
    answer_s: float = 0.0
    """Each answer or pushed message that it hands to the kernel."""
    update_s: float = 0.0
    """Each update in one."""
    byte_s: float = 0.0
    """Each byte of payload in one."""
    connection_s: float = 0.0
    """Each new connection."""
    base_share: float = 0.0
    """CPU seconds a second when nothing happens. Beside the queue: it delays nobody."""
    socket_share: float = 0.0
    """The same for each connection that is open."""
    wake_s: float = 0.0
    """Further, for a job that finds the worker asleep and as cold as it gets."""
    cold_share: float = 0.0
    """By so much longer such a job takes, as a share of what is in it."""
    crowd_share: float = 0.0
    """By so much longer a request and an answer take with more connections, as a share (see above)."""

    def times(self, factor: float) -> Costs:
        """Were everything so many times as dear."""
        dear = {each.name: factor * getattr(self, each.name) for each in fields(self)}
        return Costs(**{**dear, "cold_share": self.cold_share, "crowd_share": self.crowd_share})

    def crowded(self, connections: float) -> Costs:
        """Return the costs of a worker with so many connections; they have no crowd share any more."""
        if not self.crowd_share:
            return self
        more = max(1 + self.crowd_share * crowding(connections), 0.0)
        return replace(self, request_s=self.request_s * more, answer_s=self.answer_s * more, crowd_share=0.0)

    def idle_s(self, seconds: float, connections: int) -> float:
        """CPU that the worker uses in so long whatever is asked of it."""
        return seconds * (self.base_share + self.socket_share * connections)


@dataclass(frozen=True, slots=True)
class Net:
    """One-way delays. Up and down together are above 0: nothing is answered before it was asked."""

    up_s: float
    """From a client to its worker."""
    down_s: float
    """From the worker to a client."""
    feed_s: float = 0.0
    """From a tick's due instant until the worker has it."""
    jitter_s: float = 0.0
    """Added to each way up and down at random: the mean of an exponential delay, or the width of a uniform
    one. What is pushed never overtakes what was pushed to the same client before."""
    jitter: Literal["uniform", "exponential"] = "exponential"


@dataclass(frozen=True, slots=True)
class Station:
    """The load client as a queue of its own behind the network, in order of arrival; only without jitter and
    slow links.

    An update is seen when its read begins to be served; the next request leaves when it has been.
    """

    wake_s: float = 0.0
    """From the kernel's having an answer until an idle load client looks. Delays, and costs nothing."""
    answer_s: float = 0.0
    """CPU for each answer or message."""
    update_s: float = 0.0
    """CPU for each update in it."""


@dataclass(frozen=True, slots=True)
class SlowLinks:
    """Some clients have a link of so many bytes a second in front of them.

    A push to a client whose socket holds more than `bound_bytes` is left out; the client catches up from the
    tape once no more than `resume_bytes` are held. A poll's answer takes as long as the link takes.
    """

    share: float
    """Share of the clients, chosen at random."""
    bytes_per_s: float
    overhead_bytes: float = 0.0
    """On the link with each answer or message, beside its payload."""
    bound_bytes: float = (64 + 16) * 1024
    """What the kernel (64 KiB) and the process (16 KiB) hold for a client."""
    resume_bytes: float = (64 + 4) * 1024
    """asyncio goes on writing at a quarter of its own bound."""


@dataclass(frozen=True, slots=True, eq=False)
class Ticks:
    """The feed, in the order of its due instants; elsewhere a tick is its place in here."""

    index: Ints
    due_s: Floats
    symbol: Ints
    """From 0."""
    payload_bytes: Ints

    def __post_init__(self) -> None:
        assert bool(np.all(np.diff(self.due_s) >= 0)), "ticks come in the order in which they are due"

    def __len__(self) -> int:
        return len(self.due_s)


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """One worker, and all that happens at it."""

    seed: int
    clients: Ints
    """Their numbers in the whole run; draws go by them. Elsewhere a client is its place in here."""
    ticks: Ticks
    """Up to the end of the drain."""
    cycle: Cycle
    costs: Costs
    net: Net
    t0_s: float
    t1_s: float
    late_after_s: float
    mode: Literal["every", "latest"] = "every"
    subscribed: Bools | None = None
    """(clients, symbols); None: everything to everybody."""
    tape_ticks: int = 65536
    batch_max: int = 1000
    slow_client: SlowClient = field(default_factory=SlowClient)
    slow_links: SlowLinks | None = None
    station: Station | None = None

    def __post_init__(self) -> None:
        assert self.cycle.pushes or self.net.up_s + self.net.down_s > 0, "no way is without delay"
        queues = self.station is not None
        assert not (queues and (self.net.jitter_s or self.slow_links)), "a station needs arrivals in order"

    @property
    def end_s(self) -> float:
        """The end of the drain."""
        return self.t1_s + 2 * self.late_after_s


@dataclass(frozen=True, slots=True, eq=False)
class Deliveries:
    """A block of updates that reached clients; one element an update."""

    client: Ints
    """Place in `Shard.clients`."""
    tick: Ints
    """Place in `Shard.ticks`."""
    kernel_s: Floats
    app_s: Floats
    updates_in_read: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Skips:
    """A block of declared skips: `count` ticks of the symbol of `tick`, just before it."""

    kind: SkipKind
    client: Ints
    tick: Ints
    """The symbol's tick that the skip came with."""
    count: Ints
    app_s: Floats


class Sink(Protocol):
    """Where a simulation's records go, block by block. Arrays may be views: copy what is to be kept."""

    def deliver(self, block: Deliveries) -> None:
        """Updates reached clients."""

    def skip(self, block: Skips) -> None:
        """Ticks were declared skipped."""


COUNTED = (
    "connections", "requests", "responses", "answers_empty", "messages", "updates", "payload_bytes",
    "declared", "polls_late", "refused", "request_duration_s", "in_flight_s",
)
"""Per client over [t0, t1), by the instant at the client: connections opened, requests sent, responses that
came (empty ones among them), messages pushed, updates in both and their bytes, entries of declared skips,
polls that went out late, refusals; times from request to response, and of requests under way."""


@dataclass(frozen=True, slots=True, eq=False)
class ShardOutcome:
    """What a shard came to, beside the blocks that went to the sink."""

    counted: dict[str, npt.NDArray[np.int64] | npt.NDArray[np.float64]]
    """By name of `COUNTED`, one element a client."""
    jobs: int
    """Jobs of the worker's queue, from beginning to end."""
    busy_s: float
    """CPU of the queue within [t0, t1); `Costs.idle_s` comes on top."""
    wait_max_s: float
    """Longest time that a job waited for its turn."""
    server_counts: dict[str, int]
    """From beginning to end, in the words of a server's own counts: ticks, deliveries, conflated, dropped,
    requests, answers_empty, connections, slow_disconnects, refused_left-tape …"""
    end_s: float
    """When the last answer or message was seen."""
