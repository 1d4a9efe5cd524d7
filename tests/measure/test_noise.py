"""Disturbances of a trial from outside: counters, the spinning probe, and what both make of a disturbance."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.measure import noise
from bench.measure.noise import KernelCounters, Probe, between, jitter, probe, spin

MS = 1_000_000


def test_noise_is_what_is_not_ours() -> None:
    found = between(KernelCounters(10.0, 100.0, 5.0), KernelCounters(12.0, 103.0, 5.2), own_s=2.0, core_count=2)
    assert found == pytest.approx(
        {"others_share": 0.25, "steal_share": 0.05, "throttled_ms": None, "swapped_pages": None})
    assert between(KernelCounters(0, 0, 0), KernelCounters(1, 1, 0), own_s=1.5, core_count=2)["others_share"] == 0.0


def test_throttling_and_swapping_are_growths() -> None:
    found = between(KernelCounters(0, 0, 0, 5 * MS, 40), KernelCounters(1, 0, 0, 25 * MS, 47), 0.0, 1)
    assert found["throttled_ms"] == 20
    assert found["swapped_pages"] == 7


def test_the_counters_of_this_machine_are_read_and_never_fall() -> None:
    before, after = KernelCounters.read(), KernelCounters.read()
    assert after.at_s >= before.at_s
    assert after.busy_s >= before.busy_s > 0
    assert noise.swapped_pages() is not None
    assert noise.swapped_pages("/proc/no/such/file") is None


def test_a_probe_spins_as_long_as_asked_and_counts_its_gaps() -> None:
    found = spin(5 * MS)
    assert found.spun_ns >= 5 * MS
    assert 0 <= found.gap_ns <= found.spun_ns
    assert 0 < found.fastest_ns <= found.usual_ns <= found.spun_ns
    assert found.gap_max_ns > 0


def test_each_core_is_probed_and_the_process_stays_where_it_was() -> None:
    cores = os.sched_getaffinity(0)
    assert len(probe(sorted(cores))) == len(cores)
    assert len(probe([])) == 1
    assert os.sched_getaffinity(0) == cores


def test_the_probes_together_give_shares_of_their_time_and_the_worst_change_of_pace() -> None:
    quiet = Probe(20 * MS, 0, 5_000, 60_000, 62_000)
    hurt = Probe(20 * MS, 8 * MS, 4 * MS, 90_000, 98_000)
    found = jitter([quiet, quiet], [quiet, hurt])
    assert found == {"probe_gap_share": 0.1, "probe_gap_max_us": 4000.0, "probe_slowdown": 1.5,
                     "probe_spin_before_us": 62.0, "probe_spin_after_us": 80.0}


@pytest.mark.process
def test_a_busy_neighbour_is_seen_by_counters_and_probe() -> None:
    core = min(os.sched_getaffinity(0))
    burn = f"import os; os.sched_setaffinity(0, {{{core}}}); print(flush=True)\nwhile True: pass\n"
    hog = subprocess.Popen([sys.executable, "-c", burn], stdout=subprocess.PIPE)
    try:
        assert hog.stdout is not None
        hog.stdout.readline()
        before = KernelCounters.read()
        found = [each for _ in range(20) for each in probe([core])]
        busy = between(before, KernelCounters.read(), 0.0, os.cpu_count() or 1)
    finally:
        hog.kill()
        hog.communicate()
    assert jitter(found, found)["probe_gap_share"] > 0.2
    assert busy["others_share"] is not None
    assert busy["others_share"] > 0.2 / (os.cpu_count() or 1)
