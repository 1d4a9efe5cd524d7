"""Small trials written out by hand or drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from bench.records import trial_record
from bench.records.trial_record import TrialRecord, WindowInstants
from bench.stats.trial.arrays import Tables, TrialArrays, trial_arrays

MS = 1_000_000
WINDOWS = WindowInstants(warmup_ns=0, t0_ns=100 * MS, t1_ns=200 * MS, late_after_ns=50 * MS)


def record_of(windows: WindowInstants = WINDOWS, **fields: Any) -> TrialRecord:
    """Return a finished trial of one client."""
    given = {"trial": "1-1-a-1", "block": 1, "position": 1, "subject": "a", "transport": "websocket",
             "clients": 1, "seed": 1, "windows": windows}
    return TrialRecord(**(given | fields))


def tables_of(
    feed: Sequence[dict[str, Any]], deliveries: Sequence[dict[str, Any]],
    skips: Sequence[dict[str, Any]] = (), clients: Sequence[dict[str, Any]] = ({"client": 0},),
) -> Tables:
    """Return the tables of a trial from rows; columns that a row leaves out are filled in."""
    ticks = [
        {"sent_ns": row["due_ns"], "epoch": "e", "seq": row["index"] + 1, "payload_bytes": 100} | row
        for row in feed
    ]
    arrived = [{"kernel_ns": row["app_ns"], "updates_in_read": 1} | row for row in deliveries]
    nothing = dict.fromkeys(
        (*trial_record.COUNTED, *trial_record.COUNTED_BY_KERNEL, "errors"),
        0) | {"symbols": None, "subscribed_ns": 0}
    rows = {
        "feed": ticks, "deliveries": arrived,
        "skips": [{"kind": "conflated", "app_ns": 0} | skip for skip in skips],
        "clients": [nothing | client for client in clients], "samples": [],
    }
    return {name: pa.Table.from_pylist(rows[name], schema=schema)
            for name, schema in trial_record.TABLES.items()}


def arrays_of(*tables: Any, windows: WindowInstants = WINDOWS, **named: Any) -> TrialArrays:
    """Return arrays from rows of the tables."""
    return trial_arrays(record_of(windows), tables_of(*tables, **named))
