"""Records while clients are driven: append now, sort out later.

    Recorder.deliver ─► blocks of 65,536 packed rows ─ write ─► deliveries.raw ─ convert ─► Parquet
    (the client's path)       (in memory)               (end of the trial)      (another process)

Appending a row packs five numbers into a block that is there already: about 0.1 µs, and never a pause,
since no buffer grows (doubling an array of this size stalls for tens of milliseconds). `write` copies
the blocks out as they are. `convert` runs in the runner's process, where a second of numpy disturbs no
measurement, and leaves the tables of `bench.records.trial_record`.

A read is identified by its client and its application instant: two reads of one client never share one,
because the clock has moved between them. So `updates_in_read` needs no column of its own in a row.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.clock import NO_STAMP
from bench.records import trial_record

BLOCK_ROWS = 65_536

DELIVERY = np.dtype([
    ("client", "<u4"), ("index", "<u4"), ("due_ns", "<i8"), ("kernel_ns", "<i8"), ("app_ns", "<i8"),
])
SKIP = np.dtype([
    ("client", "<u4"), ("index", "<u4"), ("count", "<u4"), ("kind", "<u2"), ("symbol", "<u2"),
    ("app_ns", "<i8"),
])
_DELIVERY = struct.Struct("<IIqqq")
_DELIVERY_SIZE = _DELIVERY.size
_pack_delivery = _DELIVERY.pack_into
_SKIP = struct.Struct("<IIIHHq")

Rows = npt.NDArray[np.void]


class _Blocks:
    """Rows of one shape in blocks of fixed size."""

    def __init__(self, row: struct.Struct, dtype: np.dtype[Any]) -> None:
        self._pack_into = row.pack_into
        self._size = row.size
        self._dtype = dtype
        self._full: list[bytearray] = []
        self._dropped = 0
        self._block = bytearray(BLOCK_ROWS * row.size)
        self._end = len(self._block)
        self._at = 0

    def append(self, *values: int) -> None:
        """Add a row."""
        self._pack_into(self._block, self._at, *values)
        self._at += self._size
        if self._at == self._end:
            self._begin_block()

    def _begin_block(self) -> None:
        self._full.append(self._block)
        self._block = bytearray(self._end)
        self._at = 0

    def __len__(self) -> int:
        return (self._dropped + len(self._full)) * BLOCK_ROWS + self._at // self._size

    def since(self, first: int) -> Iterator[Rows]:
        """Yield views of the rows from number `first` on, a block at a time. They are not copies."""
        place = max(0, first - self._dropped * BLOCK_ROWS)
        for block in self._full[place // BLOCK_ROWS :]:
            yield np.frombuffer(block, self._dtype)[place % BLOCK_ROWS :]
            place = 0
        yield np.frombuffer(self._block, self._dtype, self._at // self._size)[place % BLOCK_ROWS :]

    def forget(self) -> None:
        """Drop the blocks that are full."""
        self._dropped += len(self._full)
        self._full.clear()

    def write(self, path: Path) -> None:
        """Write all rows."""
        with path.open("wb") as file:
            for block in self._full:
                file.write(block)
            file.write(memoryview(self._block)[: self._at])


class _Deliveries(_Blocks):
    """Blocks of deliveries."""

    def deliver(self, client: int, index: int, due_ns: int, kernel_ns: int, app_ns: int) -> None:
        """Add a row as `append` does, without the cost of packing and unpacking its arguments."""
        at = self._at
        _pack_delivery(self._block, at, client, index, due_ns, kernel_ns, app_ns)
        self._at = at = at + _DELIVERY_SIZE
        if at == self._end:
            self._begin_block()


class Recorder:
    """The sink of all clients of a process. `deliver` is on the measured path."""

    def __init__(self) -> None:
        self._deliveries = _Deliveries(_DELIVERY, DELIVERY)
        self._skips = _Blocks(_SKIP, SKIP)
        self._words: dict[str, int] = {}
        self.deliver = self._deliveries.deliver
        """`transports.Sink.deliver`, without a call in between."""

    def skip(self, client: int, kind: str, symbol: str, count: int, index: int, app_ns: int) -> None:
        """See `transports.Sink.skip`."""
        words = self._words
        kind_word = words.setdefault(kind, len(words))
        symbol_word = words.setdefault(symbol, len(words))
        self._skips.append(client, index, count, kind_word, symbol_word, app_ns)

    @property
    def delivered(self) -> int:
        """Return the number of recorded deliveries."""
        return len(self._deliveries)

    def deliveries_since(self, first: int) -> Iterator[Rows]:
        """Return the deliveries from number `first` on, in pieces of the dtype `DELIVERY`."""
        return self._deliveries.since(first)

    def skips_since(self, first: int) -> Iterator[Rows]:
        """Return the skips from number `first` on, in pieces of the dtype `SKIP`."""
        return self._skips.since(first)

    def forget(self) -> None:
        """Drop all but the newest rows, where nothing will read them."""
        self._deliveries.forget()
        self._skips.forget()

    def write(
        self, folder: Path, clients: Sequence[dict[str, Any]], uplinks: Sequence[dict[str, Any]] | None = None
    ) -> None:
        """Write everything, raw. `clients` are the rows of `trial_record.CLIENTS`, `uplinks` those of
        `trial_record.UPLINKS`; None where clients only listen."""
        self._deliveries.write(folder / "deliveries.raw")
        self._skips.write(folder / "skips.raw")
        meta: dict[str, Any] = {"words": list(self._words), "clients": list(clients)}
        if uplinks is not None:
            meta["uplinks"] = list(uplinks)
        (folder / "recording.json").write_text(json.dumps(meta), encoding="utf-8")


def convert(folder: Path) -> None:
    """Convert the files that `Recorder.write` left in a trial's folder into its tables, and remove them.

    Where several workers recorded, each in its own folder `worker-<n>`, their rows are merged:
    deliveries and skips in the order of their instants, clients by number.
    """
    parts = sorted(folder.glob("worker-*")) or [folder]
    metas = [json.loads((part / "recording.json").read_text(encoding="utf-8")) for part in parts]
    deliveries = np.concatenate([np.fromfile(part / "deliveries.raw", DELIVERY) for part in parts])
    skips = [np.fromfile(part / "skips.raw", SKIP) for part in parts]
    clients = [row for meta in metas for row in meta["clients"]]
    if len(parts) > 1:
        # A read's rows stay together: they have one instant, and a stable sort keeps a worker's order.
        deliveries = deliveries[np.argsort(deliveries["app_ns"], kind="stable")]
        clients.sort(key=lambda row: row["client"])
    skipped = pa.concat_tables(
        [_skips_table(rows, meta["words"]) for rows, meta in zip(skips, metas, strict=True)]
    )
    trial_record.write_table(folder, "deliveries", _deliveries_table(deliveries))
    trial_record.write_table(folder, "skips", skipped.unify_dictionaries().sort_by("app_ns"))
    trial_record.write_table(folder, "clients", pa.Table.from_pylist(clients, trial_record.CLIENTS))
    if any("uplinks" in meta for meta in metas):
        uplinks = sorted((row for meta in metas for row in meta["uplinks"]), key=lambda row: row["index"])
        trial_record.write_table(folder, "uplinks", pa.Table.from_pylist(uplinks, trial_record.UPLINKS))
    for part in parts:
        for name in ("deliveries.raw", "skips.raw", "recording.json"):
            (part / name).unlink()
        if part != folder:
            part.rmdir()


def updates_in_read(rows: Rows) -> npt.NDArray[np.uint32]:
    """Return for each row the number of rows of the same read; rows of one read are adjacent."""
    if len(rows) == 0:
        return np.empty(0, np.uint32)
    client, app_ns = rows["client"], rows["app_ns"]
    begins = np.flatnonzero((client[1:] != client[:-1]) | (app_ns[1:] != app_ns[:-1])) + 1
    sizes = np.diff(np.concatenate(([0], begins, [len(rows)])))
    return np.repeat(sizes, sizes).astype(np.uint32)


def _deliveries_table(rows: Rows) -> pa.Table:
    stamps = rows["kernel_ns"]
    return pa.table({
        "client": rows["client"],
        "index": rows["index"],
        "kernel_ns": pa.array(stamps, mask=stamps == NO_STAMP),
        "app_ns": rows["app_ns"],
        "updates_in_read": updates_in_read(rows),
    }, trial_record.DELIVERIES)


def _skips_table(rows: Rows, words: Sequence[str]) -> pa.Table:
    names = pa.array(words, pa.string())
    return pa.table({
        "client": rows["client"],
        "kind": pa.DictionaryArray.from_arrays(rows["kind"].astype(np.int32), names),
        "symbol": pa.DictionaryArray.from_arrays(rows["symbol"].astype(np.int32), names),
        "count": rows["count"],
        "index": rows["index"],
        "app_ns": rows["app_ns"],
    }, trial_record.SKIPS)
