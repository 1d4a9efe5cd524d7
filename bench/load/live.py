"""Live numbers for Locust's own table and charts: how many updates per second, how late, what went wrong.

Firing Locust's `request` event for each update would cost as much as receiving it. Instead the rows
recorded since the last turn are binned by latency (application instant minus due instant) once a second,
and added to Locust's statistics as if it had counted them itself. Errors are added by word.

Known weakness: Locust keeps whole milliseconds. Its percentiles are for watching; what a run reports is
computed from the records.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

import numpy as np
from locust.stats import RequestStats, StatsEntry, StatsError, bucket_response_time

from bench.clock import NO_STAMP
from bench.measure.recording import Rows

METHOD = "update"
LONGEST_MS = 60_000
"""The longest latency that is shown, in ms; longer ones are binned as this."""


def add_updates(stats: RequestStats, name: str, rows: Iterable[Rows]) -> int:
    """Add recorded deliveries to the entry `name`; return their number."""
    added = 0
    for piece in rows:
        if len(piece) == 0:
            continue
        # A compact tick does not say when it was due: it is counted, with no latency.
        due_ns = np.where(piece["due_ns"] == NO_STAMP, piece["app_ns"], piece["due_ns"])
        latency_ms = np.clip((piece["app_ns"] - due_ns) // 1_000_000, 0, LONGEST_MS)
        bins = np.bincount(latency_ms)
        for entry in (stats.total, stats.get(name, METHOD)):
            _add(entry, bins, len(piece), int(latency_ms.sum()))
        added += len(piece)
    return added


def _add(entry: StatsEntry, bins: np.ndarray[tuple[int], np.dtype[np.int64]], count: int, total: int) -> None:
    """Add many requests at once, as `StatsEntry.log` does for one."""
    now = time.time()
    filled = np.flatnonzero(bins)
    if entry.use_response_times_cache and entry.last_request_timestamp is not None:
        entry._cache_response_times(int(now) - 1)
    entry.num_requests += count
    entry.num_reqs_per_sec[int(now)] += count
    entry.last_request_timestamp = now
    entry.total_response_time += total
    least, most = int(filled[0]), int(filled[-1])
    if entry.min_response_time is None or least < entry.min_response_time:
        entry.min_response_time = least
    entry.max_response_time = max(entry.max_response_time, most)
    for latency_ms in filled:
        entry.response_times[bucket_response_time(int(latency_ms))] += int(bins[latency_ms])


def add_errors(stats: RequestStats, name: str, errors: Counter[str]) -> None:
    """Add errors, counted by word."""
    now = time.time()
    for word, count in errors.items():
        for entry in (stats.total, stats.get(name, METHOD)):
            entry.num_failures += count
            entry.num_fail_per_sec[int(now)] += count
        key = StatsError.create_key(METHOD, name, word)
        error = stats.errors.setdefault(key, StatsError(METHOD, name, word, first_seen=now))
        error.occurrences += count
        error.last_seen = now
