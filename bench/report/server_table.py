"""What the server pays, as a table: CPU plain and above the idle base, opening, switches, memory.

See `bench.stats.server_costs` for what each figure is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from bench.report import style
from bench.report.run import Run
from bench.report.tables import Table
from bench.stats.summary import bounds

NOTE = (
    "Of each trial: its idle stretch, in which all clients were there and nothing was published, is the idle "
    "base. CPU above idle: for each update, what is left once the idle base is taken off (in brackets: 95 % "
    "interval between trials). User and system: only where a cell has 500 steps of 10 ms. Opening: CPU "
    "until all clients had their first answer, for each. Wake-ups and preemptions: voluntary and involuntary "
    "context switches for each update. Memory for each client: resident, and in the kernel's socket buffers.")
PLAIN, ABOVE = "server_cpu_us_per_update", "server_cpu_above_idle_us_per_update"


def _with_interval(figure: str) -> Callable[[pd.Series], str]:
    def told(row: pd.Series) -> str:
        low, high = (float(row[name]) for name in bounds(figure))
        spread = "" if math.isnan(low) else f" ({style.number(low)} to {style.number(high)})"
        return f"{style.number(float(row[figure]))}{spread}"
    return told


def _plain(figure: str, scale: float = 1.0) -> Callable[[pd.Series], str]:
    return lambda row: style.number(float(row[figure]) / scale)


def _split(row: pd.Series) -> str:
    user, system = float(row["server_user_us_per_update"]), float(row["server_system_us_per_update"])
    return "–" if math.isnan(user) else f"{style.number(user)} + {style.number(system)}"


FIGURES: tuple[tuple[str, Callable[[pd.Series], str]], ...] = (
    ("CPU (µs an update)", _with_interval(PLAIN)),
    ("above idle (µs an update)", _with_interval(ABOVE)),
    ("user + system (µs an update)", _split),
    ("CPU (ms a client and second)", _plain("server_cpu_ms_per_client_s")),
    ("idle (cores)", _plain("server_idle_cpu_cores")),
    ("opening (µs a client)", _plain("server_opening_cpu_us_per_client")),
    ("wake-ups an update", _plain("server_wakeups_per_update")),
    ("preemptions an update", _plain("server_preemptions_per_update")),
    ("resident (kB a client)", _plain("server_rss_bytes_per_client", 1000)),
    ("socket buffers (kB a client)", _plain("server_socket_bytes_per_client", 1000)),
)
"""The columns of the table: their heads, and what stands in them for a row of `summary.csv`."""


def table(run: Run) -> Table:
    """A row for each cell that has a server's figures."""
    rows = tuple(
        (f"{row['clients']:,}", style.title(str(row["transport"])), *(told(row) for _, told in FIGURES))
        for _, row in run.summary.sort_values("clients", kind="stable").iterrows()
        if not math.isnan(float(row["server_cpu_cores"]))
    )
    columns = ("clients", "transport", *(heading for heading, _ in FIGURES))
    return Table("server", "What the server pays", columns, rows, NOTE)
