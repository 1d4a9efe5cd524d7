"""The sink of a shard's records: whole rows of a few clients, sums and histograms of all.

    blocks of deliveries ─┬─► fates, latencies in bins of 0.5 %, arrivals in steps of 100 ms   (all clients)
                          └─► rows                                       (clients that were chosen by hash)

All of these can be added, so shards are simulated one by one in flat memory and merged by addition. The
results are the tables that a measured trial has, and the totals of `bench.stats.trial.population`.

Instants become nanoseconds on the run clock, `zero_ns` after its origin. A declaration of n conflated ticks
comes with a tick of the same symbol. If that tick has rank r within its symbol, the conflated ticks are those
with the ranks [r − n, r). Where ticks are messages of clients, only those that were numbered have
a rank, in the order of their numbers, which is known at the end.

Known weakness: the engine delivers each tick to a client at most once, so duplicate arrivals are not looked
for here; that is tested with the engine, on rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.records.trial_record import WindowInstants
from bench.simulation.engine.inputs import Bools, Deliveries, Floats, Ints, Shard, ShardOutcome, SkipBlock, SkipKind
from bench.simulation.engine.random_streams import Stream, uniform
from bench.stats.trial.latency import BIN_RATIO, BIN_ZERO_NS
from bench.stats.trial.population import step_edges

NS = 1e9
BINS = 6000
"""Number of bins of a histogram: up to 1 µs × 1.005⁶⁰⁰⁰, about four months."""
CHUNK = 1 << 20
"""Number of clients that are drawn for at once, so that memory stays flat."""
_ZERO_S = BIN_ZERO_NS / NS
_LOG_RATIO = math.log(BIN_RATIO)

Columns = dict[str, npt.NDArray[np.generic]]


def chosen_below(seed: int, clients: int, wanted: int) -> float:
    """Return the bound below which a client's draw must be for its rows to be kept.

    Exactly `wanted` of the `clients` have a draw below it; 1.0 if all are wanted.
    """
    if wanted >= clients:
        return 1.0
    least = np.empty(0)
    for begin in range(0, clients, CHUNK):
        draws = uniform(seed, Stream.SAMPLE, np.arange(begin, min(begin + CHUNK, clients)))
        least = np.concatenate((least, draws))
        least = np.partition(least, wanted)[: wanted + 1] if len(least) > wanted else least
    return float(least.max())


def chosen(seed: int, clients: Ints, below: float) -> Bools:
    """Return a mask of the clients whose rows are kept: those with a draw below `below`."""
    if below >= 1:
        return np.ones(len(clients), dtype=np.bool_)
    return np.asarray(uniform(seed, Stream.SAMPLE, clients) < below, dtype=np.bool_)


@dataclass(slots=True, eq=False)
class ShardTotals:
    """Results of one or more shards; they can be added."""

    sums: dict[str, float]
    """Fates and latencies, by the names of `bench.stats.trial.population.TOTALS`."""
    app: Ints
    """Histogram of the latencies to the application, shape (BINS,)."""
    kernel: Ints
    """Histogram of the latencies to the kernel, shape (BINS,)."""
    arrived: Ints
    """Number of arrivals by steps of 100 ms."""
    subscribed: Ints
    """Number of subscribed clients by symbol."""
    deliveries: list[Columns] = field(default_factory=list)
    skips: list[Columns] = field(default_factory=list)

    def add(self, other: ShardTotals) -> None:
        """Add the results of other shards of the same trial."""
        for name, value in other.sums.items():
            self.sums[name] = MERGED.get(name, _plus)(self.sums[name], value)
        for mine, theirs in ((self.app, other.app), (self.kernel, other.kernel),
                             (self.arrived, other.arrived), (self.subscribed, other.subscribed)):
            mine += theirs
        self.deliveries += other.deliveries
        self.skips += other.skips


def _plus(one: float, other: float) -> float:
    return one + other


MERGED = {"latency_min_ns": min, "latency_max_ns": max}
"""The names in `ShardTotals.sums` that are not merged by addition, with the function that merges them."""


class ShardSink:
    """The sink of one shard (`inputs.BlockSink`); `kept` is a mask of the clients whose rows are kept."""

    def __init__(self, shard: Shard, kept: Bools, windows: WindowInstants) -> None:
        self._shard = shard
        self._kept = kept
        self._everybody = bool(kept.all())
        self._zero_ns = windows.warmup_ns
        ticks, symbols = shard.ticks, _symbols(shard)
        self._in_window = (ticks.due_s >= shard.t0_s) & (ticks.due_s < shard.t1_s)
        self._rank = _ranks(ticks.symbol, symbols)
        inside = ticks.symbol[self._in_window]
        self._first = np.bincount(ticks.symbol[ticks.due_s < shard.t0_s], minlength=symbols)
        self._end = self._first + np.bincount(inside, minlength=symbols)
        self._declared: Counter[tuple[SkipKind, int, int]] = Counter()
        """The number of declared skips of clients' messages, by kind, tick and count (as in `SkipBlock`)."""
        edges = step_edges(windows)
        self._step_zero_s = (edges[0] - windows.warmup_ns) / NS
        subscribed = _subscribers(shard, symbols)
        due = float(subscribed @ np.bincount(inside, minlength=symbols))
        sums = dict.fromkeys(SUMS, 0.0) | {
            "updates_due": due, "latency_min_ns": math.inf, "latency_max_ns": -math.inf}
        self.found = ShardTotals(
            sums, np.zeros(BINS, dtype=np.int64), np.zeros(BINS, dtype=np.int64),
            np.zeros(len(edges) - 1, dtype=np.int64), subscribed)

    def deliver(self, block: Deliveries) -> None:
        """Take a block of updates that reached clients."""
        sums, found = self.found.sums, self.found
        sums["received"] += len(block.tick)
        self._step(block.app_s)
        latency_s = block.app_s - self._shard.ticks.due_s[block.tick]
        most_s = self._shard.late_after_s
        counts = self._in_window[block.tick] & (latency_s <= 2 * most_s)
        one_read = block.kernel_s is block.app_s
        kernel_s = latency_s if one_read else latency_s - (block.app_s - block.kernel_s)
        shared = block.updates_in_read > 1
        if not counts.all():
            latency_s, kernel_s, shared = latency_s[counts], kernel_s[counts], shared[counts]
        if len(latency_s):
            delivered = int(np.count_nonzero(latency_s <= most_s))
            sums["delivered"] += delivered
            sums["late"] += len(latency_s) - delivered
            sums["stamped"] += len(latency_s)
            sums["shared"] += int(np.count_nonzero(shared))
            sums["app_latency_ns"] += float(latency_s.sum()) * NS
            sums["kernel_latency_ns"] += float(kernel_s.sum()) * NS
            least = min(float(latency_s.min()), float(kernel_s.min()))
            sums["latency_min_ns"] = min(sums["latency_min_ns"], least * NS)
            sums["latency_max_ns"] = max(sums["latency_max_ns"], float(latency_s.max()) * NS)
            binned = _bins(latency_s)
            found.app += binned
            found.kernel += binned if one_read else _bins(kernel_s)
        self._keep(block)

    def skip(self, block: SkipBlock) -> None:
        """Take a block of declared skips."""
        if self._shard.uplinks is None:
            rank, symbol = self._rank[block.tick], self._shard.ticks.symbol[block.tick]
            begin = np.maximum(rank - block.count, self._first[symbol])
            inside = np.maximum(np.minimum(rank, self._end[symbol]) - begin, 0)
            self.found.sums[block.kind] += int(inside.sum())
        else:
            pairs, times = np.unique(np.stack((block.tick, block.count)), axis=1, return_counts=True)
            for tick, count, many in zip(*pairs.tolist(), times.tolist(), strict=True):
                self._declared[block.kind, tick, count] += many
        self.found.sums["skips_declared"] += int(block.count.sum())
        mine = self._kept[block.client]
        if mine.any():
            self.found.skips.append({
                "client": self._shard.clients[block.client[mine]],
                "kind": np.full(int(mine.sum()), block.kind == "dropped", dtype=np.int8),
                "tick": block.tick[mine].copy(), "count": block.count[mine].copy(),
                "app_ns": self._ns(block.app_s[mine]),
            })

    def end(self, outcome: ShardOutcome) -> ShardTotals:
        """Return the results of the shard; lost updates are those due that have no other fate."""
        sums = self.found.sums
        if outcome.uplinks is not None:   # a message that was not numbered is owed to nobody
            never = self._in_window & ~np.isfinite(outcome.uplinks.numbered_s)
            sums["updates_due"] -= float(self.found.subscribed[self._shard.ticks.symbol[never]].sum())
            self._count_declared(outcome.uplinks.numbered_s)
        lost = sums["updates_due"] - sums["delivered"] - sums["late"] - sums["conflated"]
        assert lost >= sums["dropped"] >= 0, "the fates do not add up"
        sums["lost"] = lost
        sums["arrivals"] = float(outcome.counted["updates"].sum())
        sums["payload_bytes"] = float(outcome.counted["payload_bytes"].sum())
        self.found.deliveries = _in_one(self.found.deliveries)
        self.found.skips = _in_one(self.found.skips)
        return self.found

    def _count_declared(self, numbered_s: Floats) -> None:
        """Count the declared skips of messages that are due in the window, in the order in which they were numbered."""
        numbered = np.argsort(numbered_s, kind="stable")[: np.count_nonzero(np.isfinite(numbered_s))]
        tape = numbered[np.argsort(self._shard.ticks.symbol[numbered], kind="stable")]
        place = np.full(len(numbered_s), -1)
        place[tape] = np.arange(len(tape))
        due_before = np.concatenate([[0], np.cumsum(self._in_window[tape])])
        for (kind, tick, count), many in self._declared.items():
            if place[tick] >= 0:
                inside = due_before[place[tick]] - due_before[max(place[tick] - count, 0)]
                self.found.sums[kind] += many * int(inside)

    def _step(self, app_s: Floats) -> None:
        """Count arrivals by step of 100 ms."""
        steps = len(self.found.arrived)
        first, last = (int((edge - self._step_zero_s) * 10) for edge in (app_s.min(), app_s.max()))
        if first == last < steps:
            self.found.arrived[first] += len(app_s)
            return
        place = ((app_s - self._step_zero_s) * 10).astype(np.int64)
        self.found.arrived += np.bincount(place, minlength=steps)[:steps]

    def _keep(self, block: Deliveries) -> None:
        """Keep the rows of the chosen clients."""
        mine = slice(None) if self._everybody else np.flatnonzero(self._kept[block.client])
        if not self._everybody and not len(mine):   # type: ignore[arg-type]
            return
        self.found.deliveries.append({
            "client": self._shard.clients[block.client[mine]],
            "index": self._shard.ticks.index[block.tick[mine]],
            "kernel_ns": self._ns(block.kernel_s[mine]), "app_ns": self._ns(block.app_s[mine]),
            "updates_in_read": np.array(block.updates_in_read[mine], dtype=np.uint32),
        })

    def _ns(self, seconds: Floats) -> Ints:
        return np.rint(seconds * NS).astype(np.int64) + self._zero_ns


SUMS = (
    "updates_due", "delivered", "late", "conflated", "lost", "dropped", "duplicate", "foreign",
    "app_latency_ns", "kernel_latency_ns", "latency_min_ns", "latency_max_ns", "stamped", "shared",
    "arrivals", "payload_bytes", "received", "skips_declared",
)
"""The names of `bench.stats.trial.population.TOTALS` that are counted here, and further sums; the totals of
the clients' counters are added elsewhere (`bench.simulation.trial`)."""


def joined(parts: Iterable[Mapping[str, npt.NDArray[np.generic]]], names: Iterable[str]) -> Columns:
    """Concatenate blocks of columns, and sort their rows by `app_ns`."""
    found: dict[str, list[npt.NDArray[np.generic]]] = {name: [] for name in names}
    for part in parts:
        for name, arrays in found.items():
            arrays.append(part[name])
    columns = {name: np.concatenate(arrays) if arrays else np.empty(0, dtype=np.int64)
               for name, arrays in found.items()}
    order = np.argsort(columns["app_ns"], kind="stable")
    return {name: column[order] for name, column in columns.items()}


def _in_one(blocks: list[Columns]) -> list[Columns]:
    """Concatenate many small blocks into one."""
    if not blocks:
        return []
    return [{name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}]


def _bins(latency_s: Floats) -> Ints:
    """Return a histogram like `bench.stats.trial.latency.bins`, but with its empty bins, shape (BINS,)."""
    scaled = np.maximum(latency_s, _ZERO_S)
    scaled /= _ZERO_S
    np.log(scaled, out=scaled)
    scaled /= _LOG_RATIO
    return np.bincount(scaled.astype(np.int64), minlength=BINS)


def _symbols(shard: Shard) -> int:
    if shard.subscribed is not None:
        return int(shard.subscribed.shape[1])
    return int(shard.ticks.symbol.max(initial=-1)) + 1


def _subscribers(shard: Shard, symbols: int) -> Ints:
    """Return the number of subscribed clients of each symbol."""
    if shard.subscribed is None:
        return np.full(symbols, len(shard.clients), dtype=np.int64)
    return np.asarray(shard.subscribed.sum(axis=0), dtype=np.int64)


def _ranks(symbol: Ints, symbols: int) -> Ints:
    """Return each tick's place among the ticks of its symbol, from 0."""
    by_symbol = np.argsort(symbol, kind="stable")
    starts = np.searchsorted(symbol[by_symbol], np.arange(symbols + 1))
    rank = np.empty(len(symbol), dtype=np.int64)
    rank[by_symbol] = np.arange(len(symbol)) - np.repeat(starts[:-1], np.diff(starts))
    return rank
