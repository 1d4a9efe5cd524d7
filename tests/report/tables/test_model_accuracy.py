"""The limits within which to believe a run: within the loads that were checked, or beyond them with a band."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from manifests import asking
from simulated_runs import made

from bench.report import RunData, style
from bench.report.tables import model_accuracy


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    return made(tmp_path_factory.mktemp("runs"))


def busy(run: RunData, cores: float, workers: int) -> RunData:
    """Return the same run of 60 clients, whose workers use that many cores together."""
    return asking(replace(run, trials=run.trials.assign(server_cpu_cores=cores)), simulation={"workers": workers})


@pytest.mark.parametrize(("cores", "workers", "here"), [
    (0.9, 3, "within"), (0.3, 1, "beyond (3 × the clients): −10.0 % to +5.0 %, or worse"),
    (0.9, 2, "beyond (1.5 × the clients and 1.1 × the load): −10.0 % to +5.0 %, or worse"),
])
def test_a_prediction_is_within_what_was_checked_or_carries_its_band(
    known: RunData, cores: float, workers: int, here: str
) -> None:
    [found] = model_accuracy.how_far(busy(known, cores, workers)).rows
    row = tuple(cell.replace(style.NARROW, " ") for cell in found)
    assert row[:5] == ("WebSocket", "latency, median", "10–20", "10–40 %", "−10.0 %")
    assert row[-2:] == (f"{60 / workers:,.0f} at {100 * cores / workers:.0f} %", here)
    assert "1 inside with proof, 1 inside" in row


def test_a_worker_far_beyond_has_no_exponent() -> None:
    cells = pd.DataFrame({"clients": [200, 600], "load": [0.1, 0.5]})
    assert model_accuracy.beyond(cells, 100_000, 0.6) == "170 × the clients and 1.2 × the load"


def test_nothing_where_nothing_was_checked(tmp_path: Path) -> None:
    assert model_accuracy.how_far(made(tmp_path, checked=False)).rows == ()


def test_costs_by_kind_of_work(known: RunData) -> None:
    table = model_accuracy.costs_table(known.manifest)
    push = next(row for row in table.rows if row[0] == "WebSocket")
    assert dict(zip(table.columns, push, strict=True))["tick (µs)"] == "1,000"
    assert dict(zip(table.columns, push, strict=True))["kB of payload (µs)"] == "1.00"
    assert "costs-nowhere.json" in table.note
    assert isinstance(known.validation, pd.DataFrame)


def test_in_short_it_is_a_row_a_transport(known: RunData) -> None:
    [row] = model_accuracy.in_short(busy(known, 0.9, 2)).rows
    told = [cell.replace(style.NARROW, " ") for cell in row]
    assert told == ["WebSocket", "10–20", "10–40 %", "−10.0 %", "–", "–", "30 at 45 %",
                    "beyond (1.5 × the clients and 1.1 × the load)"]
    assert model_accuracy.how_far(known).folded
