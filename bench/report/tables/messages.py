"""The table of the messages that clients sent: their fates, their way, and their round trips.

Made from the rows of `trials.csv`; a run whose clients only listen has no such table.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.report import style
from bench.report.data.run import RunData
from bench.report.tables.run import TextTable
from bench.report.text import round_trips
from bench.report.text.findings import spread_text
from bench.report.text.round_trips import MEDIAN, MESSAGES_LEAST, TAIL
from bench.stats.run.intervals import interval
from bench.stats.trial.uplinks import FATES

TIMES = {
    "round trip p50 (ms)": MEDIAN.column,
    "p99 (ms)": TAIL.column,
    "to the publisher p50 (ms)": "uplink_numbered_p50_ms",
    "answer p50 (ms)": "uplink_answered_p50_ms",
}
"""The headings of the columns of times, and the columns of `trials.csv` that they show."""


def table(run: RunData) -> TextTable | None:
    """Return the table; None where no clients send."""
    trials = run.valid
    if not round_trips.sends(run):
        return None
    rows = []
    for (label, clients), here in trials.groupby(["transport", "clients"], sort=False):
        counts = (here[f"uplinks_{fate}"].sum() for fate in ("due", *reversed(FATES)))
        rows.append((
            style.title(str(label)), f"{clients:,}", *(f"{int(count):,}" for count in counts),
            *(time_text(here, figure) for figure in TIMES.values())))
    columns = ("transport", "clients", "messages", *reversed(FATES), *TIMES)
    return TextTable("messages", "Messages that clients sent", columns, tuple(rows), note=(
        "All times count from the instant at which a message was due. A round trip ends when the author has its own "
        "message back as an update. The way to the publisher, which numbers each message, is a part of every update's "
        "latency, and the same extra hop for every transport. Accepted messages alone are owed to anybody. Sums over "
        "valid trials; times with their 95 % intervals between trials, of up to three trials with their own values. "
        f"A 99th percentile needs {MESSAGES_LEAST} messages."))


def time_text(trials: pd.DataFrame, figure: str) -> str:
    """Return a time of a cell with its interval; a dash where a trial has none, or too few messages."""
    if figure == TAIL.column and trials["uplinks_due"].sum() < MESSAGES_LEAST:
        return "–"
    values = trials[figure].to_numpy(dtype=np.float64)
    found = interval(values)
    return style.number(found.estimate) + spread_text(found)
