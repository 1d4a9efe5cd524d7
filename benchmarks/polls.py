"""Polls per second that one core of the generator sustains: ours, FastHttpUser's and HttpUser's.

    python benchmarks/polls.py                    # persistent connections
    python benchmarks/polls.py --new-connections  # a new connection for each poll

A hundred clients poll a target that answers at once, parse and record the response (a batch of one tick of 120
bytes), and poll again at once. This is a closed loop at its limit: it measures cost, and its
latencies mean nothing. Ours are the long polling clients of a trial under `locust --headless`, which
record each update with both instants.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import rig

from bench.experiment.trial.processes import TrialProcesses

GOALS = {"polls": 8.0, "closing-polls": 3.0}
"""The ratio of our rate to FastHttpUser's that is promised, by kind."""


def main() -> int:
    """Measure all and print their figures; return 1 where the goal was not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--new-connections", action="store_true")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--measure-s", type=float, default=5.0)
    arguments = parser.parse_args()
    kind = "closing-polls" if arguments.new_connections else "polls"
    clients, measure_s = arguments.clients, arguments.measure_s
    print(f"{kind}: {clients} clients, {measure_s:g} s")
    rates = {}
    for name in ("ours", "FastHttpUser", "HttpUser"):
        with tempfile.TemporaryDirectory() as folder, TrialProcesses(Path(folder) / "logs") as trial_processes:
            if name == "ours":
                rates[name] = rig.closed_loop(
                    trial_processes, Path(folder), kind, "long_polling", clients, measure_s, {})
            else:
                rates[name] = rig.baseline(trial_processes, kind, name, clients, measure_s)
        print(f"  {name:<13}{rates[name]}", flush=True)
    ratio = rates["ours"].per_core_s / rates["FastHttpUser"].per_core_s
    print(f"ours is {ratio:.1f} times FastHttpUser (goal {GOALS[kind]:g}) "
          f"and {rates['ours'].per_core_s / rates['HttpUser'].per_core_s:.1f} times HttpUser")
    return 0 if ratio >= GOALS[kind] else 1


if __name__ == "__main__":
    sys.exit(main())
