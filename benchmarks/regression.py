"""Check that `tickertape compare` finds a server that uses a fifth more CPU per update.

    .venv/bin/python benchmarks/regression.py [--more 0.2] [--trials 5]

Three runs of one small scenario: one as it is; a repetition, for which no change may be reported; and one
whose server spins for each tick, for this share of the CPU time that it used in the first run. The program
is not changed: a `sitecustomize.py` on PYTHONPATH wraps `Tape.append` in the server's process alone.

The exit status is 0 if the second has no regression and the third one of `server_cpu_us_per_update`.
On a machine that is busy otherwise, trials are INVALID and can't be compared. It takes about two minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CLIENTS = 50
COLUMN = "server_cpu_us_per_update"
SCENARIO = f"""
question = "Does the server use more CPU?"
[feed]
rate_per_s = 40.0
[load]
clients = [{CLIENTS}]
[windows]
warmup_s = 0.5
measure_s = 3.0
[transports.websocket]
"""
SABOTAGE = """
import sys
if "bench.transports" in sys.orig_argv:
    import time
    from bench.feed.tape import Tape
    append = Tape.append
    def expensive(*arguments):
        append(*arguments)
        end = time.process_time_ns() + {burn_ns}
        while time.process_time_ns() < end:
            pass
    Tape.append = expensive
"""


def tickertape(*arguments: str, python_path: Path | None = None) -> tuple[int, dict[str, object]]:
    """Run a command; return its exit status and its JSON output."""
    environment = {**os.environ, **({"PYTHONPATH": str(python_path)} if python_path else {})}
    done = subprocess.run([sys.executable, "-c", "from bench.cli import main; main()", *arguments, "--json"],
                          stdout=subprocess.PIPE, env=environment, text=True)
    if done.returncode == 2:
        sys.exit(2)
    return done.returncode, json.loads(done.stdout)


def main() -> int:
    """Make the three runs and compare them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--more", type=float, default=0.2, help="the additional CPU that the server uses, as a share")
    parser.add_argument("--trials", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "regression.toml").write_text(SCENARIO)
        verb = ("run", str(folder / "regression.toml"), "--wait", "--results", str(folder / "results"),
                "--set", f"trials.count={asked.trials}")
        first = tickertape(*verb)[1]
        again = tickertape(*verb)[1]
        cpu_us = first["cells"][0][COLUMN]   # type: ignore[index]
        if cpu_us is None:
            print("no valid trial: the machine is too busy")
            return 1
        (folder / "sabotage").mkdir()
        burn_ns = round(asked.more * cpu_us * 1000 * CLIENTS)
        (folder / "sabotage" / "sitecustomize.py").write_text(SABOTAGE.format(burn_ns=burn_ns))
        changed = tickertape(*verb, python_path=folder / "sabotage")[1]
        found = []
        for what, other in (("repetition", again), ("a more expensive server", changed)):
            status, compared = tickertape("compare", str(first["run"]), str(other["run"]))
            change = next(each for each in compared["changes"] if each["column"] == COLUMN)   # type: ignore
            print(f"{what}: exit status {status}, regressed: {compared['regressed']}; CPU × "
                  f"{change['estimate']:.3f} ({change['low']:.3f} to {change['high']:.3f})")
            found.append((status, compared["regressed"]))
    return 0 if found[0][0] == 0 and found[1][0] == 1 and COLUMN in found[1][1] else 1   # type: ignore


if __name__ == "__main__":
    sys.exit(main())
