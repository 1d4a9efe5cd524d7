"""Small shards of any kind for the simulator's tests: hypothesis chooses their parts, a seed the numbers.

The numbers are drawn and not chosen, since the order of two events at the very same instant is not defined. So no
socket's bound is a whole number of bytes.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from bench.records.trial_record import DELIVERIES, SKIPS, TrialRecord, WindowInstants
from bench.scenario.model import SlowClient
from bench.simulation.engine.inputs import Costs, FeedTicks, LoadClient, NetworkDelays, Shard, SlowLinks, Uplinks
from bench.transports.cycle import Cycle

T0_S, T1_S, LATE_AFTER_S = 0.5, 2.0, 0.8
MODES = st.sampled_from(["every", "latest"])


def feed(rng, rate_per_s, symbols, until_s=T1_S + 2 * LATE_AFTER_S):
    """Return ticks of a Poisson process."""
    count = int(rng.poisson(rate_per_s * until_s))
    return FeedTicks(
        index=np.arange(count) + 3,
        due_s=np.sort(rng.uniform(0, until_s, count)),
        symbol=rng.integers(0, symbols, count),
        payload_bytes=rng.integers(50, 150, count),
    )


def costs_of(rng, scale_s):
    """Return costs for every kind of work, each about `scale_s`."""
    tick, request, answer, update, connection = rng.uniform(0.2, 1.0, 5) * scale_s
    wake, cold_share = rng.choice([0.0, 1.0]) * rng.uniform(0, 2, 2)
    return Costs(tick, request, answer, update, update / 100, connection, 0.01, 1e-5, wake * scale_s,
                 cold_share)


def two_way(shard, data):
    """Return the shard with its ticks as messages of its clients, and with a policy that drops nothing.

    What is declared with a tick that has not come yet depends on the schedule.
    """
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count, clients = len(shard.ticks), len(shard.clients)
    slow, scale_s = shard.slow_client, data.draw(st.sampled_from([1e-4, 3e-3, 3e-2]))
    if slow.policy == "drop-oldest":
        slow = slow.model_copy(update={"policy": "conflate"})
    late_s = float(rng.uniform(0, 0.01))
    return replace(
        shard, slow_client=slow,
        costs=replace(shard.costs, message_s=float(rng.uniform(0.2, 1.0)) * scale_s,
                      message_cold_s=float(rng.choice([0.0, rng.uniform(0.2, 1.0)])) * scale_s),
        net=replace(shard.net, hop_s=float(rng.uniform(0.2, 1.0)) * data.draw(st.sampled_from([1e-4, 0.05]))),
        load_client=None if shard.load_client is None else replace(shard.load_client, send_s=late_s),
        cycle=replace(shard.cycle, posts=not shard.cycle.pushes or data.draw(st.booleans())),
        uplinks=Uplinks(rng.integers(0, clients, count), rng.integers(60, 90, count),
                        data.draw(st.sampled_from([np.inf, 50.0, 2.0]))))


@st.composite
def cycles(draw, kinds=("short", "long", "push")):
    kind = draw(st.sampled_from(kinds))
    if kind in ("push", "flush"):
        flush_s = draw(st.sampled_from([0.003, 0.05, 0.4, 5.0])) if kind == "flush" else 0.0
        return Cycle(pushes=True, flush_s=flush_s, handshakes=draw(st.sampled_from([1.0, 2.0])))
    opens = {"new_connection": draw(st.booleans()), "handshakes": draw(st.sampled_from([1.0, 2.0]))}
    if kind == "long":
        return Cycle(parks=True, hold_s=draw(st.sampled_from([np.inf, 30.0, 1.1, 0.2])), **opens)
    return Cycle(
        interval_s=draw(st.sampled_from([0.1, 0.37, 1.0, 2.5])),
        pace=draw(st.sampled_from(["rate", "delay"])),
        jitter=draw(st.sampled_from([0.0, 0.5, 1.0])),
        **opens,
    )


@st.composite
def shards(draw, kinds=("short", "long", "push")):
    """Draw a shard of any kind."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cycle = draw(cycles(kinds))
    clients = draw(st.integers(1, 8))
    symbols = draw(st.sampled_from([1, 2, 5]))
    rate_per_s = draw(st.sampled_from([0.5, 5.0, 30.0]))
    behind = draw(st.sampled_from(["", "", "jitter", "slow links", "slow links", "station"]))
    up_s, down_s = rng.uniform(0.2, 1.0, 2) * draw(st.sampled_from([1e-4, 2e-2, 0.3]))
    jitter_s = float(rng.uniform(0.1, 1.0) * (up_s + down_s)) if behind == "jitter" else 0.0
    subscribed = None
    if draw(st.booleans()):
        subscribed = rng.random((clients, symbols)) < 0.5
        subscribed[np.arange(clients), rng.integers(0, symbols, clients)] = True
    bytes_per_s = float(rng.uniform(0.5, 1.5)) * draw(st.sampled_from([300.0, 2000.0, 20000.0]))
    links = SlowLinks(0.6, bytes_per_s, 7.0, bound_bytes=1500.5, resume_bytes=500.0)
    load_client = LoadClient(*(rng.uniform(0.2, 1.0, 3) * draw(st.sampled_from([1e-5, 1e-3, 2e-2]))))
    bounded = draw(st.booleans())
    return Shard(
        seed=draw(st.integers(0, 2**31)),
        clients=np.sort(rng.choice(1000, clients, replace=False)),
        ticks=feed(rng, rate_per_s, symbols),
        cycle=cycle,
        costs=costs_of(rng, draw(st.sampled_from([1e-6, 1e-4, 3e-3, 3e-2]))),
        net=NetworkDelays(up_s, down_s, float(rng.uniform(0, 0.01)), jitter_s,
                          draw(st.sampled_from(["uniform", "exponential"]))),
        t0_s=T0_S,
        t1_s=T1_S,
        late_after_s=LATE_AFTER_S,
        mode=draw(MODES),
        subscribed=subscribed,
        tape_ticks=draw(st.sampled_from([5, 20, 100])) if bounded else 65536,
        batch_max=draw(st.sampled_from([1, 3, 10])) if bounded else 1000,
        slow_client=SlowClient(
            policy=draw(st.sampled_from(["conflate", "drop-oldest", "disconnect"])),
            buffer_ticks=draw(st.sampled_from([1, 4, 15])) if bounded else 4096,
        ),
        slow_links=links if behind == "slow links" else None,
        load_client=load_client if behind == "station" else None,
    )


class Kept:
    """A sink that keeps everything, as rows."""

    def __init__(self):
        self.deliveries, self.skips = [], []

    def deliver(self, block):
        columns = (block.client, block.tick, block.kernel_s, block.app_s, block.updates_in_read)
        self.deliveries += zip(*(column.tolist() for column in columns), strict=True)

    def skip(self, block):
        columns = (column.tolist() for column in (block.client, block.tick, block.count, block.app_s))
        self.skips += [(block.kind, *row) for row in zip(*columns, strict=True)]


def records(shard, kept):
    """Return the kept rows as a trial's record and tables."""
    def ns(seconds):
        return np.round(np.asarray(seconds, dtype=float) * 1e9).astype(np.int64)

    def columns(rows, names):
        return {name: [row[place] for row in rows] for place, name in enumerate(names)}

    ticks, count = shard.ticks, len(shard.clients)
    symbol = [f"S{number}" for number in ticks.symbol]
    subscribed = [None] * count
    if shard.subscribed is not None:
        subscribed = [[f"S{number}" for number in np.flatnonzero(row)] for row in shard.subscribed]
    deliveries = columns(kept.deliveries, ("client", "index", "kernel_ns", "app_ns", "updates_in_read"))
    skips = columns(kept.skips, ("kind", "client", "index", "count", "app_ns"))
    skips["symbol"] = [symbol[tick] for tick in skips["index"]]
    for table in (deliveries, skips):
        table["index"] = ticks.index[np.array(table["index"], dtype=int)]
        table.update({name: ns(column) for name, column in table.items() if name.endswith("_ns")})
    windows = WindowInstants(0, *(int(ns(at_s)) for at_s in (shard.t0_s, shard.t1_s, shard.late_after_s)))
    record = TrialRecord("simulated", 1, 1, "subject", "none", count, shard.seed, windows=windows)
    due_ns, lists = ns(ticks.due_s), pa.array(subscribed, pa.list_(pa.string()))
    return record, {
        "feed": pa.table({"index": ticks.index, "symbol": pa.array(symbol, pa.string()), "due_ns": due_ns,
                          "sent_ns": due_ns, "payload_bytes": ticks.payload_bytes}),
        "deliveries": pa.table(deliveries, schema=DELIVERIES),
        "skips": pa.table({name: skips[name] for name in SKIPS.names}, schema=SKIPS),
        "clients": pa.table({"client": np.arange(count), "symbols": lists}),
    }
