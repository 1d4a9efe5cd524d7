"""The table of the server's costs: CPU in total and above the idle base, opening, switches, memory.

See `bench.stats.trial.server_costs` for the definition of each value.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from bench.report import style
from bench.report.data.run import RunData
from bench.report.tables.run import TextTable
from bench.report.text.findings import spread_text
from bench.stats.run.intervals import FEW, Interval
from bench.stats.run.summary import bounds, few_values

LEAST = 0.001
"""The bound below which a value is written as less than this."""
PLAIN, ABOVE = "server_cpu_us_per_update", "server_cpu_above_idle_us_per_update"


def _with_interval(figure: str) -> Callable[[pd.Series], str]:
    def text(row: pd.Series) -> str:
        low, high = (float(row[name]) for name in bounds(figure))
        found = Interval(float(row[figure]), low, high, int(row["valid_trials"]), few_values(row, figure))
        spread = spread_text(found) if found.count <= FEW else (
            "" if math.isnan(low) else f" ({style.number(low)} to {style.number(high)})")
        return f"{style.number(float(row[figure]))}{spread}"
    return text


def _plain(figure: str, scale: float = 1.0) -> Callable[[pd.Series], str]:
    def text(row: pd.Series) -> str:
        value = float(row[figure]) / scale
        return f"< {LEAST:g}" if 0 < value < LEAST else style.number(value)
    return text


def _split(row: pd.Series) -> str:
    user, system = float(row["server_user_us_per_update"]), float(row["server_system_us_per_update"])
    return "–" if math.isnan(user) else f"{style.number(user)} + {style.number(system)}"


OF_SWITCHES = "Wake-ups and preemptions: voluntary and involuntary context switches per update."
OF_MEMORY = "Memory per client: resident, and in the kernel's socket buffers."
FIGURES: tuple[tuple[str, Callable[[pd.Series], str], str], ...] = (
    ("CPU (µs per update)", _with_interval(PLAIN), (
        "In brackets: 95 % interval between trials; of up to three trials, their own values.")),
    ("above idle (µs per update)", _with_interval(ABOVE), (
        "Above idle: CPU per update without the idle base, which is the server's use while all clients are "
        "connected and nothing is published. It is a difference, so it is averaged as it is, while CPU is on "
        "logarithms: with an idle use of 0 it may be a little above the CPU. Below 0 it is within the error of the "
        "idle use, which is measured for a moment only.")),
    ("user + system (µs per update)", _split, "User and system: only where a cell has 500 steps of 10 ms."),
    ("CPU (ms per client and second)", _plain("server_cpu_ms_per_client_s"), ""),
    ("idle (cores)", _plain("server_idle_cpu_cores"), ""),
    ("opening (µs per client)", _plain("server_opening_cpu_us_per_client"), (
        "Opening: CPU until all clients had their first response, per client.")),
    ("wake-ups per update", _plain("server_wakeups_per_update"), OF_SWITCHES),
    ("preemptions per update", _plain("server_preemptions_per_update"), OF_SWITCHES),
    ("resident (kB per client)", _plain("server_rss_bytes_per_client", 1000), OF_MEMORY),
    ("socket buffers (kB per client)", _plain("server_socket_bytes_per_client", 1000), OF_MEMORY),
)
"""The columns: heading, function from a row of `summary.csv` to the cell's text, and how to read it."""


def table(run: RunData) -> TextTable:
    """Return a row for each cell that has a server's values, without the columns that are empty in all of
    them."""
    cells = [row for _, row in run.summary.sort_values("clients", kind="stable").iterrows()
             if not math.isnan(float(row["server_cpu_cores"]))]
    shown = [each for each in FIGURES if any(each[1](row) != "–" for row in cells)]
    rows = tuple(
        (f"{row['clients']:,}", style.title(str(row["transport"])), *(text(row) for _, text, _ in shown))
        for row in cells)
    columns = ("clients", "transport", *(heading for heading, *_ in shown))
    note = " ".join(dict.fromkeys(each for *_, each in shown if each))
    return TextTable("server", "The server's costs", columns, rows, note)
