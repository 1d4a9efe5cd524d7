"""Shards for which the closed forms hold, and the engine's figures of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench import transports
from bench.scenario.fields import Table
from bench.simulation.engine.engine import simulate
from bench.simulation.engine.inputs import (
    Bools,
    Costs,
    Deliveries,
    FeedTicks,
    LoadClient,
    NetworkDelays,
    Shard,
    ShardOutcome,
    SkipBlock,
    Uplinks,
)
from bench.simulation.shards import client_counters
from bench.wire.sizes import SEGMENT_BYTES, SYN_BYTES, Sizes

WARMUP_S, LATE_AFTER_S = 5.0, 10.0
MESSAGE_BYTES = 70


@dataclass(frozen=True)
class Seen:
    """The engine's figures, by the names of `system.Forecast`."""

    latency_mean_s: float
    latency_worst_s: float
    age: Callable[[], float]
    conflated_share: float
    empty_share: float
    requests_per_s: float
    updates_per_s: float
    utilisation: float
    cpu_per_update_s: float
    sockets: float
    bytes_up: float
    bytes_down: float
    counted: dict[str, Any]

    @property
    def age_excess_s(self) -> float:
        """Return the excess age, which takes long where there are many clients or ticks."""
        return self.age()


def options_of(transport: str, **own: Any) -> Table:
    """Return a transport's options."""
    return transports.options_of(transport, own, "scenario.toml", f"transports.{transport}")


def instants(rate_per_s: float, regular: bool, until_s: float, seed: int) -> Any:
    """Return ticks' due instants."""
    rng = np.random.default_rng(seed)
    if regular:
        return np.arange(rng.random(), until_s * rate_per_s) / rate_per_s
    return np.sort(rng.uniform(0, until_s, rng.poisson(until_s * rate_per_s)))


def shard_of(
    transport: str, options: Table, costs: Costs, net: NetworkDelays, *, clients: int, rate_per_s: float,
    measure_s: float, regular: bool = False, symbols: int = 1, mode: Any = "every", seed: int = 1,
    payload_bytes: int = 100, subscribed: Bools | None = None, load_client: LoadClient | None = None,
    sends: bool = False,
) -> Shard:
    """Return a shard in which all clients subscribe to everything, unless `subscribed` says otherwise.

    With `sends` the ticks are messages of clients that subscribe to their symbols.
    """
    due_s = instants(rate_per_s, regular, WARMUP_S + measure_s + 2 * LATE_AFTER_S, seed)
    rng = np.random.default_rng(seed + 1)
    ticks = FeedTicks(
        np.arange(len(due_s)), due_s, rng.integers(0, symbols, len(due_s)),
        np.full(len(due_s), payload_bytes))
    draws, whole = rng.random(len(ticks)), np.arange(clients)
    rooms = [whole if subscribed is None else np.flatnonzero(subscribed[:, symbol]) for symbol in range(symbols)]
    author = np.array([rooms[symbol][int(draw * len(rooms[symbol]))]
                       for symbol, draw in zip(ticks.symbol, draws, strict=True)], dtype=np.int64)
    return Shard(
        seed=seed, clients=np.arange(clients), ticks=ticks,
        cycle=transports.model_of(transport).cycle(options), costs=costs, net=net,
        t0_s=WARMUP_S, t1_s=WARMUP_S + measure_s, late_after_s=LATE_AFTER_S, mode=mode, subscribed=subscribed,
        load_client=load_client,
        uplinks=Uplinks(author, np.full(len(due_s), MESSAGE_BYTES)) if sends else None)


class Gathered:
    """A sink that keeps arrays."""

    def __init__(self) -> None:
        self.blocks: list[tuple[Any, Any, Any]] = []

    def deliver(self, block: Deliveries) -> None:
        self.blocks.append((block.client.copy(), block.tick.copy(), block.app_s.copy()))

    def skip(self, block: SkipBlock) -> None:
        pass


def seen(shard: Shard, said: Sizes | None = None) -> Seen:
    """Simulate a shard and return its figures; `said` has the sizes of the conversation, without which there
    are no bytes."""
    sink = Gathered()
    outcome = simulate(shard, sink)
    client, tick, app_s = (np.concatenate(column) for column in zip(*sink.blocks, strict=True))
    ticks, length_s, clients = shard.ticks, shard.t1_s - shard.t0_s, len(shard.clients)
    due_s = ticks.due_s[tick]
    inside = (due_s >= shard.t0_s) & (due_s < shard.t1_s)
    latency_s = (app_s - due_s)[inside]
    everything = (ticks.due_s >= shard.t0_s) & (ticks.due_s < shard.t1_s)
    wanted = int(everything.sum()) * clients if shard.subscribed is None else int(
        shard.subscribed[:, ticks.symbol[everything]].sum())
    counted = {name: np.asarray(values).sum() for name, values in outcome.counted.items()}
    arrived = int(((app_s >= shard.t0_s) & (app_s < shard.t1_s)).sum())
    polls = counted["responses"]
    cpu_s = outcome.busy_s + shard.costs.idle_s(length_s, clients)
    return Seen(
        latency_mean_s=float(latency_s.mean()),
        latency_worst_s=float(latency_s.max()),
        age=partial(_age_excess_s, shard, client, tick, app_s),
        conflated_share=1 - int(inside.sum()) / wanted,
        empty_share=float(counted["answers_empty"] / polls) if polls else 0.0,
        requests_per_s=float(counted["requests"]) / clients / length_s,
        updates_per_s=arrived / clients / length_s,
        utilisation=outcome.busy_s / length_s,
        cpu_per_update_s=cpu_s / arrived,
        sockets=_sockets(shard, counted, length_s),
        bytes_up=_wire_bytes(shard, outcome, said, "up") / arrived,
        bytes_down=_wire_bytes(shard, outcome, said, "down") / arrived,
        counted=counted,
    )


def _sockets(shard: Shard, counted: dict[str, Any], length_s: float) -> float:
    """Return the sockets open at the server, each from a handshake's first packet to the answer: as long as a
    request is under way, without TLS; and a further one of each client that posts messages."""
    further = len(shard.clients) if shard.uplinks is not None and shard.cycle.posts else 0
    if not shard.cycle.new_connection:
        return len(shard.clients) + further
    further_s = (shard.cycle.handshakes - 1) * (shard.net.up_s + shard.net.down_s)
    polls_s = counted["in_flight_s"] - counted["uplink_duration_s"] * shard.cycle.posts
    return float(polls_s + counted["requests"] * further_s) / length_s + further


def _wire_bytes(shard: Shard, outcome: ShardOutcome, said: Sizes | None, way: str) -> float:
    """Return all bytes on the wire, counted as in a simulated trial."""
    if said is None:
        return math.nan
    counters = {name: float(values.sum())
                for name, values in client_counters(said, shard, outcome.counted).items()}
    return (counters[f"bytes_{way}"] + counters[f"segments_{way}"] * SEGMENT_BYTES
            + counters["connections"] * SYN_BYTES)


def _age_excess_s(shard: Shard, client: Any, tick: Any, app_s: Any) -> float:
    """Return the mean age of the clients' newest ticks beyond that of the newest published ones, over time,
    clients and symbols."""
    ticks, areas, pairs = shard.ticks, 0.0, 0
    for number in range(len(shard.clients)):
        for symbol in np.unique(ticks.symbol):
            due_s = ticks.due_s[ticks.symbol == symbol]
            mine = (client == number) & (ticks.symbol[tick] == symbol)
            order = np.argsort(app_s[mine], kind="stable")
            newest = np.maximum.accumulate(ticks.due_s[tick[mine]][order])
            areas += _area(shard, due_s, due_s) - _area(shard, app_s[mine][order], newest)
            pairs += 1
    return areas / pairs / (shard.t1_s - shard.t0_s)


def _area(shard: Shard, at_s: Any, value_s: Any) -> float:
    """Return the integral over the window of a step function that is `value_s` from `at_s` on."""
    edges = np.clip(np.append(at_s, shard.t1_s), shard.t0_s, shard.t1_s)
    return float(((value_s - shard.t0_s) * np.diff(edges)).sum())
