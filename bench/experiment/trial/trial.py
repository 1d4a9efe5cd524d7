"""One trial: fresh processes, one cell, one set of records.

    publisher ─ ready ─► server ─ ready ──────┐
    load ─────── ready (imports meanwhile) ───┴─ target ─► subscribed
                                                               │
          warmup_ns = now + lead  ◄────── idle base ───────────┘
    publisher ◄─ start      load ◄─ windows
    ├── warm-up ──┤── measure: a look at each process every 100 ms ──┤── drain … settled ─► load done
                 t0                                                 t1
    stop server, stop publisher ─► tables ─► trial.json

The origin of a trial is set once all clients are subscribed, so the time of connecting is excluded from every
figure. Any error in one of the processes is a failure of the trial (`TrialError`). It is recorded like any
other outcome: a word, a sentence, and the last lines that the processes printed.

One error is recovered instead: a publisher that dies is restarted on the same port, up to `LIVES_MAX` starts
in all. The ticks that were not published meanwhile make the trial INVALID, but the behaviour of the servers
and clients in that case is on record.

Pinning: the server has the first core to itself, and everything else shares the other cores, so that a
saturated server can't make the feed late.

Known weakness: the runner wakes every 100 ms on a core that the load uses, for about 0.1 ms.
"""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pyarrow as pa

from bench.clock import RunClock
from bench.errors import TrialError
from bench.experiment import disk_full, plan, requirements
from bench.experiment.plan import PlannedTrial
from bench.experiment.trial import commands
from bench.experiment.trial.load_workers import LoadWorkers, merged
from bench.experiment.trial.processes import Child, Command, TrialProcesses
from bench.feed import log as feed_log
from bench.feed import schedule
from bench.feed.schedule import Schedule
from bench.measure import host, noise, recording, socket_memory
from bench.measure.process import SAMPLE_INTERVAL_NS, Mark, Meter, usage
from bench.records.trial_record import SAMPLES, TrialRecord, WindowInstants, write_table, write_trial
from bench.scenario.fields import Table
from bench.scenario.model import External, Scenario

NS = 1_000_000_000
LEAD_NS = 50_000_000
"""Time from the last subscription to the beginning of warm-up, in which publisher and load learn of it."""
READY_S = 30.0
STORE_S = 120.0
"""Time for the load to write its rows."""
LIVES_MAX = 3
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens addresses without the proxy that the environment names, since the servers are on this machine."""
LOOKS_A_SOCKET_LOOK = 10
"""Number of readings of the processes per reading of the kernel's buffers. Listing a thousand connections
takes about 2 ms."""


@dataclass(frozen=True, slots=True)
class TrialSettings:
    """Settings common to all trials of a run."""

    scenario: Scenario
    options: Mapping[str, Table]
    clock: RunClock
    folder: Path
    """Folder in which a user's own server is started: that of the scenario file."""
    server_cores: frozenset[int] | None = None
    other_cores: frozenset[int] | None = None
    _schedules: dict[int, Schedule] = field(default_factory=dict)

    @classmethod
    def on_this_machine(cls, scenario: Scenario, options: Mapping[str, Table], clock: RunClock,
                        folder: Path) -> TrialSettings:
        """Return the settings with the cores of this machine divided between the server and the rest."""
        first, *others = host.cores()
        pinned = (frozenset({first}), frozenset(others)) if others and host.LINUX else (None, None)
        return cls(scenario, options, clock, folder, *pinned)

    @property
    def late_after_s(self) -> float:
        """Return ℓ in s, common to all subjects."""
        return plan.late_after_s(self.scenario, self.options)

    @property
    def warmup_s(self) -> float:
        """Return the length of warm-up in s, common to all subjects."""
        return plan.warmup_s(self.scenario, self.options)

    @property
    def probed_cores(self) -> list[int]:
        """Return one core of the server's and one of the others, for the probe of the machine's jitter."""
        return [min(cores) for cores in (self.server_cores, self.other_cores) if cores]

    def schedule(self, seed: int) -> Schedule:
        """Return the ticks of a block; only the latest schedule is kept."""
        if seed not in self._schedules:
            horizon_s = plan.horizon_s(self.scenario, self.options)
            self._schedules.clear()
            self._schedules[seed] = schedule.make(self.scenario.feed, seed, horizon_s, self.warmup_s)
        return self._schedules[seed]


def make(settings: TrialSettings, planned: PlannedTrial, folder: Path, attempt: int) -> TrialRecord:
    """Make one trial and leave its files in `folder`; a failure is recorded, not raised.

    Raises `OSError` where the disk is full.
    """
    folder.mkdir(parents=True)
    began_s = time.monotonic()
    before = noise.probe(settings.probed_cores)
    with TrialProcesses(folder / "logs") as trial_processes:
        trial = _Trial(settings, planned, folder, trial_processes)
        try:
            trial.run()
        except TrialError as error:
            trial.facts |= {"status": "failed", "reason": error.reason, "detail": _detail(error, trial_processes)}
    jitter = noise.jitter(before, noise.probe(settings.probed_cores))
    trial.facts["host"] = trial.facts.get("host", {}) | jitter
    if "status" in trial.facts:
        disk_full.refuse_if_full(folder)   # a full disk is not a result of the trial
    else:
        trial.store()
    feed = settings.scenario.feed
    record = TrialRecord(
        took_s=time.monotonic() - began_s,
        rate_per_s=None if feed.schedule == "replay" else feed.rate_per_s,
        trial=folder.name, block=planned.block, position=planned.position, subject=planned.subject,
        transport=planned.transport, server=planned.server, clients=planned.clients, seed=planned.seed,
        attempt=attempt,
        **trial.facts,
    )
    write_trial(folder, record)
    return record


def _detail(error: TrialError, trial_processes: TrialProcesses) -> str:
    """Return the failure's sentence, and the last lines that each process printed."""
    tails = [f"--- {child.log.name}\n{child.tail()}" for child in trial_processes.children if child.tail()]
    return "\n".join([str(error), *dict.fromkeys(tails)])


class _Trial:
    """The phases of one trial; `facts` collects the fields of its record."""

    load: LoadWorkers
    publisher: Child
    server: Child

    def __init__(self, settings: TrialSettings, planned: PlannedTrial, folder: Path,
                 trial_processes: TrialProcesses) -> None:
        self.settings = settings
        self.scenario = settings.scenario
        self.planned = planned
        self.folder = folder
        self.trial_processes = trial_processes
        self.clock = settings.clock
        self.schedule = settings.schedule(planned.seed)
        self.facts: dict[str, Any] = {}
        self.lives = 0
        self.meters: dict[str, Meter] = {}

    def run(self) -> None:
        """Run all phases that need the processes."""
        self.start()
        self.subscribe()
        self.measure()
        self.drain()

    def start(self) -> None:
        """Start the processes. They are ready when this returns, and no client has connected."""
        self.load = LoadWorkers(
            self.trial_processes, self.folder, self._load_config(), self.scenario.load.processes,
            self.settings.other_cores,
        )
        self.publisher = self._new_life(port=0, warmup_ns=None)
        self.feed_port = int(self.trial_processes.expect(
            self.publisher, "ready", requirements.starting_s(READY_S, len(self.schedule)))["port"])
        external = self.scenario.transports[self.planned.subject].external
        self.address = self._own_server() if external is None else self._foreign_server(external)
        for child in (self.server, *self.load.children, self.publisher):
            assert child.pid is not None   # it has sent a message, or answered
            self.meters[child.name] = Meter(child.name, child.pid, self.clock)
        self.load.expect("ready", READY_S)
        self.before = self.meters["server"].look()

    def subscribe(self) -> None:
        """Let the clients connect, and set the windows once all are subscribed."""
        self.load.send({"target": self.address})
        spawning_s = self.planned.clients / self.scenario.load.spawn_rate_per_s
        subscribed = self.load.expect("subscribed", READY_S + spawning_s)
        self.opened_ns = max(int(each["at_ns"]) for each in subscribed)
        for meter in self.meters.values():
            meter.gather()
        self.idle = self._idle()
        windows = self.scenario.windows
        warmup_ns = self.clock.now_ns() + LEAD_NS
        t0_ns = warmup_ns + round(self.settings.warmup_s * NS)
        t1_ns = t0_ns + round(windows.measure_s * NS)
        self.windows = WindowInstants(warmup_ns, t0_ns, t1_ns, round(self.settings.late_after_s * NS))
        self.facts["windows"] = self.windows
        self.publisher.send({"start": {"warmup_ns": warmup_ns}})
        window = (t0_ns - warmup_ns, t1_ns - warmup_ns)
        self.load.send({"windows": {
            "warmup_ns": warmup_ns, "t0_ns": t0_ns, "t1_ns": t1_ns,
            "late_after_ns": self.windows.late_after_ns,
            "first_index": self.schedule.first_due_from(window[0]),
            "last_index": self.schedule.last_index(*window),
            "due": self.schedule.due_by_symbol(*window),
        }})
        self.trial_processes.on_fall["publisher"] = self._revive

    def _idle(self) -> tuple[Mark, Mark] | None:
        """Measure the server's idle base, while all clients are connected and nothing has been published.

        Returns None if the scenario has no idle window.
        """
        idle_ns = round(self.scenario.windows.idle_s * NS)
        if not idle_ns:
            return None
        first = self.meters["server"].mark()
        self.trial_processes.sleep_until(first.reading.at_ns + idle_ns + self.clock.origin_ns)
        return first, self.meters["server"].mark()

    def measure(self) -> None:
        """Read the counters of the processes at t0, at t1 and every 100 ms in between."""
        windows, origin_ns = self.windows, self.clock.origin_ns
        self.trial_processes.sleep_until(windows.t0_ns + origin_ns)
        noise_before, own_before_s = noise.KernelCounters.read(), time.process_time()
        begin = self._mark()
        held = [socket_memory.held_bytes(self.address["port"])]
        instants = range(windows.t0_ns + SAMPLE_INTERVAL_NS, windows.t1_ns, SAMPLE_INTERVAL_NS)
        for number, instant_ns in enumerate(instants, 1):
            self.trial_processes.sleep_until(instant_ns + origin_ns)
            for meter in self.meters.values():
                meter.look()
            if number % LOOKS_A_SOCKET_LOOK == 0:
                held.append(socket_memory.held_bytes(self.address["port"]))
        self.trial_processes.sleep_until(windows.t1_ns + origin_ns)
        end = self._mark()
        noise_after, own_after_s = noise.KernelCounters.read(), time.process_time()
        held.append(socket_memory.held_bytes(self.address["port"]))
        used = {}
        for name, meter in self.meters.items():
            within = [reading for reading in meter.readings if reading.at_ns >= windows.t0_ns]
            if name == "server":
                used[name] = usage(within, begin[name], end[name], self.before, self.idle, held,
                                   self.opened_ns)
            else:
                used[name] = usage(within, begin[name], end[name])
        own_s = own_after_s - own_before_s + sum(each.cpu_ns or 0 for each in used.values()) / NS
        self.facts["usage"] = {"load": self.load.busiest(used), **used}
        self.facts["host"] = noise.between(noise_before, noise_after, own_s, host.core_count())

    def _mark(self) -> dict[str, Mark]:
        return {name: meter.mark() for name, meter in self.meters.items()}

    def drain(self) -> None:
        """Wait until everything has arrived or no longer can, and collect the final report of each
        process."""
        left_s = max(0.0, (self.windows.end_ns - self.clock.now_ns()) / NS)
        self.load.expect("settled", left_s + READY_S)
        self.facts["load"] = merged(self.load.expect("done", STORE_S))
        self.facts["clock_step_ns"] = self.facts["load"].get("clock_step_ns")
        self.load.finish()   # first, so that its clients can close their connections
        counts = self.trial_processes.stop(self.server).get("counts")
        self.facts["server_counts"] = counts or {}
        self.facts["publisher"] = {"lives": self.lives, **self.trial_processes.stop(self.publisher)}

    def store(self) -> None:
        """Convert the files that the processes left into the trial's tables; the processes have ended by
        now."""
        recording.convert(self.folder)
        feed = feed_log.to_table(self.folder, self.schedule, self.windows.warmup_ns)
        write_table(self.folder, "feed", feed)
        rows = [
            {"process": name, **asdict(reading)}
            for name, meter in self.meters.items() for reading in meter.readings
        ]
        write_table(self.folder, "samples", pa.Table.from_pylist(rows, SAMPLES))
        for path in self.folder.glob("feed.*.log"):
            path.unlink()

    def _new_life(self, port: int, warmup_ns: int | None) -> Child:
        """Start a publisher; with `warmup_ns` it continues the schedule that is under way."""
        self.lives += 1
        return self.trial_processes.start(commands.publisher(
            self.folder, self.scenario.feed, seed=self.planned.seed,
            horizon_s=plan.horizon_s(self.scenario, self.settings.options),
            t0_s=self.settings.warmup_s, clock_origin_ns=self.clock.origin_ns,
            port=port, warmup_ns=warmup_ns, cores=self.settings.other_cores,
        ))

    def _revive(self) -> None:
        if self.lives == LIVES_MAX:
            raise TrialError("publisher-died", f"the publisher ended by itself {LIVES_MAX} times")
        self.publisher = self._new_life(self.feed_port, self.windows.warmup_ns)

    def _load_config(self) -> dict[str, Any]:
        planned, load = self.planned, self.scenario.load
        return {
            "subject": planned.subject, "transport": planned.transport,
            "options": self.settings.options[planned.subject].model_dump(mode="json"),
            "clients": planned.clients, "mode": load.mode,
            "symbols": plan.subscriptions(load, self.schedule.symbols, planned.clients, planned.seed),
            "seed": planned.seed, "spawn_rate_per_s": load.spawn_rate_per_s,
            "clock_origin_ns": self.clock.origin_ns, "folder": str(self.folder),
        }

    def _own_server(self) -> dict[str, Any]:
        """Start the built-in server of the subject's transport; return its address."""
        self.server = self.trial_processes.start(commands.server(
            self.folder, self.planned.transport, self.settings.options[self.planned.subject],
            self.scenario.server, feed_port=self.feed_port, implementation=self.planned.server,
            cores=self.settings.server_cores,
        ))
        ready = self.trial_processes.expect(self.server, "ready", READY_S)
        return {name: ready.get(name) for name in ("host", "port", "certificate")}

    def _foreign_server(self, external: External) -> dict[str, Any]:
        """Start the user's own server; return its address once it answers.

        Raises `TrialError` where it does not answer with 200 within `READY_S`.
        """
        port = host.free_port()
        words = {"port": str(port), "feed_port": str(self.feed_port)}
        command = [_filled(argument, words) for argument in external.command]
        self.server = self.trial_processes.start(Command(
            "server", command, folder=self.settings.folder, cores=self.settings.server_cores, lifeline=False,
        ))
        self.trial_processes.wait(lambda: self.server.pid is not None, READY_S, "the server's process id")
        address = _filled(external.ready, words)
        deadline = time.monotonic() + READY_S
        while (lacks := _unready(address)) is not None:
            self.trial_processes.check()
            self.trial_processes.turn(0.05)
            if time.monotonic() > deadline:
                raise TrialError(
                    "timeout", f"{address} did not answer with 200 within {READY_S:g} s: {lacks}")
        return {"host": commands.LOCALHOST, "port": port}


def _filled(text: str, words: Mapping[str, str]) -> str:
    """Return `text` with each {word} replaced; other braces (JSON, a shell's) stay."""
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", value)
    return text


def _unready(address: str) -> str | None:
    """Return None if an HTTP address answers with a 2xx status now, else a description of the error."""
    try:
        with DIRECTLY.open(address, timeout=1.0) as answer:
            return None if 200 <= answer.status < 300 else f"it answered {answer.status}"
    except HTTPError as error:
        return f"it answered {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        # Not up yet, or it does not speak HTTP (yet); the caller's deadline decides.
        return str(getattr(error, "reason", None) or error) or type(error).__name__
