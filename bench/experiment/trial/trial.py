"""One trial: fresh processes, one cell, one set of records.

    publisher ─ ready ─► server ─ ready ──────┐
    load ─────── ready (imports meanwhile) ───┴─ target ─► subscribed
                                                               │
          warmup_ns = now + lead  ◄────── idle base ───────────┘
    publisher ◄─ start      load ◄─ windows
    ├── warm-up ──┤── measure: a reading of each process every 100 ms ──┤── drain … settled ─► load done
                 t0                                                 t1
    stop server, stop publisher ─► tables ─► trial.json

The origin of a trial is set once all clients are subscribed, so the time of connecting is excluded from every
value. Any error in one of the processes is a failure of the trial (`TrialError`). It is recorded like any
other outcome: a word, a sentence, and the last lines that the processes printed.

One error is recovered instead: a publisher that dies is restarted on the same port, up to `LIVES_MAX` starts
in all. The ticks that were not published meanwhile make the trial INVALID, but the behaviour of the servers
and clients in that case is on record.

Pinning: the server has the first core to itself, and everything else shares the other cores, so that a
saturated server can't make the feed late.

Known weakness: the runner wakes every 100 ms on a core that the load uses, for about 0.1 ms, and in the middle of the
window once for longer: to list the kernel's buffers of a thousand connections takes 3 to 6 ms.
"""

from __future__ import annotations

import shutil
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pyarrow as pa

from bench.browser.chromium import PROFILE
from bench.clock import RunClock
from bench.errors import TrialError
from bench.experiment import disk_full, plan, requirements
from bench.experiment.trial import commands
from bench.experiment.trial.load_workers import LoadWorkers, merged
from bench.experiment.trial.processes import Child, Command, TrialProcesses
from bench.feed import log as feed_log
from bench.feed import schedule
from bench.feed.schedule import Schedule
from bench.measure import host, noise, recording, socket_memory, time_wait
from bench.measure.process import SAMPLE_INTERVAL_NS, Mark, Meter, Reading, usage
from bench.records.manifest import PlannedTrial
from bench.records.trial_record import SAMPLES, TrialRecord, Usage, WindowInstants, write_table, write_trial
from bench.scenario.fields import Table
from bench.scenario.model import BROWSER, External, Scenario
from bench.uplink import authors

NS = 1_000_000_000
LEAD_NS = 50_000_000
"""Time from the last subscription to the beginning of warm-up, in which publisher and load learn of it."""
READY_S = 30.0
STORE_S = 120.0
"""Time for the load to write its rows."""
LIVES_MAX = 3
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens addresses without the proxy that the environment names, since the servers are on this machine."""


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
    def takes_messages(self) -> bool:
        """Return True where the ticks are messages of clients."""
        return self.scenario.feed.source == "clients"

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


@dataclass(frozen=True, slots=True)
class Started:
    """The processes of a trial, all ready; no client has connected."""

    load: LoadWorkers
    publisher: Publisher
    server: Child
    address: Mapping[str, Any]
    """Where the clients reach the server: `host`, `port`, and the `certificate` of a server with TLS."""
    meters: Mapping[str, Meter]
    """By the process's name."""
    before: Reading
    """The server's, before any client connected."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The clients, all subscribed, and the windows that were set then."""

    windows: WindowInstants
    opened_ns: int
    """The instant of the last subscription."""
    idle: tuple[Mark, Mark] | None
    """The server's, at both ends of the idle stretch; None where the scenario has none."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurements of the window."""

    usage: dict[str, Usage]
    """By process; `load` is that of the core that the load used most."""
    noise: dict[str, Any]
    """Counts of the host's kernel."""


@dataclass(frozen=True, slots=True)
class Reports:
    """The processes' own reports, at their end."""

    load: dict[str, Any]
    server_counts: dict[str, int]
    publisher: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The values of the phases that were completed; all of them, unless the trial failed."""

    started: Started | None = None
    subscribed: Subscribed | None = None
    measured: Measured | None = None
    reports: Reports | None = None
    reason: str | None = None
    """The reason of a failure: one word."""
    detail: str | None = None
    """The reason of a failure: a sentence and the tail of the logs."""


def make(settings: TrialSettings, planned: PlannedTrial, folder: Path, attempt: int) -> TrialRecord:
    """Make one trial and leave its files in `folder`; a failure is recorded, not raised.

    Raises `OSError` where the disk is full.
    """
    folder.mkdir(parents=True)
    began_s = time.monotonic()
    before = noise.probe(settings.probed_cores)
    with TrialProcesses(folder / "logs") as trial_processes:
        page_port = host.free_port() if planned.client == BROWSER else None
        trial = _Trial(settings, planned, folder, trial_processes, settings.schedule(planned.seed), page_port)
        outcome = trial.run()
    shutil.rmtree(folder / "logs" / PROFILE, ignore_errors=True)   # of a browser that was killed
    jitter = noise.jitter(before, noise.probe(settings.probed_cores))
    if outcome.reason is not None:
        disk_full.refuse_if_full(folder)   # a full disk is not a result of the trial
    else:
        _store(folder, settings.schedule(planned.seed), outcome)
    subscribed, measured, reports = outcome.subscribed, outcome.measured, outcome.reports
    feed = settings.scenario.feed
    record = TrialRecord(
        trial=folder.name, block=planned.block, position=planned.position, subject=planned.subject,
        transport=planned.transport, server=planned.server, client=planned.client, clients=planned.clients,
        seed=planned.seed,
        attempt=attempt,
        status="finished" if outcome.reason is None else "failed", reason=outcome.reason, detail=outcome.detail,
        windows=subscribed.windows if subscribed else None,
        clock_step_ns=reports.load.get("clock_step_ns") if reports else None,
        rate_per_s=None if feed.schedule == "replay" else feed.rate_per_s,
        took_s=time.monotonic() - began_s,
        usage=measured.usage if measured else {},
        server_counts=reports.server_counts if reports else {},
        load=reports.load if reports else {},
        publisher=reports.publisher if reports else {},
        host={**(measured.noise if measured else {}), **jitter},
    )
    write_trial(folder, record)
    return record


def _detail(error: TrialError, trial_processes: TrialProcesses) -> str:
    """Return the failure's sentence, and the last lines that each process printed."""
    tails = [f"--- {child.log.name}\n{child.tail()}" for child in trial_processes.children if child.tail()]
    return "\n".join([str(error), *dict.fromkeys(tails)])


def _store(folder: Path, ticks: Schedule, outcome: Outcome) -> None:
    """Convert the files that the processes left into the trial's tables; the processes have ended by now."""
    started, subscribed = outcome.started, outcome.subscribed
    assert started is not None, "a trial that did not fail"
    assert subscribed is not None, "a trial that did not fail"
    recording.convert(folder)
    write_table(folder, "feed", feed_log.to_table(folder, ticks, subscribed.windows.warmup_ns))
    rows = [
        {"process": name, **asdict(reading)}
        for name, meter in started.meters.items() for reading in meter.readings
    ]
    write_table(folder, "samples", pa.Table.from_pylist(rows, SAMPLES))
    for path in folder.glob("feed.*.log"):
        path.unlink()


class Publisher:
    """The feed's process: a publisher that is started again on its port when it dies, `LIVES_MAX` starts in all."""

    def __init__(self, trial_processes: TrialProcesses, command: Callable[[int, int | None], Command],
                 ready_s: float) -> None:
        self._trial_processes = trial_processes
        self._command = command
        self._lives = 1
        self._child = trial_processes.start(command(0, None))
        self.port = int(trial_processes.expect(self._child, "ready", ready_s)["port"])

    @property
    def child(self) -> Child:
        """Return the process that publishes at present."""
        return self._child

    def begin(self, warmup_ns: int) -> None:
        """Let it publish from `warmup_ns` on the run clock on; from now on it is started again when it dies."""
        self._child.send({"start": {"warmup_ns": warmup_ns}})
        self._trial_processes.on_fall["publisher"] = partial(self._revive, warmup_ns)

    def stop(self) -> dict[str, Any]:
        """End it, and return its report."""
        return {"lives": self._lives, **self._trial_processes.stop(self._child)}

    def _revive(self, warmup_ns: int) -> None:
        if self._lives == LIVES_MAX:
            raise TrialError("publisher-died", f"the publisher ended by itself {LIVES_MAX} times")
        self._lives += 1
        self._child = self._trial_processes.start(self._command(self.port, warmup_ns))


@dataclass(frozen=True, slots=True)
class _Trial:
    """The phases of one trial; each returns what the next needs."""

    settings: TrialSettings
    planned: PlannedTrial
    folder: Path
    trial_processes: TrialProcesses
    schedule: Schedule
    page_port: int | None
    """The port of the pages that are the clients; None where no browser is."""

    @property
    def clock(self) -> RunClock:
        return self.settings.clock

    def run(self) -> Outcome:
        """Run all phases that need the processes; a failure ends them."""
        outcome = Outcome()
        try:
            started = self.start()
            outcome = replace(outcome, started=started)
            subscribed = self.subscribe(started)
            outcome = replace(outcome, subscribed=subscribed)
            outcome = replace(outcome, measured=self.measure(started, subscribed))
            return replace(outcome, reports=self.drain(started, subscribed.windows))
        except TrialError as error:
            return replace(outcome, reason=error.reason, detail=_detail(error, self.trial_processes))

    def start(self) -> Started:
        """Start the processes."""
        load = LoadWorkers(
            self.trial_processes, self.folder, self._load_config(), self.settings.scenario.load.processes,
            self.settings.other_cores,
        )
        publisher = Publisher(self.trial_processes, self._publisher_command,
                              requirements.starting_s(READY_S, len(self.schedule)))
        external = self.settings.scenario.transports[self.planned.subject].external
        server, address = (self._own_server(publisher.port) if external is None
                           else self._foreign_server(external, publisher.port))
        meters = {}
        for child in (server, *load.children, publisher.child):
            assert child.pid is not None   # it has sent a message, or answered
            meters[child.name] = Meter(child.name, child.pid, self.clock)
        load.expect("ready", READY_S)
        return Started(load, publisher, server, address, meters, before=meters["server"].read())

    def subscribe(self, started: Started) -> Subscribed:
        """Let the clients connect, and set the windows once all are subscribed."""
        started.load.send({"target": dict(started.address)})
        spawning_s = self.planned.clients / self.settings.scenario.load.spawn_rate_per_s
        subscribed = started.load.expect("subscribed", READY_S + spawning_s)
        for meter in started.meters.values():
            meter.gather()
        idle = self._idle(started.meters["server"])
        warmup_ns = self.clock.now_ns() + LEAD_NS
        t0_ns = warmup_ns + round(self.settings.warmup_s * NS)
        t1_ns = t0_ns + round(self.settings.scenario.windows.measure_s * NS)
        windows = WindowInstants(warmup_ns, t0_ns, t1_ns, round(self.settings.late_after_s * NS))
        started.publisher.begin(warmup_ns)
        window = (t0_ns - warmup_ns, t1_ns - warmup_ns)
        started.load.send({"windows": {
            **asdict(windows),
            "first_index": self.schedule.first_due_from(window[0]),
            "last_index": self.schedule.last_index(*window),
            "due": self.schedule.due_by_symbol(*window),
        }})
        return Subscribed(windows, max(int(each["at_ns"]) for each in subscribed), idle)

    def _idle(self, server: Meter) -> tuple[Mark, Mark] | None:
        """Measure the server's idle base, while all clients are connected and nothing has been published.

        Returns None if the scenario has no idle window.
        """
        idle_ns = round(self.settings.scenario.windows.idle_s * NS)
        if not idle_ns:
            return None
        first = server.mark()
        self.trial_processes.sleep_until(first.reading.at_ns + idle_ns + self.clock.origin_ns)
        return first, server.mark()

    def measure(self, started: Started, subscribed: Subscribed) -> Measured:
        """Read the counters of the processes at t0, at t1 and every 100 ms in between.

        The kernel's buffers are read three times: before, in the middle and after.
        """
        windows, origin_ns, meters = subscribed.windows, self.clock.origin_ns, started.meters
        self.trial_processes.sleep_until(windows.t0_ns - SAMPLE_INTERVAL_NS + origin_ns)
        held = [self._rehearse(started)]
        self.trial_processes.sleep_until(windows.t0_ns + origin_ns)
        noise_before, own_before_s = noise.KernelCounters.read(), time.process_time()
        begin = {name: meter.mark() for name, meter in meters.items()}
        instants = range(windows.t0_ns + SAMPLE_INTERVAL_NS, windows.t1_ns, SAMPLE_INTERVAL_NS)
        for number, instant_ns in enumerate(instants, 1):
            self.trial_processes.sleep_until(instant_ns + origin_ns)
            for meter in meters.values():
                meter.read()
            if number == (len(instants) + 1) // 2:
                held.append(socket_memory.held_bytes(started.address["port"]))
        self.trial_processes.sleep_until(windows.t1_ns + origin_ns)
        end = {name: meter.mark() for name, meter in meters.items()}
        noise_after, own_after_s = noise.KernelCounters.read(), time.process_time()
        held.append(socket_memory.held_bytes(started.address["port"]))
        used = {}
        for name, meter in meters.items():
            within = [reading for reading in meter.readings if reading.at_ns >= windows.t0_ns]
            if name == "server":
                used[name] = usage(within, begin[name], end[name], started.before, subscribed.idle, held,
                                   subscribed.opened_ns)
            else:
                used[name] = usage(within, begin[name], end[name])
        own_s = own_after_s - own_before_s + sum(each.cpu_ns or 0 for each in used.values()) / NS
        return Measured({"load": started.load.busiest(used), **used},
                        noise.between(noise_before, noise_after, own_s, host.core_count()))

    def _rehearse(self, started: Started) -> int | None:
        """Read all counters once, and return what the kernel's buffers of the server hold.

        After it those at t0 come in time: what a process has not used for some seconds may have left its caches, or
        memory, and reading it anew took 12 to 30 ms on a machine that reclaims idle memory.
        """
        noise.KernelCounters.read()
        for meter in started.meters.values():
            meter.mark()
        return socket_memory.held_bytes(started.address["port"])

    def drain(self, started: Started, windows: WindowInstants) -> Reports:
        """Wait until everything has arrived or no longer can, and collect the final report of each
        process."""
        left_s = max(0.0, (windows.end_ns - self.clock.now_ns()) / NS)
        started.load.expect("settled", left_s + READY_S)
        load = merged(started.load.expect("done", STORE_S))
        started.load.finish()   # first, so that its clients can close their connections
        first = time_wait.closed_first(started.address["port"])
        load["closed_by_server"], load["closed_by_clients"] = first or (None, None)
        counts = self.trial_processes.stop(started.server).get("counts")
        return Reports(load, counts or {}, started.publisher.stop())

    def _publisher_command(self, port: int, warmup_ns: int | None) -> Command:
        """Return the command of a publisher; with `warmup_ns` it continues the schedule that is under way."""
        return commands.publisher(
            self.folder, self.settings.scenario.feed, seed=self.planned.seed,
            horizon_s=plan.horizon_s(self.settings.scenario, self.settings.options),
            t0_s=self.settings.warmup_s, clock_origin_ns=self.clock.origin_ns,
            port=port, warmup_ns=warmup_ns, cores=self.settings.other_cores,
            clients=self.planned.clients if self.settings.takes_messages else None,
            symbols_per_client=self.settings.scenario.load.symbols_per_client,
        )

    def _load_config(self) -> dict[str, Any]:
        planned, load = self.planned, self.settings.scenario.load
        return self._messages() | {
            "subject": planned.subject, "transport": planned.transport,
            "options": self.settings.options[planned.subject].model_dump(mode="json"),
            "clients": planned.clients, "mode": load.mode,
            "symbols": self._subscriptions(),
            "seed": planned.seed, "spawn_rate_per_s": load.spawn_rate_per_s,
            "clock_origin_ns": self.clock.origin_ns, "folder": str(self.folder), "page_port": self.page_port,
        }

    def _subscriptions(self) -> list[list[str]] | None:
        """Return the symbols of each client; None if every client has all."""
        load, symbols, clients = self.settings.scenario.load, self.schedule.symbols, self.planned.clients
        if self.settings.takes_messages:
            return authors.subscriptions(symbols, clients, load.symbols_per_client)
        return plan.subscriptions(load, symbols, clients, self.planned.seed)

    def _messages(self) -> dict[str, Any]:
        """Return the part of the load's configuration that has the messages of clients; empty where they send none."""
        if not self.settings.takes_messages:
            return {}
        planned, each, ticks = self.planned, self.settings.scenario.load.symbols_per_client, self.schedule
        columns = (
            range(len(ticks)), ticks.offset_ns.tolist(), authors.authors(ticks, planned.clients, each).tolist(),
            [ticks.symbols[place] for place in ticks.symbol], ticks.price.tolist(), ticks.size.tolist())
        return {"messages": list(zip(*columns, strict=True))}

    def _own_server(self, feed_port: int) -> tuple[Child, dict[str, Any]]:
        """Start the built-in server of the subject's transport; return it and its address."""
        server = self.trial_processes.start(commands.server(
            self.folder, self.planned.transport, self.settings.options[self.planned.subject],
            self.settings.scenario.server, feed_port=feed_port, implementation=self.planned.server,
            allowed=[] if self.page_port is None else [f"http://{commands.LOCALHOST}:{self.page_port}"],
            cores=self.settings.server_cores, takes_messages=self.settings.takes_messages,
        ))
        ready = self.trial_processes.expect(server, "ready", READY_S)
        return server, {name: ready.get(name) for name in ("host", "port", "certificate")}

    def _foreign_server(self, external: External, feed_port: int) -> tuple[Child, dict[str, Any]]:
        """Start the user's own server; return it and its address once it answers.

        Raises `TrialError` where it does not answer with 200 within `READY_S`.
        """
        port = host.free_port()
        words = {"port": str(port), "feed_port": str(feed_port)}
        command = [_filled(argument, words) for argument in external.command]
        server = self.trial_processes.start(Command(
            "server", command, folder=self.settings.folder, cores=self.settings.server_cores, lifeline=False,
        ))
        self.trial_processes.wait(lambda: server.pid is not None, READY_S, "the server's process id")
        address = _filled(external.ready, words)
        deadline = time.monotonic() + READY_S
        while (lacks := _unready(address)) is not None:
            self.trial_processes.check()
            self.trial_processes.turn(0.05)
            if time.monotonic() > deadline:
                raise TrialError(
                    "timeout", f"{address} did not answer with 200 within {READY_S:g} s: {lacks}")
        return server, {"host": commands.LOCALHOST, "port": port}


def _filled(text: str, words: Mapping[str, str]) -> str:
    """Return `text` with each {word} replaced; other braces (JSON, a shell's) stay."""
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", value)
    return text


def _unready(address: str) -> str | None:
    """Return None if an HTTP address answers with a 2xx status now, else a description of the error."""
    try:
        with DIRECTLY.open(address, timeout=1.0) as response:
            return None if 200 <= response.status < 300 else f"it answered {response.status}"
    except HTTPError as error:
        return f"it answered {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        # Not up yet, or it does not speak HTTP (yet); the caller's deadline decides.
        return str(getattr(error, "reason", None) or error) or type(error).__name__
