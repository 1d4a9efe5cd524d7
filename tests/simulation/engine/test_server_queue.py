"""The running maximum is Lindley's recursion, and who has slept takes longer."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.simulation.engine.server_queue import (
    BLOCK_JOBS,
    PASSES_FROM_JOBS,
    WARMING_S,
    ServerQueue,
    coldness,
    mean_coldness,
)

SECONDS = st.floats(0, 2, allow_nan=False)
JOBS = st.lists(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=8), min_size=1, max_size=4)


COOLING_S = 0.1


def cooled(slept_s):
    return 1 - math.exp(-slept_s / COOLING_S)


class Plain:
    """One job after the other."""

    def __init__(self, wake_s=0.0, cold_share=0.0, switch_s=0.0):
        self.free_s, self.busy, self.waits = -np.inf, [], []
        self.wake_s, self.cold_share, self.switch_s = wake_s, cold_share, switch_s
        self.cold, self.woke_s, self.now_cold, self.served_s = 0.0, 0.0, 0.0, -np.inf

    def serve(self, at_s, service_s, brought=False, fans_out=False, clients=True, cold_s=0.0, wake_cold=None):
        """Serve a job. `wake_cold` is the coldness by which it pays for waking, asleep or not, if not its sleep's."""
        start_s = max(at_s, self.free_s)
        self.waits.append(start_s - at_s)
        if wakes := at_s > self.free_s:
            self.cold, self.woke_s = cooled(at_s - self.free_s), at_s
        if not brought:
            self.now_cold = self.cold * math.exp(-(start_s - self.woke_s) / WARMING_S)
        if fans_out:
            self.now_cold = max(self.now_cold, cooled(start_s - self.served_s))
        service_s = service_s * (1 + self.cold_share * self.now_cold) + cold_s * self.now_cold
        service_s += self.switch_s * wakes + self.wake_s * (self.cold * wakes if wake_cold is None else wake_cold)
        self.free_s = start_s + service_s
        if clients:
            self.served_s = self.free_s
        self.busy.append((start_s, self.free_s))
        return self.free_s

    def busy_s(self, low, high):
        return sum(max(0.0, min(end, high) - max(start, low)) for start, end in self.busy)


COLD = st.sampled_from([(0.0, 0.0), (0.4, 0.0), (0.0, 0.6), (0.01, 2.0), (0.0, 0.0, 0.3), (0.01, 0.5, 0.1)])


@given(rounds=JOBS, low=SECONDS, length=SECONDS, cold=COLD)
def test_rounds_of_jobs_are_served_as_one_by_one(rounds, low, length, cold):
    worker, plain, now_s = ServerQueue(low, low + length, *cold), Plain(*cold), 0.0
    for jobs in rounds:
        at = now_s + np.cumsum([gap for gap, _ in jobs])
        service = np.array([service for _, service in jobs])
        expected = [plain.serve(*job) for job in zip(at, service, strict=True)]
        np.testing.assert_allclose(worker.serve(at, service), expected, rtol=0, atol=1e-12)
        now_s = float(at[-1])
    assert abs(worker.busy_s - plain.busy_s(low, low + length)) < 1e-9
    assert abs(worker.wait_max_s - max(plain.waits)) < 1e-9
    assert worker.jobs == len(plain.waits)


@pytest.mark.parametrize("cold", [(2e-4, 0.6), (2e-4, 0.6, 1e-4), (0.0, 2.0)])
@pytest.mark.parametrize("ahead_s", [0.0, 0.5], ids=["asleep", "behind"])
@pytest.mark.parametrize("count", [PASSES_FROM_JOBS, 2 * BLOCK_JOBS + PASSES_FROM_JOBS])
def test_passes_serve_many_jobs_as_one_by_one(monkeypatch, cold, ahead_s, count):
    """Most find the worker asleep, or most find it busy. Rounds follow one another, so the state goes over, too."""
    monkeypatch.setattr(ServerQueue, "_one_by_one", None)
    random, worker, plain, now_s = np.random.default_rng(3), ServerQueue(0.0, 1e3, *cold), Plain(*cold), 0.0
    for _ in range(3):
        gap_s, most_s = (1e-6, 3e-6) if ahead_s else (6e-3, 1e-4)
        at = now_s + np.cumsum(random.exponential(gap_s, count))
        service = random.uniform(0, most_s, count)
        worker.fan_out(now_s, ahead_s, np.empty(0))
        plain.serve(now_s, ahead_s, clients=False)
        expected = [plain.serve(*job) for job in zip(at, service, strict=True)]
        np.testing.assert_allclose(worker.serve(at, service), expected, rtol=0, atol=1e-12)
        now_s = float(at[-1])
    assert worker.busy_s == pytest.approx(plain.busy_s(0.0, 1e3), abs=1e-9)


@given(rounds=JOBS, low=SECONDS, length=SECONDS, cold=COLD)
def test_what_a_job_brings_comes_right_behind_it(rounds, low, length, cold):
    worker, plain, now_s = ServerQueue(low, low + length, *cold), Plain(*cold), 0.0
    for jobs in rounds:
        now_s += jobs[0][0]
        brought = np.array([service for _, service in jobs[1:]])
        plain.serve(now_s, jobs[0][1], fans_out=len(brought) > 0, clients=len(brought) > 0)
        expected = [plain.serve(now_s, service, brought=True) for service in brought]
        np.testing.assert_allclose(worker.fan_out(now_s, jobs[0][1], brought), expected, rtol=0, atol=1e-12)
        assert abs(worker.free_s - plain.free_s) < 1e-12
    assert abs(worker.busy_s - plain.busy_s(low, low + length)) < 1e-9
    assert abs(worker.wait_max_s - max(plain.waits)) < 1e-9
    assert worker.jobs == len(plain.waits)


@given(sleep_s=st.floats(1e-4, 1.0), seed=st.integers(0, 2**32 - 1))
def test_the_mean_coldness_is_that_of_exponential_sleeps(sleep_s, seed):
    slept_s = np.random.default_rng(seed).exponential(sleep_s, 20_000)
    mean = mean_coldness(slept_s.sum(), len(slept_s), COOLING_S)
    assert mean == pytest.approx(float(coldness(slept_s, COOLING_S).mean()), rel=0.06)


def test_who_never_sleeps_is_warm():
    assert coldness(-1.0, 0.1) == coldness(0.0, 0.1) == mean_coldness(0.0, 0, 0.1) == 0


def test_a_worker_that_was_full_while_it_was_cold_catches_up():
    """With 30 µs a job it can do 33,000 a second, with 51 µs 19,600; 25,000 a second come."""
    worker = ServerQueue(0.0, 2.0, 0.0, 0.7)
    at = np.arange(50_000) / 25_000
    waited = worker.serve(at, np.full(len(at), 3e-5)) - at
    assert waited.max() > 0.002
    assert waited[-1000:].max() < 1e-4


@pytest.mark.parametrize("cold", [(0.0, 0.0, 0.0), (1e-4, 0.5, 1e-5)])
def test_who_asks_is_told_how_cold_the_worker_will_be(cold):
    """After its sleep; or, once it is awake, less and less with the time that it has been busy."""
    worker = ServerQueue(0.0, 9.0, *cold, cools=True)
    worker.serve(np.array([0.0]), np.array([1e-3]))
    woken = worker.coldness_at(worker.free_s + 0.02)
    assert woken == pytest.approx(cooled(0.02))
    at_s = worker.free_s + 0.02
    worker.serve(np.array([at_s]), np.array([5e-3]))
    assert worker.coldness_at(at_s) == pytest.approx(woken * np.exp(-(worker.free_s - at_s) / WARMING_S))


def test_jobs_that_come_together_wake_the_worker_once():
    """Ten jobs each millisecond, and ten jobs spread over it: each of these finds it asleep again."""
    burst, spread = np.repeat(np.arange(100) / 1000, 10), np.arange(1000) / 10_000
    for at, wakes in ((burst, 100), (spread, 1000)):
        worker = ServerQueue(0.0, 1.0, switch_s=5e-5)
        worker.serve(at, np.full(1000, 2e-5))
        assert worker.busy_s == pytest.approx(1000 * 2e-5 + wakes * 5e-5)


@pytest.mark.parametrize("busy", [0.2, 0.6, 0.9, 0.99])
def test_random_jobs_find_it_asleep_as_often_as_it_is(busy):
    """So the less often, the busier it is: 1 − ρ = (1 − λ s) / (1 + λ c), as PASTA has it."""
    service_s, switch_s, count = 6e-5, 1.5e-4, 200_000
    rate = busy / (service_s + switch_s * (1 - busy))
    at = np.cumsum(np.random.default_rng(5).exponential(1 / rate, count))
    worker = ServerQueue(0.0, float(at[-1]), switch_s=switch_s)
    worker.serve(at, np.full(count, service_s))
    assert worker.busy_s / at[-1] == pytest.approx(busy, abs=0.01)


@given(jobs=st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=8), cold=COLD,
       cold_s=st.sampled_from([0.0, 0.3]))
def test_one_job_is_served_as_it_would_be(jobs, cold, cold_s):
    """As `would_be_done_s` says; what it takes more when the worker is cold does not get more by the cold share."""
    worker, plain, at_s = ServerQueue(0.0, 9.0, *cold, cools=True), Plain(*cold), 0.0
    for gap_s, service_s in jobs:
        at_s += gap_s
        expected = worker.would_be_done_s(at_s, service_s, cold_s)
        assert expected == pytest.approx(plain.serve(at_s, service_s, clients=False, cold_s=cold_s), abs=1e-12)
        assert worker.serve_one(at_s, service_s, cold_s) == pytest.approx(expected, abs=1e-12)
    assert worker.busy_s == pytest.approx(plain.busy_s(0.0, 9.0), abs=1e-9)
    assert worker.wait_max_s == pytest.approx(max(plain.waits), abs=1e-9)


@given(sleeps=st.lists(st.tuples(st.just(-1e-3) | st.floats(1e-3, 2), st.sampled_from(["fan-out", "flush", "requests",
                       "ticks"])), min_size=1, max_size=8), cold=COLD)
def test_a_fan_out_is_as_cold_as_the_time_since_clients_were_served_makes_it(sleeps, cold):
    """Ticks that are kept between shorten the sleep that it ends, but leave the clients' connections cold: these pay
    nothing for waking, and a flush pays by that time, whether it wakes the worker or not."""
    worker, plain, at_s = ServerQueue(0.0, 99.0, *cold), Plain(*cold), 0.0
    for slept_s, what in sleeps:
        at_s = max(at_s, plain.free_s + slept_s)
        if what in ("fan-out", "flush"):
            unserved = cooled(max(at_s, plain.free_s) - plain.served_s)
            plain.serve(at_s, 0.001, fans_out=True, wake_cold=unserved if what == "flush" else None)
            worker.fan_out(at_s, 0.001, np.full(3, 0.002), flushed=what == "flush")
            for _ in range(3):
                plain.serve(at_s, 0.002, brought=True)
        else:
            plain.serve(at_s, 0.001, clients=what == "requests", wake_cold=0.0 if what == "ticks" else None)
            worker.serve(np.array([at_s]), np.array([0.001]), clients=what == "requests")
        assert worker.free_s == pytest.approx(plain.free_s, abs=1e-12)
