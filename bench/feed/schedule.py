"""The schedule: every tick of a trial, fixed before it begins.

    (scenario's feed, seed, horizon) ─► offset, symbol, price, size of each tick

Offsets count from the start of warm-up; a tick's index is its place in their order. Load is open
loop: nothing that happens in a trial moves an offset.

A feed opens with one tick of each symbol at offset 0, in the order of `symbols`, like the snapshot of a
market. So every client that has had time to ask knows a price of every symbol when measuring begins. A
replay opens with each symbol's last trade before, or, for a symbol without one, with its first trade to
come. These opening ticks are in addition to the rate, and before t0, so no count of the window includes
them.

    constant   every 1/rate, from a phase drawn from the seed (else it would lock to a poll's phase)
    poisson    independent of one another, `rate_per_s` on average
    bursty     a Hawkes process: each tick triggers others
    replay     the gaps of a file of real trades

Hawkes, with branching ratio n and an exponential kernel of mean `decay_s`:

    λ(t) = μ + Σ_{t_i < t} (n / decay_s) · exp(−(t − t_i) / decay_s),    μ = rate · (1 − n)

It is simulated as a branching process: immigrants at rate μ; each tick has Poisson(n) children at
exponential delays (Hawkes and Oakes 1974). That is exact, apart from the start: clusters that begin before
the schedule are followed from 20 mean lives of the memory, decay_s / (1 − n), so the rate at its beginning
is below its stationary value by e⁻²⁰. In wide windows the variance of the counts is 1 / (1 − n)² times their
mean (1 for Poisson).

A feed whose ticks are messages of clients (`bench.uplink`) has the same schedule, with one difference: there all
ticks of a burst, which descend from one immigrant, are of one symbol, as a conversation is.

Prices are random walks on a grid of 0.01, one for each symbol; sizes are log-normal. They give the
payload a realistic form and have no other meaning.

Known weaknesses: a file of many thousand symbols opens with one tick per symbol for each client that wants
all of them, and delivering these takes time. A branching ratio near 1 needs a past of
rate · 20 · decay_s / (1 − n) ticks; at 0.99999 that takes seconds. A replay whose file ends before the
horizon sends nothing more after that.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.feed.splitmix import GOLDEN, MASK, Words, finalised
from bench.feed.tick import Level, Tick
from bench.scenario.model import Bursts, Feed

if TYPE_CHECKING:
    from bench.feed.trade_store import Trades

NS = 1_000_000_000
MEMORY_LIVES = 20.0

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """All ticks of a trial. The arrays have one entry per tick, by index."""

    offset_ns: npt.NDArray[np.int64]
    """The due time of each tick, from the start of warm-up, in ns; sorted."""
    symbol: npt.NDArray[np.int32]
    """Each tick's position in `symbols`."""
    symbols: tuple[str, ...]
    price: Floats
    size: npt.NDArray[np.int64] | Floats
    book_levels: int
    seed: int

    def __len__(self) -> int:
        return len(self.offset_ns)

    def tick(self, index: int, seq: int, due_ns: int) -> Tick:
        """Return the tick `index`, as the `seq`-th of its epoch, due at `due_ns` on the run clock."""
        price = float(self.price[index])
        bids, asks = self._book(index, price) if self.book_levels else ((), ())
        symbol = self.symbols[self.symbol[index]]
        return Tick(index, seq, due_ns, symbol, price, self.size[index].item(), bids, asks)

    def _book(self, index: int, price: float) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Return levels a thousandth of the price's power of ten apart, with sizes drawn from (seed,
        index)."""
        decimals = 3 - int(np.floor(np.log10(price)))
        depth = np.arange(1, self.book_levels + 1) / 10.0**decimals
        levels = np.arange(2 * self.book_levels, dtype=np.uint64)
        sizes = (1 + _hash(self.seed, index, levels) % np.uint64(2000)).tolist()
        bids = zip(np.round(price - depth, decimals).tolist(), sizes[::2], strict=True)
        asks = zip(np.round(price + depth, decimals).tolist(), sizes[1::2], strict=True)
        return tuple(bids), tuple(asks)

    def first_due_from(self, offset_ns: int) -> int:
        """Return the first index that is due at `offset_ns` or later; `len(self)` if there is none."""
        return int(np.searchsorted(self.offset_ns, offset_ns, side="left"))

    def last_index(self, from_ns: int, to_ns: int) -> dict[str, int]:
        """Return the index of the last tick with an offset in [from_ns, to_ns), for each symbol that has
        one."""
        first, end = self.first_due_from(from_ns), self.first_due_from(to_ns)
        places, from_the_end = np.unique(self.symbol[first:end][::-1], return_index=True)
        return {
            self.symbols[place]: end - 1 - int(back)
            for place, back in zip(places, from_the_end, strict=True)
        }

    def due_by_symbol(self, from_ns: int, to_ns: int) -> dict[str, int]:
        """Return the number of ticks with an offset in [from_ns, to_ns), for each symbol that has one."""
        within = self.symbol[self.first_due_from(from_ns) : self.first_due_from(to_ns)]
        places, counts = np.unique(within, return_counts=True)
        return {self.symbols[place]: int(count) for place, count in zip(places, counts, strict=True)}


def make(feed: Feed, seed: int, horizon_s: float, t0_s: float, trades: Trades | None = None) -> Schedule:
    """Return all ticks that are due within `horizon_s` of the start of warm-up.

    `t0_s` is the offset at which measuring begins; a replay's `start` falls on it. `trades` are those of the
    replayed file, if it was read already. Raises `FeedFileError` if the file can't be replayed.
    """
    if feed.schedule == "replay":
        return _replayed(feed, seed, horizon_s, t0_s, trades)
    times, symbols, prices, sizes = (
        np.random.Generator(np.random.PCG64(child)) for child in np.random.SeedSequence(seed).spawn(4)
    )
    if feed.schedule == "constant":
        offset_s = constant(times, feed.rate_per_s, horizon_s)
    elif feed.schedule == "poisson":
        offset_s = poisson(times, feed.rate_per_s, 0.0, horizon_s)
    else:
        offset_s, burst = bursts(times, feed.rate_per_s, feed.bursty, horizon_s)
    if feed.schedule == "bursty" and feed.source == "clients":   # a burst of messages is one conversation
        drawn = symbols.integers(0, feed.symbols, burst.max(initial=-1) + 1, dtype=np.int32)[burst]
    else:
        drawn = symbols.integers(0, feed.symbols, len(offset_s), dtype=np.int32)
    symbol = np.concatenate((np.arange(feed.symbols, dtype=np.int32), drawn))
    return Schedule(
        offset_ns=np.floor(np.concatenate((np.zeros(feed.symbols), offset_s)) * NS).astype(np.int64),
        symbol=symbol,
        symbols=symbol_names(feed.symbols),
        price=_walks(prices, symbol, feed.symbols),
        size=np.ceil(sizes.lognormal(np.log(100), 1.0, len(symbol))).astype(np.int64),
        book_levels=feed.book_levels,
        seed=seed,
    )


def symbol_names(count: int) -> tuple[str, ...]:
    """Return the names of `count` symbols: AAA, AAB, …, ZZZ."""
    letters = string.ascii_uppercase
    return tuple(letters[n // 676] + letters[n // 26 % 26] + letters[n % 26] for n in range(count))


def constant(rng: np.random.Generator, rate_per_s: float, horizon_s: float) -> Floats:
    """Return instants in [0, horizon), in seconds, 1/rate apart."""
    places = np.arange(int(rate_per_s * horizon_s) + 1, dtype=np.float64)
    instants: Floats = (places + rng.random()) / rate_per_s
    return instants[instants < horizon_s]


def poisson(rng: np.random.Generator, rate_per_s: float, from_s: float, to_s: float) -> Floats:
    """Return the sorted instants of a Poisson process in [from, to), in seconds."""
    return np.sort(rng.uniform(from_s, to_s, rng.poisson(rate_per_s * (to_s - from_s))))


def hawkes(rng: np.random.Generator, rate_per_s: float, shape: Bursts, horizon_s: float) -> Floats:
    """Return the sorted instants of a Hawkes process in [0, horizon), in seconds, stationary from the
    start."""
    return bursts(rng, rate_per_s, shape, horizon_s)[0]


def bursts(rng: np.random.Generator, rate_per_s: float, shape: Bursts, horizon_s: float) -> tuple[Floats, Ints]:
    """Return the sorted instants of `hawkes`, and for each the number of its burst: those that one immigrant began."""
    ratio, decay_s = shape.branching_ratio, shape.decay_s
    past_s = MEMORY_LIVES * decay_s / (1 - ratio)
    parents = poisson(rng, rate_per_s * (1 - ratio), -past_s, horizon_s)
    began = np.arange(parents.size)
    generations, of_burst = [np.empty(0)], [np.empty(0, dtype=np.int64)]
    while parents.size:
        generations.append(parents[parents >= 0])
        of_burst.append(began[parents >= 0])
        children = rng.poisson(ratio, parents.size)
        parents, began = np.repeat(parents, children), np.repeat(began, children)
        parents += rng.exponential(decay_s, parents.size)
        parents, began = parents[parents < horizon_s], began[parents < horizon_s]
    offset_s = np.concatenate(generations)
    order = np.argsort(offset_s, kind="stable")
    return offset_s[order], np.concatenate(of_burst)[order]


def _walks(rng: np.random.Generator, symbol: npt.NDArray[np.int32], symbols: int) -> Floats:
    """Return each tick's price: a random walk in cents for each symbol, reflected at one cent."""
    start = rng.integers(2_000, 8_000, symbols)
    by_symbol = np.argsort(symbol, kind="stable")
    steps = rng.integers(-2, 3, symbol.size)
    walk = np.cumsum(steps[by_symbol])
    sorted_symbol = symbol[by_symbol]
    first = np.searchsorted(sorted_symbol, np.arange(symbols))
    before = np.concatenate(([0], walk))[first]
    cents = np.empty(symbol.size, dtype=np.int64)
    cents[by_symbol] = start[sorted_symbol] + walk - before[sorted_symbol]
    return np.round((np.abs(cents - 1) + 1) / 100, 2)


def _replayed(feed: Feed, seed: int, horizon_s: float, t0_s: float, trades: Trades | None) -> Schedule:
    """Return the opening, and the file's trades that are due within the horizon."""
    from bench.feed import replay  # here, since pandas takes half a second to import

    if trades is None:
        trades = replay.read(feed.replay)
    offset_ns = replay.offsets_ns(trades, feed.replay.speed, t0_s)
    begin, end = np.searchsorted(offset_ns, [0, round(horizon_s * NS)]).tolist()
    opening = replay.opening(trades, begin)
    rows = np.concatenate((opening, np.arange(begin, end)))
    offset_ns = np.concatenate((np.zeros(len(opening), dtype=np.int64), offset_ns[begin:end]))
    return Schedule(
        offset_ns=offset_ns,
        symbol=trades.symbol[rows],
        symbols=trades.symbols,
        price=trades.price[rows],
        size=trades.size[rows],
        book_levels=feed.book_levels,
        seed=seed,
    )


def _hash(seed: int, index: int, levels: Words) -> Words:
    """Return a hash of (seed, index, level) for each level."""
    start = np.uint64((seed * GOLDEN + index * 0xD1B54A32D192ED03) & MASK)
    return finalised(start + (levels + np.uint64(1)) * np.uint64(GOLDEN))
