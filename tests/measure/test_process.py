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
from bench.measure.process import Mark, Meter, Reading, usage

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


@pytest.mark.process
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


@pytest.mark.process
def test_a_process_that_has_ended_has_nothing(clock: RunClock) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert process.cpu_ns(child.pid) is None
    assert process.split_ns(child.pid) is None
    assert process.switches(child.pid) is None
    assert process.rss_bytes(child.pid) is None
    assert process.family(child.pid) == ()
    reading = Meter("server", child.pid, clock).read()
    assert (reading.cpu_ns, reading.rss_bytes) == (None, None)


@pytest.mark.parametrize("after", ["", "x86_Thread_features:\t\nx86_Thread_features_locked:\t\n"])
def test_switches_are_found_by_their_names(after: str) -> None:
    status = f"Name:\tserver\nThreads:\t1\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n{after}"
    assert process.switches_of(status.encode()) == (150, 545)


def test_a_status_without_switches_has_none() -> None:
    with pytest.raises(ValueError, match="without context switches"):
        process.switches_of(b"Name:\tserver\nThreads:\t1\n")


@pytest.mark.process
def test_a_launchers_children_count(clock: RunClock) -> None:
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdin=-1, stdout=-1) as launcher:
        assert launcher.stdout is not None
        told = int(launcher.stdout.readline())
        meter = Meter("server", launcher.pid, clock)
        reading = meter.read()
        assert reading.cpu_ns is not None
        assert reading.cpu_ns >= told
        alone = process.cpu_ns(launcher.pid)
        assert alone is not None
        assert alone < told
        for child in psutil.Process(launcher.pid).children():
            child.kill()
        launcher.wait()
        assert meter.read().cpu_ns is None


@pytest.mark.process
def test_every_sleep_is_a_wake_up_in_all_threads(clock: RunClock) -> None:
    code = ("import threading; threading.Thread(target=input, daemon=True).start(); print(flush=True)\n"
            "e = threading.Event(); [e.wait(0.001) for _ in range(100)]; print(flush=True); e.wait()")
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None
        child.stdout.readline()
        begin = Meter("server", child.pid, clock).mark()
        child.stdout.readline()
        end = Meter("server", child.pid, clock).mark()
        assert begin.wakeups is not None
        assert end.wakeups is not None
        assert 50 <= end.wakeups - begin.wakeups < 400   # the first print and some sleeps may fall outside
        assert process.switches(child.pid) != process.switches(os.getpid())
        child.kill()


def test_usage_is_the_difference_of_the_ends_and_the_mean_of_memory() -> None:
    readings = [Reading(0, 100, 10), Reading(1, 150, 20), Reading(2, 400, 60)]
    used = usage(readings, Mark(readings[0], 1, 2, 3, 4), Mark(readings[2], 5, 9, 14, 21))
    assert (used.cpu_ns, used.user_ns, used.system_ns) == (300, 4, 7)
    assert (used.wakeups, used.preemptions) == (11, 17)
    assert (used.rss_bytes, used.rss_before_bytes) == (30, None)
    assert (used.idle_ns, used.opening_cpu_ns) == (None, None)


def test_the_idle_base_and_what_opening_took_stand_beside() -> None:
    before = Reading(0, 10, 7)
    idle = (Mark(Reading(100, 40, 8), 0, 0, 5, 0), Mark(Reading(300, 46, 8), 0, 0, 9, 0))
    ends = (Mark(Reading(400, 50, 9)), Mark(Reading(900, 90, 9)))
    used = usage([ends[0].reading, ends[1].reading], *ends, before, idle, socket_bytes=[100, None, 300])
    assert (used.rss_before_bytes, used.opening_cpu_ns) == (7, 30)
    assert (used.idle_ns, used.idle_cpu_ns, used.idle_wakeups) == (200, 6, 4)
    assert used.socket_bytes == 200
    late = usage([], *ends, before, idle, opened_ns=33)   # 67 ns before the first mark
    assert late.opening_cpu_ns == 30 - round(6 / 200 * 67)
    assert used.wakeups is None


def test_a_stop_between_the_clocks_is_seen_as_lateness(
    clock: RunClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    monkeypatch.setattr(process, "cpu_ns", lambda pid: read.append(clock.now_ns()) or 1)
    assert Meter("server", os.getpid(), clock).read().at_ns >= read[-1]


def test_what_was_not_read_is_none() -> None:
    readings = [Reading(0, None, None), Reading(1, 5, None)]
    used = usage(readings, Mark(readings[0]), Mark(readings[1], 5, 9, 3, 3), None)
    assert (used.cpu_ns, used.user_ns, used.system_ns, used.rss_bytes) == (None, None, None, None)
