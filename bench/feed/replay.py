"""Reads a file of real trades into compact columns.

    TradeFile ─► batches of columns ─► instants, prices, sizes, symbols, each checked ─► Trades

`bench.scenario.trade_formats` identifies the columns, `bench.feed.trade_files` unwraps the file, and
`bench.feed.instants` reads the timestamps. One file has one unit, that of its first row.

Trades must be sorted, unless `sort` is set. Equal timestamps stay in the file's order, since exchanges give
several fills of one order the same stamp. Instants with a gap of more than 300 days are refused, since
another column was read as the time. Sizes stay whole if all sizes of the file are; otherwise they are
floats.

Any other content is a `FeedFileError` that names the file, the row (counted from 1, without the header and
empty lines), the column, the value found and the values allowed.

Memory: a trade is kept in 28 bytes, and reading takes at most `BYTES_A_TRADE` per trade at its peak.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bench.errors import FeedFileError
from bench.feed import trade_store
from bench.feed.instants import (
    NS,
    UNIT_NAMES,
    Ints,
    are_of_trades,
    as_iso,
    as_number,
    date_as_ns,
    dates,
    doubles,
    epoch_numbers,
    number_as_ns,
    timestamps,
    unit_of,
    whole_numbers,
)
from bench.feed.trade_files import TEXT, Batch, TradeFile
from bench.feed.trade_store import Trades
from bench.scenario.parsing import value_text
from bench.scenario.replay import SYMBOL_PATTERN, Replay
from bench.scenario.trade_formats import RequestedFormat

BYTES_A_TRADE = 100
"""The largest memory that reading takes per trade, in addition to what any file takes."""
SYMBOLS_MAX = 100_000
"""A column with more different values than this does not hold symbols."""
SYMBOL_UNNAMED = "SYMBOL"
"""The symbol of a file without a column of symbols, if the user names none."""

GAP_MAX_NS = 300 * 86_400 * NS
"""The largest time between two successive trades."""
PRICES = (1e-15, 1e15)
Floats = npt.NDArray[np.float64]


def read(replay: Replay, most: int | None = None) -> Trades:
    """Return the trades of `replay.file`.

    Raises `FeedFileError` if the file can't be replayed, or has more than `most` trades.
    """
    path = Path(replay.file)
    if trade_store.is_one(path):
        trades = trade_store.load(path)
        return trades if replay.start is None else replace(
            trades, start_ns=_start(path, replay.start, trades.instant_ns, unit_of(replay.start)))
    asked = RequestedFormat(replay.format, replay.columns.given, replay.symbol)
    with TradeFile(path, asked) as file, closing(file.batches()) as batches:
        columns = _Columns(path, replay)
        for batch in batches:
            columns.add(batch)
            if most is not None and columns.rows > most:
                raise FeedFileError(f"{path}: found more than {most:,} trades, allowed is what fits this "
                                    f"machine's "
                                    f"memory at {BYTES_A_TRADE} bytes each: cut the file")
        if not columns.rows:
            raise FeedFileError(f"{path}: found no trades, allowed is at least one row")
        return columns.trades(file.sha256)


def offsets_ns(trades: Trades, speed: float, t0_s: float) -> Ints:
    """Return the due time of each trade from the start of warm-up, in ns; `start` is due at `t0_s`."""
    since_start = (trades.instant_ns - trades.start_ns) / speed
    return round(t0_s * NS) + np.floor(since_start).astype(np.int64)


def opening(trades: Trades, begin: int) -> Ints:
    """Return the position of each symbol's last trade before the position `begin`.

    For a symbol without one, return the position of its first trade.
    """
    symbol, found = trades.symbol, np.empty(len(trades.symbols), dtype=np.int64)
    found[symbol[begin:][::-1]] = np.arange(begin, len(symbol))[::-1]   # the last assignment remains
    found[symbol[:begin]] = np.arange(begin)
    return found


def during(trades: Trades, speed: float, horizon_s: float, t0_s: float) -> Trades:
    """Return the trades that are due within the horizon, and those of the opening."""
    offset_ns = offsets_ns(trades, speed, t0_s)
    first, end = np.searchsorted(offset_ns, [0, round(horizon_s * NS)]).tolist()
    kept = np.union1d(opening(trades, first), np.arange(first, end))
    return replace(trades, instant_ns=trades.instant_ns[kept], symbol=trades.symbol[kept],
                   price=trades.price[kept], size=trades.size[kept])


class _Columns:
    """The columns of a file's trades, built up from its batches."""

    def __init__(self, path: Path, replay: Replay) -> None:
        self.path = path
        self.replay = replay
        self.rows = 0
        self._instants: list[Ints] = []
        self._symbols: list[npt.NDArray[np.int32]] = []
        self._prices: list[Floats] = []
        self._sizes: list[Floats] = []
        self._codes: dict[str, int] = {}
        self._unit_ns: int | None = None
        self._last: object = None
        """The timestamp of the last row, as it is in the file."""

    def add(self, batch: Batch) -> None:
        """Check a batch and keep its numbers."""
        stamps = batch["timestamp"]
        if not len(stamps):
            return
        if not self.rows:
            self._unit_ns = self._unit(stamps)
        instants = self._instants_of(stamps)
        if not self.replay.sort:
            self._check_sorted(stamps, instants)
        self._instants.append(instants)
        self._symbols.append(self._symbols_of(batch))
        self._prices.append(self._numbers(batch["price"], "price", *PRICES, "a number above 0"))
        self._sizes.append(self._numbers(batch["size"], "size", 0.0, float("inf"), "a number of 0 or more"))
        self.rows += len(stamps)

    def trades(self, sha256: str | None) -> Trades:
        """Return all trades that were added, sorted."""
        instants, symbol = _joined(self._instants), _joined(self._symbols)
        price, size = _joined(self._prices), _joined(self._sizes)
        if self.replay.sort and np.any(np.diff(instants) < 0):
            order = np.argsort(instants, kind="stable")
            instants, symbol, price, size = instants[order], symbol[order], price[order], size[order]
        self._check_gaps(instants)
        names = tuple(sorted(self._codes)) or (self._one_symbol(),)
        if self._codes:
            places = np.empty(len(names), dtype=np.int32)
            for place, name in enumerate(names):
                places[self._codes[name]] = place
            symbol = places[symbol]
        return Trades(
            instant_ns=instants, symbol=symbol, symbols=names, price=price, size=_whole_if_all_are(size),
            start_ns=_start(self.path, self.replay.start, instants, self._unit_ns), rows=self.rows,
            sha256=sha256,
        )

    def _fail(self, row: int, column: str, found: Any, allowed: str) -> NoReturn:
        """Raise `FeedFileError` for the value in `row` (counted from 0) of the batch that is being added."""
        raise FeedFileError(f"{self.path}: row {self.rows + row + 1}, {column}: found {value_text(_plain(found))}, "
                            f"allowed is {allowed}")

    def _unit(self, stamps: pa.Array) -> int | None:
        """Return the unit of the file's epoch numbers, from its first row; None for dates and times."""
        first = _plain(stamps[0].as_py())
        unit_ns = None if pa.types.is_timestamp(stamps.type) else unit_of(str(first))
        if unit_ns == 1 and pa.types.is_floating(stamps.type):
            self._fail(0, "timestamp", first, "whole numbers: a double can't hold an instant's nanoseconds")
        return unit_ns

    def _instants_of(self, stamps: pa.Array) -> Ints:
        """Return the timestamps in ns since 1970."""
        unit_ns = self._unit_ns
        if pa.types.is_timestamp(stamps.type):
            found, bad = timestamps(stamps)
        elif unit_ns is None:
            found, bad = dates(self._texts(stamps, "timestamp"))
        elif pa.types.is_integer(stamps.type):
            found, bad = whole_numbers(stamps, unit_ns)
        elif pa.types.is_floating(stamps.type):
            found, bad = doubles(stamps, unit_ns)
        else:
            found, bad = epoch_numbers(self._texts(stamps, "timestamp"), unit_ns)
        bad |= ~are_of_trades(found, unit_ns)
        if bad.any():
            row = int(np.argmax(bad))
            allowed = "a date and time of day in ISO 8601"
            if self.rows + row == 0:
                allowed += ", or an epoch number"
            elif unit_ns is not None:
                allowed = f"an epoch number in {UNIT_NAMES[unit_ns]}, as in row 1,"
            years = f"of the years {1971 if unit_ns is None else 1991} to 2199"
            self._fail(row, "timestamp", stamps[row].as_py(), f"{allowed} {years}")
        return found

    def _check_sorted(self, stamps: pa.Array, instants: Ints) -> None:
        """Refuse a row that is earlier than the row before."""
        last_ns = self._instants[-1][-1] if self._instants else instants[0]
        backwards = np.diff(instants, prepend=last_ns) < 0
        if backwards.any():
            row = int(np.argmax(backwards))
            before = _plain(stamps[row - 1].as_py() if row else self._last)
            self._fail(row, "timestamp", str(_plain(stamps[row].as_py())),
                       f"{before} (the row before) or later; "
                       "a file whose rows are not in order is read with feed.replay.sort = true")
        self._last = stamps[-1].as_py()

    def _check_gaps(self, instants: Ints) -> None:
        """Refuse instants that are too far apart to be those of trades."""
        gaps = np.diff(instants)
        if gaps.size and gaps.max() > GAP_MAX_NS:
            row = int(np.argmax(gaps))
            found = f"{as_iso(int(instants[row]))} and then {as_iso(int(instants[row + 1]))}"
            days = GAP_MAX_NS // (86_400 * NS)
            raise FeedFileError(f"{self.path}: timestamp: found {found}, allowed is at most {days} days "
                                f"without "
                                "a trade: these can't be instants of trades")

    def _texts(self, column: pa.Array, name: str) -> pa.Array:
        """Return a column as text without blanks around it."""
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        try:
            text = column.cast(pa.string())
            text.validate(full=True)   # the library assumes that a Parquet file has UTF-8
        except (pa.ArrowInvalid, UnicodeDecodeError):
            row = next((row for row, value in enumerate(column) if not _is_utf8(value)), 0)
            raise FeedFileError(f"{self.path}: row {self.rows + row + 1}, {name}: found bytes that are no "
                                f"UTF-8, "
                                "allowed is text in UTF-8") from None
        text = pc.utf8_trim_whitespace(text)
        if text.null_count:
            self._fail(int(np.argmax(text.is_null().to_numpy(zero_copy_only=False))), name, None, "a value")
        return text

    def _numbers(self, column: pa.Array, name: str, least: float, most: float, allowed: str) -> Floats:
        """Return a column of finite numbers from `least` to `most`."""
        is_text = pa.types.is_binary(column.type) or any(check(column.type) for check in TEXT)
        text = self._texts(column, name) if is_text else column
        try:
            numbers = pc.cast(text, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            numbers = pd.to_numeric(text.to_pandas(), errors="coerce").to_numpy(dtype=np.float64)
        good = np.isfinite(numbers) & (numbers >= least) & (numbers <= most)
        if not good.all():
            row = int(np.argmin(good))
            self._fail(row, name, text[row].as_py(), allowed)
        return np.array(numbers, dtype=np.float64)   # a copy, so that the batch can be freed

    def _symbols_of(self, batch: Batch) -> npt.NDArray[np.int32]:
        """Return each trade's symbol as a number, in the order in which symbols first occur."""
        if "symbol" not in batch:
            return np.zeros(len(batch["timestamp"]), dtype=np.int32)
        coded = self._texts(batch["symbol"], "symbol").dictionary_encode()
        names = coded.dictionary.to_pylist()
        places = coded.indices.to_numpy()
        for number, name in enumerate(names):
            if name not in self._codes and not re.fullmatch(SYMBOL_PATTERN, name):
                self._fail(int(np.argmax(places == number)), "symbol", name,
                           f"a name that matches {SYMBOL_PATTERN}")
            self._codes.setdefault(name, len(self._codes))
        if len(self._codes) > SYMBOLS_MAX:
            raise FeedFileError(f"{self.path}: column symbol: found more than {SYMBOLS_MAX:,} different "
                                f"values, "
                                "allowed are symbols")
        codes: npt.NDArray[np.int32] = np.array([self._codes[name] for name in names], dtype=np.int32)[places]
        return codes

    def _one_symbol(self) -> str:
        """Return the symbol of a file without a column of symbols."""
        name = self.replay.symbol if self.replay.symbol is not None else SYMBOL_UNNAMED
        if not re.fullmatch(SYMBOL_PATTERN, name):
            raise FeedFileError(f"feed.replay.symbol for {self.path}: found {name!r}, allowed is a name "
                                f"that matches "
                                f"{SYMBOL_PATTERN}")
        return name


def _joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the parts as one array, and release them."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def _whole_if_all_are(numbers: Floats) -> Ints | Floats:
    """Return the sizes as whole numbers if all of them are, else as floats."""
    is_whole = (numbers == np.floor(numbers)) & (numbers < 2**53)
    return numbers.astype(np.int64) if is_whole.all() else numbers


def _plain(value: Any) -> Any:
    """Return a value of a file in a form that can be printed."""
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


def _is_utf8(value: Any) -> bool:
    """Return True if an element of a column can be read as text."""
    try:
        value.as_buffer().to_pybytes().decode() if value.is_valid else None
    except UnicodeDecodeError:
        return False
    return True


def _start(path: Path, start: str | None, instant_ns: Ints, unit_ns: int | None) -> int:
    """Return `start` in ns since 1970, read exactly like the file's own timestamps; the first trade's by
    default.

    Raises `FeedFileError` if it is not within the file.
    """
    first, last = int(instant_ns[0]), int(instant_ns[-1])
    if start is None:
        return first
    at = date_as_ns(start) if unit_ns is None else number_as_ns(start, unit_ns)
    if not first <= at <= last:
        in_words: Callable[[int], str] = as_iso if unit_ns is None else lambda ns: as_number(ns, unit_ns)
        raise FeedFileError(f"feed.replay.start for {path}: found {start!r}, allowed is {in_words(first)} to "
                            f"{in_words(last)}")
    return at
