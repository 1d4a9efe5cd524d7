"""Synthetic runs with a sweep: polls of three intervals against pushes of three flushes, at a rate of the feed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthetic import Made, Plan, make_run

from bench.records import trial_record as records
from bench.report import RunData, open_run

INTERVALS_S, FLUSHES_MS = (0.1, 0.5, 1.0), (0, 200, 1000)
SWEEP: dict[str, list[Any]] = {
    "transports.short_polling.interval_s": list(INTERVALS_S), "transports.websocket.flush_ms": list(FLUSHES_MS)}


def swept_run(folder: Path, rate_per_s: float = 40.0, push: float = 0.2, *, trials: int = 4, seed: int = 1) -> RunData:
    """Return a run whose pushes have `push` times the CPU and bytes of polls at the same staleness, more or less."""
    subjects = {}
    for number, interval_s in enumerate(INTERVALS_S):
        common = Made("short_polling", interval_s=interval_s, delay_s=0.001, trial_effect=0.02, noise_seed=number)
        subjects[f"short_polling interval_s={interval_s}"] = replace(common, cpu_us=20 / interval_s)
    for number, flush_ms in enumerate(FLUSHES_MS):
        staleness_s = max(flush_ms / 2000, 0.001)
        subjects[f"websocket flush_ms={flush_ms}"] = Made(
            delay_s=staleness_s, cpu_us=push * 10 / staleness_s, trial_effect=0.02, noise_seed=10 + number,
            options=(("flush_ms", flush_ms),))
    make_run(folder, Plan(trials=trials, clients=(10,), subjects=subjects, rate_per_s=rate_per_s, symbols=2, seed=seed))
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["scenario"]["sweep"] = SWEEP
    records.write_json(path, manifest)
    return open_run(folder)
