"""Locust's own figures, compared with what it would show had it counted each update itself.

Importing Locust patches the standard library, so this runs in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

SCRIPT = """
import locust
import numpy as np
from collections import Counter
from locust.stats import RequestStats
from bench.clock import NO_STAMP
from bench.load import live
from bench.measure.recording import DELIVERY

latencies_ms = np.random.default_rng(1).exponential(300, 5000).astype(np.int64)
rows = np.zeros(5000, DELIVERY)
rows["due_ns"] = np.arange(5000)
rows["app_ns"] = rows["due_ns"] + latencies_ms * 1_000_000

ours, theirs = RequestStats(), RequestStats()
assert live.add_updates(ours, "x", [rows[:0], rows[:1000], rows[1000:]]) == 5000
for latency_ms in latencies_ms:
    theirs.log_request(live.METHOD, "x", int(latency_ms), 0)
live.add_errors(ours, "x", Counter(reset=2, eof=1))
for word in ("reset", "reset", "eof"):
    theirs.log_error(live.METHOD, "x", word)

compact = np.zeros(3, DELIVERY)
compact["due_ns"], compact["app_ns"] = NO_STAMP, 7_000_000_000
plain = RequestStats()
assert live.add_updates(plain, "x", [compact]) == 3
assert (plain.total.num_requests, plain.total.max_response_time) == (3, 0)

for one, other in ((ours.total, theirs.total), (ours.get("x", live.METHOD), theirs.get("x", live.METHOD))):
    for name in ("num_requests", "num_failures", "total_response_time", "min_response_time",
                 "max_response_time", "response_times"):
        assert getattr(one, name) == getattr(other, name), name
    assert sum(one.num_reqs_per_sec.values()) == 5000
    assert one.get_response_time_percentile(0.99) == other.get_response_time_percentile(0.99)
assert {key: error.occurrences for key, error in ours.errors.items()} == {
    key: error.occurrences for key, error in theirs.errors.items()}
"""


def test_updates_are_added_as_locust_would_have_counted_them() -> None:
    subprocess.run([sys.executable, "-P", "-c", SCRIPT], check=True, timeout=60)
