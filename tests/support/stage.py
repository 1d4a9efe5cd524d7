"""The real processes of a trial apart from the load, under their guards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import transports
from bench.clock import RunClock
from bench.experiment.trial import commands
from bench.experiment.trial.processes import Child, TrialProcesses
from bench.feed import schedule
from bench.records.trial_record import WindowInstants
from bench.scenario.model import Feed, Server

PATIENCE_S = 60.0
SEED = 5
WARMUP_S, MEASURE_S, LATE_S = 0.3, 1.5, 2.0
HORIZON_S = WARMUP_S + MEASURE_S + 2 * LATE_S
FEED = Feed(schedule="constant", rate_per_s=40, symbols=3)


@dataclass
class Stage:
    """A publisher and a server that wait for clients."""

    trial_processes: TrialProcesses
    folder: Path
    clock: RunClock
    publisher: Child
    port: int

    def load_config(
        self, transport: str, options: dict[str, Any], clients: int, **more: Any
    ) -> dict[str, Any]:
        """Return the configuration of a load for the server."""
        return {
            "subject": "the subject", "transport": transport, "options": options, "clients": clients,
            "seed": SEED, "spawn_rate_per_s": 500.0, "clock_origin_ns": self.clock.origin_ns,
            "folder": str(self.folder), **more,
        }

    def begin(self) -> WindowInstants:
        """Start the feed; return the windows of the trial."""
        warmup_ns = self.clock.now_ns() + 50_000_000
        t0_ns = warmup_ns + int(WARMUP_S * 1e9)
        self.publisher.send({"start": {"warmup_ns": warmup_ns}})
        return WindowInstants(warmup_ns, t0_ns, t0_ns + int(MEASURE_S * 1e9), int(LATE_S * 1e9))

    def windows_message(self, windows: WindowInstants) -> dict[str, Any]:
        """Return the windows in the form of the runner's message to the load."""
        planned = schedule.make(FEED, SEED, HORIZON_S, WARMUP_S)
        window = (windows.t0_ns - windows.warmup_ns, windows.t1_ns - windows.warmup_ns)
        return {"windows": {
            "warmup_ns": windows.warmup_ns, "t0_ns": windows.t0_ns, "t1_ns": windows.t1_ns,
            "late_after_ns": windows.late_after_ns,
            "first_index": planned.first_due_from(window[0]),
            "last_index": planned.last_index(*window), "due": planned.due_by_symbol(*window),
        }}


def set_up(trial_processes: TrialProcesses, folder: Path, transport: str, options: dict[str, Any]) -> Stage:
    """Start publisher and server, and wait until they are ready."""
    clock = RunClock.start()
    publisher = trial_processes.start(commands.publisher(
        folder, FEED, seed=SEED, horizon_s=HORIZON_S, t0_s=WARMUP_S, clock_origin_ns=clock.origin_ns,
    ))
    feed_port = trial_processes.expect(publisher, "ready", PATIENCE_S)["port"]
    table = transports.options_of(transport, options, "the test", "options")
    server = trial_processes.start(commands.server(folder, transport, table, Server(), feed_port=feed_port))
    return Stage(trial_processes, folder, clock, publisher, trial_processes.expect(server, "ready", PATIENCE_S)["port"])
