"""What the benchmarks of speed share: a target on the first cores, a generator alone on the last one.

    target ── loopback ── generator (locust --headless: ours, or the habit's locustfile)

How much is done is counted by the target, for all generators alike, and divided by the CPU that the
generator used meanwhile: what one core sustains. Where the generator had its core for itself and was what
gave in, that is the plain rate; where something else took part of the core, or the target gave in first, it
still is what a second of CPU brings, which is why ratios are taken of it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.clock import RunClock
from bench.experiment.trial import commands
from bench.experiment.trial.processes import Child, Command, TrialProcesses
from bench.measure import host
from bench.measure.process import cpu_ns

HERE = Path(__file__).parent
PATIENCE_S = 120.0
NS = 1_000_000_000
_FIRST, *_OTHERS = sorted(host.cores())
TARGET_CORES = frozenset({_FIRST, *_OTHERS[:-1]})
LOAD_CORES = frozenset({_OTHERS[-1] if _OTHERS else _FIRST})


@dataclass(frozen=True)
class Rate:
    """What one generator reached."""

    per_s: float
    load_cores: float
    """CPU that the generator used, in cores."""
    target_cores: float

    @property
    def per_core_s(self) -> float:
        """What a second of the generator's CPU brings."""
        return self.per_s / self.load_cores

    def __str__(self) -> str:
        return (f"{self.per_s:9,.0f}/s with {self.load_cores:4.0%} of the core: "
                f"{self.per_core_s:9,.0f}/s a core   (target {self.target_cores:4.0%})")


def target(trial_processes: TrialProcesses, *arguments: str) -> tuple[Child, int]:
    """Start a target; it and its port."""
    command = (sys.executable, "-P", str(HERE / "targets.py"), *arguments)
    child = trial_processes.start(Command("target", command, cores=TARGET_CORES))
    return child, int(trial_processes.expect(child, "ready", PATIENCE_S)["port"])


def ours(trial_processes: TrialProcesses, folder: Path, clock: RunClock, port: int, transport: str, clients: int,
         options: Mapping[str, Any], spawn_rate_per_s: float = 200.0) -> Child:
    """Start our generator as a trial does; its clients are subscribed when this returns."""
    load = trial_processes.start(commands.load(folder, {
        "subject": transport, "transport": transport, "clients": clients, "options": dict(options),
        "spawn_rate_per_s": spawn_rate_per_s, "clock_origin_ns": clock.origin_ns, "folder": str(folder),
    }, cores=LOAD_CORES))
    trial_processes.expect(load, "ready", PATIENCE_S)
    load.send({"target": {"host": commands.LOCALHOST, "port": port}})
    trial_processes.expect(load, "subscribed", PATIENCE_S)
    return load


def habit(trial_processes: TrialProcesses, kind: str, url: str, clients: int, **environment: str) -> Child:
    """Start a locustfile of the usual kind."""
    command = (
        sys.executable, "-P", "-m", "locust", "-f", str(HERE / "habit.py"), "--headless", "--only-summary",
        "--users", str(clients), "--spawn-rate", "100",
    )
    load = trial_processes.start(Command(
        "habit", command, {"HABIT": kind, "HABIT_URL": url, **environment}, cores=LOAD_CORES, lifeline=False,
    ))
    trial_processes.wait(lambda: load.pid is not None, PATIENCE_S, "the habit's process")
    return load


def end(trial_processes: TrialProcesses, load: Child) -> None:
    """End a habit in order."""
    load.stopping = True
    assert load.pid is not None
    os.kill(load.pid, signal.SIGTERM)
    trial_processes.wait(lambda: load.status is not None, PATIENCE_S, "the habit's end")


def served(trial_processes: TrialProcesses, child: Child) -> tuple[int, int]:
    """How much a target has served so far, and when it said so (`CLOCK_MONOTONIC`, ns)."""
    child.messages.pop("count", None)
    child.send({"count": {}})
    count = trial_processes.expect(child, "count", PATIENCE_S)
    return int(count["served"]), int(count["at_ns"])


def measured(trial_processes: TrialProcesses, child: Child, load: Child, begin_ns: int, measure_s: float) -> Rate:
    """The rate from `begin_ns` (`CLOCK_MONOTONIC`) on, for `measure_s`."""
    def look() -> tuple[int, int, int, int]:
        return (*served(trial_processes, child), cpu_ns(load.pid or 0) or 0, cpu_ns(child.pid or 0) or 0)

    trial_processes.sleep_until(begin_ns)
    before = look()
    trial_processes.sleep_until(begin_ns + int(measure_s * NS))
    count, span_ns, load_ns, target_ns = (late - early for early, late in zip(before, look(), strict=True))
    return Rate(count / span_ns * NS, load_ns / span_ns, target_ns / span_ns)


def closed_loop(trial_processes: TrialProcesses, folder: Path, kind: str, transport: str, clients: int,
                measure_s: float, options: Mapping[str, Any]) -> Rate:
    """What our generator reaches against a target that answers at once, each answer recorded."""
    child, port = target(trial_processes, kind)
    clock = RunClock.start()
    load = ours(trial_processes, folder, clock, port, transport, clients, options)
    t0_ns = clock.now_ns() + NS
    load.send({"windows": {
        "warmup_ns": t0_ns - NS, "t0_ns": t0_ns, "t1_ns": t0_ns + int(measure_s * NS),
        "late_after_ns": NS // 5, "first_index": 0, "last_index": {"X": 0}, "due": {"X": 1},
    }})
    rate = measured(trial_processes, child, load, t0_ns + clock.origin_ns, measure_s)
    trial_processes.expect(load, "done", PATIENCE_S)
    return rate


def usual(trial_processes: TrialProcesses, kind: str, habit_kind: str, clients: int, measure_s: float,
          scheme: str = "http") -> Rate:
    """What the habit reaches against the same."""
    child, port = target(trial_processes, kind)
    path = "/ticks" if scheme == "ws" else ""
    load = habit(trial_processes, habit_kind, f"{scheme}://{commands.LOCALHOST}:{port}{path}", clients)
    while served(trial_processes, child)[0] == 0:
        trial_processes.check()
        trial_processes.turn(0.1)
    begin_ns = time.monotonic_ns() + int((clients / 100 + 1.0) * NS)   # it can't say when all users are there
    rate = measured(trial_processes, child, load, begin_ns, measure_s)
    end(trial_processes, load)
    return rate
