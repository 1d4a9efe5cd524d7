"""Readings of processes, against the process's own account of itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from bench.clock import RunClock
from bench.measure import process
from bench.measure.process import Meter, Reading, usage

BURN = "import time; d = time.process_time() + 0.2\nwhile time.process_time() < d: pass\n"
TELL = BURN + "print(time.process_time_ns(), flush=True); input(); input()"
FAMILY = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {TELL!r}])"


@pytest.fixture
def clock() -> RunClock:
    return RunClock.start()


def test_cpu_time_is_the_processs_own() -> None:
    before = time.process_time_ns()
    read = process.cpu_ns(os.getpid())
    assert read is not None
    assert before <= read <= time.process_time_ns()


def test_another_processs_cpu_time() -> None:
    with subprocess.Popen([sys.executable, "-c", TELL], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None
        told = int(child.stdout.readline())
        read = process.cpu_ns(child.pid)
        assert read is not None
        assert told <= read < told + 100_000_000
        split = process.split_ns(child.pid)
        assert split is not None
        assert abs(sum(split) - read) <= 40_000_000   # each half is cut to 10 ms
        child.kill()


def test_memory_is_what_psutil_says() -> None:
    assert process.rss_bytes(os.getpid()) == pytest.approx(psutil.Process().memory_info().rss, rel=0.02)


def test_a_process_that_has_ended_has_nothing(clock: RunClock) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert process.cpu_ns(child.pid) is None
    assert process.split_ns(child.pid) is None
    assert process.rss_bytes(child.pid) is None
    assert process.family(child.pid) == ()
    reading = Meter("server", child.pid, clock).look()
    assert (reading.cpu_ns, reading.rss_bytes) == (None, None)


def test_a_launchers_children_count(clock: RunClock) -> None:
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdin=-1, stdout=-1) as launcher:
        assert launcher.stdout is not None
        told = int(launcher.stdout.readline())
        meter = Meter("server", launcher.pid, clock)
        reading = meter.look()
        assert reading.cpu_ns is not None
        assert reading.cpu_ns >= told
        alone = process.cpu_ns(launcher.pid)
        assert alone is not None
        assert alone < told
        for child in psutil.Process(launcher.pid).children():
            child.kill()
        launcher.wait()
        assert meter.look().cpu_ns is None


def test_usage_is_the_difference_of_the_ends_and_the_mean_of_memory() -> None:
    readings = [Reading(0, 100, 10), Reading(1, 150, 20), Reading(2, 400, 60)]
    used = usage(readings, ((1, 2), (5, 9)), rss_before_bytes=7)
    assert (used.cpu_ns, used.user_ns, used.system_ns) == (300, 4, 7)
    assert (used.rss_bytes, used.rss_before_bytes) == (30, 7)


def test_what_was_not_read_is_none() -> None:
    used = usage([Reading(0, None, None), Reading(1, 5, None)], (None, (5, 9)), None)
    assert (used.cpu_ns, used.user_ns, used.system_ns, used.rss_bytes) == (None, None, None, None)
