"""The verdict on a trial: VALID, INVALID or ABORTED.

    VALID       no detector fired
    INVALID     a detector fired, or the load or the publisher failed: kept, listed, excluded from all values of cells,
                and repeated
    ABORTED     the system under test failed; there are no values

A detector is one value of the trial (a column of `trials.csv`) and the range that it must lie in:

    feed       unpublished, late, stalled               clock     negative latency, a step
    counts     publisher, server and clients disagree   clients   missing, vanished, errors
    generator  behind its schedule, its queue, its core steady    a trend, Little's law
    runner     its marks at t0 and t1 late
    host       load, steal, jitter, frequency, quota, swap

`DETECTORS` holds all thresholds. Each detector says what it means and what a user can do. Where
the value was not measured (another system, a server without counters) the detector is *not assessed*,
which is reported and does not make a trial invalid.

What makes a trial invalid is a fault of the measurement: the feed, the clocks, the generator, the counts. A
fault of the server is a result: updates that are late or lost, polls that wait for a slow response
(`polls_late`), clients that are refused according to the contract, because they are too slow, left the tape
or come from another epoch (`client_refusals`, which `client_error_share` leaves out).

A simulated trial has no publisher, generator, clock and host of its own: detectors that are about these are
not assessed, even where their value is known (the feed is assumed punctual), so that nothing appears to be
checked that was not.

Known weakness: a detector sees one trial. What drifts from trial to trial is balanced by the order of
the blocks, not detected here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.records import trial_record
from bench.records.trial_record import TrialRecord
from bench.scenario.parsing import short
from bench.stats.trial.row import TrialFigures, trial_figures

Status = Literal["VALID", "INVALID", "ABORTED"]


@dataclass(frozen=True, slots=True)
class Detector:
    """One value, the range that it must lie in, and its meaning outside that range."""

    name: str
    figure: str
    """The column of `trials.csv`."""
    advice: str
    """The cause, and what the user can do."""
    most: float = math.inf
    least: float = -math.inf
    of_measuring: bool = False
    """True where the detector is about the measuring processes and the host; it is then not assessed
    for a simulated trial."""
    needs: str = "measured processes on Linux"
    """The thing that its value is made from; where there is none of it, the detector is not assessed."""

    def fires(self, value: float) -> bool:
        """Return True where `value` lies outside the range."""
        return not self.least <= value <= self.most

    def text(self, value: float) -> str:
        """Return a value with four digits, or with as many as show that it lies outside the range."""
        short_text = f"{value:.4g}"
        return short_text if self.fires(float(short_text)) else f"{value:.15g}"

    @property
    def limit(self) -> str:
        """Return the bound, in words."""
        if self.least == self.most:
            return f"only {self.most:g}"
        return f"at most {self.most:g}" if math.isfinite(self.most) else f"at least {self.least:g}"


POLLS = "polls in the window; where updates are pushed there are none"
KERNEL_INSTANTS = "the instants at which the kernel had an update; code in a browser's page sees none"
COUNTERS = "a server with counters (/stats)"

DETECTORS: tuple[Detector, ...] = (
    Detector("unpublished", "feed_unpublished", of_measuring=True, most=0, advice=(
        "ticks of the window were never published: the publisher was killed or started late; "
        "look at logs/publisher")),
    Detector("feed-late", "feed_lateness_p99_ms", of_measuring=True, most=10, advice=(
        "ticks left the publisher late: give it a core, or lower feed.rate_per_s")),
    Detector("feed-stalled", "feed_lateness_max_ms", of_measuring=True, most=100, advice=(
        "the publisher was paused, and ticks that were due meanwhile left it together: something else ran on its core; "
        "end it, or use a machine with more cores")),
    Detector("counts", "deliveries_unexplained", most=0, needs=COUNTERS, advice=(
        "clients got more than the server says it handed over: the server's counters, or something "
        "between the two, repeats updates")),
    Detector("counts-lost", "lost_on_the_way", most=0, needs=COUNTERS, advice=(
        "updates that the server says it handed over never arrived, though later ones did: something between "
        "server and clients (a proxy?) drops them, or the server's counters are wrong")),
    Detector("counts-skips", "skips_unexplained", most=0, needs=COUNTERS, advice=(
        "clients received more declared skips than the server counted: the server's counters are wrong, or "
        "something between the two repeats or changes responses")),
    Detector("uplinks", "uplinks_unexplained", most=0, least=0, advice=(
        "messages were answered as accepted and never numbered, or numbered though nobody sent them or they were "
        "refused: the server's relay or a table of the trial is wrong")),
    Detector("published-counts", "publishing_unexplained", of_measuring=True, most=0, least=0, advice=(
        "the publisher's count and its log differ: the log was cut or the publisher counted wrong")),
    Detector("recorded-counts", "recorded_unexplained", of_measuring=True, most=0, least=0, advice=(
        "the generator's counts differ from its records: a table of the trial was cut or changed")),
    Detector("foreign", "foreign", most=0, advice=(
        "clients got updates that are not in the schedule or that they had not asked for: the server "
        "mixes up subscriptions or feeds")),
    Detector("negative-latency", "latency_min_ms", least=0, advice=(
        "an update arrived before it was due: a clock is wrong, so no latency of the trial is right")),
    Detector("clock-step", "clock_step_us", of_measuring=True, most=100, advice=(
        "the real-time clock was stepped during the trial, so kernel instants are wrong: stop the time "
        "service from stepping while a run is on")),
    Detector("clients-missing", "clients_missing", most=0, advice=(
        "clients never got a first response: look at logs/load, at open-file limits and at the server")),
    Detector("clients-vanished", "clients_vanished", of_measuring=True, most=0, advice=(
        "clients had ended before the trial did: look at logs/load")),
    Detector("errors", "client_error_share", most=0.01, advice=(
        "more than 1 % of what clients asked for failed: look at load.errors in trial.json")),
    Detector("polls-late", "polls_overdue_share", of_measuring=True, most=0.01, needs=POLLS, advice=(
        "the generator got to polls over 20 ms late: lower load.clients or lengthen interval_s")),
    Detector("generator-lag", "client_lag_p99_ms", of_measuring=True, most=20, needs=KERNEL_INSTANTS, advice=(
        "updates lay in the generator's queue: it was slower than the server; lower load.clients or "
        "feed.rate_per_s")),
    Detector("generator-stalled", "turn_gap_max_ms", of_measuring=True, most=100, advice=(
        "the generator's loop was paused: something else ran on its core; end it, or use a machine with more "
        "cores")),
    Detector("runner-late", "runner_late_ms", of_measuring=True, most=20, advice=(
        "the runner read CPU and memory late at an end of the window: it was stopped, or did not get a core; "
        "let nothing else run here, and don't suspend it while a run is on")),
    Detector("generator-busy", "load_cpu_cores", of_measuring=True, most=0.9, advice=(
        "the generator used up its core, so latencies are its own: lower load.clients or "
        "feed.rate_per_s")),
    Detector("not-steady", "trend_share", most=0.25, needs="30 seconds of the window with updates", advice=(
        "latency rose or fell throughout the window, so its values depend on the length of the window: "
        "lengthen windows.warmup_s, or lower the load if a queue is building up")),
    Detector("littles-law", "in_flight_gap_share", of_measuring=True, most=0.2, needs=POLLS, advice=(
        "more requests were under way than the responses account for: some hung or were abandoned, so durations "
        "look shorter than they were; look at what the server did at the time")),
    Detector("host-load", "others_share", of_measuring=True, most=0.15, advice=(
        "other processes used the cores: end what else runs here, or wait for it")),
    Detector("host-steal", "steal_share", of_measuring=True, most=0.05, advice=(
        "the hypervisor gave time to other machines: use a machine that is not shared, or try again later")),
    Detector("host-jitter", "probe_gap_share", of_measuring=True, most=0.2, advice=(
        "a process that only spins did not get its core just before or after the trial: something else uses "
        "the cores; end it, or wait for it")),
    Detector("host-slowed", "probe_slowdown", of_measuring=True, most=1.5, advice=(
        "a core was slower on one side of the trial than on the other: fix the frequency "
        "(`cpupower frequency-set -g performance`), look at cooling, or leave its sibling idle")),
    Detector("host-throttled", "throttled_ms", of_measuring=True, most=1, needs="a cgroup with a quota", advice=(
        "the quota of the cgroup was used up, and all processes were paused: raise the container's CPU limit")),
    Detector("host-swapping", "swapped_pages", of_measuring=True, most=64, advice=(
        "pages went to swap or came back: free memory, or switch swap off")),
)


MEASURING_FAILED = re.compile(r"(load(-\d+)?|publisher)-(died|crashed|timeout)")
"""The failure reasons of a trial that are faults of the load, its workers or the publisher, not of the subject."""
LOG = re.compile(r"^--- (\S+)\.log\n(.*?)(?=^--- \S+\.log\n|\Z)", re.MULTILINE | re.DOTALL)
"""Matches a process's log in a trial's `detail`."""
LOG_LINES = 5
MEASURING_FAILED_ADVICE = (
    "the load, a worker of it or the publisher ended before the trial did, or did not answer: look at its log for "
    "why, and at the machine's memory")


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason for which a trial is not valid."""

    name: str
    found: str
    """The value that was found, with its bound."""
    advice: str
    log: tuple[str, ...] = ()
    """The last lines printed by the process that failed."""

    @property
    def sentence(self) -> str:
        """Return the reason without the log."""
        return f"{self.name}: {self.found}: {self.advice}"

    def __str__(self) -> str:
        # In one line, and without the mark that parts reasons in trials.csv.
        ends = " ⏎ ".join(self.log)
        return (self.sentence + (f", its log ends: {ends}" if ends else "")).replace("; ", ", ")


@dataclass(frozen=True, slots=True)
class Verdict:
    """VALID, INVALID or ABORTED, with the reasons."""

    status: Status
    reasons: tuple[Reason, ...] = ()
    not_assessed: tuple[str, ...] = ()
    """Names of detectors whose value was not measured."""


def audit(record: TrialRecord, figures: Mapping[str, object]) -> Verdict:
    """Return the verdict on a trial, from its record and its row of `trials.csv`
    (`bench.stats.trial.row`)."""
    if record.status == "failed" or record.windows is None:
        name = record.reason or "not-measured"
        detail = ((record.detail or "").strip().splitlines() or ["no detail"])[0]
        log = log_of(name, record.detail or "")
        if MEASURING_FAILED.fullmatch(name):
            return Verdict("INVALID", (Reason(name, detail, MEASURING_FAILED_ADVICE, log),))
        return Verdict("ABORTED", (Reason(name, "the trial failed", detail, log),))
    reasons = []
    not_assessed = []
    for detector in DETECTORS:
        value = _number(figures.get(detector.figure))
        if math.isnan(value) or (detector.of_measuring and record.source == "simulated"):
            not_assessed.append(detector.name)
        elif detector.fires(value):
            found = f"{detector.figure} is {detector.text(value)}, allowed is {detector.limit}"
            reasons.append(Reason(detector.name, found, detector.advice))
    return Verdict("INVALID" if reasons else "VALID", tuple(reasons), tuple(not_assessed))


def log_of(reason: str, detail: str) -> tuple[str, ...]:
    """Return the last lines of the log of the process that failed, from a trial's `reason` and `detail`.

    It is the process that these two name; where they name none, the server.
    """
    logs = dict(LOG.findall(detail))
    first_line = detail.partition("\n")[0]
    named = [name for name in logs if reason.rpartition("-")[0] == name or f"the {name} " in f"{first_line} "]
    lines = (line.strip() for line in logs.get(named[0] if named else "server", "").splitlines())
    plain = ("".join(each if each.isprintable() else " " for each in line) for line in lines if line)
    return tuple(short(line) for line in list(plain)[-LOG_LINES:])


def judge(folder: Path) -> tuple[TrialFigures, Verdict]:
    """Return the values of the trial in `folder` and the verdict on it, from its files."""
    record = trial_record.read_trial(folder)
    tables = None
    if record.status == "finished" and record.windows is not None:
        tables = trial_record.read_tables(folder, record)
    figures = trial_figures(record, tables)
    return figures, audit(record, figures.row)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
