"""What the server pays: CPU, memory and wake-ups, for each update and each client.

The process's own CPU clock between the runner's marks at t0 and t1 (`bench.stats.trial.marks`), divided by
what was
delivered between them. Beside it stands the same
above the idle base: what the server uses while all clients are there and nothing is published, which a
polled server pays for being asked and a pushing one hardly pays at all:

    above idle = (CPU of the window − idle CPU × window / idle stretch) / updates

    rss_bytes_per_client      (resident, mean over the window − before the first client) / clients
    socket_bytes_per_client   in the kernel's buffers of its connections, mean of a few looks / clients
    opening_cpu_us_per_client CPU from before the first client until all had their first answer / clients
    busiest                   CPU and bytes in the stretch of ℓ in which there were most; simulated ones only
    wakeups                   voluntary context switches: it had slept, and was woken
    preemptions               involuntary ones: it was taken off its core

User and system time are apart only in the accounting's steps of 10 ms. A cell's split is given where its
trials have at least `SPLIT_STEPS` of them together (`system_share`), so that it is good to some percent.

Known weakness: over loopback the kernel charges a part of the receiving to the sender, so the server's
CPU holds some of the client's. An idle stretch that is shorter than a poll interval sees that share of
the polls only that fall into it: on average right, for few clients grainy.
"""

from __future__ import annotations

import math

from bench.records.trial_record import TrialRecord, Usage

STEP_S = 0.01
"""A step of the accounting of user and system time."""
SPLIT_STEPS = 500
COLUMNS = (
    "server_cpu_us_per_update", "server_cpu_above_idle_us_per_update", "server_cpu_cores",
    "server_idle_cpu_cores", "server_cpu_ms_per_client_s", "server_opening_cpu_us_per_client",
    "server_user_cores", "server_system_cores", "server_rss_bytes", "server_rss_bytes_per_client",
    "server_socket_bytes_per_client", "server_wakeups_per_update", "server_preemptions_per_update",
    "server_wakeups_per_s", "server_idle_wakeups_per_s",
    "server_cpu_busiest_cores", "bytes_down_busiest_per_s",
)
"""Columns of `trials.csv` that are made here."""


def server_costs(record: TrialRecord, updates: float, length_ns: float | None = None) -> dict[str, float]:
    """`COLUMNS` of a trial in which `updates` arrived at all clients together; NaN for what is not known.
    `length_ns` lie between the marks (None: as long as the window)."""
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
        "server_rss_bytes_per_client":
            _ratio(_number(used.rss_bytes) - _number(used.rss_before_bytes), clients),
        "server_socket_bytes_per_client": _ratio(_number(used.socket_bytes), clients),
        "server_wakeups_per_update": _ratio(_number(used.wakeups), updates),
        "server_preemptions_per_update": _ratio(_number(used.preemptions), updates),
        "server_wakeups_per_s": _number(used.wakeups) / length_ns * 1e9,
        "server_idle_wakeups_per_s": _ratio(_number(used.idle_wakeups) * 1e9, idle_ns),
        "server_cpu_busiest_cores": _ratio(_number(used.busiest_cpu_ns), stretch_ns),
        "bytes_down_busiest_per_s": _ratio(_number(used.busiest_sent_bytes) * 1e9, stretch_ns),
    }


def _above(cpu_ns: float, base_ns: float, length_ns: float, idle_ns: float) -> float:
    """CPU above idle in µs; none where it is no more than both counts' rounding to whole nanoseconds."""
    rounding_ns = (1 + _ratio(length_ns, idle_ns)) / 2
    return 0.0 if abs(cpu_ns - base_ns) <= rounding_ns else (cpu_ns - base_ns) / 1000


def system_share(user_s: float, system_s: float) -> float:
    """The kernel's share of a server's CPU time, from both parts summed over trials; NaN where they are
    too few steps to tell."""
    total_s = user_s + system_s
    return system_s / total_s if total_s >= SPLIT_STEPS * STEP_S else math.nan


def _number(value: int | None) -> float:
    return math.nan if value is None else float(value)


def _ratio(value: float, count: float) -> float:
    return value / count if count else math.nan
