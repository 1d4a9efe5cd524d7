"""A synthetic search for the capacity limit: one transport holds all that was tried, one loses updates at once."""

from __future__ import annotations

import json
from pathlib import Path

from synthetic import Made, Plan, make_run

from bench.report import RunData, open_run

SEARCH = {"objective": "kernel_latency_p99_ms <= 50 and lost == 0", "raised": "clients", "start": 30,
          "most": 240, "factor": 2.0, "precision": 1.0, "time_s": 300.0}
PLAN = Plan(trials=2, clients=(30, 60, 120), subjects={
    "websocket": Made(delay_s=0.004), "lossy": Made(delay_s=0.004, loss=0.3)})


def searched(folder: Path) -> RunData:
    """Return the run, opened."""
    path = make_run(folder, PLAN) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["scenario"]["capacity"] = SEARCH
    path.write_text(json.dumps(manifest))
    return open_run(folder)
