"""A look at the machine: the worst stretch is judged, by half of what makes a trial INVALID."""

from __future__ import annotations

from typing import Any

import pytest

from bench.experiment import doctor
from bench.experiment.doctor import Snapshot, checks, observed_text, worst
from bench.measure.noise import KernelCounters, Probe

MS = 1_000_000
QUIET = {"others_share": 0.0, "steal_share": 0.0, "probe_gap_share": 0.0, "probe_slowdown": 1.0,
         "throttled_ms": 0.0, "swapped_pages": 0.0}


def snapshot(at_s: int, busy_s: float = 0.0, own_s: float = 0.0, gap_ns: int = 0) -> Snapshot:
    return Snapshot(KernelCounters(at_s, busy_s, 0.0), [Probe(10 * MS, gap_ns, gap_ns, MS, MS)], own_s)


def test_the_worst_stretch_counts_and_not_the_mean() -> None:
    """Another process takes a whole core for one of ten seconds."""
    seen = [snapshot(second, busy_s=float(second >= 7)) for second in range(11)]
    assert worst(seen, core_count=2)["others_share"] == pytest.approx(1 / 6)
    seen = [snapshot(second, gap_ns=8 * MS if second == 4 else 0) for second in range(11)]
    assert worst(seen, core_count=2)["probe_gap_share"] == pytest.approx(0.4)


def test_what_the_look_itself_takes_is_nobody_elses() -> None:
    seen = [snapshot(second, busy_s=0.1 * second, own_s=0.1 * second) for second in range(4)]
    assert worst(seen, core_count=2)["others_share"] == pytest.approx(0.0)


@pytest.mark.parametrize(("figure", "value", "name"), [
    ("others_share", 0.08, "load from others"), ("steal_share", 0.03, "steal"),
    ("probe_gap_share", 0.11, "jitter"), ("probe_slowdown", 1.3, "pace"),
    ("throttled_ms", 0.6, "throttling"), ("swapped_pages", 33, "swapping"),
])
def test_half_of_what_makes_a_trial_invalid_is_poor(figure: str, value: float, name: str) -> None:
    assert {check.verdict for check in checks(QUIET, 10)} == {"good"}
    poor = [check for check in checks({**QUIET, figure: value}, 10) if check.verdict == "poor"]
    assert [check.name for check in poor] == [name]
    assert "in the worst 3 s of 10 s" in poor[0].found
    assert poor[0].advice


def test_what_cannot_be_read_is_missing() -> None:
    figures: dict[str, Any] = {**QUIET, "throttled_ms": None}
    assert {check.name for check in checks(figures, 10) if check.verdict == "missing"} == {"throttling"}


def test_it_says_how_long_it_observes_and_observes_that_long() -> None:
    slept: list[float] = []
    assert len(doctor.watch(3, [0], slept.append)) == 4
    assert slept == [1.0, 1.0, 1.0]
    assert observed_text(60).startswith("Observed for 60 s.")
