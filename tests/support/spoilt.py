"""One real trial at a time, and ways to disturb it from outside."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from quick_options import quick

from bench import transports
from bench.audit.detectors import Verdict, judge
from bench.clock import RunClock
from bench.experiment import plan
from bench.experiment.trial import trial
from bench.experiment.trial.trial import TrialSettings
from bench.records.trial_record import TrialRecord, read_trial
from bench.scenario.model import Scenario
from bench.stats.trial.row import Row

PROGRAMS = {"publisher": "bench.feed.publisher", "server": "bench.transports", "load": "locust"}
TRANSPORTS: dict[str, dict[str, Any]] = {name: {"transport": name, **quick(name)} for name in transports.own_names()}
TABLE: dict[str, Any] = {
    "question": "Is it noticed?",
    "feed": {"schedule": "constant", "rate_per_s": 50.0, "symbols": 1}, "load": {"clients": [10]},
    "windows": {"warmup_s": 0.3, "measure_s": 1.5, "idle_s": 0.0, "late_after_s": 0.5},
}


TIMING = {
    "feed-late", "feed-stalled", "polls-late", "generator-lag", "generator-stalled", "generator-busy", "littles-law"}


def is_noise(detector: str) -> bool:
    """Return True if a busy machine can make the detector fire by itself."""
    return detector in TIMING or detector.startswith("host-")


@dataclass
class Outcome:
    """A finished trial and its verdict."""

    folder: Path
    record: TrialRecord
    row: Row
    verdict: Verdict

    @property
    def names(self) -> set[str]:
        """The detectors that fired."""
        return {reason.name for reason in self.verdict.reasons}


@dataclass
class Bench:
    """Makes trials in a folder; `spoil` disturbs one meanwhile, from a thread of its own."""

    folder: Path
    mark: Any
    hands: list[threading.Thread] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    number: int = 1

    @property
    def trial_folder(self) -> Path:
        """The folder of the trial under way, or of the last one."""
        return self.folder / f"trial-{self.number}"

    def make(self, transport: str = "websocket", **changes: dict[str, Any]) -> Outcome:
        """Make one trial and judge it."""
        self.number += self.trial_folder.exists()
        table = {name: {**value, **changes.get(name, {})} if isinstance(value, dict) else value
                 for name, value in TABLE.items()}
        options = {**TRANSPORTS[transport], **changes.get("options", {})}
        scenario = Scenario.model_validate(table | {"transports": {transport: options}})
        validated = plan.options_of_all(scenario, "the test")
        setting = TrialSettings.on_this_machine(scenario, validated, RunClock.start(), self.folder)
        trial.make(setting, plan.trials(scenario)[0], self.trial_folder, 1)
        for hand in self.hands:
            hand.join()
        if self.failures:
            raise self.failures[0]
        return self.judged()

    def judged(self) -> Outcome:
        """Judge the trial on disk."""
        figures, verdict = judge(self.trial_folder)
        return Outcome(self.trial_folder, read_trial(self.trial_folder), figures.row, verdict)

    def spoil(self, act: Callable[[], None]) -> None:
        """Call `act` once the feed has begun."""
        def hand() -> None:
            try:
                wait_for(lambda: any(any(log.read_bytes()) for log in self.trial_folder.glob("feed.*.log")))
                act()
            except BaseException as error:  # noqa: BLE001 - raised again where the test can see it
                self.failures.append(error)

        self.hands.append(threading.Thread(target=hand))
        self.hands[-1].start()

    def process(self, name: str, configuration: str = "") -> psutil.Process:
        """Return the trial's publisher, server or load, not its guard; the one with such a configuration."""
        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = [each for each in self.mark.alive() if PROGRAMS[name] in command_line(each)
                        and each.environ().get("TICKERTAPE_LOAD", configuration).endswith(configuration)]
            return bool(found)

        wait_for(look)
        return found[0]

    def stutter(self, name: str, stand_s: float, run_s: float, times: int) -> None:
        """Stop a process and let it continue, several times, beginning within the window."""
        process = self.process(name)
        time.sleep(0.5)
        for _ in range(times):
            process.send_signal(signal.SIGSTOP)
            time.sleep(stand_s)
            process.send_signal(signal.SIGCONT)
            time.sleep(run_s)


def command_line(process: psutil.Process) -> str:
    """Return a process's command; empty for a guard, or a process that has ended."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return ""
    return "" if any(word.endswith(("guard.py", "stand_in.py")) for word in words) else " ".join(words)


def wait_for(true: Callable[[], Any], patience_s: float = 60.0) -> None:
    """Wait for a condition, as long as it takes on a busy machine."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)
