"""Shards over processes come back in order, are the same as without, and leave no process behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from priced import priced

from bench.errors import RunError
from bench.experiment import plan, prepare
from bench.records.trial_record import WindowInstants
from bench.simulation.pool import Pool, pool
from bench.simulation.run import SimulationInputs
from bench.simulation.shards import Case


def cases() -> list[Case]:
    question = prepare.read("quick", [
        "load.clients=[40]", "windows.measure_s=1.0", "trials.count=1", "simulation.workers=3",
        "simulation.rtt_ms=5.0"])
    inputs = SimulationInputs(question.scenario, question.options, priced())
    return [inputs.case(planned, number) for number, planned in enumerate(plan.trials(question.scenario))]


@pytest.mark.process
def test_two_processes_make_what_one_makes() -> None:
    wanted = [(case, worker) for case in cases() for worker in range(case.workers)]
    with pool(1) as alone:
        one = list(alone.simulate(wanted))
    with pool(2) as together:
        two = list(together.simulate(wanted))
    assert multiprocessing.active_children() == []
    assert len(one) == len(two) == len(wanted)
    for mine, theirs in zip(one, two, strict=True):
        assert mine.tallied.sums == theirs.tallied.sums
        assert mine.counters == theirs.counters
        assert np.array_equal(mine.tallied.app, theirs.tallied.app)


def test_a_pool_of_no_given_size_starts_helpers_once_it_has_worked_for_a_while(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    def begun(alone_s: float) -> Pool:
        return Pool(lambda: started.append(1) or [], alone_s)   # type: ignore[func-returns-value]

    assert list(begun(100.0).do([partial(int, "7"), partial(int, "8")])) == [7, 8]
    assert started == []
    tired = begun(1e-9)
    assert next(tired.do([partial(int, "7"), partial(int, "8")])) == 7
    assert started == [], "before there is a second task, none is needed"
    with pool() as workers:
        assert list(workers.do([partial(int, "7")])) == [7]
        assert multiprocessing.active_children() == []


def shards_of_all() -> list[tuple[Case, int]]:
    return [(case, worker) for case in cases() for worker in range(case.workers)]


def interrupted() -> None:
    with pool(2) as workers:
        next(workers.simulate(shards_of_all()))
        raise KeyboardInterrupt


@pytest.mark.process
def test_an_interruption_while_helpers_start_is_theirs_to_ignore(capfd: pytest.CaptureFixture[str]) -> None:
    with pool(2) as workers:
        for helper in multiprocessing.active_children():   # they still import
            assert helper.pid is not None
            os.kill(helper.pid, signal.SIGINT)
        assert list(workers.do([partial(int, "7"), partial(int, "8")])) == [7, 8]
    assert "Traceback" not in capfd.readouterr().err


def killed(while_sending: bool) -> None:
    with pool(2) as workers:
        parts = workers.simulate(shards_of_all())
        next(parts)
        helpers = multiprocessing.active_children()
        while while_sending and not all(_waits(helper.pid) for helper in helpers):
            pass   # nobody reads, so each has a part to send and can't
        for helper in helpers:
            assert helper.pid is not None
            os.kill(helper.pid, signal.SIGKILL)
        list(parts)


@pytest.mark.process
def test_an_interruption_leaves_no_process() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert multiprocessing.active_children() == []


@pytest.mark.process
@pytest.mark.parametrize("while_sending", [False, True])
def test_a_process_that_is_killed_is_a_sentence(while_sending: bool) -> None:
    with pytest.raises(RunError, match="was killed from outside"):
        killed(while_sending)
    assert multiprocessing.active_children() == []


@pytest.mark.process
@pytest.mark.parametrize("processes", [1, 2])
def test_memory_that_runs_out_is_a_sentence(processes: int) -> None:
    huge = replace(cases()[0], windows=WindowInstants(0, 10**9, 10**21, 10**9))   # its steps alone are 80 TB
    with pytest.raises(RunError, match="memory ran out"), pool(processes) as workers:
        list(workers.simulate([(huge, 0)]))


@pytest.mark.process
def test_a_bug_over_there_is_raised_here_with_its_place() -> None:
    broken = replace(cases()[0], kept_below="none")   # type: ignore[arg-type]
    with pytest.raises(TypeError) as caught, pool(2) as workers:
        list(workers.simulate([(broken, 0), (broken, 1)]))
    assert "in simulate" in "".join(caught.value.__notes__)
    assert multiprocessing.active_children() == []


def _waits(pid: int | None) -> bool:
    """Return whether a process waits for somebody to read or write (Linux)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
