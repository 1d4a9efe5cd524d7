"""The server's table: both costs for each update side by side, and dashes for what was not measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic import Plan, make_run

from bench.records import trial_record
from bench.report import RunData, open_run
from bench.report.tables import server


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """A run in whose trials an idle server used a tenth of a core."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "idle", Plan(trials=3, clients=(10,)))
    for path in trial_record.trial_folders(folder):
        record = trial_record.read_trial(path)
        used = replace(record.usage["server"], idle_ns=10**9, idle_cpu_ns=10**8, wakeups=1000,
                       user_ns=10**9, system_ns=10**9)
        trial_record.write_trial(path, replace(record, usage=record.usage | {"server": used}))
    return open_run(folder)


def cells(run: RunData) -> dict[str, dict[str, str]]:
    table = server.table(run)
    return {row[1]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_the_idle_base_is_taken_off(measured: RunData) -> None:
    found = cells(measured)
    summary = measured.summary.set_index("transport")
    for label, name in (("websocket", "WebSocket"), ("long_polling", "long polling")):
        plain = summary.at[label, server.PLAIN]
        updates_per_s = summary.at[label, "server_cpu_cores"] * 1e6 / plain
        assert summary.at[label, server.ABOVE] == pytest.approx(plain - 0.1e6 / updates_per_s, rel=0.02)
        assert found[name]["idle (cores)"] == "0.100"
        assert "(n = 3: " in found[name]["above idle (µs per update)"]


def test_the_split_is_there_once_there_are_five_hundred_steps(measured: RunData) -> None:
    # Three trials of 2 s of CPU are 600 steps.
    assert " + " in cells(measured)["WebSocket"]["user + system (µs per update)"]
    row = measured.summary.iloc[0]
    parts = row["server_user_us_per_update"] + row["server_system_us_per_update"]
    assert parts == pytest.approx(row["server_cpu_us_per_update"])


def test_what_no_cell_has_is_not_there(run: RunData) -> None:
    table = server.table(run)
    assert "CPU (µs per update)" in table.columns
    assert not any(name.startswith(("above idle", "user + system")) for name in table.columns)
    assert "idle base" not in table.note
    assert "of up to three trials, their own values" in table.note


def test_a_figure_too_small_to_matter_has_no_row_of_zeros(measured: RunData) -> None:
    summary = measured.summary.assign(server_idle_cpu_cores=4e-7)
    assert cells(replace(measured, summary=summary))["WebSocket"]["idle (cores)"] == "< 0.001"
