"""A trial, divided into shards: each is one worker with the clients that it serves.

    client k is served by worker k mod workers       (a round-robin balancer)
    every worker takes the whole feed                (shared nothing: each worker pays for every tick)

A shard is built in the process that simulates it, from a `Case` of plain data. Schedule, subscriptions and
phases follow from the trial's seed and a client's number alone, as in a measured run, so the number of shards
and the place where each is simulated don't matter. Results are merged by addition (`engine.sink`).

The network is the scenario's, or the loopback of the costs file. The load client is a queue of its own, as in
a measured trial, only on that loopback with one worker. Behind a network each client is a machine of its own
and sees an update when its kernel has it.

Known weakness: real workers get unequal shares of clients from SO_REUSEPORT: the fullest of k has about
√(2 (N/k) ln k) more than the mean. Here the shares are equal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from bench import transports
from bench.experiment import plan
from bench.feed import schedule as schedules
from bench.feed.schedule import Schedule
from bench.feed.tick import ENCODERS
from bench.records.manifest import PlannedTrial
from bench.records.trial_record import WindowInstants
from bench.scenario.fields import Table
from bench.scenario.model import Feed, Scenario
from bench.simulation.calibration.costs import KindCosts
from bench.simulation.engine import engine
from bench.simulation.engine.counters import CountSteps
from bench.simulation.engine.inputs import (
    ELSEWHERE,
    Bools,
    FeedTicks,
    Floats,
    Ints,
    NetworkDelays,
    Shard,
    SlowLinks,
    UplinkOutcome,
    Uplinks,
)
from bench.simulation.engine.sink import Columns, ShardSink, ShardTotals, chosen
from bench.transports.cycle import Cycle
from bench.uplink import message as uplink
from bench.uplink.authors import authors, rooms_of
from bench.uplink.message import Message
from bench.wire import sizes as traffic
from bench.wire.contract import Cursor, Subscription
from bench.wire.sizes import RECORD_BYTES, SEGMENT_BYTES, SYN_BYTES, Conversation, Sizes

NS = 1_000_000_000
PACKET_BYTES = 52.0
"""Bytes of the TCP and IP headers of a segment, on a slow link."""
LINES = 200
"""Number of ticks, from the window's middle on, that represent all where a size depends on the text."""


@dataclass(frozen=True, slots=True)
class Case:
    """One trial to be simulated."""

    scenario: Scenario
    options: Table
    """Options of the trial's subject."""
    planned: PlannedTrial
    calibrated: KindCosts
    windows: WindowInstants
    horizon_s: float
    kept_below: float
    """Bound of the draws of the clients whose rows are kept (`engine.sink.chosen_below`)."""

    @property
    def t0_s(self) -> float:
        """Seconds from the beginning of warm-up to the beginning of measuring."""
        return (self.windows.t0_ns - self.windows.warmup_ns) / NS

    @property
    def workers(self) -> int:
        """Number of workers that have at least one client."""
        return min(self.scenario.simulation.workers, self.planned.clients)

    @property
    def net(self) -> NetworkDelays:
        """The network between clients and workers."""
        table, loopback = self.scenario.simulation, self.calibrated.engine_net
        up_s, down_s = table.delays_s or (loopback.up_s, loopback.down_s)
        return NetworkDelays(up_s, down_s, loopback.feed_s, table.jitter_ms / 1000, table.jitter, loopback.hop_s)

    @property
    def takes_messages(self) -> bool:
        """True if the ticks are messages of the clients."""
        return self.scenario.feed.source == "clients"

    @property
    def has_load_client(self) -> bool:
        """True if the load client is simulated, too."""
        table = self.scenario.simulation
        return (table.delays_s is None and table.workers == 1 and not table.jitter_ms
                and not table.slow.share)


@dataclass(slots=True, eq=False)
class ShardResults:
    """The results of a shard, or the sum of several."""

    tallied: ShardTotals
    busy_s: float
    """CPU seconds of the queue in [t0, t1)."""
    busy_steps_s: Floats
    """CPU seconds of the queue by step (`engine.counters.CountSteps`)."""
    sent_steps: Floats
    """Bytes on the wire to the clients, by step."""
    server_counts: dict[str, int]
    counters: dict[str, float]
    """Sums of the clients' counters, by the names of `trial_record.CLIENTS`."""
    clients: list[Columns] = field(default_factory=list)
    """The rows of the chosen clients."""
    uplinks: UplinkOutcome | None = None
    """The fates of the clients' messages; None where they only listen."""

    def add(self, other: ShardResults) -> None:
        """Add the results of another shard of the same trial."""
        self.tallied.add(other.tallied)
        self.busy_s += other.busy_s
        self.busy_steps_s = self.busy_steps_s + other.busy_steps_s
        self.sent_steps = self.sent_steps + other.sent_steps
        for mine, theirs in ((self.server_counts, other.server_counts), (self.counters, other.counters)):
            for name, value in theirs.items():
                mine[name] = mine.get(name, 0) + value   # type: ignore[assignment]
        self.clients += other.clients
        assert other.uplinks is None, "the messages of several workers are not simulated"


def simulate(case: Case, worker: int) -> ShardResults:
    """Simulate the shard of one worker."""
    shard = build(case, worker)
    kept = chosen(case.planned.seed, shard.clients, case.kept_below)
    sink, steps, said = ShardSink(shard, kept, case.windows), CountSteps(shard), sizes(case)
    outcome = engine.simulate(shard, sink, steps)
    counters = client_counters(said, shard, outcome.counted)
    by_step = client_counters(said, shard, steps.counted)
    return ShardResults(
        tallied=sink.end(outcome), busy_s=outcome.busy_s, busy_steps_s=steps.busy_s,
        sent_steps=by_step["bytes_down"] + SEGMENT_BYTES * by_step["segments_down"]
        + SYN_BYTES * by_step["connections"],
        server_counts={"conflated": 0, "dropped": 0, **outcome.server_counts},
        counters={name: float(values.sum()) for name, values in counters.items()},
        clients=[{"client": shard.clients[kept],
                  **{name: whole_counts(values[kept]) for name, values in counters.items()}}],
        uplinks=outcome.uplinks,
    )


def whole_counts(values: Floats) -> Ints:
    """Round `values` of clients to whole numbers that keep their sum.

    Rounded one by one, values of similar clients would all err the same way (a long poll's acknowledgements
    by 2 %).
    """
    return np.diff(np.rint(np.cumsum(values)), prepend=0).astype(np.int64)


def build(case: Case, worker: int) -> Shard:
    """Return the shard of one worker."""
    scenario, planned, table = case.scenario, case.planned, case.scenario.simulation
    clients, drawn = clients_of(case, worker), schedule(case)
    return Shard(
        seed=planned.seed,
        clients=clients,
        ticks=_ticks(scenario.feed, planned.seed, case.horizon_s, case.t0_s,
                     case.windows.warmup_ns),
        cycle=cycle(case),
        costs=case.calibrated.engine_costs.crowded(len(clients)),
        net=case.net,
        t0_s=case.t0_s,
        t1_s=case.t0_s + scenario.windows.measure_s,
        late_after_s=case.windows.late_after_ns / NS,
        mode=scenario.load.mode,
        subscribed=_subscribed(case, drawn.symbols, clients),
        tape_ticks=scenario.server.tape_ticks,
        batch_max=scenario.server.batch_max,
        slow_client=scenario.server.slow_client,
        slow_links=_slow_links(case) if table.slow.share else None,
        load_client=case.calibrated.engine_load_client if case.has_load_client else None,
        uplinks=_uplinks(case, clients) if case.takes_messages else None,
    )


def clients_of(case: Case, worker: int) -> Ints:
    """Return the numbers of a worker's clients, ascending; where they send, those of a room are dealt out, too."""
    clients = np.arange(case.planned.clients, dtype=np.int64)
    if case.takes_messages:   # a room's numbers have the same remainder
        before, room = np.divmod(clients, case.scenario.feed.symbols)
        return np.flatnonzero((before + room) % case.workers == worker)
    return clients[worker :: case.workers]


def messages(case: Case) -> list[Message]:
    """Return the messages of the clients, one for each tick of the schedule, as a measured trial has them."""
    drawn, load = schedule(case), case.scenario.load
    writers = authors(drawn, case.planned.clients, load.symbols_per_client)
    columns = writers.tolist(), drawn.symbol.tolist(), drawn.price.tolist(), drawn.size.tolist()
    return [Message(index, author, drawn.symbols[symbol], price, size)
            for index, (author, symbol, price, size) in enumerate(zip(*columns, strict=True))]


def message_bytes(case: Case) -> float:
    """Return the mean length in bytes of the clients' messages, as their authors encode them."""
    sizes = [len(uplink.encode(each)) for each in messages(case)]
    return sum(sizes) / len(sizes) if sizes else math.nan


def _uplinks(case: Case, clients: Ints) -> Uplinks:
    """Return the messages in the engine's form, for the worker of these clients."""
    sent = messages(case)
    place = np.full(case.planned.clients, ELSEWHERE)
    place[clients] = np.arange(len(clients))
    return Uplinks(place[np.array([each.author for each in sent], dtype=np.int64)],
                   np.array([len(uplink.encode(each)) for each in sent], dtype=np.int64),
                   case.scenario.server.messages.rate_per_s)


def subscription(case: Case, names: Sequence[str], client: int) -> list[str] | None:
    """Return the symbols of one client, its rooms where clients send messages; None if every client has all."""
    load, each = case.scenario.load, case.scenario.load.symbols_per_client
    if not case.takes_messages or each is None or each >= len(names):
        return plan.subscription(load, names, client, case.planned.seed)
    return [names[room] for room in rooms_of(client, len(names), each)]


def schedule(case: Case) -> Schedule:
    """Return the trial's ticks, which are the same as a measured trial's."""
    return _schedule(case.scenario.feed, case.planned.seed, case.horizon_s, case.t0_s)


def cycle(case: Case) -> Cycle:
    """Return the cycle that the subject's clients repeat."""
    return transports.model_of(case.planned.transport).cycle(case.options)


def payload_bytes(case: Case) -> Ints:
    """Return the length in bytes of each tick's encoding, shape (ticks,)."""
    return _ticks(case.scenario.feed, case.planned.seed, case.horizon_s, case.t0_s,
                  case.windows.warmup_ns).payload_bytes


def sizes(case: Case) -> Sizes:
    """Return the sizes in bytes of the subject's requests, answers and messages."""
    drawn, encode = schedule(case), ENCODERS[case.scenario.feed.encoding]
    windows = case.windows
    middle = drawn.first_due_from((windows.t0_ns + windows.t1_ns) // 2 - windows.warmup_ns)
    first = max(min(middle, len(drawn) - LINES), 0)
    lines = tuple(
        encode(drawn.tick(index, index + 1, windows.warmup_ns + int(drawn.offset_ns[index])))
        for index in range(first, min(first + LINES, len(drawn)))
    )
    wanted = subscription(case, drawn.symbols, 0)
    asked = Subscription(None if wanted is None else frozenset(wanted), case.scenario.load.mode)
    said = Conversation(lines, asked, cursor=Cursor("0000", max(middle, 1)))
    if case.takes_messages and len(drawn):
        said = replace(said, message=uplink.encode(messages(case)[first]))
    return transports.model_of(case.planned.transport).wire(case.options, said)


def client_counters(said: Sizes, shard: Shard, counted: Mapping[str, Ints | Floats]
                    ) -> dict[str, np.ndarray]:
    """Return counters by the names of `trial_record.CLIENTS`, in the shape of `counted`.

    `counted` has the counts of `inputs.COUNTED`: of each client, or of all clients in each step.
    """
    given = {
        "updates": counted["updates"], "payload_bytes": counted["payload_bytes"],
        "requests": counted["requests"], "responses": counted["responses"],
        "answers_empty": counted["answers_empty"], "connections": counted["connections"],
        "polls_late": counted["polls_late"], "skips": counted["declared"],
        "request_duration_ns": counted["request_duration_s"] * NS,
        "held_s": np.maximum(
            counted["request_duration_s"] / np.maximum(counted["responses"], 1)
            - shard.net.up_s - shard.net.down_s - 2 * shard.net.mean_jitter_s, 0),
    }
    answers = counted["messages"] if shard.cycle.pushes else counted["responses"] - counted["answers_empty"]
    if shard.cycle.pushes:
        given["bare"] = counted["messages"] - counted["batched"]
    given |= {"answers": answers, "declaring": np.minimum(counted["declared"], answers)}
    given |= {name: counted[name] for name in ("uplinks", "uplink_bytes", "uplinks_answered")}
    on_the_wire = traffic.columns(said, traffic.traffic(said, given))
    own = ("connections", "requests", "responses", "answers_empty", "updates", "polls_late",
           "request_duration_ns")
    if shard.cycle.posts:   # messages are requests, too
        given |= {
            "requests": given["requests"] + counted["uplinks"],
            "responses": given["responses"] + counted["uplinks_answered"],
            "request_duration_ns": given["request_duration_ns"] + counted["uplink_duration_s"] * NS,
        }
    return {
        **{name: np.asarray(given[name], dtype=np.float64) for name in own},
        "in_flight_ns": counted["in_flight_s"] * NS,
        "uplink_bytes": np.asarray(counted["uplink_bytes"], dtype=np.float64),
        "polls_overdue": np.zeros_like(counted["in_flight_s"]),
        "retries": np.zeros_like(counted["in_flight_s"]),   # a simulated server closes no persistent connection
        "errors": np.asarray(counted["refused"], dtype=np.float64),
        **on_the_wire,
    }


@lru_cache(maxsize=2)
def _schedule(feed: Feed, seed: int, horizon_s: float, t0_s: float) -> Schedule:
    return schedules.make(feed, seed, horizon_s, t0_s)


@lru_cache(maxsize=2)
def _ticks(feed: Feed, seed: int, horizon_s: float, t0_s: float, zero_ns: int) -> FeedTicks:
    """Return the schedule in the engine's form, each tick with the length of its line."""
    drawn, encode = _schedule(feed, seed, horizon_s, t0_s), ENCODERS[feed.encoding]
    lengths = [len(encode(drawn.tick(index, index + 1, zero_ns + int(due_ns))))
               for index, due_ns in enumerate(drawn.offset_ns)]
    return FeedTicks(np.arange(len(drawn)), drawn.offset_ns / NS, drawn.symbol.astype(np.int64),
                     np.array(lengths, dtype=np.int64))


def _subscribed(case: Case, names: Sequence[str], clients: Ints) -> Bools | None:
    """Return the subscriptions, shape (clients, symbols); None if every client gets every symbol."""
    if subscription(case, names, 0) is None:
        return None
    place = {name: number for number, name in enumerate(names)}
    found = np.zeros((len(clients), len(names)), dtype=np.bool_)
    for row, client in enumerate(clients.tolist()):
        wanted = subscription(case, names, client) or ()
        found[row, [place[name] for name in wanted]] = True
    return found


def _slow_links(case: Case) -> SlowLinks:
    """Return the links of the slow clients; each response or message has its own head, or what is around a message, its
    own TLS record and its own TCP/IP headers."""
    said, slow = sizes(case), case.scenario.simulation.slow
    own = said.frames[0][1] + said.wrapping_bytes if said.pushes else said.heads[0][1] + said.batch_bytes
    return SlowLinks(slow.share, slow.bytes_per_s, own + RECORD_BYTES * said.tls + PACKET_BYTES)
