"""Synthetic runs: whole run folders from closed-form arrivals, for tests of all that judges runs.

Arrivals of each transport follow its model: a push arrives δ after it was due; a poller with period P
and a random phase gets it with its next poll, δ later; a long poller that is between two requests gets
it when it asks again. δ is lognormal about `delay_s`, times an effect of the trial.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from manifests import manifest_of, simulated

from bench.records import manifest
from bench.records import trial_record as records
from bench.records.trial_record import TrialRecord, Usage, WindowInstants

S = 1_000_000_000


QUIET: dict[str, Any] = {
    "others_share": 0.01, "steal_share": 0.0, "throttled_ms": 0.0, "swapped_pages": 0,
    "probe_gap_share": 0.01, "probe_gap_max_us": 90.0, "probe_slowdown": 1.02,
    "probe_spin_before_us": 60.0, "probe_spin_after_us": 60.6,
}
"""The noise figures of a machine on which nothing else runs."""


@dataclass(frozen=True)
class Made:
    """The behaviour of one subject."""

    kind: str = "websocket"
    delay_s: float = 0.001
    interval_s: float = 1.0
    gap_s: float = 0.002
    trial_effect: float = 0.05
    loss: float = 0.0
    cpu_us: float = 20.0
    header_bytes: int = 0
    rss_bytes: int = 300_000
    noise_seed: int = 0
    """Two subjects with the same seed share their noise, so that they differ only by their settings."""
    options: tuple[tuple[str, object], ...] = ()
    """Further fields of the subject in the scenario, such as `server`, each with its value."""


DEFAULT = {
    "short_polling": Made("short_polling", cpu_us=12.0, header_bytes=180, rss_bytes=220_000),
    "long_polling": Made("long_polling", delay_s=0.0012, cpu_us=60.0, header_bytes=200, rss_bytes=310_000),
    "websocket": Made("websocket", cpu_us=9.0),
}


@dataclass(frozen=True)
class Plan:
    """The contents of a synthetic run."""

    subjects: dict[str, Made] = field(default_factory=lambda: dict(DEFAULT))
    clients: tuple[int, ...] = (10, 30)
    trials: int = 5
    rate_per_s: float = 40.0
    symbols: int = 4
    symbols_per_client: int | None = None
    warmup_s: float = 1.5
    measure_s: float = 3.0
    late_after_s: float = 1.5
    seed: int = 1
    source: str = "measured"
    failed: tuple[str, ...] = ()
    """`<block>-<position>` of trials that failed."""


def schedule(plan: Plan, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return due instants (ns after warm-up begins) and symbol numbers."""
    length_s = plan.warmup_s + plan.measure_s + 2 * plan.late_after_s
    count = rng.poisson(plan.rate_per_s * length_s)
    due = np.sort(rng.integers(0, int(length_s * S), count))
    return due, rng.integers(0, plan.symbols, count)


def arrival_ns(made: Made, due_ns: np.ndarray, effect: float, rng: np.random.Generator) -> np.ndarray:
    """Return the instants at which one client gets its ticks, in the order in which they are due."""
    delay = made.delay_s * effect * rng.lognormal(0, 0.2, len(due_ns)) * S
    if made.kind == "short_polling":
        period, phase = made.interval_s * S, rng.random() * made.interval_s * S
        served = phase + np.ceil((due_ns - phase) / period) * period
    elif made.kind == "long_polling":
        served = np.empty(len(due_ns))
        free = -1.0
        for place, due in enumerate(due_ns):
            served[place] = max(float(due), free)
            if due >= free:
                free = due + made.gap_s * S
    else:
        served = due_ns.astype(float)
    return np.asarray(served + delay, dtype=np.int64)


def trial_tables(
    plan: Plan, made: Made, clients: int, seed: int
) -> tuple[WindowInstants, dict[str, pa.Table], dict[str, Usage]]:
    """Return the tables of one trial, and the usage of its processes."""
    rng = np.random.default_rng((seed, made.noise_seed))
    effect = float(rng.lognormal(0, made.trial_effect))
    zero = 3 * S
    due, symbol = schedule(plan, np.random.default_rng(seed + 1))
    due = due + zero
    t0 = zero + int(plan.warmup_s * S)
    windows = WindowInstants(zero, t0, t0 + int(plan.measure_s * S), int(plan.late_after_s * S))
    names = np.array([f"S{number:03d}" for number in range(plan.symbols)])
    payload = np.full(len(due), 100)
    rows: dict[str, list[np.ndarray]] = {"client": [], "index": [], "app": [], "kernel": []}
    client_rows: list[dict[str, Any]] = []
    for client in range(clients):
        wanted = np.arange(plan.symbols)
        if plan.symbols_per_client is not None:
            wanted = np.sort(rng.choice(plan.symbols, plan.symbols_per_client, replace=False))
        mine = np.flatnonzero(np.isin(symbol, wanted))
        app = arrival_ns(made, due[mine] - zero, effect, rng) + zero
        kept = (rng.random(len(mine)) >= made.loss) & (app < windows.end_ns)
        mine, app = mine[kept], app[kept]
        rows["client"].append(np.full(len(mine), client))
        rows["index"].append(mine)
        rows["app"].append(app)
        rows["kernel"].append(app - rng.integers(20_000, 200_000, len(mine)))
        within = (app >= windows.t0_ns) & (app < windows.t1_ns)
        subset = None if plan.symbols_per_client is None else list(names[wanted])
        client_rows.append(_client(made, client, subset, app[within], plan))
    joined = {name: np.concatenate(parts) for name, parts in rows.items()}
    tables = {
        "feed": pa.table({
            "index": np.arange(len(due)), "symbol": pa.array(names[symbol]).dictionary_encode(),
            "due_ns": due, "sent_ns": due + rng.integers(500, 60_000, len(due)),
            "epoch": pa.array(["9f2c"] * len(due)).dictionary_encode(),
            "seq": np.arange(1, len(due) + 1), "payload_bytes": payload,
        }),
        "deliveries": pa.table({
            "client": joined["client"], "index": joined["index"], "kernel_ns": joined["kernel"],
            "app_ns": joined["app"], "updates_in_read": _shared(joined["client"], joined["app"]),
        }),
        "skips": records.SKIPS.empty_table(),
        "clients": pa.Table.from_pylist(client_rows, schema=records.CLIENTS),
        "samples": pa.Table.from_pylist(
            [{"process": name, "at_ns": at_ns, "cpu_ns": 0, "rss_bytes": 0}
             for at_ns in (windows.t0_ns, windows.t1_ns) for name in ("server", "load", "publisher")],
            records.SAMPLES),
    }
    tables = {name: table.cast(records.TABLES[name]) for name, table in tables.items()}
    got = sum(row["updates"] for row in client_rows)
    cpu = int(got * made.cpu_us * 1000 * rng.lognormal(0, 0.03)) + 1_000_000
    rss = 60_000_000 + int(clients * made.rss_bytes * rng.lognormal(0, 0.05))
    usage = {
        "server": Usage(cpu, cpu // 2, cpu - cpu // 2, rss, 60_000_000),
        "load": Usage(int(got * 8_000) + 1_000_000, None, None, 90_000_000, 80_000_000),
        "publisher": Usage(2_000_000, None, None, 40_000_000, 40_000_000),
    }
    return windows, tables, usage


def _shared(client: np.ndarray, app: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(np.column_stack((client, app)), axis=0, return_inverse=True,
                                 return_counts=True)
    return counts[place.ravel()]


def _client(
    made: Made, client: int, symbols: list[str] | None, app: np.ndarray, plan: Plan
) -> dict[str, Any]:
    """Return a row of the clients' table, with as many requests and bytes as the transport would need."""
    answers = {
        "short_polling": int(plan.measure_s / made.interval_s), "long_polling": len(np.unique(app)),
    }.get(made.kind, 0)
    header_up, header_down = answers * made.header_bytes, answers * made.header_bytes
    body_down = len(app) * 100 + (answers * 40 if answers else len(app) * 4)
    segments = 2 * answers if answers else len(app)
    return {
        "client": client, "symbols": symbols, "subscribed_ns": S, "connections": 0, "requests": answers,
        "responses": answers, "updates": len(app), "header_bytes_up": header_up,
        "header_bytes_down": header_down, "body_bytes_up": 0, "body_bytes_down": body_down,
        "counted_from_ns": 3 * S, "counted_to_ns": 3 * S + int(plan.measure_s * S),
        "request_duration_ns": answers * 20_000_000, "in_flight_ns": answers * 20_000_000,
        "request_overlap_ns": answers * 20_000_000,
        "polls_late": 0, "polls_overdue": 0, "bytes_up": header_up, "bytes_down": header_down + body_down,
        "segments_up": segments, "segments_down": segments, "data_segments_up": answers,
        "data_segments_down": answers or segments, "control_segments_up": 0,
        "control_segments_down": 0, "retransmitted_segments_up": 0, "retransmitted_bytes_up": 0,
        "openings": 1, "opening_bytes_up": 112, "opening_bytes_down": 60, "opening_segments_up": 2,
        "opening_segments_down": 1, "closings": 1, "closing_bytes_up": 104, "closing_bytes_down": 52,
        "closing_segments_up": 2, "closing_segments_down": 1, "answers_empty": 0, "compressed_bytes_down": 0,
        "expanded_bytes_down": 0, "errors": 0,
    }


def trial_record(
    plan: Plan, label: str, made: Made, clients: int, block: int, position: int
) -> tuple[TrialRecord, dict[str, pa.Table]]:
    """Return one trial of a run."""
    name = f"{block}-{position}-{label}-{clients}"
    seed = plan.seed * 1_000_003 + block * 1009 + clients * 31
    record = TrialRecord(
        trial=name, block=block, position=position, subject=label, transport=made.kind, clients=clients,
        seed=seed, source=plan.source,  # type: ignore[arg-type]
    )
    if f"{block}-{position}" in plan.failed:
        return replace(record, status="failed", reason="server-ended", detail="It said: boom"), {}
    windows, tables, usage = trial_tables(plan, made, clients, seed)
    received = tables["deliveries"].num_rows
    return replace(
        record, windows=windows, usage=usage, clock_step_ns=900,
        server_counts={"deliveries": received, "conflated": 0, "dropped": 0}, host=QUIET,
    ), tables


_made: dict[tuple[str, bool], Path] = {}
"""Folders of runs that were made in this process, by their plans and whether their raw tables are there: each is made
once, and copied."""


def make_run(folder: Path, plan: Plan | None = None, raw: bool = True) -> Path:
    """Write a whole run into `folder`, which is its name; without `raw` it has no raw tables, and is opened faster."""
    shutil.copytree(_kept_run(plan or Plan(), raw), folder, dirs_exist_ok=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    records.write_json(folder / "manifest.json", {**manifest, "run": folder.name})
    return folder


def _kept_run(plan: Plan, raw: bool) -> Path:
    """Return the folder of a run that is copied, and make it the first time."""
    key = repr(plan), raw
    if key not in _made:
        if not _made:
            _made["", True] = Path(tempfile.mkdtemp("", "tickertape-runs-", os.environ.get("PYTEST_DEBUG_TEMPROOT")))
            atexit.register(shutil.rmtree, _made["", True], ignore_errors=True)
        folder = _made["", True] / f"{len(_made)}-{'raw' if raw else 'condensed'}"
        _made[key] = _write_run(folder, plan) if raw else _condense(make_run(folder, plan))
    return _made[key]


def _condense(folder: Path) -> Path:
    """Keep a run's condensed tables in place of its raw ones."""
    from bench.report.data.run import open_run, write_condensed

    write_condensed(open_run(folder))
    for path in folder.glob("trials/*/*.parquet"):
        path.unlink()
    return folder


def _write_run(folder: Path, plan: Plan) -> Path:
    transports = {
        label: {"transport": made.kind} | (
            {"interval_s": made.interval_s} if made.kind == "short_polling" else {}) | dict(made.options)
        for label, made in plan.subjects.items()
    }
    scenario = {
        "question": "How fast, how fresh, at what cost?", "seed": plan.seed,
        "feed": {"schedule": "poisson", "rate_per_s": plan.rate_per_s, "symbols": plan.symbols},
        "load": {"clients": list(plan.clients), "mode": "every",
                 "symbols_per_client": plan.symbols_per_client},
        "windows": {"warmup_s": plan.warmup_s, "measure_s": plan.measure_s,
                    "late_after_s": plan.late_after_s},
        "trials": {"count": plan.trials}, "transports": transports,
    }
    only = simulated() if plan.source == "simulated" else {}
    manifest.write(folder, manifest_of(
        scenario, run=folder.name, host={"cpu": "none: these records were made by a formula"}, **only))
    rng = np.random.default_rng(plan.seed)
    for block in range(1, plan.trials + 1):
        cells = [(label, clients) for label in plan.subjects for clients in plan.clients]
        for position, place in enumerate(rng.permutation(len(cells)), 1):
            label, clients = cells[place]
            record, tables = trial_record(plan, label, plan.subjects[label], clients, block, position)
            trial = folder / "trials" / record.trial
            for name, table in tables.items():
                records.write_table(trial, name, table)
            records.write_trial(trial, record)
    return folder
