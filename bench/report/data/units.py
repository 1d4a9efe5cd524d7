"""The unit of each column, read from its name, which ends with it.

    latency_p99_ms ─► ms      bytes_down_per_update ─► bytes      server_cpu_us_per_update ─► µs

A column without a unit is a count, a share (0 to 1) or a word.
"""

from __future__ import annotations

import re

UNITS = (
    (r"_ms_per_client_s$", "ms/s"), (r"^bytes.*_per_s$", "bytes/s"), (r"_per_s$", "1/s"),
    (r"_us_per_(update|client)$|_us$", "µs"), (r"_ms$", "ms"), (r"_ns$", "ns"),
    (r"bytes.*_per_(update|client)$|_bytes(_up|_down)?$", "bytes"), (r"_cores$", "cores"),
    (r"(?<!_per)_s$", "s"), (r"_per_(update|client)$|_share$", ""),
)
"""Patterns of names with the unit that they stand for; the first that fits counts."""


def unit_of(column: str) -> str:
    """Return the unit of a column; an empty text for a count, a share or a word."""
    return next((unit for pattern, unit in UNITS if re.search(pattern, column)), "")
