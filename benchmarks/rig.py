"""The set-up that the benchmarks of speed share: a target on the first cores, a generator alone on the last.

    target ── loopback ── generator (locust --headless: ours, or the baseline's locustfile)

The target counts what was done, for all generators alike. Divided by the CPU that the generator used
meanwhile, this is the rate that one core sustains. Where the generator had its core for itself and was the
limit, it is the plain rate; where something else used part of the core, or the target was the limit, it is
still the work per second of CPU, so ratios are taken of it.
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
    """The rate that one generator reached."""

    per_s: float
    load_cores: float
    """CPU that the generator used, in cores."""
    target_cores: float

    @property
    def per_core_s(self) -> float:
        """The work per second of the generator's CPU."""
        return self.per_s / self.load_cores

    def __str__(self) -> str:
        return (f"{self.per_s:9,.0f}/s with {self.load_cores:4.0%} of the core: "
                f"{self.per_core_s:9,.0f}/s per core   (target {self.target_cores:4.0%})")


def target(trial_processes: TrialProcesses, *arguments: str) -> tuple[Child, int]:
    """Start a target; return it and its port."""
    command = (sys.executable, "-P", str(HERE / "targets.py"), *arguments)
    child = trial_processes.start(Command("target", command, cores=TARGET_CORES))
    return child, int(trial_processes.expect(child, "ready", PATIENCE_S)["port"])


def ours(trial_processes: TrialProcesses, folder: Path, clock: RunClock, port: int, transport: str, clients: int,
         options: Mapping[str, Any], spawn_rate_per_s: float = 200.0) -> Child:
    """Start our generator as a trial does, and wait until its clients are subscribed."""
    load = trial_processes.start(commands.load(folder, {
        "subject": transport, "transport": transport, "clients": clients, "options": dict(options),
        "spawn_rate_per_s": spawn_rate_per_s, "clock_origin_ns": clock.origin_ns, "folder": str(folder),
    }, cores=LOAD_CORES))
    trial_processes.expect(load, "ready", PATIENCE_S)
    load.send({"target": {"host": commands.LOCALHOST, "port": port}})
    trial_processes.expect(load, "subscribed", PATIENCE_S)
    return load


def start_baseline(trial_processes: TrialProcesses, kind: str, url: str, clients: int, **environment: str) -> Child:
    """Start a common locustfile."""
    command = (
        sys.executable, "-P", "-m", "locust", "-f", str(HERE / "baseline_locustfile.py"), "--headless",
        "--only-summary", "--users", str(clients), "--spawn-rate", "100",
    )
    load = trial_processes.start(Command(
        "baseline", command, {"BASELINE": kind, "BASELINE_URL": url, **environment}, cores=LOAD_CORES, lifeline=False,
    ))
    trial_processes.wait(lambda: load.pid is not None, PATIENCE_S, "the baseline's process")
    return load


def end(trial_processes: TrialProcesses, load: Child) -> None:
    """End a baseline's locustfile in order."""
    load.stopping = True
    assert load.pid is not None
    os.kill(load.pid, signal.SIGTERM)
    trial_processes.wait(lambda: load.status is not None, PATIENCE_S, "the baseline's end")


def served(trial_processes: TrialProcesses, child: Child) -> tuple[int, int]:
    """Return a target's count of served requests, and the instant of the count (`CLOCK_MONOTONIC`, ns)."""
    child.messages.pop("count", None)
    child.send({"count": {}})
    count = trial_processes.expect(child, "count", PATIENCE_S)
    return int(count["served"]), int(count["at_ns"])


def measured(trial_processes: TrialProcesses, child: Child, load: Child, begin_ns: int, measure_s: float) -> Rate:
    """Measure the rate from `begin_ns` (`CLOCK_MONOTONIC`) on, for `measure_s`."""
    def look() -> tuple[int, int, int, int]:
        return (*served(trial_processes, child), cpu_ns(load.pid or 0) or 0, cpu_ns(child.pid or 0) or 0)

    trial_processes.sleep_until(begin_ns)
    before = look()
    trial_processes.sleep_until(begin_ns + int(measure_s * NS))
    count, span_ns, load_ns, target_ns = (late - early for early, late in zip(before, look(), strict=True))
    return Rate(count / span_ns * NS, load_ns / span_ns, target_ns / span_ns)


def closed_loop(trial_processes: TrialProcesses, folder: Path, kind: str, transport: str, clients: int,
                measure_s: float, options: Mapping[str, Any]) -> Rate:
    """Measure our generator against a target that answers at once; each response is recorded."""
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


def baseline(trial_processes: TrialProcesses, kind: str, baseline_kind: str, clients: int, measure_s: float,
          scheme: str = "http") -> Rate:
    """Measure the common locustfile against the same target."""
    child, port = target(trial_processes, kind)
    path = "/ticks" if scheme == "ws" else ""
    load = start_baseline(trial_processes, baseline_kind, f"{scheme}://{commands.LOCALHOST}:{port}{path}", clients)
    while served(trial_processes, child)[0] == 0:
        trial_processes.check()
        trial_processes.turn(0.1)
    begin_ns = time.monotonic_ns() + int((clients / 100 + 1.0) * NS)   # it can't report that all users are connected
    rate = measured(trial_processes, child, load, begin_ns, measure_s)
    end(trial_processes, load)
    return rate
