"""What an update costs: bytes, segments, requests, CPU, memory.

    per update = (counter at t1 − counter at t0) / first arrivals in [t0, t1)

summed over all clients. The bytes of each direction have parts that add up to the whole:

    payload    the ticks' own encoding, for every arrival in [t0, t1)       (down only)
    headers    start line to blank line of every request or response
    framing    all other application bytes: brackets, cursors, skip counts, frame headers, pings
    tls        TCP payload − application bytes: without TLS only what was between the kernel and the
               application at the window's two edges, so about nothing
    tcpip      segments × (20 IPv4 + 20 TCP + 12 timestamp option), and 8 more for each SYN

The server's CPU comes from its process's CPU clock, its memory from its resident set: the mean over
the window, less what it was before the first client came, for each client.

Known weakness: over loopback the kernel charges a part of the receiving to the sender, so the server's
CPU holds some of the client's. A FIN counts as an ordinary segment.
"""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.records import COUNTED, COUNTED_BY_KERNEL, TrialRecord, Usage
from bench.stats.arrays import TrialArrays

SEGMENT_BYTES = 52
"""IPv4 and TCP headers with the timestamp option."""
SYN_BYTES = 8
"""What the options of a SYN have more."""

DIRECTIONS = ("up", "down")
PARTS = ("payload", "header", "framing", "tls", "tcpip")
"""The kinds of bytes, from the one that matters to the one that nobody sees."""


def arrivals_in_window(trial: TrialArrays) -> int:
    """First arrivals in [t0, t1): what costs are divided by."""
    app_ns, windows = trial.arrivals.app_ns, trial.windows
    return int(np.count_nonzero((app_ns >= windows.t0_ns) & (app_ns < windows.t1_ns)))


def payload_bytes(trial: TrialArrays) -> int:
    """Bytes of the ticks that arrived in [t0, t1), repeated ones too."""
    windows = trial.windows
    total = 0
    for tick, app_ns in (
        (trial.arrivals.tick, trial.arrivals.app_ns),
        (trial.arrivals.repeated_tick, trial.arrivals.repeated_app_ns),
    ):
        within = (app_ns >= windows.t0_ns) & (app_ns < windows.t1_ns)
        total += int(trial.ticks.payload_bytes[tick[within]].sum())
    return total


def byte_parts(counts: dict[str, float], payload: float) -> dict[str, float]:
    """The bytes of each direction, whole and by part, as `bytes_up`, `header_bytes_up` … .

    `counts` are the sums of the clients' counters; NaN where one was not counted.
    """
    parts: dict[str, float] = {}
    for direction in DIRECTIONS:
        header, body = counts[f"header_bytes_{direction}"], counts[f"body_bytes_{direction}"]
        tcp = counts[f"bytes_{direction}"]
        tcpip = counts[f"segments_{direction}"] * SEGMENT_BYTES + counts["connections"] * SYN_BYTES
        carried = payload if direction == "down" else 0.0
        parts |= {
            f"bytes_{direction}": tcp + tcpip,
            f"payload_bytes_{direction}": carried,
            f"header_bytes_{direction}": header,
            f"framing_bytes_{direction}": body - carried,
            f"tls_bytes_{direction}": tcp - header - body,
            f"tcpip_bytes_{direction}": tcpip,
        }
    return parts


def client_sums(clients: pa.Table) -> dict[str, float]:
    """The clients' counters over the window, summed; NaN where a client has none."""
    sums: dict[str, float] = {}
    for name in (*COUNTED, *COUNTED_BY_KERNEL):
        column = clients.column(name)
        sums[name] = math.nan if column.null_count or not len(column) else float(pc.sum(column).as_py())
    return sums


def costs(record: TrialRecord, trial: TrialArrays, clients: pa.Table) -> dict[str, float]:
    """The cost columns of a trial (`docs/results.md`); NaN for what was not measured."""
    arrivals = arrivals_in_window(trial)
    counts = client_sums(clients)
    figures = byte_parts(counts, payload_bytes(trial))
    for name in ("requests", "connections", "segments_up", "segments_down", "retransmitted_segments_up"):
        figures[name] = counts[name]
    per_update = {f"{name}_per_update": _ratio(value, arrivals) for name, value in figures.items()}
    length_ns = trial.windows.t1_ns - trial.windows.t0_ns
    server = record.usage.get("server", Usage())
    # The server serves all clients, the tables hold a share of them.
    served = arrivals / record.sample
    return per_update | {
        "arrivals": float(arrivals),
        "server_cpu_us_per_update": _ratio(_number(server.cpu_ns) / 1000, served),
        "server_cpu_cores": _number(server.cpu_ns) / length_ns,
        "server_user_cores": _number(server.user_ns) / length_ns,
        "server_system_cores": _number(server.system_ns) / length_ns,
        "server_rss_bytes": _number(server.rss_bytes),
        "server_rss_bytes_per_client":
            _ratio(_number(server.rss_bytes) - _number(server.rss_before_bytes), record.clients),
        "load_cpu_cores": _number(record.usage.get("load", Usage()).cpu_ns) / length_ns,
        "publisher_cpu_cores": _number(record.usage.get("publisher", Usage()).cpu_ns) / length_ns,
    }


def _number(value: int | None) -> float:
    return math.nan if value is None else float(value)


def _ratio(value: float, count: float) -> float:
    return value / count if count else math.nan
