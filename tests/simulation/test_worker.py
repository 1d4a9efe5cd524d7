"""The running maximum is Lindley's recursion."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.simulation.worker import Worker

SECONDS = st.floats(0, 2, allow_nan=False)
JOBS = st.lists(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=8), min_size=1, max_size=4)


class Plain:
    """One job after the other."""

    def __init__(self):
        self.free_s, self.busy, self.waits = -np.inf, [], []

    def serve(self, at_s, service_s):
        start_s = max(at_s, self.free_s)
        self.waits.append(start_s - at_s)
        self.free_s = start_s + service_s
        self.busy.append((start_s, self.free_s))
        return self.free_s

    def busy_s(self, low, high):
        return sum(max(0.0, min(end, high) - max(start, low)) for start, end in self.busy)


@given(rounds=JOBS, low=SECONDS, length=SECONDS)
def test_rounds_of_jobs_are_served_as_one_by_one(rounds, low, length):
    worker, plain, now_s = Worker(low, low + length), Plain(), 0.0
    for jobs in rounds:
        at = now_s + np.cumsum([gap for gap, _ in jobs])
        service = np.array([service for _, service in jobs])
        expected = [plain.serve(*job) for job in zip(at, service, strict=True)]
        np.testing.assert_allclose(worker.serve(at, service), expected, rtol=0, atol=1e-12)
        now_s = float(at[-1])
    assert abs(worker.busy_s - plain.busy_s(low, low + length)) < 1e-9
    assert abs(worker.wait_max_s - max(plain.waits)) < 1e-9
    assert worker.jobs == len(plain.waits)


@given(rounds=JOBS, low=SECONDS, length=SECONDS)
def test_what_a_job_brings_comes_right_behind_it(rounds, low, length):
    worker, plain, now_s = Worker(low, low + length), Plain(), 0.0
    for jobs in rounds:
        now_s += jobs[0][0]
        brought = np.array([service for _, service in jobs[1:]])
        plain.serve(now_s, jobs[0][1])
        expected = [plain.serve(now_s, service) for service in brought]
        np.testing.assert_allclose(worker.fan_out(now_s, jobs[0][1], brought), expected, rtol=0, atol=1e-12)
        assert abs(worker.free_s - plain.free_s) < 1e-12
    assert abs(worker.busy_s - plain.busy_s(low, low + length)) < 1e-9
    assert abs(worker.wait_max_s - max(plain.waits)) < 1e-9
    assert worker.jobs == len(plain.waits)
