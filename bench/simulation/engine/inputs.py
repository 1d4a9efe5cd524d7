"""The inputs of the engine: one worker and its clients, as frozen data. Seconds, bytes, CPU seconds.

    feed ──feed_s──► worker: one queue, in order of arrival ──down_s──► link ──► kernel ──► load client ─► app
                        ▲                                                                                │
                        └──────────────────────────── up_s ◄── next request ◄────────────────────────────┘

Time zero is the beginning of warm-up: every client is subscribed, and nothing has been published. A shard
holds everything that happens at one worker. Workers share nothing, so a run with forty workers is forty
shards.

The cost of a job is the sum of its parts:

    a tick that comes from the feed       tick
    a poll, answered at once              request + response + n · update + bytes · byte   (+ connection)
    a request that is parked              request                                       (+ connection)
    a parked one that is woken            response + update + bytes · byte
    one whose hold time is over           response
    a pushed tick, for each client        response + update + bytes · byte
    a message of a client                 message

A job costs more if the worker slept before (`server_queue`), or if it has many connections: request and
response touch the state of a connection (socket, parser, task), and a cache holds only a limited number of
them. With N connections these two take

    1 + crowd_share · ln((N + CROWD) / 2 CROWD)

times as long, so costs are stated at `CROWD` connections. The logarithm models a hierarchy of caches, each
larger and slower than the one before. Between 100 and 400 connections it agrees with measurements, and a
straight line does not. It is not confirmed beyond the numbers of connections that were validated.
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
BUSY_MOST = 0.75
"""The largest share of its time for which a load client's work delays its timer."""
CROWD = 100.0
"""Number of connections at which `Costs` are stated."""


def crowding(connections: float) -> float:
    """Return the factor of `crowd_share` for N = `connections`: ln((N + CROWD) / 2 CROWD), 0 at `CROWD`."""
    return math.log((connections + CROWD) / (2 * CROWD))


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds of one worker by kind of work, for one transport."""

    tick_s: float = 0.0
    """CPU seconds per tick taken from the feed."""
    request_s: float = 0.0
    """CPU seconds per request read and decided on."""
    answer_s: float = 0.0
    """CPU seconds per response or pushed message handed to the kernel."""
    update_s: float = 0.0
    """CPU seconds per update in a response or message."""
    byte_s: float = 0.0
    """CPU seconds per byte of payload in a response or message."""
    connection_s: float = 0.0
    """CPU seconds per new connection."""
    base_share: float = 0.0
    """CPU seconds per second when nothing happens. Outside of the queue: it delays no job."""
    socket_share: float = 0.0
    """CPU seconds per second for each open connection. Outside of the queue, too."""
    wake_s: float = 0.0
    """Additional CPU seconds of a job that wakes a fully cold worker."""
    cold_share: float = 0.0
    """Additional share of a job's CPU on a fully cold worker."""
    switch_s: float = 0.0
    """Additional CPU seconds of a job that wakes the worker, however short its sleep was."""
    cooling_s: float = 0.1
    """Time constant in seconds with which a sleeping worker gets cold."""
    crowd_share: float = 0.0
    """Growth of the CPU of a request and a response with the number of connections (formula above)."""
    message_s: float = 0.0
    """CPU seconds per message of a client: read, checked, forwarded and answered."""
    message_cold_s: float = 0.0
    """Additional CPU seconds of a message that comes to a fully cold worker, beyond those of any job."""

    def times(self, factor: float) -> Costs:
        """Return these costs scaled by `factor`; the cold and crowd shares, which are relative, and the time in which
        a worker cools stay."""
        scaled = {each.name: factor * getattr(self, each.name) for each in fields(self)}
        return Costs(**{**scaled, "cold_share": self.cold_share, "cooling_s": self.cooling_s,
                        "crowd_share": self.crowd_share})

    def crowded(self, connections: float) -> Costs:
        """Return the costs of a worker with `connections` connections; their crowd share is 0."""
        if not self.crowd_share:
            return self
        more = max(1 + self.crowd_share * crowding(connections), 0.0)
        return replace(self, request_s=self.request_s * more, answer_s=self.answer_s * more, crowd_share=0.0)

    def idle_s(self, seconds: float, connections: int) -> float:
        """Return the CPU seconds that the worker uses in this time independently of its load."""
        return seconds * (self.base_share + self.socket_share * connections)


@dataclass(frozen=True, slots=True)
class NetworkDelays:
    """One-way delays in seconds. The sum of up and down is above 0, so a response comes after its request."""

    up_s: float
    """Delay from a client to its worker."""
    down_s: float
    """Delay from the worker to a client."""
    feed_s: float = 0.0
    """Delay from a tick's due instant until the worker has it."""
    jitter_s: float = 0.0
    """Random delay added to each way up and down: the mean of an exponential delay, or the width of a uniform
    one. A pushed message never overtakes an earlier one to the same client."""
    jitter: Literal["uniform", "exponential"] = "exponential"
    hop_s: float = 0.0
    """Delay from the end of the worker's work on a message until it has the message's tick: there and back on the
    feed connection. In place of `feed_s` where ticks are messages of clients."""

    @property
    def mean_jitter_s(self) -> float:
        """Mean of the random delay of one way."""
        return self.jitter_s / (2 if self.jitter == "uniform" else 1)


@dataclass(frozen=True, slots=True)
class LoadClient:
    """The load client as a queue behind the network, in order of arrival; only without jitter and slow links.

    An update is seen when the service of its read begins; the next request leaves when that service ends.
    """

    wake_s: float = 0.0
    """Seconds from a response's arrival in the kernel until an idle load client reads it. A delay, not CPU."""
    answer_s: float = 0.0
    """CPU seconds per response or message."""
    update_s: float = 0.0
    """CPU seconds per update in a response or message."""
    timer_s: float = 0.0
    """Seconds that the timer which sends the polls that are due sleeps; 0: each leaves at its instant."""
    send_s: float = 0.0
    """Seconds from a message's due instant until the load client sends it. A delay, not CPU."""

    def turn_s(self, polls_per_s: float) -> float:
        """Return the seconds from one turn of the timer to the next: its sleep ends late by what the load client has
        to do meanwhile, a share of the time that is `answer_s` for each of these polls."""
        return self.timer_s / (1 - min(polls_per_s * self.answer_s, BUSY_MOST))


@dataclass(frozen=True, slots=True)
class SlowLinks:
    """Links of limited bandwidth in front of a share of the clients.

    Nothing is pushed to a client whose socket holds more than `bound_bytes`; the client catches up from the
    tape once no more than `resume_bytes` are held. A poll's response takes as long as the link takes.
    """

    share: float
    """Share of the clients with a slow link, chosen at random."""
    bytes_per_s: float
    """Bandwidth of a slow link."""
    overhead_bytes: float = 0.0
    """Bytes on the link per response or message, besides its payload."""
    bound_bytes: float = (64 + 16) * 1024
    """Bytes that the kernel (64 KiB) and the process (16 KiB) buffer for a client."""
    resume_bytes: float = (64 + 4) * 1024
    """Buffered bytes at which writing resumes: asyncio does so at a quarter of its own bound."""


@dataclass(frozen=True, slots=True, eq=False)
class FeedTicks:
    """The feed, in order of due instants; elsewhere a tick is named by its place in these arrays."""

    index: Ints
    due_s: Floats
    symbol: Ints
    """Number of each tick's symbol, from 0."""
    payload_bytes: Ints

    def __post_init__(self) -> None:
        assert bool(np.all(np.diff(self.due_s) >= 0)), "ticks come in the order in which they are due"

    def __len__(self) -> int:
        return len(self.due_s)


ELSEWHERE = -1
"""In the place of an author that another worker serves."""


@dataclass(frozen=True, slots=True, eq=False)
class Uplinks:
    """The messages of clients of which the ticks of a feed are made; one element per tick of `FeedTicks`."""

    author: Ints
    """Places in `Shard.clients`; `ELSEWHERE` for a client of another worker."""
    payload_bytes: Ints
    """Bytes of each message, as its author encodes it."""
    rate_per_s: float = math.inf
    """Messages per second that one author may send, with as many at once as in one second."""


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """One worker with its clients, feed, costs and network: all inputs of one simulation."""

    seed: int
    clients: Ints
    """Numbers of the clients in the whole run, by which random numbers are drawn. Elsewhere a client is named
    by its place in this array."""
    ticks: FeedTicks
    """The ticks up to the end of the drain."""
    cycle: Cycle
    costs: Costs
    net: NetworkDelays
    t0_s: float
    t1_s: float
    late_after_s: float
    mode: Literal["every", "latest"] = "every"
    subscribed: Bools | None = None
    """Subscriptions, shape (clients, symbols); None if every client gets every symbol."""
    tape_ticks: int = 65536
    batch_max: int = 1000
    slow_client: SlowClient = field(default_factory=SlowClient)
    slow_links: SlowLinks | None = None
    load_client: LoadClient | None = None
    uplinks: Uplinks | None = None
    """The messages that the ticks are; None where they come from a publisher."""

    def __post_init__(self) -> None:
        assert self.cycle.pushes or self.net.up_s + self.net.down_s > 0, "a poll needs a network delay"
        queues = self.load_client is not None
        assert not (queues and (self.net.jitter_s or self.slow_links)), "a load client needs arrivals in order"

    @property
    def end_s(self) -> float:
        """The end of the drain: 2 · `late_after_s` after t1."""
        return self.t1_s + 2 * self.late_after_s


@dataclass(frozen=True, slots=True, eq=False)
class Deliveries:
    """A block of updates that reached clients; one element per update."""

    client: Ints
    """Places in `Shard.clients`."""
    tick: Ints
    """Places in `Shard.ticks`."""
    kernel_s: Floats
    app_s: Floats
    updates_in_read: Ints


@dataclass(frozen=True, slots=True, eq=False)
class SkipBlock:
    """A block of declared skips: each says that `count` ticks of the symbol of `tick`, just before it, are
    skipped."""

    kind: SkipKind
    client: Ints
    tick: Ints
    """The tick of the same symbol with which the skip was declared."""
    count: Ints
    app_s: Floats


class BlockSink(Protocol):
    """The receiver of a simulation's records, block by block. Arrays may be views: copy them to keep them."""

    def deliver(self, block: Deliveries) -> None:
        """Take a block of updates that reached clients."""

    def skip(self, block: SkipBlock) -> None:
        """Take a block of declared skips."""


COUNTED = (
    "connections", "requests", "responses", "answers_empty", "messages", "batched", "updates",
    "payload_bytes", "declared", "polls_late", "refused", "request_duration_s", "in_flight_s",
    "uplinks", "uplinks_answered", "uplink_bytes", "uplink_duration_s",
)
"""Counts per client over [t0, t1), by the instant at the client: connections opened, requests sent, responses
received (including empty ones), of these the empty ones, messages pushed, of these the ones that are no bare tick,
updates in responses and messages, their payload bytes, entries of declared skips, polls sent late, refusals; the
summed times from request to response, and the summed times during which a request was under way; own messages sent,
those answered, the bytes of the sent ones, and the summed times from sending to answer."""


@dataclass(frozen=True, slots=True, eq=False)
class UplinkOutcome:
    """The fate of each message, by its place in `Uplinks`; infinite instants where something did not happen."""

    sent_s: Floats
    numbered_s: Floats
    """The instant at which the publisher numbered it, halfway of the hop."""
    answered_s: Floats
    refused: Bools
    """True for messages that came faster than the server takes them from one author."""


@dataclass(frozen=True, slots=True, eq=False)
class ShardOutcome:
    """Results of a shard, besides the blocks that went to the sink."""

    counted: dict[str, npt.NDArray[np.int64] | npt.NDArray[np.float64]]
    """Counts by name of `COUNTED`, one element per client."""
    jobs: int
    """Number of jobs of the worker's queue, from beginning to end."""
    busy_s: float
    """CPU seconds of the queue within [t0, t1); `Costs.idle_s` comes on top."""
    wait_max_s: float
    """Longest time that a job waited for its turn."""
    server_counts: dict[str, int]
    """Counts from beginning to end, by the names of a server's own counts: ticks, deliveries, conflated,
    dropped, requests, answers_empty, connections, messages, refused_left-tape, refused_slow-client …"""
    end_s: float
    """The instant at which the last response or message was seen."""
    uplinks: UplinkOutcome | None = None
