"""The server's costs: CPU, memory and wake-ups, per update and per client.

The process's own CPU clock between the runner's marks at t0 and t1 (`bench.stats.trial.marks`), divided
by the updates delivered between them. A second value leaves out the idle base: the CPU that the server uses
while all clients are connected and nothing is published. A polled server spends it on answering polls; a
pushing server needs almost none:

    above idle = (CPU of the window − idle CPU × window / idle stretch) / updates

    rss_bytes_per_client      (resident, mean over the window − before the first client) / clients;
                              unknown below `GROWTH_LEAST_BYTES` in all
    socket_bytes_per_client   in the kernel's buffers of its connections, mean of a few readings / clients
    opening_cpu_us_per_client CPU from before the first client until all had their first response / clients
    busiest                   CPU and bytes in the busiest stretch of length ℓ; simulated trials only
    wakeups                   voluntary context switches: the thread had slept and was woken
    preemptions               involuntary context switches: the thread was taken off its core

User and system time are known separately only in the accounting's steps of 10 ms. A cell's split is given
where its trials have at least `SPLIT_STEPS` such steps together (`system_share`), so that it is accurate to
some percent.

Known weakness: over loopback the kernel charges a part of the receiving to the sender, so the server's
CPU holds some of the client's. An idle stretch that is shorter than a poll interval contains
only a part of the polls: right on average, imprecise for few clients. Memory that the process had and did not
use is filled before it grows, unseen: some 200 kB of a bare server's, so that 200 connections of at least 0.8 kB
seemed to take 0.14 kB each. What connections take is therefore too low by up to that, divided by the clients.
"""

from __future__ import annotations

import math

from bench.records.trial_record import TrialRecord, Usage

STEP_S = 0.01
"""The step in which user and system time are accounted."""
SPLIT_STEPS = 500
GROWTH_LEAST_BYTES = 2**19
"""The growth of a server's memory from which it shows what clients take: more than twice what may be filled unseen."""
COLUMNS = (
    "server_cpu_us_per_update", "server_cpu_above_idle_us_per_update", "server_cpu_cores",
    "server_idle_cpu_cores", "server_cpu_ms_per_client_s", "server_opening_cpu_us_per_client",
    "server_user_cores", "server_system_cores", "server_rss_bytes", "server_rss_bytes_per_client",
    "server_socket_bytes_per_client", "server_wakeups_per_update", "server_preemptions_per_update",
    "server_wakeups_per_s", "server_idle_wakeups_per_s",
    "server_cpu_busiest_cores", "bytes_down_busiest_per_s",
)
"""Columns of `trials.csv` that are computed here."""


def server_costs(record: TrialRecord, updates: float, length_ns: float | None = None) -> dict[str, float]:
    """Return `COLUMNS` of a trial in which `updates` arrived at all clients together; NaN for unknown
    values.

    `length_ns` is the time between the marks (None: the length of the window).
    """
    assert record.windows is not None, f"{record.trial}: no window was measured"
    window_ns = record.windows.t1_ns - record.windows.t0_ns
    length_ns = window_ns if length_ns is None else length_ns
    used = record.usage.get("server", Usage())
    cpu_ns, idle_ns = _number(used.cpu_ns), _number(used.idle_ns)
    base_ns = _ratio(_number(used.idle_cpu_ns) * length_ns, idle_ns)
    clients, stretch_ns = record.clients, min(record.windows.late_after_ns, window_ns)
    return {
        "server_cpu_us_per_update": _ratio(cpu_ns / 1000, updates),
        "server_cpu_above_idle_us_per_update": _ratio(_above(cpu_ns, base_ns, length_ns, idle_ns), updates),
        "server_cpu_cores": cpu_ns / length_ns,
        "server_idle_cpu_cores": base_ns / length_ns,
        "server_cpu_ms_per_client_s": _ratio(cpu_ns / length_ns * 1000, clients),
        "server_opening_cpu_us_per_client": _ratio(_number(used.opening_cpu_ns) / 1000, clients),
        "server_user_cores": _number(used.user_ns) / length_ns,
        "server_system_cores": _number(used.system_ns) / length_ns,
        "server_rss_bytes": _number(used.rss_bytes),
        "server_rss_bytes_per_client": _ratio(_growth_bytes(used), clients),
        "server_socket_bytes_per_client": _ratio(_number(used.socket_bytes), clients),
        "server_wakeups_per_update": _ratio(_number(used.wakeups), updates),
        "server_preemptions_per_update": _ratio(_number(used.preemptions), updates),
        "server_wakeups_per_s": _number(used.wakeups) / length_ns * 1e9,
        "server_idle_wakeups_per_s": _ratio(_number(used.idle_wakeups) * 1e9, idle_ns),
        "server_cpu_busiest_cores": _ratio(_number(used.busiest_cpu_ns), stretch_ns),
        "bytes_down_busiest_per_s": _ratio(_number(used.busiest_sent_bytes) * 1e9, stretch_ns),
    }


def _growth_bytes(used: Usage) -> float:
    """Return by how much resident memory grew; NaN where that is too little to show what clients take."""
    grown = _number(used.rss_bytes) - _number(used.rss_before_bytes)
    return grown if grown >= GROWTH_LEAST_BYTES else math.nan


def _above(cpu_ns: float, base_ns: float, length_ns: float, idle_ns: float) -> float:
    """Return the CPU above idle in µs; 0 where the difference is within the rounding of both counts
    to whole nanoseconds."""
    rounding_ns = (1 + _ratio(length_ns, idle_ns)) / 2
    return 0.0 if abs(cpu_ns - base_ns) <= rounding_ns else (cpu_ns - base_ns) / 1000


def system_share(user_s: float, system_s: float) -> float:
    """Return the kernel's share of a server's CPU time, from both parts summed over trials; NaN
    where they are too few steps to tell."""
    total_s = user_s + system_s
    return system_s / total_s if total_s >= SPLIT_STEPS * STEP_S else math.nan


def _number(value: int | None) -> float:
    return math.nan if value is None else float(value)


def _ratio(value: float, count: float) -> float:
    return value / count if count else math.nan
