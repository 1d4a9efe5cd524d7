"""The resources that a run needs, estimated before it begins: time, disk, memory, files, ports.

    time     trials × (starting + spawning + idle + warm-up + measuring + draining + storing)
    disk     rows of deliveries, 32 bytes each while raw, about 16 as Parquet
    memory   the processes, their connections and ticks, and the largest trial's rows while they are
             converted; or a replayed file while it is read, if that is more
    files    one socket per client (two where clients also send), both in the load and in the server (the limit
             applies to each process)
    ports    one per client for the connection's near end, and two that are listened on

The estimates are upper ones, within a factor of two, so that a run that can't end well does not begin. The
constants were measured.

A client that opens a new connection for each poll needs a port for each connection that it opened in the last
second: the near end of a closed connection is held for a minute (TIME_WAIT), but on loopback Linux reuses it
after a second (`net.ipv4.tcp_tw_reuse`). Its transport's closed forms say how often a client polls, up to
what a server can open in a second (`EXCHANGE_S`).

Known weakness: polls that wait for news are counted at the mean rate of the feed; in a burst there are more of them.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import transports
from bench.errors import HostError
from bench.experiment.plan import horizon_s, longest_interval_s, warmup_s
from bench.feed.schedule import MEMORY_LIVES
from bench.measure import host
from bench.scenario.fields import Table
from bench.scenario.model import BROWSER, Scenario
from bench.transports.model import Conditions
from bench.wire.options import HttpWire

OVERHEAD_S = 1.2
"""Time of a trial besides its windows: starting the processes, stopping them, storing."""
SETTLING_S = 0.3
"""Time from t1 until every client has received everything, if no client polls."""
RAW_ROW_BYTES = 32
STORED_ROW_BYTES = 16
CONVERTED_ROW_BYTES = 100
"""Raw rows, their columns and the tables made of them, in memory at the same time."""
TICK_BYTES = 200
"""A tick in the schedules of runner and publisher, and in the publisher's log of it."""
READ_TRADE_BYTES = 100
"""A trade of a replayed file while it is read; see `bench.feed.replay`."""
READ_TRADE_S = 2e-6
KEPT_TRADE_BYTES = 28
READY_TICK_S = 5e-6
"""Time per tick to draw or map it and to reserve space for its log while a publisher starts."""
CLIENT_BYTES = 150_000
"""A connection's buffers and objects at both ends."""
BASE_BYTES = 600_000_000
"""The four processes of a trial without any client."""
BASE_FILES = 64
BROWSER_S = 2.0
"""Time to start and end a browser without a page."""
PAGE_S = 0.6
"""Time to open a page and to read its clock."""
PAGE_BYTES = 120_000_000
"""A page's process; a browser without a page has twice as much."""
LISTENING_PORTS = 2
EXCHANGE_S = 50e-6
"""The least time in which a server opens a connection and answers a poll on it. By the project's costs the servers that
build on a library take twice as long."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """The resources that a run needs: `files` of each process, the others of the machine.

    A run with `trials.until` may make fewer trials; the fields with `_least` are the minimum.
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
class Resources:
    """The resources of the machine; None for one that can't be read."""

    disk_bytes: int
    memory_bytes: int
    files: int
    """The hard limit of a process; negative where there is none."""
    ports: int | None

    @classmethod
    def read(cls, results: Path) -> Resources:
        """Read the resources of this machine, with the disk that holds (or will hold) `results`."""
        there = next(path for path in (results, *results.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
        return cls(free, host.memory_bytes()[1], host.open_files()[1], host.local_ports())


def trial_s(scenario: Scenario, options: Mapping[str, Table], clients: int) -> float:
    """Return the time that a trial with `clients` clients takes, in s."""
    windows = scenario.windows
    spawning = clients / scenario.load.spawn_rate_per_s
    draining = max(SETTLING_S, longest_interval_s(options))
    windows_s = windows.idle_s + warmup_s(scenario, options) + windows.measure_s
    return OVERHEAD_S + spawning + windows_s + draining


def browsing_s(scenario: Scenario, label: str, clients: int) -> float:
    """Return the time that a trial takes longer because a browser's pages are its clients, in s."""
    return BROWSER_S + PAGE_S * clients if scenario.transports[label].client == BROWSER else 0.0


def cell_s(scenario: Scenario, options: Mapping[str, Table], label: str, clients: int) -> float:
    """Return the time that a trial of a cell takes, in s."""
    return trial_s(scenario, options, clients) + browsing_s(scenario, label, clients)


def expected_ticks(scenario: Scenario, horizon_s: float) -> int:
    """Return the approximate number of ticks in one trial's feed, without drawing them.

    The past of a bursty feed is included. Returns 0 for a replayed file, whose length is not known here.
    """
    feed = scenario.feed
    if feed.schedule == "replay":
        return 0
    past_s = 0.0
    if feed.schedule == "bursty":
        past_s = MEMORY_LIVES * feed.bursty.decay_s / (1 - feed.bursty.branching_ratio)
    return feed.symbols + round(feed.rate_per_s * (horizon_s + past_s))


def starting_s(at_least_s: float, ticks: int) -> float:
    """Return the longest time in s that a process with a schedule of `ticks` ticks may take to start."""
    return at_least_s + ticks * READY_TICK_S


def needs(scenario: Scenario, options: Mapping[str, Table], ticks: int, *, trades_read: int = 0,
          trades_kept: int = 0) -> Requirements:
    """Return the needs of the run where the feed of one trial has `ticks` ticks.

    Of a replayed file, `trades_read` trades are read once and `trades_kept` are stored in the run's folder.
    """
    share, feed = 1.0, scenario.feed
    size = scenario.load.symbols_per_client
    if size is not None and feed.schedule != "replay":
        share = size / feed.symbols
    cells = [(label, clients) for clients in scenario.load.clients for label in scenario.transports]
    counts = [clients for _, clients in cells]
    rows = [round(ticks * share * clients) for clients in counts]
    blocks, most = scenario.trials.blocks, max(scenario.load.clients)
    block_s = sum(cell_s(scenario, options, label, clients) for label, clients in cells)
    pages = any(subject.client == BROWSER for subject in scenario.transports.values()) * (most + 2)
    reading_s = trades_read * READ_TRADE_S
    connections = 2 if feed.source == "clients" else 1   # at most: one to receive and one to send
    feed_per_s = max(ticks, 1) / horizon_s(scenario, options) if feed.schedule == "replay" else feed.rate_per_s
    return Requirements(
        trials=blocks * len(counts),
        trials_least=scenario.trials.count * len(counts),
        time_s=blocks * block_s + reading_s,
        time_least_s=scenario.trials.count * block_s + reading_s,
        disk_bytes=(blocks * sum(rows) * STORED_ROW_BYTES + max(rows) * RAW_ROW_BYTES
                    + trades_kept * KEPT_TRADE_BYTES),
        memory_bytes=BASE_BYTES + pages * PAGE_BYTES + max(
            most * CLIENT_BYTES + ticks * TICK_BYTES + max(rows) * CONVERTED_ROW_BYTES,
            trades_read * READ_TRADE_BYTES),
        files=most * connections + BASE_FILES,
        ports=most * connections + _opened_per_s(scenario, options, most, share * feed_per_s) + LISTENING_PORTS,
    )


def _opened_per_s(scenario: Scenario, options: Mapping[str, Table], clients: int, rate_per_s: float) -> int:
    """Return the connections that clients open per second because each poll uses a new one; 0 where none does.

    `rate_per_s` is the rate of the ticks that a client subscribes to. Transits are taken as 0, so it is an upper
    estimate.
    """
    polls = [transports.model_of(scenario.transports[label].transport).requests_per_s(given, Conditions(rate_per_s))
             for label, given in options.items() if isinstance(given, HttpWire) and given.connection == "new"]
    return math.ceil(min(clients * max(polls, default=0.0), 1 / EXCHANGE_S))


def refuse_unless_fits(needed: Requirements, found: Resources) -> None:
    """Raise `HostError` for the first resource that the machine does not have enough of."""
    rows: list[tuple[str, int, int | None, str]] = [
        ("open files in one process", needed.files, found.files,
         "ask for fewer clients (load.clients) or raise the hard limit (`ulimit -Hn`, as root)"),
        ("ports for outgoing connections", needed.ports, found.ports,
         "ask for fewer clients (load.clients) or widen net.ipv4.ip_local_port_range"),
        ("bytes of memory", needed.memory_bytes, found.memory_bytes,
         "ask for fewer clients, a lower feed.rate_per_s or a shorter windows.measure_s"),
        ("bytes on the disk of the results", needed.disk_bytes, found.disk_bytes,
         "free space there, or name another folder with --results"),
    ]
    for what, need, has, advice in rows:
        if has is not None and need > has >= 0:
            raise HostError(f"the run needs {need:,} {what}, and this machine has {has:,}: {advice}")


def duration_text(seconds: float) -> str:
    """Return hours, minutes and seconds in words."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60:,} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def table(needed: Requirements, found: Resources) -> list[tuple[str, str, str]]:
    """Return the needed and the available resources as rows of text, as `run --plan` prints them."""
    trials, time = f"{needed.trials}", f"about {duration_text(needed.time_s)}"
    if needed.trials_least < needed.trials:
        trials = f"{needed.trials_least} to {trials}"
        time = f"about {duration_text(needed.time_least_s)} to {duration_text(needed.time_s)}"
    return [
        ("trials", trials, ""),
        ("time", time, ""),
        ("disk", f"{needed.disk_bytes / 1e6:,.0f} MB", f"{found.disk_bytes / 1e6:,.0f} MB"),
        ("memory", f"{needed.memory_bytes / 1e6:,.0f} MB", f"{found.memory_bytes / 1e6:,.0f} MB"),
        ("open files of a process", f"{needed.files:,}", "no limit" if found.files < 0 else f"{found.files:,}"),
        ("ports", f"{needed.ports:,}", "unknown" if found.ports is None else f"{found.ports:,}"),
    ]
