"""Runs whose trials are marked as simulated, with all further files of a simulated run."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import manifests
import pandas as pd
from synthetic import Plan, make_run

from bench.records import manifest
from bench.records.manifest import MeasuredEntry
from bench.report import RunData, open_run
from bench.stats.run.prediction import REQUIRED

CHECKED = [
    ("websocket", 10, 0.1, "latency_p50_ms", 1.0, 1.05, 0.05, 0.02, 0.08, 0.1, "yes"),
    ("websocket", 20, 0.4, "latency_p50_ms", 2.0, 1.8, -0.10, -0.15, -0.04, 0.1, "open"),
]


def closed_forms() -> pd.DataFrame:
    """Return possible closed forms of such a run, with short polling full at 5,000 clients."""
    rows: list[tuple[object, ...]] = [("short_polling", None, "clients_max", 5000.0, "")]
    rows += [("short_polling", clients, "server_load", clients / 5000, "cores")
             for clients in (20, 60, 700, 5000)]
    rows += [("short_polling", clients, name, value, unit) for clients in (20, 60) for name, value, unit in (
        ("latency_mean_ms", 500.0, "ms"), ("age_excess_mean_ms", 400.0, "ms"), ("missed_share", 0.02, ""),
        ("answers_empty_share", 0.1, ""), ("requests_per_update", 2.0, ""), ("sockets", float(clients), ""),
        ("bytes_up_per_update", 200.0, "bytes"), ("bytes_down_per_update", 300.0, "bytes"),
        ("server_cpu_us_per_update", 50.0, "µs"))]
    rows += [("websocket", 20, "latency_mean_ms", float("inf"), "ms")]
    return pd.DataFrame(rows, columns=["transport", "clients", "quantity", "value", "unit"])


@cache
def measured() -> str:
    """Return the summary of a measured run, as it is kept beside a simulated one."""
    with tempfile.TemporaryDirectory() as folder:
        run = open_run(make_run(Path(folder) / "measured", Plan(trials=3, clients=(10, 20)), raw=False))
        return run.summary.to_csv(index=False)


def made(folder: Path, asked: dict[str, Any] | None = None, checked: bool = True, raw: bool = False) -> RunData:
    """Return a run whose trials are marked as simulated, with a measured run to compare with and a
    validation."""
    run = make_run(folder / "simulated", Plan(trials=3, clients=(20, 60), source="simulated"), raw)
    said = manifests.changed(manifest.read(run), simulation=asked or {})
    manifest.write(run, said.model_copy(update={"measured": MeasuredEntry.model_validate(manifests.MEASURED)}))
    (run / "measured.csv").write_text(measured())
    closed_forms().to_csv(run / "closed_forms.csv", index=False)
    if checked:
        pd.DataFrame(CHECKED, columns=list(REQUIRED)).to_csv(run / "validation.csv", index=False)
    return open_run(run)
