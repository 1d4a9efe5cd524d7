"""A check of the machine before a run, by the values and bounds that a trial is judged by.

    counters and probes, once a second ─► the worst stretch as long as a trial ─► half the detectors' bounds

The verdict "good" covers only what was observed and only the time of the observation; the output states both.
The bounds are half of those that make a trial INVALID (`bench.audit.detectors`), since later conditions may
be worse.

Known weakness: trouble that begins after the check is detected by the trials alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.audit.detectors import DETECTORS
from bench.measure import host, noise
from bench.measure.host import Check
from bench.measure.noise import KernelCounters, Probe

STRETCH = 3
"""Approximate length of a trial's measuring window, in s."""
PART = 0.5
"""Share of a detector's bound below which a value is good."""
WATCHED = (
    ("load from others", "host-load", "others_share", "{:.1%} of all cores",
     "end what else runs here, or wait for it"),
    ("steal", "host-steal", "steal_share", "{:.1%} of all cores",
     "the hypervisor gives time to others: use a machine that is not shared"),
    ("jitter", "host-jitter", "probe_gap_share", "{:.1%} of a spinning process's time was taken from it",
     "something else uses the cores: end it, or wait for it"),
    ("pace", "host-slowed", "probe_slowdown", "a core was {:.2f} times as slow as before",
     "fix the frequency (`cpupower frequency-set -g performance`), or look at cooling"),
    ("throttling", "host-throttled", "throttled_ms", "throttled for {:.0f} ms",
     "the quota of the cgroup is used up: raise the container's CPU limit"),
    ("swapping", "host-swapping", "swapped_pages", "{:.0f} pages", "free memory, or switch swap off"),
)
"""For each check: its name, its detector, its value's column, the format of the value, and the advice."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The counters and probes of the machine at one instant."""

    counters: KernelCounters
    probes: Sequence[Probe]
    own_s: float
    """CPU time that this process has used so far, in s."""

    @classmethod
    def now(cls, cores: Sequence[int]) -> Snapshot:
        """Read the counters, with a probe on each of the cores."""
        probes = noise.probe(cores)
        return cls(KernelCounters.read(), probes, time.process_time())


def watch(seconds: int, cores: Sequence[int], sleep: Callable[[float], None] = time.sleep) -> list[Snapshot]:
    """Take one observation at once and one more per second; return `seconds` + 1 of them."""
    seen = [Snapshot.now(cores)]
    for _ in range(seconds):
        sleep(1.0)
        seen.append(Snapshot.now(cores))
    return seen


def worst(seen: Sequence[Snapshot], core_count: int) -> dict[str, float | None]:
    """Return each value in its worst stretch of up to `STRETCH` s; None for one that can't be read
    here."""
    span = min(STRETCH, len(seen) - 1)
    found: dict[str, float | None] = {}
    for early, late in zip(seen, seen[span:], strict=False):
        own_s = late.own_s - early.own_s
        figures = {**noise.between(early.counters, late.counters, own_s, core_count),
                   **noise.jitter(early.probes, late.probes)}
        for name, value in figures.items():
            known = found.get(name)
            found[name] = value if known is None else known if value is None else max(known, value)
    return found


def checks(figures: Mapping[str, float | None], seconds: int) -> list[Check]:
    """Judge each value of an observation that lasted `seconds`."""
    stretch = f" in the worst {min(STRETCH, seconds)} s of {seconds} s"
    bounds = {detector.name: detector.most for detector in DETECTORS}
    found = []
    for name, detector, column, form, advice in WATCHED:
        value = figures.get(column)
        if value is None:
            found.append(Check(name, "missing", "can't be read here"))
            continue
        text, bound = form.format(value) + stretch, bounds[detector]
        most = 1 + PART * (bound - 1) if column == "probe_slowdown" else PART * bound
        found.append(Check(name, "good", text) if value <= most else Check(name, "poor", text, advice))
    return found


def observed_text(seconds: int) -> str:
    """Return a sentence that says what period the verdicts cover."""
    return (f"Observed for {seconds} s. Disturbances that begin later are found by the trials themselves, "
            "which are then INVALID and repeated.")


def examined(seconds: int) -> tuple[dict[str, object], list[Check]]:
    """Observe this machine for `seconds`; return its description and all checks."""
    described = host.describe()
    first, *others = host.cores()
    seen = worst(watch(seconds, [first, *others[:1]]), host.core_count())
    return described, [*host.checks(described), *checks(seen, seconds)]
