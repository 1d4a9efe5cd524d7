"""The publisher's log: the sending time of each tick, in one file for each life.

    feed.<epoch>.log     one record of 16 bytes for each index of the schedule:
                         sent_ns int64 | payload_bytes uint32 | seq uint32      (little-endian)

An index that this life did not publish has seq 0. The file has its full length from the start and
is mapped into memory. So a record is a memory write and not a call to the kernel, which could block on
a disk just when the next tick is due. The records of a process that is killed remain: the pages belong
to the kernel. `seq` is stored last, so a record that was interrupted does not count.

Known weakness: a machine that loses power loses the log; it loses the trial anyway.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.feed.schedule import Schedule

if TYPE_CHECKING:
    import pyarrow as pa

RECORD = struct.Struct("<qII")
RECORDS = np.dtype([("sent_ns", "<i8"), ("payload_bytes", "<u4"), ("seq", "<u4")])


class FeedLog:
    """The log of one life, for a schedule of `ticks` ticks.

    Raises `FileExistsError` if the epoch already has a log in `folder`.
    """

    def __init__(self, folder: Path, epoch: str, ticks: int) -> None:
        length = max(1, ticks) * RECORD.size
        fd = os.open(folder / f"feed.{epoch}.log", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            # Reserve the space, not only the size: a full disk is an error here, but a crash in the mapping.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, length)
            else:
                os.ftruncate(fd, length)
            self._map = mmap.mmap(fd, length)
        finally:
            os.close(fd)

    def record(self, index: int, seq: int, sent_ns: int, payload_bytes: int) -> None:
        """Record that the tick `index` is being sent as the `seq`-th of this life."""
        RECORD.pack_into(self._map, index * RECORD.size, sent_ns, payload_bytes, seq)

    def close(self) -> None:
        """Release the mapping; the file stays."""
        self._map.close()


def to_table(folder: Path, schedule: Schedule, warmup_ns: int) -> pa.Table:
    """Return the trial's feed as a `trial_record.FEED` table: every index of the schedule, all lives merged.

    `warmup_ns` is the start of the schedule's offsets on the run clock. An index that no life published
    has null in `sent_ns`, `epoch`, `seq` and `payload_bytes`. Raises `AssertionError` if two lives published
    the same index, which is a bug.
    """
    import pyarrow as pa  # here, since the publisher needs none of it

    from bench.records.trial_record import FEED

    lives = sorted(folder.glob("feed.*.log"))
    merged = np.zeros(len(schedule), dtype=RECORDS)
    life = np.full(len(schedule), -1, dtype=np.int32)
    for number, path in enumerate(lives):
        log = np.fromfile(path, dtype=RECORDS)[: len(schedule)]
        published = log["seq"] > 0
        assert not (published & (life >= 0)).any(), f"{path}: an index was published in two lives"
        merged[published] = log[published]
        life[published] = number
    unpublished = life < 0
    epochs = [path.name.split(".")[1] for path in lives]
    columns = {
        "index": np.arange(len(schedule), dtype=np.uint32),
        "symbol": pa.DictionaryArray.from_arrays(schedule.symbol, pa.array(schedule.symbols, pa.string())),
        "due_ns": schedule.offset_ns + warmup_ns,
        "sent_ns": pa.array(merged["sent_ns"], mask=unpublished),
        "epoch": pa.DictionaryArray.from_arrays(
            pa.array(life, pa.int32(), mask=unpublished), pa.array(epochs, pa.string())
        ),
        "seq": pa.array(merged["seq"], mask=unpublished),
        "payload_bytes": pa.array(merged["payload_bytes"], mask=unpublished),
    }
    return pa.table(columns, schema=FEED)
