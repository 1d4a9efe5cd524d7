"""WebSocket updates per second that one core of the generator sustains: ours and a common locustfile's.

    python benchmarks/updates.py                        # 200 connections
    python benchmarks/updates.py --connections 2000

A target pushes ticks of 120 bytes to every connection, paced, at rates that rise by 12 % per step with a rest
between two steps. A rate is sustained if in its step every update was recorded exactly once, with at most
1.05 updates per read (ours; the baseline has no such count), and the last of them at most `LAG_MS` after it
was due; the figure is the last rate before the first that was not sustained. Both generators run as
`locust --headless`: ours records both instants of every update, the baseline (`baseline_locustfile.py`) one,
and fires a Locust event.

Where the target's own sends were late at a step, the target was the limit, and the line says so: the figure
is then a lower bound.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rig
from targets import Ramp

from bench.clock import RunClock
from bench.experiment.trial import commands
from bench.experiment.trial.processes import Child, TrialProcesses
from bench.measure import recording
from bench.records import trial_record

NS = 1_000_000_000
GOAL = 5.0
READ_MAX = 1.05
LAG_MS = 100.0
TARGET_LATE_MS = 20.0
LEAD_S = 1.0
FACTOR = 1.12
FIRST_PER_S = {"ours": 60_000.0, "websocket-client": 10_000.0}


def ours(trial_processes: TrialProcesses, folder: Path,
         ramp: Ramp) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[float]]:
    """Return arrivals as (index, client, instant in ms after due), and the target's lateness at each step in ms."""
    clock = RunClock.start()
    child, port = rig.target(trial_processes, "updates", ramp.to_json())
    load = rig.ours(trial_processes, folder, clock, port, "websocket", ramp.connections, {}, 500.0)
    trial_processes.expect(child, "full", rig.PATIENCE_S)
    at_ns = clock.now_ns() + int(LEAD_S * NS)
    ticks = sum(1 for _ in ramp.ticks())
    load.send({"windows": {
        "warmup_ns": at_ns, "t0_ns": at_ns, "t1_ns": at_ns + int(ramp.length_s * NS), "late_after_ns": NS,
        "first_index": 0, "last_index": {"X": ticks - 1}, "due": {"X": ticks},
    }})
    late_ms = _pushed(trial_processes, child, clock, at_ns)
    trial_processes.expect(load, "done", rig.PATIENCE_S)
    recording.convert(folder)
    rows = trial_record.read_table(folder, "deliveries")
    index, client, app_ns = (rows[name].to_numpy() for name in ("index", "client", "app_ns"))
    due_ns = at_ns + np.array([offset_ns for _, offset_ns in ramp.ticks()])
    return index, client, (app_ns - due_ns[index]) / 1e6, late_ms


def baseline(trial_processes: TrialProcesses, folder: Path,
             ramp: Ramp) -> tuple[np.ndarray, np.ndarray, None, list[float]]:
    """Return arrivals as (index, lag in ms), and the target's lateness at each step in ms."""
    clock = RunClock.start()
    child, port = rig.target(trial_processes, "updates", ramp.to_json())
    out = folder / "baseline.raw"
    load = rig.start_baseline(
        trial_processes, "updates", f"ws://{commands.LOCALHOST}:{port}/ticks", ramp.connections,
        BASELINE_ORIGIN_NS=str(clock.origin_ns), BASELINE_OUT=str(out))
    trial_processes.expect(child, "full", rig.PATIENCE_S)
    at_ns = clock.now_ns() + int(LEAD_S * NS)
    late_ms = _pushed(trial_processes, child, clock, at_ns)
    trial_processes.sleep_until(time.monotonic_ns() + 3 * NS)
    rig.end(trial_processes, load)
    pairs = np.fromfile(out, np.int64).reshape(-1, 2)
    due_ns = at_ns + np.array([offset_ns for _, offset_ns in ramp.ticks()])
    return np.searchsorted(due_ns, pairs[:, 0]), (pairs[:, 1] - pairs[:, 0]) / 1e6, None, late_ms


def _pushed(trial_processes: TrialProcesses, child: Child, clock: RunClock, at_ns: int) -> list[float]:
    child.send({"start": {"at_ns": at_ns, "origin_ns": clock.origin_ns}})
    return [late_ns / 1e6 for late_ns in trial_processes.expect(child, "pushed", rig.PATIENCE_S)["late_ns"]]


def sustained(name: str, ramp: Ramp, folder: Path, trial_processes: TrialProcesses) -> float:
    """Run the ramp against one generator, print its steps, and find the last rate that it sustained."""
    if name == "ours":
        index, client, lag_ms, late_ms = ours(trial_processes, folder, ramp)
    else:
        index, lag_ms, client, late_ms = baseline(trial_processes, folder, ramp)
    steps = np.array([step for step, _ in ramp.ticks()])
    best, going = 0.0, True
    for step, rate in enumerate(ramp.rates_per_s):
        mine = steps[index] == step
        owed = int((steps == step).sum()) * ramp.connections
        per_read, whole = float("nan"), int(mine.sum()) == owed
        if client is not None:
            at_ms = lag_ms[mine] + index[mine] * 1e6   # one instant of one client is one read
            reads = len(np.unique(np.stack([client[mine], at_ms]), axis=1).T) if mine.any() else 0
            keys = client[mine].astype(np.int64) * len(steps) + index[mine]
            per_read, whole = mine.sum() / max(reads, 1), whole and len(np.unique(keys)) == owed
        lag = float(lag_ms[mine].max()) if mine.any() else float("inf")
        good = whole and not per_read > READ_MAX and lag <= LAG_MS
        going = going and good
        if going:
            best = rate
        print(f"  {name:<17}{rate:9,.0f}/s  recorded {int(mine.sum()) / owed:7.2%}  per read {per_read:.3f}  "
              f"longest lag {lag:7.1f} ms  {'sustained' if good else 'not sustained'}"
              + (f"  (the target was {late_ms[step]:.0f} ms late)" if late_ms[step] > TARGET_LATE_MS else ""))
    return best


def main() -> int:
    """Measure both and print their figures; return 1 where the goal was not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--step-s", type=float, default=1.0)
    arguments = parser.parse_args()
    best = {}
    for name, first_per_s in FIRST_PER_S.items():
        ramp = Ramp(arguments.connections, first_per_s, FACTOR, arguments.steps, arguments.step_s)
        with tempfile.TemporaryDirectory() as folder, TrialProcesses(Path(folder) / "logs") as trial_processes:
            best[name] = sustained(name, ramp, Path(folder), trial_processes)
    ratio = best["ours"] / best["websocket-client"] if best["websocket-client"] else float("nan")
    print(f"{arguments.connections} connections: ours {best['ours']:,.0f}/s, websocket-client "
          f"{best['websocket-client']:,.0f}/s: {ratio:.1f} times (goal {GOAL:g})")
    return 0 if ratio >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
