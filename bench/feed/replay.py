"""Reading a file of real trades.

Three shapes are understood; which one it is shows in the first line or the file's ending:

    CSV or Parquet     timestamp,symbol,price,size            columns by name, others ignored
    aggTrades CSV      aggTradeId,price,quantity,firstTradeId,lastTradeId,timestamp,isBuyerMaker,…
    … without header   the same columns by place (Binance's public dumps of its spot market)

A timestamp is ISO 8601, with a zone or without (then it is taken as UTC: only differences matter), or
an epoch number whose unit shows in its magnitude: seconds up to 1e11, then milliseconds up to 1e14,
microseconds up to 1e17, nanoseconds beyond. One file has one unit, that of its first row.

Trades must be sorted; equal timestamps stay in the file's order, since exchanges stamp several fills
of one order alike. Sizes stay whole where all of the file's are, otherwise they are floats.

Anything else is a `FeedFileError` that names the file, the row (counted from 1, without the header),
the column, what was found and what is allowed.

Known weakness: the file is read whole, about 100 bytes a trade while it is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from bench.errors import FeedFileError
from bench.scenario import SYMBOL_PATTERN, Replay
from bench.validation import told

COLUMNS = ("timestamp", "symbol", "price", "size")
AGG_TRADES = (
    "aggtradeid", "price", "quantity", "firsttradeid", "lasttradeid", "timestamp", "isbuyermaker",
    "isbestmatch",
)
"""The columns of Binance's aggTrades dumps; in headers, case and underscores vary."""
AGG_TRADES_AS_OURS = {"quantity": "size", "transacttime": "timestamp"}
"""What those columns are called here; the futures dumps say `transact_time`."""

TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)
NUMBERS = (*TEXT, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
TYPES = {
    "timestamp": ("text, numbers or timestamps", (*NUMBERS, pa.types.is_timestamp)),
    "symbol": ("text", (*TEXT, pa.types.is_dictionary)),
    "price": ("numbers", NUMBERS), "size": ("numbers", NUMBERS),
}
"""What the columns of a Parquet file may be; nulls are refused where they stand."""

INSTANT_MAX_NS = 7_258_118_400_000_000_000
"""The year 2200. What lies beyond is a slip; 2262 is the last that 64 bits of nanoseconds can hold."""
UNITS_NS = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000))
"""Epoch numbers below the first are in units of the second, in ns."""


@dataclass(frozen=True, slots=True)
class Trades:
    """A file's trades, sorted by time; equal times in the file's order."""

    instant_ns: npt.NDArray[np.int64]
    """Nanoseconds since 1970."""
    symbol: npt.NDArray[np.int32]
    """Place in `symbols`."""
    symbols: tuple[str, ...]
    price: npt.NDArray[np.float64]
    size: npt.NDArray[np.int64] | npt.NDArray[np.float64]
    start_ns: int
    """Where measuring begins: `start`, or the first trade."""


def read(replay: Replay) -> Trades:
    """The trades of `replay.file`; raises `FeedFileError`."""
    path = Path(replay.file)
    if not path.is_file():
        raise FeedFileError(f"{path}: found no such file, allowed is a file of trades (CSV or Parquet)")
    table = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    if not table.num_rows:
        raise FeedFileError(f"{path}: found no trades, allowed is at least one row")
    unit_ns = _epoch_unit_ns(table["timestamp"])
    instant_ns = _instants(path, table["timestamp"], unit_ns)
    _check_sorted(path, table["timestamp"], instant_ns)
    symbol, symbols = _symbols(path, table, replay.symbol)
    return Trades(
        instant_ns=instant_ns,
        symbol=symbol,
        symbols=symbols,
        price=_numbers(path, table, "price", above_zero=True),
        size=_whole_if_all_are(_numbers(path, table, "size", above_zero=False)),
        start_ns=_start(path, replay.start, instant_ns, unit_ns),
    )


def _fail(path: Path, row: int, column: str, found: Any, allowed: str) -> NoReturn:
    """Refuse the value in `row` (counted from 0)."""
    raise FeedFileError(f"{path}: row {row + 1}, {column}: found {told(found)}, allowed is {allowed}")


def _read_parquet(path: Path) -> pa.Table:
    try:
        names = pq.read_schema(path).names
        _check_columns(path, names)
        table = pq.read_table(path, columns=list(COLUMNS))
    except (pa.ArrowException, OSError) as error:
        raise FeedFileError(f"{path}: found {error}, allowed is a Parquet file") from error
    for name, (allowed, checks) in TYPES.items():
        kind = table.schema.field(name).type
        if not any(is_one(kind) for is_one in checks):
            raise FeedFileError(f"{path}: column {name}: found the type {kind}, allowed is {allowed}")
    return table


def _read_csv(path: Path) -> pa.Table:
    """All columns as text, under our names; `symbol` is missing in an aggTrades dump."""
    with path.open("rb") as file:
        first = file.readline(65536).decode("utf-8-sig", errors="replace").strip()
    fields = [field.strip().strip('"') for field in first.split(",")]
    plain = [field.lower().replace("_", "") for field in fields]
    if {"price", "quantity"} <= set(plain):
        renamed = [AGG_TRADES_AS_OURS.get(name, name) for name in plain]
        if "timestamp" not in renamed:
            _check_columns(path, renamed)
        return _csv_columns(path, renamed, ("timestamp", "price", "size"), skip_rows=1)
    if len(fields) in (7, 8) and all(re.fullmatch(r"[0-9.]+", field) for field in fields[:6]):
        names = [AGG_TRADES_AS_OURS.get(name, name) for name in AGG_TRADES[: len(fields)]]
        return _csv_columns(path, names, ("timestamp", "price", "size"), skip_rows=0)
    if not first:
        raise FeedFileError(f"{path}: found an empty first line, allowed is a header {','.join(COLUMNS)}")
    _check_columns(path, fields)
    return _csv_columns(path, fields, COLUMNS, skip_rows=1)


def _csv_columns(path: Path, names: list[str], wanted: tuple[str, ...], skip_rows: int) -> pa.Table:
    try:
        return pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(column_names=names, skip_rows=skip_rows),
            convert_options=pa_csv.ConvertOptions(
                include_columns=list(wanted), column_types={name: pa.string() for name in wanted}
            ),
        )
    except pa.ArrowInvalid as error:
        allowed = f"{len(names)} columns of UTF-8 text in every row"
        raise FeedFileError(f"{path}: found {error}, allowed is {allowed}") from error


def _check_columns(path: Path, names: list[str]) -> None:
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        found = ",".join(names)[:120]
        raise FeedFileError(
            f"{path}: column {missing[0]}: found none among {found!r}, allowed is a file with "
            f"{','.join(COLUMNS)} or a Binance aggTrades dump"
        )


def _epoch_unit_ns(column: pa.ChunkedArray) -> int | None:
    """The unit of the column's numbers; None where it holds times of day and date."""
    if pa.types.is_timestamp(column.type):
        return None
    first = column[0].as_py()
    try:
        number = float(first)
    except (TypeError, ValueError):
        return None
    return next((unit for bound, unit in UNITS_NS if abs(number) < bound), 1)


def _instants(path: Path, column: pa.ChunkedArray, unit_ns: int | None) -> npt.NDArray[np.int64]:
    """The timestamps in ns since 1970."""
    if unit_ns is None:
        try:
            times = pd.to_datetime(column.to_pandas(), format="ISO8601", utc=True, errors="coerce")
            instants = times.astype("datetime64[ns, UTC]").to_numpy(dtype="datetime64[ns]").astype(np.int64)
        except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
            allowed = "dates and times in ISO 8601, or epoch numbers"
            raise FeedFileError(f"{path}: timestamp: found {error}, allowed is {allowed}") from error
        bad, allowed = times.isna().to_numpy(), "a date and time in ISO 8601, as in row 1"
        bad = bad | (instants > INSTANT_MAX_NS) | (instants < 0)
    else:
        text = column.cast(pa.string()).to_pandas().str.strip()
        parts = text.str.extract(r"^([0-9]{1,19})(?:\.([0-9]*))?$")
        bad, allowed = parts[0].isna().to_numpy(), "an epoch number, as in row 1"
        # In whole numbers: a float of 1.4e9 seconds is off by 100 ns and more.
        digits = len(str(unit_ns)) - 1
        numbers = pd.to_numeric(parts[0].where(~bad, "0")).to_numpy()   # up to 19 digits: may be unsigned
        whole = np.minimum(numbers, INSTANT_MAX_NS + 1).astype(np.int64)
        fraction = parts[1].fillna("").str.ljust(digits, "0").str[:digits].replace("", "0")
        beyond = whole > INSTANT_MAX_NS // unit_ns
        if beyond.any():
            bad, whole = bad | beyond, np.where(beyond, 0, whole)
            allowed = f"an epoch number, as in row 1, before {_as_iso(INSTANT_MAX_NS)[:4]}"
        instants = whole * unit_ns + pd.to_numeric(fraction).to_numpy(dtype=np.int64)
    if bad.any():
        row = int(np.argmax(bad))
        _fail(path, row, "timestamp", column[row].as_py(), allowed)
    return np.ascontiguousarray(instants)


def _check_sorted(path: Path, column: pa.ChunkedArray, instant_ns: npt.NDArray[np.int64]) -> None:
    backwards = np.diff(instant_ns) < 0
    if backwards.any():
        row = int(np.argmax(backwards)) + 1
        before = column[row - 1].as_py()
        _fail(path, row, "timestamp", str(column[row].as_py()), f"{before} (the row before) or later")


def _numbers(path: Path, table: pa.Table, column: str, above_zero: bool) -> npt.NDArray[np.float64]:
    """A column of finite numbers, above zero or at least not negative."""
    numbers = pd.to_numeric(table[column].to_pandas(), errors="coerce").to_numpy(dtype=np.float64)
    good = np.isfinite(numbers) & ((numbers > 0) if above_zero else (numbers >= 0))
    if not good.all():
        row = int(np.argmin(good))
        allowed = "a number above 0" if above_zero else "a number of 0 or more"
        _fail(path, row, column, table[column][row].as_py(), allowed)
    return np.ascontiguousarray(numbers)


def _whole_if_all_are(
    numbers: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
    is_whole = (numbers == np.floor(numbers)) & (numbers < 2**53)
    return numbers.astype(np.int64) if is_whole.all() else numbers


def _symbols(path: Path, table: pa.Table, default: str) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """Each trade's place in the file's symbols, which are in the order of their names."""
    allowed = f"a name that matches {SYMBOL_PATTERN}"
    if "symbol" not in table.column_names:
        if not re.fullmatch(SYMBOL_PATTERN, default):
            raise FeedFileError(f"feed.replay.symbol for {path}: found {default!r}, allowed is {allowed}")
        return np.zeros(table.num_rows, dtype=np.int32), (default,)
    column = table["symbol"].cast(pa.string())
    names = pc.unique(column).to_pylist()
    for name in names:
        if name is None or not re.fullmatch(SYMBOL_PATTERN, name):
            row = column.to_pylist().index(name)
            _fail(path, row, "symbol", name, allowed)
    symbols = tuple(sorted(names))
    places = pc.index_in(column, value_set=pa.array(symbols, pa.string()))
    return places.to_numpy().astype(np.int32), symbols


def _start(path: Path, start: str | None, instant_ns: npt.NDArray[np.int64], unit_ns: int | None) -> int:
    """`start` in ns since 1970; it must lie within the file."""
    first, last = int(instant_ns[0]), int(instant_ns[-1])
    if start is None:
        return first
    if unit_ns is None:
        span = f"{_as_iso(first)} to {_as_iso(last)}"
        found = pd.to_datetime(pd.Series([start]), format="ISO8601", utc=True, errors="coerce")
        at = None if found.isna().iloc[0] else int(found.to_numpy(dtype="datetime64[ns]").astype(np.int64)[0])
    else:
        span = f"{first / unit_ns:.15g} to {last / unit_ns:.15g}"
        number = re.fullmatch(r"[0-9]+(\.[0-9]+)?", start.strip())
        at = round(float(start) * unit_ns) if number else None
    if at is None or not first <= at <= last:
        raise FeedFileError(f"feed.replay.start for {path}: found {start!r}, allowed is {span}")
    return at


def _as_iso(instant_ns: int) -> str:
    return pd.Timestamp(instant_ns, unit="ns").isoformat()
