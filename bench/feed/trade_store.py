"""Trades in the format that a run stores: one file of columns that is mapped into memory.

    runner ── store ──► <run>/trades.arrow ── load ──► publishers, simulations

A file of trades is read and checked once per run. Every process of its trials maps the stored file, which
takes a millisecond for any size. A run whose trades came through a pipe also continues from this file. It
holds only the trades that fall into a trial, and each symbol's last trade before; 28 bytes per trade.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.errors import FeedFileError

NAME = "trades.arrow"
MAGIC = b"ARROW1\x00\x00"
KEY = b"tickertape-trades"
VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """A file's trades, sorted by time; equal times in the file's order. The arrays have one entry per
    trade."""

    instant_ns: npt.NDArray[np.int64]
    """Nanoseconds since 1970, UTC."""
    symbol: npt.NDArray[np.int32]
    """Each trade's position in `symbols`."""
    symbols: tuple[str, ...]
    price: npt.NDArray[np.float64]
    size: npt.NDArray[np.int64] | npt.NDArray[np.float64]
    start_ns: int
    """The start of measuring, in ns since 1970: `start`, or the first trade."""
    rows: int
    """The number of trades in the whole file, of which these may be a part."""
    sha256: str | None = None
    """The digest of the source's content if it was a pipe, which can't be read again."""


def store(path: Path, trades: Trades) -> None:
    """Write trades into a file that is complete as soon as it exists."""
    about = {"version": VERSION, "symbols": trades.symbols, "start_ns": trades.start_ns, "rows": trades.rows,
             "sha256": trades.sha256}
    table = pa.table(
        {name: getattr(trades, name) for name in ("instant_ns", "symbol", "price", "size")}
    ).replace_schema_metadata({KEY: json.dumps(about)}).combine_chunks()
    beside = path.with_name(f".{path.name}")
    with pa.OSFile(str(beside), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    beside.replace(path)


def is_one(path: Path) -> bool:
    """Return True if the file at `path` was written by `store`. Does not touch a pipe."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC and KEY in file.read(1024)
    except (OSError, ValueError):
        return False   # the reader reports the reason


def load(path: Path) -> Trades:
    """Return stored trades, mapped into memory. Raises `FeedFileError` if they can't be read."""
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        about = json.loads(table.schema.metadata[KEY])
        columns = {name: _array(table, name) for name in ("instant_ns", "symbol", "price", "size")}
        return Trades(**columns, symbols=tuple(about["symbols"]), start_ns=about["start_ns"],
                      rows=about["rows"],
                      sha256=about["sha256"])
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise FeedFileError(f"{path}: found stored trades that can't be read, allowed is what a run wrote; "
                            "begin a new run") from error


def _array(table: pa.Table, name: str) -> Any:
    column = table[name]
    if not column.num_chunks:
        return np.empty(0, dtype=column.type.to_pandas_dtype())
    return column.chunk(0).to_numpy()
