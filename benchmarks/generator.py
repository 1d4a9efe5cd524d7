"""CPU and lateness of the load generator per update, beside a bare loop and other clients, in one run.

    publisher ─ paced ticks ─► WebSocket server ─► N connections ─► generator, alone on one core
    └──────────── on the other cores ─────────┘

    python benchmarks/generator.py                        # 200, 1,000 and 2,000 connections, 20,000 updates per second
    python benchmarks/generator.py --connections 1000 --ticks-per-s 20 --measure-s 5

Each tick goes to every connection, so a generator gets `rate × connections` updates per second. Every measure has
fresh processes of the same server. Measured are

- ours (the reactor, `bench/load`), in turn with
- a bare loop of epoll and `recvmsg` over the same sockets, which does nothing with the bytes (`rival_clients.py`),
- picows, which parses and records the same, where it is installed,
- the common locustfile (`baseline_locustfile.py`: one greenlet per connection, `websocket-client`, one Locust event
  per update), at 200 connections only, unless `--habit` asks for more.

CPU is that of the generator's process over the window, divided by the updates due in it. Ours and the loop are
compared by the median of `--repeat` measures each; the goal is a ratio of at most 1.3.

Latency is counted from the due instant; app − kernel is the part that the load itself added. Only ours has kernel
stamps, so only the latency of the others can be compared.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
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
TAIL_S = 0.5
"""Ticks go on for this long after the window."""
PATIENCE_S = 60.0
UPDATES_PER_S = 20_000
SIZES = (200, 1000, 2000)
HABIT_AT = 200
"""Connections up to which the common locustfile is measured unless it is asked for."""
GOAL = 1.3
READ_MAX = 1.05
QUEUE_MAX_US = 1000.0


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

    @property
    def horizon_s(self) -> float:
        """The time from the first tick to the last."""
        return WARMUP_S + self.measure_s + TAIL_S


@dataclass(frozen=True)
class Outcome:
    """The figures of a generator over the measuring window."""

    owed: int
    recorded: int
    duplicates: int
    cpu_share: float
    cpu_us: float
    """CPU per update due."""
    preempted: int
    """The times that the scheduler gave the core to another process while the generator was ready to run."""
    latency_us: np.ndarray | None = None
    """None where the instants of updates are not recorded."""
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

    def owed(self, windows: trial_record.WindowInstants) -> tuple[int, int]:
        """Return the first index that is due in the window, and the one after the last."""
        first, end = np.searchsorted(self.due_ns(windows), (windows.t0_ns, windows.t1_ns)).tolist()
        return first, end

    def due_ns(self, windows: trial_record.WindowInstants) -> np.ndarray:
        """Return the due instants of all ticks, in ns on the run clock."""
        return windows.warmup_ns + schedule.make(self.shape.feed, 1, self.shape.horizon_s, WARMUP_S).offset_ns


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
        folder, shape.feed, seed=1, horizon_s=shape.horizon_s, t0_s=WARMUP_S,
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
    first, end = stage.owed(windows)
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
    owed = (end - first) * shape.connections
    return Outcome(
        owed=owed,
        recorded=len(rows) - duplicates,
        duplicates=duplicates,
        cpu_share=cpu_share,
        cpu_us=cpu_share * shape.measure_s / owed * 1e6,
        preempted=preempted,
        latency_us=(rows["app_ns"].to_numpy() - stage.due_ns(windows)[rows["index"]]) / 1e3,
        queue_us=(rows["app_ns"] - rows["kernel_ns"]).dropna().to_numpy(np.float64) / 1e3,
        unstamped=int(rows["kernel_ns"].isna().sum()),
        updates_per_read=len(rows) / reads if reads else float("nan"),
    )


def rival(stage: Stage, kind: str) -> Outcome:
    """Measure one of the clients of `rival_clients.py`, which count from their first message to `stop`."""
    trial_processes, shape = stage.trial_processes, stage.shape
    command = (sys.executable, "-P", str(Path(__file__).with_name("rival_clients.py")), kind, str(stage.port),
               str(shape.connections), str(stage.clock.origin_ns))
    load = trial_processes.start(Command(kind, command, cores=stage.cores))
    trial_processes.expect(load, "ready", PATIENCE_S)
    windows = stage.begin()
    first, end = stage.owed(windows)
    assert load.pid is not None
    cpu_share, preempted = stage.watch(load.pid, windows)
    trial_processes.sleep_until(stage.clock.origin_ns + windows.t1_ns + int((TAIL_S + LATE_S / 4) * NS))
    done = trial_processes.stop(load)
    owed, in_all = (end - first) * shape.connections, len(stage.due_ns(windows)) * shape.connections
    reads = done["reads"]
    assert done["recorded"] in (None, in_all), f"{kind} recorded {done['recorded']} of {in_all}"
    return Outcome(
        owed=owed, recorded=owed, duplicates=0, cpu_share=cpu_share, cpu_us=cpu_share * shape.measure_s / owed * 1e6,
        preempted=preempted, updates_per_read=None if reads is None else in_all / reads,
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
    first, end = stage.owed(windows)
    owed = (end - first) * shape.connections
    return Outcome(
        owed=owed,
        recorded=len(pairs),
        duplicates=0,
        cpu_share=cpu_share,
        cpu_us=cpu_share * shape.measure_s / owed * 1e6,
        preempted=preempted,
        latency_us=(pairs[:, 1] - pairs[:, 0]) / 1e3,
    )


def show(name: str, outcome: Outcome) -> None:
    """Print the figures of one measure, in one line."""
    words = [f"{outcome.cpu_us:6.2f} µs per update", f"{outcome.cpu_share:5.1%} of a core",
             f"preempted {outcome.preempted} times"]
    if outcome.recorded != outcome.owed or outcome.duplicates:
        words.append(f"recorded {outcome.recorded} of {outcome.owed}, {outcome.duplicates} repeated")
    if outcome.latency_us is not None and len(outcome.latency_us):
        words.append("latency p50 {:.2f}, p99 {:.2f} ms".format(*np.percentile(outcome.latency_us, [50, 99]) / 1e3))
    if outcome.queue_us is not None:
        words.append("app − kernel p50 {:.2f}, p99 {:.2f} ms".format(*np.percentile(outcome.queue_us, [50, 99]) / 1e3))
    if outcome.unstamped:
        words.append(f"{outcome.unstamped} without kernel stamp")
    if outcome.updates_per_read is not None:
        words.append(f"{outcome.updates_per_read:.3f} updates per read")
    print(f"  {name:<18}{'; '.join(words)}", flush=True)


def compare(shape: Shape, repeat: int, with_habit: bool) -> bool:
    """Measure all generators at one load, and print them; return True where ours kept its promises."""
    print(f"{shape.connections} connections × {shape.ticks_per_s:g} ticks/s, {shape.measure_s:g} s each")
    mine, loops, kept = [], [], True
    for _ in range(repeat):
        outcome = _measured(ours, shape)
        show("ours", outcome)
        kept &= _keeps_its_promises(outcome)
        mine.append(outcome.cpu_us)
        outcome = _measured(lambda stage: rival(stage, "loop"), shape)
        show("bare loop", outcome)
        loops.append(outcome.cpu_us)
    floor_us = statistics.median(loops)
    ratio = statistics.median(mine) / floor_us
    if importlib.util.find_spec("picows"):
        outcome = _measured(lambda stage: rival(stage, "picows"), shape)
        show("picows", outcome)
        print(f"  picows takes {outcome.cpu_us / floor_us:.2f} times the bare loop's CPU")
    else:
        print("  picows is not installed, so it is not measured")
    if with_habit:
        outcome = _measured(baseline, shape)
        show("common locustfile", outcome)
        print(f"  the common locustfile takes {outcome.cpu_us / floor_us:.2f} times the bare loop's CPU"
              + ("" if outcome.recorded == outcome.owed else ", and does not keep up"))
    print(f"  ours takes {ratio:.2f} times the bare loop's CPU (goal at most {GOAL:g})"
          + ("" if ratio <= GOAL else ": missed"))
    return kept and ratio <= GOAL


def main() -> int:
    """Measure at each size and print the figures; return 1 where ours did not keep its promises."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--connections", type=int, nargs="*", default=SIZES)
    parser.add_argument("--ticks-per-s", type=float, help=f"default: {UPDATES_PER_S} divided by the connections")
    parser.add_argument("--measure-s", type=float, default=3.0)
    parser.add_argument("--repeat", type=int, default=3, help="the number of times that ours and the loop are measured")
    parser.add_argument("--habit", action="store_true", help="measure the common locustfile at every size")
    arguments = parser.parse_args()
    kept = True
    for connections in arguments.connections:
        rate = arguments.ticks_per_s or UPDATES_PER_S / connections
        shape = Shape(connections, rate, arguments.measure_s)
        kept &= compare(shape, arguments.repeat, arguments.habit or connections <= HABIT_AT)
    return 0 if kept else 1


def _measured(generator: Callable[[Stage], Outcome], shape: Shape) -> Outcome:
    with tempfile.TemporaryDirectory() as folder, TrialProcesses(Path(folder) / "logs") as trial_processes:
        return generator(set_up(trial_processes, Path(folder), shape))


def _keeps_its_promises(outcome: Outcome) -> bool:
    """Return True where every update was recorded once, with both instants, in a read of its own, and in time."""
    assert outcome.queue_us is not None
    assert outcome.updates_per_read is not None
    return (
        outcome.recorded == outcome.owed
        and outcome.unstamped == 0
        and outcome.updates_per_read <= READ_MAX
        and float(np.percentile(outcome.queue_us, 99)) < QUEUE_MAX_US
    )


if __name__ == "__main__":
    sys.exit(main())
