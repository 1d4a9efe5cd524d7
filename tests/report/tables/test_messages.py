"""The table of messages: it is there where clients send, and its counts are those of the trials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.report import RunData
from bench.report.tables import messages
from bench.stats.trial.uplinks import COLUMNS, FATES


def test_there_is_a_row_per_cell_where_clients_send_and_no_table_where_they_only_listen(run: RunData) -> None:
    assert messages.table(run) is None
    sent = {name: np.full(len(run.trials), 700.0) for name in COLUMNS}
    sent["round_trip_p50_ms"] = np.linspace(2.0, 2.1, len(run.trials))
    sent["round_trip_p99_ms"][0] = np.inf
    other = replace(run, trials=run.trials.assign(**sent))
    found = messages.table(other)
    assert found is not None
    cells = other.valid.groupby(["transport", "clients"]).size()
    assert len(found.rows) == len(cells)
    assert len(found.columns) == len(found.rows[0])
    place = found.columns.index("accepted")
    assert {int(row[place].replace(",", "")) for row in found.rows} == {700 * int(trials) for trials in cells}
    assert set(FATES) < set(found.columns)
    times = [row[found.columns.index("round trip p50 (ms)")] for row in found.rows]
    assert all(text.startswith("2.") and "–" in text for text in times)
    tail = found.columns.index("p99 (ms)")
    assert "lost" in {row[tail] for row in found.rows}
    sent["uplinks_due"] = np.full(len(run.trials), 7.0)
    few = messages.table(replace(run, trials=run.trials.assign(**sent)))
    assert few is not None
    assert {row[tail] for row in few.rows} == {"–"}, "of a few dozen messages the slowest one is no percentile"
