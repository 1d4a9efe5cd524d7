"""The data of measured trials that costs are fitted to: counts, CPU and instants, from a run's records.

    manifest.json ─► feed, options ─┐
    trial.json ─► CPU by process ───┼─► Observation: one VALID trial
    tables ─► counts, instants ─────┘

A server's costs are fitted to its **stretches**: the measuring window of each trial, and its idle window. A server
that has slept is cold (`bench.simulation.engine.server_queue`), and the work that wakes it takes longer. Its mean
coldness follows from the number of its sleeps, which the kernel counts as voluntary context switches, and from
their total length.

CPU is by the processes' own clocks, counts by the clients' own. All are of [t0, t1), but for those named `idle`.
Pushed messages are counted as TCP segments with data: each is written at once, and is one segment if it fits into one.

Known weakness: the clients' counters are read a few milliseconds after t0 and t1, the CPU is not. Where no
wake-ups were counted, ticks and polls are assumed to arrive at random, and to wake a server that is asleep.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import transports
from bench.audit.detectors import judge
from bench.errors import RunError
from bench.records import manifest as manifests
from bench.records import trial_record
from bench.records.trial_record import TrialRecord, Usage
from bench.scenario.fields import Table
from bench.scenario.model import DEFAULT_CLIENT, DEFAULT_SERVER, Scenario
from bench.simulation.calibration.costs import Cell, CostKind
from bench.simulation.calibration.least_squares import Measurement
from bench.simulation.calibration.loopback_delays import Instants, instants
from bench.simulation.engine.inputs import crowding
from bench.simulation.engine.server_queue import mean_coldness, warmed
from bench.stats.trial.arrays import TrialArrays, trial_arrays
from bench.stats.trial.bytes import client_sums
from bench.stats.trial.uplinks import uplink_columns
from bench.transports.cycle import Cycle
from bench.wire.sizes import SEGMENT_PAYLOAD

FULL = 0.8
"""The CPU in cores from which a server that parks or pushes, or one that is polled in its idle window, is left out: by
then its CPU depends on its queue, not on its counts alone."""
LEAST_CROWDED = 0.1
"""The least factor on requests and responses of a server with few connections."""
COUNTS = ("ticks", "requests", "answers", "updates", "payload_bytes", "connections", "messages", "clients")
"""The counts of a trial. `answers` are responses and pushed messages, `messages` those of clients; neither `requests`
nor `answers` has the messages' own. `clients` is their number."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One VALID trial."""

    run: str
    trial: str
    kind: CostKind
    cycle: Cycle
    cell: Cell
    seconds: float
    counts: dict[str, float]
    """Counts over the window, by the names of `COUNTS`."""
    server_cpu_s: float
    load_cpu_s: float
    idle_s: float
    """Length of the idle window in seconds; 0 where it was not measured."""
    idle_cpu_s: float
    wakeups: float
    """Wake-ups of the server in the window."""
    idle_wakeups: float
    load_wakeups: float
    """Wake-ups of the load client in the window; NaN where they were not counted."""
    bursts: float
    """Wake-ups of the server in the window less its ticks: those by clients' requests; NaN where not counted."""
    request_s: float
    """Mean seconds from request to response; NaN for a push."""
    instants: Instants
    send_s: float = float("nan")
    """Median of the seconds from a message's due instant until it was sent; NaN where clients only listen."""

    @property
    def waits(self) -> bool:
        """True if clients wait for ticks and send no requests meanwhile."""
        return self.cycle.pushes or self.cycle.parks

    @property
    def shows_costs(self) -> bool:
        """True if the server's CPU follows from its counts: it is polled, or it sends at once and is less busy than
        `FULL`.

        A poll takes the same work however busy the server is. A server that flushes is woken by its timer, too, and
        its hand-outs are colder than its sleeps say, which is not fitted.
        """
        return not self.cycle.flush_s and (not self.waits or self.server_cpu_s < FULL * self.seconds)

    def coldness(self, cooling_s: float) -> float:
        """Return the mean coldness, when it was woken, of a server that cools with this time constant."""
        return mean_coldness(self.seconds - self.server_cpu_s, self.wakeups, cooling_s)

    @property
    def kept(self) -> float:
        """The mean share of the coldness at waking that remains during the work that follows.

        A fan-out keeps all of it. With parked requests half of the work is the fan-out, and half are the next requests,
        which arrive when on average three quarters of the busy time are over. Polls arrive at any time in it.
        """
        busy_s = self.server_cpu_s / max(self.wakeups, 1)
        if self.cycle.pushes:
            return 1.0
        return float((1 + warmed(1.0, 0.75 * busy_s)) / 2 if self.cycle.parks else warmed(1.0, 0.5 * busy_s))

    def stretches(self, cooling_s: float, cold_share: float, crowd_share: float = 0.0) -> list[Measurement]:
        """Return the server's stretches: the measuring window, and the idle window if it was measured.

        `crowd_share` raises the counts of requests and responses, `cold_share` those of all work. Only polls arrive in
        the idle window. They are not counted but computed from the interval; a server that is busier than `FULL` gets
        fewer, so its idle window is left out.
        """
        cold = self.coldness(cooling_s)
        terms = _colder(self.terms(self.seconds, crowd_share), cold_share * cold * self.kept)
        found = [Measurement(self.seconds, self.server_cpu_s, {**terms, **self._waking(cold, self.wakeups)})]
        if self.idle_s and self.idle_cpu_s < FULL * self.idle_s:
            cold = mean_coldness(self.idle_s - self.idle_cpu_s, self.idle_wakeups, cooling_s)
            terms = _colder(self._of_idle(crowd_share), cold_share * cold)
            found.append(Measurement(self.idle_s, self.idle_cpu_s, {**terms, **self._waking(cold, self.idle_wakeups)}))
        return found

    def _waking(self, cold: float, wakeups: float) -> dict[str, float]:
        """Return the counts of wake-ups by the names of `least_squares.TERMS`.

        Where clients wait, each tick wakes the server, and the cost of a tick includes `switch`.
        """
        return {"wake": cold * wakeups} if self.waits else {"wake": cold * wakeups, "switch": wakeups}

    def crowded(self, crowd_share: float) -> float:
        """Return the factor on the time of a request and a response with this many clients; 1 at `inputs.CROWD`."""
        return max(1 + crowd_share * crowding(self.counts["clients"]), LEAST_CROWDED)

    def _of_idle(self, crowd_share: float) -> dict[str, float]:
        """Return the idle window's counts by the names of `least_squares.TERMS`, without wake-ups."""
        terms = {"socket": self.counts["clients"] * self.idle_s}
        if not self.waits:
            polls = self.counts["clients"] * self.idle_s / self.cycle.interval_s
            terms |= {"exchange": polls * self.crowded(crowd_share), "crowd": polls * crowding(self.counts["clients"]),
                      "connection": polls * self.cycle.new_connection}
        return terms

    def terms(self, seconds: float, crowd_share: float = 0.0) -> dict[str, float]:
        """Return the window's counts by the names of `least_squares.TERMS`, without wake-ups; it lasts `seconds`."""
        counts = self.counts
        return {
            "exchange": counts["answers"] * self.crowded(crowd_share),
            "crowd": counts["answers"] * crowding(counts["clients"]),
            "tick": counts["ticks"], "connection": counts["connections"],
            "update": counts["updates"], "byte": counts["payload_bytes"],
            "socket": counts["clients"] * seconds,
        }


def _colder(terms: dict[str, float], by: float) -> dict[str, float]:
    """Return the counts times 1 + `by`, since a cold server takes longer; those of open connections stay."""
    return {name: count if name == "socket" else count * (1 + by) for name, count in terms.items()}


def observe(run: Path) -> list[Observation]:
    """Return the observations of a run's measured VALID trials. Raises `RunError` where there are none."""
    found = list(_of_run(run, manifests.read(run).scenario))
    if not found:
        raise RunError(f"{run}: trials: found none that was measured and is VALID, needed is at least one")
    return found


def kinds_asked(scenarios: Sequence[Scenario]) -> dict[str, CostKind | None]:
    """Return the kinds that runs were to measure, by name; None for a server of the user's own."""
    found: dict[str, CostKind | None] = {}
    for scenario in scenarios:
        for label, subject in scenario.transports.items():
            if subject.external is not None:
                found[label] = None
                continue
            options = transports.options(label, subject, manifests.NAME)
            kind = CostKind.of(subject.transport, options, subject.implementation)
            found[str(kind)] = kind
    return found


def _of_run(run: Path, scenario: Scenario) -> Iterator[Observation]:
    options = {
        label: transports.options(label, subject, str(run / manifests.NAME))
        for label, subject in scenario.transports.items()
        if subject.external is None and subject.client == DEFAULT_CLIENT   # a page's requests are not those simulated
    }
    for folder in trial_record.trial_folders(run):
        record = trial_record.read_trial(folder)
        if record.source != "measured" or record.subject not in options:
            continue
        _, verdict = judge(folder)
        if verdict.status == "VALID":
            yield observation(folder, record, scenario, options[record.subject])


def cell_of(record: TrialRecord, scenario: Scenario, options: Table) -> Cell:
    """Return the conditions of a trial."""
    feed = scenario.feed
    return Cell(
        record.transport, options.model_dump(mode="json"), record.clients, record.rate_per_s,
        feed.book_levels, feed.encoding, record.server or DEFAULT_SERVER, feed.source == "clients",
    )


def observation(folder: Path, record: TrialRecord, scenario: Scenario, options: Table) -> Observation:
    """Return the observation of one measured trial.

    Raises `RunError` where the record has no CPU time of the server or of the load client.
    """
    assert record.windows is not None, f"{record.trial} was never measured"
    names = [*trial_record.TABLES, *(["uplinks"] if scenario.feed.source == "clients" else [])]
    tables = {name: trial_record.read_table(folder, name) for name in names}
    trial = trial_arrays(record, tables)
    sent = uplink_columns(trial, tables)
    cycle = transports.model_of(record.transport).cycle(options)
    sums = client_sums(tables["clients"])
    server, load = (record.usage.get(name, Usage()) for name in ("server", "load"))
    if server.cpu_ns is None or load.cpu_ns is None:
        raise RunError(f"{folder / 'trial.json'}: usage: found no CPU of server and load, and costs are "
                       "made of it (it needs Linux)")
    counts = _counts(record, trial, sums, cycle, sent["uplinks_accepted"] if "uplinks" in tables else 0.0)
    asked = counts["clients"] / cycle.interval_s if cycle.interval_s else 0.0
    seconds, idle_s = (record.windows.t1_ns - record.windows.t0_ns) / 1e9, (server.idle_ns or 0) / 1e9
    return Observation(
        run=folder.parent.parent.name, trial=record.trial,
        kind=CostKind.of(record.transport, options, record.server or DEFAULT_SERVER), cycle=cycle,
        cell=cell_of(record, scenario, options),
        seconds=seconds, counts=counts,
        server_cpu_s=server.cpu_ns / 1e9, load_cpu_s=load.cpu_ns / 1e9,
        idle_s=idle_s, idle_cpu_s=(server.idle_cpu_ns or 0) / 1e9,
        wakeups=_or(server.wakeups, ((counts["ticks"] + counts["messages"]) / seconds + asked)
                    * (seconds - server.cpu_ns / 1e9)),
        idle_wakeups=_or(server.idle_wakeups, asked * (idle_s - (server.idle_cpu_ns or 0) / 1e9)),
        load_wakeups=_or(load.wakeups, math.nan), bursts=_or(server.wakeups, math.nan) - counts["ticks"],
        request_s=float(np.divide(sums["request_duration_ns"], 1e9 * max(sums["responses"], 1)))
        if sums["responses"] else float("nan"),
        instants=instants(trial, asks_again=cycle.parks), send_s=sent["uplink_sent_p50_ms"] / 1e3,
    )


def _or(counted: int | None, otherwise: float) -> float:
    return otherwise if counted is None else float(counted)


def _counts(record: TrialRecord, trial: TrialArrays, sums: Mapping[str, float], cycle: Cycle,
            messages: float) -> dict[str, float]:
    """Return the window's counts by the names of `COUNTS`; `messages` is the number that was accepted, and answered."""
    ticks, windows = trial.ticks, trial.windows
    within = (ticks.due_ns >= windows.t0_ns) & (ticks.due_ns < windows.t1_ns)
    payload_bytes = float(ticks.payload_bytes[within].mean()) if within.any() else 0.0
    requests, answers = (sums[name] - messages * cycle.posts for name in ("requests", "responses"))
    if cycle.pushes:
        segments = sums["data_segments_down"]
        fits = payload_bytes < 0.9 * SEGMENT_PAYLOAD and segments == segments
        answers = min(segments - messages, sums["updates"]) if fits else sums["updates"]
    return {
        "ticks": float(np.count_nonzero(within)), "requests": requests, "answers": answers,
        "updates": sums["updates"], "payload_bytes": payload_bytes * sums["updates"],
        "connections": sums["connections"], "messages": messages, "clients": float(record.clients),
    }
