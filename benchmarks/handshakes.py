"""WebSocket connections opened per second by one core of the generator: ours and websocket-client's.

    python benchmarks/handshakes.py

A hundred clients upgrade, read a first message, are closed by the server, and reconnect at once. This is a
closed loop at its limit: it measures cost. Ours are the clients of a trial under `locust --headless`: they check
the upgrade, parse the first batch, answer the close and read the connection's counters at its end; the
baseline only closes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import rig

from bench.experiment.trial.processes import TrialProcesses

GOAL = 3.0


def main() -> int:
    """Measure both and print their figures; return 1 where the goal was not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--measure-s", type=float, default=5.0)
    arguments = parser.parse_args()
    clients, measure_s = arguments.clients, arguments.measure_s
    print(f"handshakes: {clients} clients, {measure_s:g} s")
    with tempfile.TemporaryDirectory() as folder, TrialProcesses(Path(folder) / "logs") as trial_processes:
        ours = rig.closed_loop(trial_processes, Path(folder), "handshakes", "websocket", clients, measure_s, {})
    print(f"  ours             {ours}", flush=True)
    with tempfile.TemporaryDirectory() as folder, TrialProcesses(Path(folder) / "logs") as trial_processes:
        theirs = rig.baseline(trial_processes, "handshakes", "handshakes", clients, measure_s, scheme="ws")
    print(f"  websocket-client {theirs}")
    ratio = ours.per_core_s / theirs.per_core_s
    print(f"ours is {ratio:.1f} times websocket-client (goal {GOAL:g})")
    return 0 if ratio >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
