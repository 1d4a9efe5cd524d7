"""The run clock, and kernel stamps brought over to it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from bench.clock import OffsetTrack, RunClock, realtime_offset_ns


def test_now_counts_from_the_origin() -> None:
    clock = RunClock(time.monotonic_ns() - 5_000_000_000)
    assert clock.now_ns() >= 5_000_000_000


@pytest.mark.process
def test_two_processes_share_the_timeline() -> None:
    clock = RunClock.start()
    before = clock.now_ns()
    program = f"from bench.clock import RunClock; print(RunClock({clock.origin_ns}).now_ns())"
    inside = int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    assert before < inside < clock.now_ns()


def test_a_realtime_stamp_lands_between_the_instants_around_it() -> None:
    clock = RunClock.start()
    track = OffsetTrack(clock)
    track.read()
    before = clock.now_ns()
    stamp = time.time_ns()
    after = clock.now_ns()
    # Half a bracket of error on either side; a bracket is the time of three clock readings.
    assert before - 10_000 <= track.to_run_clock(stamp) <= after + 10_000


def test_the_narrowest_bracket_is_kept(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    # Three brackets, 1000, 10 and 500 ns wide; the middle one tells the offset 7,000,000.
    mono = iter([0, 1000, 2000, 2010, 3000, 3500])
    real = iter([9_999_999, 7_002_005, 1])
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(mono))
    monkeypatch.setattr(time, "time_ns", lambda: next(real))
    assert realtime_offset_ns(brackets=3) == 7_000_000


def test_a_step_of_the_clock_is_the_widest_spread_of_its_offsets() -> None:
    track = OffsetTrack(RunClock(0), readings=[(0, 500), (1, 620), (2, 510)])
    assert track.step_ns == 120
    assert OffsetTrack(RunClock(0)).step_ns == 0
