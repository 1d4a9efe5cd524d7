"""Shards over processes: simulated a few at a time, handed back in their order.

    (case, worker), (case, worker), …  ─►  as many processes as there are cores  ─►  parts, in order

Only a few more shards are under way than there are processes, so memory doesn't grow with their number.
Processes are started afresh (spawn), once, ignore Ctrl-C, which is the caller's to handle, and end with it.

Known weakness: a process that is killed from outside ends the run; it can be resumed.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from bench.errors import RunError
from bench.lifeline import die_with_parent
from bench.measure import host
from bench.simulation import shards
from bench.simulation.shards import Case, Part

AHEAD = 2
"""Shards that wait for a process, so that none waits for a shard."""


class Pool:
    """Processes that simulate shards."""

    def __init__(self, executor: ProcessPoolExecutor | None, processes: int) -> None:
        self._executor = executor
        self._processes = processes

    def simulate(self, wanted: Iterable[tuple[Case, int]]) -> Iterator[Part]:
        """What came of each shard, in the order in which they were asked for."""
        if self._executor is None:
            for case, worker in wanted:
                yield shards.simulate(case, worker)
            return
        under_way: deque[Future[Part]] = deque()
        for case, worker in wanted:
            under_way.append(self._executor.submit(shards.simulate, case, worker))
            if len(under_way) >= self._processes + AHEAD:
                yield _result(under_way.popleft())
        while under_way:
            yield _result(under_way.popleft())


def _result(future: Future[Part]) -> Part:
    try:
        return future.result()
    except BrokenProcessPool:
        raise RunError("a process that simulated was killed from outside; if memory ran out, use more "
                       "simulation.workers or a smaller simulation.sample_clients") from None


@contextmanager
def pool(processes: int | None = None) -> Iterator[Pool]:
    """A pool; `processes` are by default the cores there are. One: everything happens in this process."""
    count = processes or len(host.cores())
    if count == 1:
        yield Pool(None, 1)
        return
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(count, mp_context=context, initializer=_begin)
    try:
        yield Pool(executor, count)
    except BaseException:
        for child in multiprocessing.active_children():   # theirs: nothing else starts processes here
            child.terminate()
        executor.shutdown(wait=True, cancel_futures=True)
        raise
    executor.shutdown()


def _begin() -> None:
    """What each process does first."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
