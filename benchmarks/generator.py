"""Cost and lateness of the load generator, compared with a common locustfile in the same run.

    publisher ─ paced ticks ─► WebSocket server ─► N connections ─► load, alone on one core
    └──────────── on the other cores ─────────┘

Each tick goes to every connection, so the load receives `rate × connections` updates per second. First
our load is measured (the reactor, `bench/load`), then the baseline (`baseline_locustfile.py`: one greenlet
per connection, `websocket-client`, one Locust event per update), with fresh processes of the same server.

Latency is counted from the due instant; app − kernel is the part that the load itself added. The baseline
has no kernel stamps, so only its latency can be compared.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import transports
from bench.clock import RunClock
from bench.experiment.trial import commands
from bench.experiment.trial.processes import Child, Command, TrialProcesses
from bench.feed import schedule
from bench.measure import host, recording
from bench.measure.process import cpu_ns
from bench.records import trial_record
from bench.scenario.model import Feed, Server

NS = 1_000_000_000
WARMUP_S = 1.0
LATE_S = 2.0
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Shape:
    """The load that a generator must take."""

    connections: int
    ticks_per_s: float
    measure_s: float

    @property
    def feed(self) -> Feed:
        """Paced ticks of one symbol."""
        return Feed(schedule="constant", rate_per_s=self.ticks_per_s, symbols=1)


@dataclass(frozen=True)
class Outcome:
    """The figures of a generator over the measuring window."""

    owed: int
    recorded: int
    duplicates: int
    cpu_share: float
    preempted: int
    """The times that the scheduler gave the core to another process while the generator was ready to run."""
    latency_us: np.ndarray
    queue_us: np.ndarray | None = None
    """app − kernel; None where there is no kernel stamp."""
    unstamped: int | None = None
    updates_per_read: float | None = None


@dataclass(frozen=True)
class Stage:
    """A publisher and a server that wait for clients, and the windows to come."""

    trial_processes: TrialProcesses
    clock: RunClock
    publisher: Child
    folder: Path
    port: int
    shape: Shape
    cores: frozenset[int] | None

    def begin(self) -> trial_record.WindowInstants:
        """Fix the windows and start the feed."""
        warmup_ns = self.clock.now_ns() + NS // 10
        t0_ns = warmup_ns + int(WARMUP_S * NS)
        t1_ns = t0_ns + int(self.shape.measure_s * NS)
        self.publisher.send({"start": {"warmup_ns": warmup_ns}})
        return trial_record.WindowInstants(warmup_ns, t0_ns, t1_ns, int(LATE_S * NS))

    def watch(self, pid: int, windows: trial_record.WindowInstants) -> tuple[float, int]:
        """Wait until the window is over; return the share of a core that the process used, and its preemptions."""
        self.trial_processes.sleep_until(self.clock.origin_ns + windows.t0_ns)
        before, began, preempted = cpu_ns(pid), time.monotonic_ns(), preemptions(pid)
        self.trial_processes.sleep_until(self.clock.origin_ns + windows.t1_ns)
        after, ended = cpu_ns(pid), time.monotonic_ns()
        assert before is not None
        assert after is not None
        return (after - before) / (ended - began), preemptions(pid) - preempted

    def due_ns(self, windows: trial_record.WindowInstants) -> np.ndarray:
        """Return the due instants of all ticks, in ns on the run clock."""
        horizon_s = WARMUP_S + self.shape.measure_s + 2 * LATE_S
        return windows.warmup_ns + schedule.make(self.shape.feed, 1, horizon_s, WARMUP_S).offset_ns


def preemptions(pid: int) -> int:
    """Return the involuntary context switches of the process so far."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("nonvoluntary_ctxt_switches:"):
            return int(line.split()[1])
    raise AssertionError("Linux has this line")


def set_up(trial_processes: TrialProcesses, folder: Path, shape: Shape) -> Stage:
    """Start publisher and server on all cores but the last."""
    *others, last = host.cores()
    cores = frozenset(others) if others else None
    clock = RunClock.start()
    options = transports.options_of("websocket", {}, "the benchmark", "options")
    publisher = trial_processes.start(commands.publisher(
        folder, shape.feed, seed=1, horizon_s=WARMUP_S + shape.measure_s + 2 * LATE_S, t0_s=WARMUP_S,
        clock_origin_ns=clock.origin_ns, cores=cores,
    ))
    feed_port = trial_processes.expect(publisher, "ready", PATIENCE_S)["port"]
    server = trial_processes.start(
        commands.server(folder, "websocket", options, Server(), feed_port=feed_port, cores=cores)
    )
    port = trial_processes.expect(server, "ready", PATIENCE_S)["port"]
    return Stage(trial_processes, clock, publisher, folder, port, shape, frozenset({last}))


def ours(stage: Stage) -> Outcome:
    """Measure the reactor."""
    trial_processes, shape = stage.trial_processes, stage.shape
    load = trial_processes.start(commands.load(stage.folder, {
        "subject": "websocket", "transport": "websocket", "clients": shape.connections,
        "spawn_rate_per_s": 500.0, "clock_origin_ns": stage.clock.origin_ns, "folder": str(stage.folder),
    }, cores=stage.cores))
    trial_processes.expect(load, "ready", PATIENCE_S)
    load.send({"target": {"host": commands.LOCALHOST, "port": stage.port}})
    trial_processes.expect(load, "subscribed", PATIENCE_S)
    windows = stage.begin()
    due_ns = stage.due_ns(windows)
    first, end = np.searchsorted(due_ns, (windows.t0_ns, windows.t1_ns)).tolist()
    symbol = schedule.make(shape.feed, 1, 1.0, 0.0).symbols[0]
    load.send({"windows": {
        "warmup_ns": windows.warmup_ns, "t0_ns": windows.t0_ns, "t1_ns": windows.t1_ns,
        "late_after_ns": windows.late_after_ns, "first_index": first,
        "last_index": {symbol: end - 1}, "due": {symbol: end - first},
    }})
    assert load.pid is not None
    cpu_share, preempted = stage.watch(load.pid, windows)
    trial_processes.expect(load, "done", PATIENCE_S)
    recording.convert(stage.folder)
    rows = trial_record.read_table(stage.folder, "deliveries").to_pandas()
    rows = rows[(rows["index"] >= first) & (rows["index"] < end)]
    duplicates = int(rows.duplicated(["client", "index"]).sum())
    reads = len(rows.drop_duplicates(["client", "app_ns"]))
    return Outcome(
        owed=(end - first) * shape.connections,
        recorded=len(rows) - duplicates,
        duplicates=duplicates,
        cpu_share=cpu_share,
        preempted=preempted,
        latency_us=(rows["app_ns"].to_numpy() - due_ns[rows["index"]]) / 1e3,
        queue_us=(rows["app_ns"] - rows["kernel_ns"]).dropna().to_numpy(np.float64) / 1e3,
        unstamped=int(rows["kernel_ns"].isna().sum()),
        updates_per_read=len(rows) / reads if reads else float("nan"),
    )


def baseline(stage: Stage) -> Outcome:
    """Measure the common locustfile."""
    trial_processes, shape = stage.trial_processes, stage.shape
    out = stage.folder / "baseline.raw"
    command = (
        sys.executable, "-P", "-m", "locust", "-f", str(Path(__file__).with_name("baseline_locustfile.py")),
        "--headless", "--only-summary", "--users", str(shape.connections), "--spawn-rate", "100",
    )
    url = f"ws://{commands.LOCALHOST}:{stage.port}/ticks"
    environment = {
        "BASELINE": "updates", "BASELINE_URL": url, "BASELINE_ORIGIN_NS": str(stage.clock.origin_ns),
        "BASELINE_OUT": str(out),
    }
    load = trial_processes.start(Command("baseline", command, environment, cores=stage.cores, lifeline=False))
    started_s = time.monotonic()
    while load.pid is None or time.monotonic() - started_s < 4 + shape.connections / 100:
        trial_processes.turn(0.2)   # it can't report that all its users are connected
    windows = stage.begin()
    cpu_share, preempted = stage.watch(load.pid, windows)
    trial_processes.sleep_until(stage.clock.origin_ns + windows.end_ns)
    load.stopping = True
    os.kill(load.pid, signal.SIGTERM)
    trial_processes.wait(lambda: load.status is not None, PATIENCE_S, "the baseline's end")
    pairs = np.fromfile(out, np.int64).reshape(-1, 2)
    pairs = pairs[(pairs[:, 0] >= windows.t0_ns) & (pairs[:, 0] < windows.t1_ns)]
    due_ns = stage.due_ns(windows)
    first, end = np.searchsorted(due_ns, (windows.t0_ns, windows.t1_ns)).tolist()
    return Outcome(
        owed=(end - first) * shape.connections,
        recorded=len(pairs),
        duplicates=0,
        cpu_share=cpu_share,
        preempted=preempted,
        latency_us=(pairs[:, 1] - pairs[:, 0]) / 1e3,
    )


def show(name: str, shape: Shape, outcome: Outcome) -> None:
    """Print one generator's figures."""
    updates_per_s = max(outcome.recorded, 1) / shape.measure_s
    p50, p99 = np.percentile(outcome.latency_us, [50, 99]) / 1e3 if outcome.recorded else (np.nan, np.nan)
    print(name)
    print(f"  recorded / owed        {outcome.recorded} / {outcome.owed}, {outcome.duplicates} repeated")
    print(f"  CPU                    {outcome.cpu_share:.1%} of a core, "
          f"{outcome.cpu_share / updates_per_s * 1e6:.1f} µs per update; preempted {outcome.preempted} times")
    print(f"  latency (due → app)    p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    if outcome.queue_us is not None:
        q50, q99 = np.percentile(outcome.queue_us, [50, 99]) / 1e3
        print(f"  app − kernel           p50 {q50:.2f} ms, p99 {q99:.2f} ms")
        print(f"  without kernel stamp   {outcome.unstamped}")
        print(f"  updates per read       {outcome.updates_per_read:.3f}")


def main() -> int:
    """Measure both and print their figures; return 1 where ours did not keep its promises."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--ticks-per-s", type=float, default=100.0)
    parser.add_argument("--measure-s", type=float, default=5.0)
    parser.add_argument("--repeat", type=int, default=1, help="the number of times that ours is measured")
    arguments = parser.parse_args()
    shape = Shape(arguments.connections, arguments.ticks_per_s, arguments.measure_s)
    print(f"{shape.connections} connections × {shape.ticks_per_s:g} ticks/s, {shape.measure_s:g} s")
    kept, shares = True, []
    for _ in range(arguments.repeat):
        outcome = _measured(ours, shape)
        show("reactor", shape, outcome)
        shares.append(outcome.cpu_share)
        kept = kept and _keeps_its_promises(outcome)
    other = _measured(baseline, shape)
    show("common locustfile", shape, other)
    share = statistics.median(shares)
    print(f"the common locustfile takes {other.cpu_share / share:.1f} times the CPU"
          + ("" if other.recorded == other.owed else ", and does not keep up"))
    return 0 if kept else 1


def _measured(generator, shape: Shape) -> Outcome:
    with tempfile.TemporaryDirectory() as folder, TrialProcesses(Path(folder) / "logs") as trial_processes:
        return generator(set_up(trial_processes, Path(folder), shape))


def _keeps_its_promises(outcome: Outcome) -> bool:
    assert outcome.queue_us is not None
    return (
        outcome.recorded == outcome.owed
        and outcome.unstamped == 0
        and outcome.updates_per_read is not None
        and outcome.updates_per_read <= 1.05
        and float(np.percentile(outcome.queue_us, 99)) < 1000
    )


if __name__ == "__main__":
    sys.exit(main())
