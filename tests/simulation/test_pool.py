"""Shards over processes come back in order, are the same as without, and leave no process behind."""

from __future__ import annotations

import multiprocessing
import os
import signal

import numpy as np
import pytest
from priced import priced

from bench.errors import RunError
from bench.experiment import plan, prepare
from bench.simulation.pool import pool
from bench.simulation.run import Setting
from bench.simulation.shards import Case


def cases() -> list[Case]:
    question = prepare.read("quick", [
        "load.clients=[40]", "windows.measure_s=1.0", "trials.count=1", "simulation.workers=3",
        "simulation.rtt_ms=5.0"])
    setting = Setting(question.scenario, question.options, priced())
    return [setting.case(planned, number) for number, planned in enumerate(plan.trials(question.scenario))]


@pytest.mark.process
def test_two_processes_make_what_one_makes() -> None:
    wanted = [(case, worker) for case in cases() for worker in range(case.workers)]
    with pool(1) as alone:
        one = list(alone.simulate(wanted))
    with pool(2) as together:
        two = list(together.simulate(wanted))
    assert multiprocessing.active_children() == []
    assert len(one) == len(two) == 9
    for mine, theirs in zip(one, two, strict=True):
        assert mine.tallied.sums == theirs.tallied.sums
        assert mine.counters == theirs.counters
        assert np.array_equal(mine.tallied.app, theirs.tallied.app)


@pytest.mark.process
def test_an_interruption_leaves_no_process() -> None:
    with pytest.raises(KeyboardInterrupt), pool(2) as workers:
        parts = workers.simulate((case, worker) for case in cases() for worker in range(case.workers))
        next(parts)
        raise KeyboardInterrupt
    assert multiprocessing.active_children() == []


@pytest.mark.process
def test_a_process_that_is_killed_is_a_sentence() -> None:
    with pytest.raises(RunError, match="was killed from outside"), pool(2) as workers:
        wanted = [(case, worker) for case in cases() for worker in range(case.workers)]
        parts = workers.simulate(wanted)
        next(parts)
        for child in multiprocessing.active_children():
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
        list(parts)
    assert multiprocessing.active_children() == []
