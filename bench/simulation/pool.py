"""A pool of processes for tasks (shards, storms, checks of a map); results come back in the tasks' order.

    task, task, …  ─►  as many processes as there are cores  ─►  their results, in order

    this process  ◄── pipe of its own ──►  each helper: receives a task, does it, sends the result

A helper needs a second or two to start. So where no number of processes is asked for, this process does the first
tasks itself, and starts helpers once it has worked for `ALONE_S`: small work is over by then.

Only a few more tasks are under way than there are processes, so memory doesn't grow with their number.
Helpers are new processes (spawn). They don't see Ctrl-C, which the caller handles, and end with the caller.
Each has a pipe that no other process holds. So if one is killed, even while it sends, the caller reads an end
of file and does not wait forever (`concurrent.futures` shares one pipe among all helpers, and then hangs).

Known weakness: a helper that is killed from outside ends the run; it can be resumed. A first task that is long delays
the helpers' start.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar, cast

from bench.errors import KilledError
from bench.lifeline import die_with_parent
from bench.measure import host
from bench.simulation import shards
from bench.simulation.shards import Case, ShardResults

T = TypeVar("T")

ALONE_S = 1.0
"""Seconds of work that this process does by itself before it starts helpers."""
AHEAD = 2
"""Number of finished results that may wait for an earlier one, besides the tasks under way."""


class Pool:
    """Processes that do tasks: this one for `alone_s`, and then helpers.

    `start` starts the helpers, and returns their pipes.
    """

    def __init__(self, start: Callable[[], list[Connection]], alone_s: float) -> None:
        self._start = start
        self._alone_s = alone_s
        self._helpers = start() if alone_s <= 0 else []

    def simulate(self, wanted: Iterable[tuple[Case, int]]) -> Iterator[ShardResults]:
        """Yield the result of each shard, given as case and worker, in this order."""
        return self.do(partial(shards.simulate, case, worker) for case, worker in wanted)

    def do(self, tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
        """Yield the result of each task, in order; tasks and results must be picklable."""
        left = iter(tasks)
        while not self._helpers:
            task = next(left, None)
            if task is None:
                return
            if self._alone_s <= 0:
                self._helpers = self._start()
                left = chain([task], left)
                break
            began_s = time.monotonic()
            found = task()
            self._alone_s -= time.monotonic() - began_s
            yield found
        yield from _shared(left, self._helpers)


def _shared(tasks: Iterator[Callable[[], T]], helpers: list[Connection]) -> Iterator[T]:
    """Yield the result of each task, in order, from the helpers."""
    numbered = enumerate(tasks)
    idle, busy = list(helpers), dict[Connection, int]()
    done: dict[int, T] = {}
    turn, more = 0, True
    while True:
        while more and idle and len(busy) + len(done) < len(helpers) + AHEAD:
            number, task = next(numbered, (-1, None))
            if task is None:
                more = False
                break
            helper = idle.pop()
            _send(helper, task)
            busy[helper] = number
        if turn in done:
            yield done.pop(turn)
            turn += 1
            continue
        if not busy:
            return
        for ready in wait(list(busy)):
            helper = cast("Connection[Any, Any]", ready)
            done[busy.pop(helper)] = _receive(helper)
            idle.append(helper)


def _send(helper: Connection, task: Callable[[], object]) -> None:
    try:
        helper.send(task)
    except OSError:
        raise _killed() from None


def _receive(helper: Connection) -> Any:
    """Return a helper's result; an exception of the helper is raised again here."""
    try:
        found = helper.recv()
    except (EOFError, OSError):
        raise _killed() from None
    if isinstance(found, BaseException):
        raise found
    return found


def _killed() -> KilledError:
    return KilledError("a process that simulated was killed from outside; if memory ran out, use more "
                       "simulation.workers or a smaller simulation.sample_clients")


@contextmanager
def pool(processes: int | None = None) -> Iterator[Pool]:
    """Open a pool of `processes`; with one, everything happens in this process.

    By default they are as many as there are cores, and are started only where there is work for them. Raises
    `KilledError` if a helper was killed or memory ran out.
    """
    count = processes or len(host.cores())
    helpers: list[tuple[SpawnProcess, Connection]] = []

    def start() -> list[Connection]:
        context = multiprocessing.get_context("spawn")
        for _ in range(count):
            mine, theirs = context.Pipe()
            helper = context.Process(target=_help, args=(theirs,), daemon=True)
            with _interruptions_put_off():
                helper.start()
                helpers.append((helper, mine))
            theirs.close()   # so that its end is seen
        return [mine for _, mine in helpers]

    try:
        yield Pool(start, math.inf if count == 1 else ALONE_S if processes is None else 0.0)
    except MemoryError as error:
        raise KilledError("memory ran out in simulating; use more simulation.workers or a smaller "
                          "simulation.sample_clients") from error
    finally:
        for helper, mine in helpers:
            helper.terminate()   # it holds nothing
            helper.join()
            mine.close()


@contextmanager
def _interruptions_put_off() -> Iterator[None]:
    """Block Ctrl-C in the body, and for good in a process that is started in it.

    A new process spends its first second with imports, before any code of ours could ignore the signal.
    """
    resource_tracker.ensure_running()   # else `start` starts it, and it lets Ctrl-C in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _help(caller: Connection) -> None:
    """Run a helper: do tasks from the caller until the caller is gone."""
    die_with_parent()
    while True:
        try:
            task = caller.recv()
        except EOFError:
            return
        try:
            caller.send(task())
        except Exception as error:   # noqa: BLE001  it is raised again where it is received
            error.add_note("".join(traceback.format_exception(error)))
            caller.send(error)
