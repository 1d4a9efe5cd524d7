"""The end of a run on the terminal: figures that are no numbers, and tables that fit."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from synthetic import Plan, make_run

from bench.cli import outcome
from bench.stats.run.capacity_plan import RequiredResources


@pytest.mark.parametrize(("value", "plain", "shown"), [
    (1.234, 1.234, "1.23"), (math.nan, None, "–"), (math.inf, "lost", "lost"), (pd.NA, None, "–"),
    (np.int64(3), 3, "3.00"), (2534.9, 2534.9, "2,535"),
])
def test_figures_that_are_no_numbers(value: Any, plain: Any, shown: str) -> None:
    assert outcome._plain(value) == plain
    json.dumps(outcome._plain(value))
    assert outcome._cell(value, "{:.2f}") == shown


@pytest.mark.parametrize("name", ["short_polling", "short_polling_by_a_server_of_my_own"])
def test_the_summarys_table_fits_a_terminal(name: str) -> None:
    row = {name: 1234.56 for name, _, _ in outcome.COLUMNS} | {"transport": name}
    console = Console(width=80, record=True)
    console.print(outcome._summary_table(pd.DataFrame([row])))
    lines = console.export_text().splitlines()
    assert "…" not in "".join(lines)
    begins = next(number for number, line in enumerate(lines) if line.startswith("short"))
    assert lines[begins].split()[1:] == ["1,235"] * 9 + ["1,234.6"]
    assert "".join(line.split(" ")[0] for line in lines[begins:]).startswith(name)


@pytest.mark.parametrize(("conflated", "shown"), [(0, False), (250, True)])
def test_what_was_conflated_is_seen_at_a_glance(conflated: int, shown: bool) -> None:
    row = {name: 123.456 for name, _, _ in outcome.COLUMNS} | {
        "transport": "short_polling", "conflated": conflated, "updates_due": 1000}
    console = Console(width=80, record=True)
    console.print(outcome._summary_table(pd.DataFrame([row])))
    text = console.export_text()
    assert ("confl." in text, " 25 " in text) == (shown, shown)
    assert "…" not in text


@pytest.mark.usefixtures("few_figures")
def test_brackets_in_a_path_are_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_run(tmp_path / "[bold]run[/i]", Plan(trials=2, clients=(3,)))
    outcome.finish(folder, as_json=False)
    assert "[bold]run[/i]/report.html" in capsys.readouterr().out


def test_a_capacity_plan_fits_a_terminal() -> None:
    need = RequiredResources(
        transport="short_polling", clients=1_000_000, workers_simulated=80, load_simulated=0.3,
        latency_p50_simulated_ms=1000.0, latency_p99_simulated_ms=2000.0, cpu_cores=24.0, full_at=0.6,
        workers=12_345, short=False, gbit_out_per_s=123.456, gbit_in_per_s=45.678, requests_per_s=1e6,
        sockets=1e6, memory_gb=math.nan, workers_month=1e6, traffic_month=2e6, month=3_456_789.0,
        currency="USD")
    console = Console(width=80, record=True)
    unknown = replace(need, workers=None, month=math.nan, gbit_out_per_s=math.nan)
    console.print(outcome._fleet_table([need, unknown]))
    text = console.export_text()
    assert "12,345" in text
    assert "3,460,000 USD" in text
    assert "60 % of a core" in " ".join(text.split())
    assert text.splitlines()[2].split()[2:4] == ["–", "–"]
    assert "nan" not in text
    assert "…" not in text
    assert "≥" not in text
    console.print(outcome._fleet_table([replace(need, short=True)]))
    short = " ".join(console.export_text().split())
    assert "≥ 12,345" in short
    assert "≥ 3,460,000 USD" in short
    assert "simulate with more" in short
