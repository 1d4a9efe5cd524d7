"""What a run needs of the machine, before it begins: time, disk, memory, files, ports.

    time     trials × (starting + spawning + idle + warm-up + measuring + draining + storing)
    disk     rows of deliveries, 32 bytes each while raw, about 16 as Parquet
    memory   the processes, their connections and ticks, and the largest trial's rows while they are
             converted; or a replayed file while it is read, if that is more
    files    one socket a client, in the load and in the server alike (the limit is each process's)
    ports    one a client for the connection's near end, and the two that are listened on

They are estimates from above, good to a factor of two, and are there so that a run that cannot end
well does not begin. The constants are measured ones.

A client that opens a new connection for each poll needs a port for each that it opened in the last second:
the near end of one that was closed is held for a minute (TIME_WAIT), but on loopback Linux gives it out again
after a second (`net.ipv4.tcp_tw_reuse`).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import HostError
from bench.experiment.plan import poll_interval_s, warmup_s
from bench.feed.schedule import MEMORY_LIVES
from bench.measure import host
from bench.scenario.fields import Table
from bench.scenario.model import Scenario
from bench.wire.options import HttpWire

OVERHEAD_S = 1.2
"""A trial beside its windows: starting the processes, stopping them, storing."""
SETTLING_S = 0.3
"""From t1 until everybody has everything, where nobody polls."""
RAW_ROW_BYTES = 32
STORED_ROW_BYTES = 16
CONVERTED_ROW_BYTES = 100
"""Raw rows, their columns and the tables made of them, at once in memory."""
TICK_BYTES = 200
"""A tick in the schedules of runner and publisher, and what they note of it."""
READ_TRADE_BYTES = 100
"""A trade of a replayed file while it is read; see `bench.feed.replay`."""
READ_TRADE_S = 2e-6
KEPT_TRADE_BYTES = 28
READY_TICK_S = 5e-6
"""Drawing or mapping a tick, and reserving what will be noted of it, while a publisher starts."""
CLIENT_BYTES = 150_000
"""A connection's buffers and objects at both ends."""
BASE_BYTES = 600_000_000
"""The four processes of a trial without any client."""
BASE_FILES = 64
LISTENING_PORTS = 2


@dataclass(frozen=True, slots=True)
class Needs:
    """What a run needs; `files` of each process, the rest of the machine.

    A run that goes on until something holds may come to fewer trials; `_least` is the least of both.
    """

    trials: int
    trials_least: int
    time_s: float
    time_least_s: float
    disk_bytes: int
    memory_bytes: int
    files: int
    ports: int


@dataclass(frozen=True, slots=True)
class Means:
    """What the machine has; None where that can't be read."""

    disk_bytes: int
    memory_bytes: int
    files: int
    ports: int | None

    @classmethod
    def read(cls, results: Path) -> Means:
        """This machine's, with the disk that `results` is on (or will be)."""
        there = next(path for path in (results, *results.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
        return cls(free, host.memory_bytes()[1], host.open_files()[1], host.local_ports())


def trial_s(scenario: Scenario, options: Mapping[str, Table], clients: int) -> float:
    """How long a trial with so many clients takes."""
    windows = scenario.windows
    spawning = clients / scenario.load.spawn_rate_per_s
    draining = max(SETTLING_S, poll_interval_s(options))
    windows_s = windows.idle_s + warmup_s(scenario, options) + windows.measure_s
    return OVERHEAD_S + spawning + windows_s + draining


def expected_ticks(scenario: Scenario, horizon_s: float) -> int:
    """About how many ticks the feed of one trial will have, bursts' past among them, without drawing them;
    0 where a file is replayed, which is as long as it is."""
    feed = scenario.feed
    if feed.schedule == "replay":
        return 0
    past_s = 0.0
    if feed.schedule == "bursty":
        past_s = MEMORY_LIVES * feed.bursty.decay_s / (1 - feed.bursty.branching_ratio)
    return feed.symbols + round(feed.rate_per_s * (horizon_s + past_s))


def starting_s(at_least_s: float, ticks: int) -> float:
    """Return how long a process with the schedule of so many ticks may take to start."""
    return at_least_s + ticks * READY_TICK_S


def needs(scenario: Scenario, options: Mapping[str, Table], ticks: int, *, trades_read: int = 0,
          trades_kept: int = 0) -> Needs:
    """Return what the run needs, where the feed of one trial has `ticks` ticks; of a replayed file so many
    trades are read once, and so many kept in the run's folder."""
    share = 1.0
    size = scenario.load.symbols_per_client
    if size is not None and scenario.feed.schedule != "replay":
        share = size / scenario.feed.symbols
    counts = [clients for clients in scenario.load.clients for _ in scenario.transports]
    rows = [round(ticks * share * clients) for clients in counts]
    blocks, most = scenario.trials.blocks, max(scenario.load.clients)
    block_s = sum(trial_s(scenario, options, clients) for clients in counts)
    reading_s = trades_read * READ_TRADE_S
    return Needs(
        trials=blocks * len(counts),
        trials_least=scenario.trials.count * len(counts),
        time_s=blocks * block_s + reading_s,
        time_least_s=scenario.trials.count * block_s + reading_s,
        disk_bytes=(blocks * sum(rows) * STORED_ROW_BYTES + max(rows) * RAW_ROW_BYTES
                    + trades_kept * KEPT_TRADE_BYTES),
        memory_bytes=BASE_BYTES + max(
            most * CLIENT_BYTES + ticks * TICK_BYTES + max(rows) * CONVERTED_ROW_BYTES,
            trades_read * READ_TRADE_BYTES),
        files=most + BASE_FILES,
        ports=most * (1 + max(map(_opened_per_s, options.values()), default=0)) + LISTENING_PORTS,
    )


def _opened_per_s(options: Table) -> int:
    """Connections that a client opens in a second because each poll has a new one."""
    if not isinstance(options, HttpWire) or options.connection == "keep-alive":
        return 0
    return math.ceil(1 / float(getattr(options, "interval_s", 1.0)))


def refuse_unless_fits(needed: Needs, found: Means) -> None:
    """Raise `HostError` for the first thing that the machine does not have enough of."""
    rows: list[tuple[str, int, int | None, str]] = [
        ("open files in one process", needed.files, found.files,
         "ask for fewer clients (load.clients) or raise the hard limit (`ulimit -Hn`, as root)"),
        ("ports for outgoing connections", needed.ports, found.ports,
         "ask for fewer clients (load.clients) or widen net.ipv4.ip_local_port_range"),
        ("bytes of memory", needed.memory_bytes, found.memory_bytes,
         "ask for fewer clients, a lower feed.rate_per_s or a shorter windows.measure_s"),
        ("bytes on the disk of the results", needed.disk_bytes, found.disk_bytes,
         "make room there, or name another folder with --results"),
    ]
    for what, need, has, advice in rows:
        if has is not None and need > has >= 0:
            raise HostError(f"the run needs {need:,} {what}, and this machine has {has:,}: {advice}")


def told_time(seconds: float) -> str:
    """Hours, minutes and seconds in words."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60:,} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def table(needed: Needs, found: Means) -> list[tuple[str, str, str]]:
    """What is needed and what is there, as rows of text: what `run --plan` prints."""
    trials, time = f"{needed.trials}", f"about {told_time(needed.time_s)}"
    if needed.trials_least < needed.trials:
        trials = f"{needed.trials_least} to {trials}"
        time = f"about {told_time(needed.time_least_s)} to {told_time(needed.time_s)}"
    return [
        ("trials", trials, ""),
        ("time", time, ""),
        ("disk", f"{needed.disk_bytes / 1e6:,.0f} MB", f"{found.disk_bytes / 1e6:,.0f} MB"),
        ("memory", f"{needed.memory_bytes / 1e6:,.0f} MB", f"{found.memory_bytes / 1e6:,.0f} MB"),
        ("open files of a process", f"{needed.files:,}", f"{found.files:,}"),
        ("ports", f"{needed.ports:,}", "unknown" if found.ports is None else f"{found.ports:,}"),
    ]
