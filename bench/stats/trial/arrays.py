"""The arrays that every value of a trial is computed from.

A delivery belongs to a client, and to a tick of a symbol. With `rank` as the tick's place among the
ticks of its own symbol, the number

    key = (client × symbols + symbol) × ranks + rank

is unique to a (client, tick) pair and sorts by client, then symbol, then schedule. Sorted by
(key, app_ns), the first row of each key is the first arrival and every further one a duplicate, and
the difference of the ranks of two neighbours of one (client, symbol) pair is the number of ticks between
them, plus 1. So fates, latencies and ages come out of one sort, without a row for ticks that did not arrive.

Known weakness: where clients subscribe to a part of the symbols, the subscriptions are held as a matrix of
clients × symbols (a byte each); with 10,000 of both that is 100 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.clock import NO_STAMP
from bench.records.trial_record import TrialRecord, WindowInstants

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Tables = Mapping[str, pa.Table]


@dataclass(frozen=True, slots=True)
class ScheduledTicks:
    """The schedule in the order of due instants; arrays have one element per tick unless a field
    says otherwise."""

    symbols: tuple[str, ...]
    """Names of the symbols that have ticks; `symbol` holds places in this tuple."""
    index: Ints
    symbol: Ints
    due_ns: Ints
    sent_ns: Ints
    """`NO_STAMP` where the tick was never published."""
    payload_bytes: Ints
    """0 where the tick was never published."""
    rank: Ints
    """The tick's place among those of its symbol."""
    ranks: int
    """The largest number of ticks of one symbol."""
    window: tuple[Ints, Ints]
    """For each symbol, the ranks [from, to) that are due in the measuring window."""

    @property
    def due_in_window(self) -> Ints:
        """Return, for each symbol, the number of ticks that are due in the measuring window."""
        return self.window[1] - self.window[0]


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients and what they subscribe to."""

    numbers: Ints
    """The clients' numbers, ascending; elsewhere a client is identified by its place in this array."""
    subscribed: Bools
    """Matrix of shape (clients, symbols): True where the client subscribes to the symbol."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """First arrivals, sorted by client, symbol and rank; one element per arrival.

    Arrivals of ticks that the client did not subscribe to are left out and counted as `foreign`.
    """

    key: Ints
    client: Ints
    tick: Ints
    """Place in `ScheduledTicks`."""
    app_ns: Ints
    kernel_ns: Ints
    """`NO_STAMP` where the read carried no kernel timestamp."""
    updates_in_read: Ints
    repeats: Ints
    """The number of further arrivals of the tick at the client."""
    conflated: Ints
    """Ticks of the symbol that were declared conflated with this one."""
    dropped: Ints
    """Ticks of the symbol that were declared dropped with this one."""
    repeated_app_ns: Ints
    """Arrival instants of all further arrivals."""
    repeated_tick: Ints
    """The tick of each of these further arrivals."""
    repeated_client: Ints
    """The client of each of these further arrivals."""
    foreign: int
    """The number of arrivals of ticks that their client did not subscribe to."""


@dataclass(frozen=True, slots=True)
class TrialArrays:
    """One trial: its windows, schedule, clients and arrivals."""

    windows: WindowInstants
    ticks: ScheduledTicks
    clients: Clients
    arrivals: Arrivals


def trial_arrays(record: TrialRecord, tables: Tables) -> TrialArrays:
    """Return the arrays of a measured trial; `tables` are those of `bench.records.trial_record.TABLES`."""
    assert record.windows is not None, f"{record.trial} was never measured"
    feed = tables["feed"]
    if "uplinks" in tables:   # a message that was not numbered is no tick, and owed to nobody
        feed = feed.filter(feed.column("sent_ns").is_valid())
    ticks = _ticks(feed, record.windows)
    clients = _clients(tables["clients"], ticks.symbols)
    return TrialArrays(record.windows, ticks, clients, _arrivals(tables, ticks, clients))


def _column(table: pa.Table, name: str, null: int = 0) -> Ints:
    """Return a column of numbers as int64, with nulls replaced by `null`."""
    column = table.column(name)
    if column.null_count:
        column = column.fill_null(null)
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _words(table: pa.Table, name: str) -> tuple[list[str], Ints]:
    """Return the distinct values of a column of strings, and each row's place among them."""
    encoded = table.column(name).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.dictionary.to_pylist(), np.asarray(encoded.indices.to_numpy(), dtype=np.int64)


def _ticks(feed: pa.Table, windows: WindowInstants) -> ScheduledTicks:
    order = np.argsort(_column(feed, "index"), kind="stable")
    words, codes = _words(feed, "symbol")
    used = sorted({words[code] for code in np.unique(codes)})
    place = {word: number for number, word in enumerate(used)}
    symbol = np.array([place.get(word, -1) for word in words], dtype=np.int64)[codes][order]
    due_ns = _column(feed, "due_ns")[order]
    assert bool(np.all(np.diff(due_ns) >= 0)), "the schedule is not in the order of its due instants"
    by_symbol = np.argsort(symbol, kind="stable")
    starts = np.searchsorted(symbol[by_symbol], np.arange(len(used) + 1))
    rank = np.empty(len(symbol), dtype=np.int64)
    rank[by_symbol] = np.arange(len(symbol)) - np.repeat(starts[:-1], np.diff(starts))
    before_t0 = np.bincount(symbol[due_ns < windows.t0_ns], minlength=len(used))
    before_t1 = np.bincount(symbol[due_ns < windows.t1_ns], minlength=len(used))
    return ScheduledTicks(
        symbols=tuple(used),
        index=_column(feed, "index")[order],
        symbol=symbol,
        due_ns=due_ns,
        sent_ns=_column(feed, "sent_ns", NO_STAMP)[order],
        payload_bytes=_column(feed, "payload_bytes")[order],
        rank=rank,
        ranks=int(np.diff(starts).max(initial=0)),
        window=(before_t0.astype(np.int64), before_t1.astype(np.int64)),
    )


def _clients(table: pa.Table, symbols: tuple[str, ...]) -> Clients:
    order = np.argsort(_column(table, "client"), kind="stable")
    numbers = _column(table, "client")[order]
    wanted = table.column("symbols")
    if wanted.null_count == len(wanted):
        return Clients(numbers, np.broadcast_to(np.True_, (len(numbers), len(symbols))))
    place = {symbol: number for number, symbol in enumerate(symbols)}
    subscribed = np.zeros((len(numbers), len(symbols)), dtype=np.bool_)
    lists = wanted.to_pylist()
    for row, origin in enumerate(order):
        names = symbols if lists[origin] is None else lists[origin]
        subscribed[row, [place[name] for name in names if name in place]] = True
    return Clients(numbers, subscribed)


def _keys(ticks: ScheduledTicks, clients: Clients, number: Ints, index: Ints) -> tuple[Ints, Ints, Ints]:
    """Return key, client and tick for rows of (client number, schedule index); the key is −1 where
    the client did not subscribe to the tick."""
    if not len(clients.numbers) or not len(ticks.index):
        nothing = np.full(len(number), -1, dtype=np.int64)
        return nothing, nothing, nothing
    client, tick = _places(clients.numbers, number), _places(ticks.index, index)
    symbol = ticks.symbol[tick]
    asked = (clients.numbers[client] == number) & (ticks.index[tick] == index)
    asked &= clients.subscribed[client, symbol]
    key = (client * len(ticks.symbols) + symbol) * ticks.ranks + ticks.rank[tick]
    return np.where(asked, key, -1), client, tick


def _places(known: Ints, wanted: Ints) -> Ints:
    """Return the place of each wanted number among the known ones, which ascend; any place where it is none of them."""
    dense = known[-1] - known[0] == len(known) - 1   # without a gap, as most are
    places: Ints = wanted - known[0] if dense else np.searchsorted(known, wanted)
    return np.asarray(np.clip(places, 0, len(known) - 1))


def _arrivals(tables: Tables, ticks: ScheduledTicks, clients: Clients) -> Arrivals:
    rows = tables["deliveries"]
    app_ns = _column(rows, "app_ns")
    key, client, tick = _keys(ticks, clients, _column(rows, "client"), _column(rows, "index"))
    order = np.lexsort((app_ns, key))
    order = order[np.searchsorted(key[order], 0):]
    key, app_ns, tick = key[order], app_ns[order], tick[order]
    first = np.ones(len(key), dtype=np.bool_)
    first[1:] = key[1:] != key[:-1]
    places = np.flatnonzero(first)
    conflated, dropped = _declared(tables["skips"], ticks, clients, key[first])
    return Arrivals(
        key=key[first],
        client=client[order][first],
        tick=tick[first],
        app_ns=app_ns[first],
        kernel_ns=_column(rows, "kernel_ns", NO_STAMP)[order][first],
        updates_in_read=_column(rows, "updates_in_read")[order][first],
        repeats=np.diff(np.append(places, len(key))) - 1,
        conflated=conflated,
        dropped=dropped,
        repeated_app_ns=app_ns[~first],
        repeated_tick=tick[~first],
        repeated_client=client[order][~first],
        foreign=rows.num_rows - len(key),
    )


def _declared(skips: pa.Table, ticks: ScheduledTicks, clients: Clients, arrived: Ints) -> tuple[Ints, Ints]:
    """Return the ticks declared conflated and declared dropped with each of the first arrivals
    `arrived` (keys).

    A tick that is delivered twice may carry its declaration twice; the larger one counts.
    """
    counts = np.zeros((2, len(arrived)), dtype=np.int64)
    if skips.num_rows and len(arrived):
        key, _, _ = _keys(ticks, clients, _column(skips, "client"), _column(skips, "index"))
        place = np.minimum(np.searchsorted(arrived, key), len(arrived) - 1)
        kinds, kind = _words(skips, "kind")
        declared = _column(skips, "count")
        for row, name in enumerate(("conflated", "dropped")):
            if name in kinds:
                mine = (kind == kinds.index(name)) & (arrived[place] == key)
                np.maximum.at(counts[row], place[mine], declared[mine])
    return counts[0], counts[1]


def busiest_per_s(due_s: Floats, stretch_s: float) -> float:
    """Return the ticks per second in the busiest stretch of `stretch_s` seconds; `due_s` is ascending."""
    met = np.searchsorted(due_s, due_s + stretch_s) - np.arange(len(due_s))
    return int(met.max(initial=0)) / stretch_s
