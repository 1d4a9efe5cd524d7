"""Tasks over processes: shards, storms, checks of a map; a few at a time, handed back in their order.

    task, task, …  ─►  as many processes as there are cores  ─►  what came of them, in order

    this process  ◄── pipe of its own ──►  each helper: receives a task, does it, sends what came of it

Only a few more tasks are under way than there are processes, so memory doesn't grow with their number.
Helpers are started afresh (spawn), don't see Ctrl-C, which is the caller's to handle, and end with it.
Each has a pipe that nobody else holds, so that one that is killed, even while it sends, is an end of file and
not a wait without end (`concurrent.futures` shares one pipe among all, and then hangs).

Known weakness: a helper that is killed from outside ends the run; it can be resumed.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar, cast

from bench.errors import KilledError
from bench.lifeline import die_with_parent
from bench.measure import host
from bench.simulation import shards
from bench.simulation.shards import Case, Part

T = TypeVar("T")

AHEAD = 2
"""Results that are kept because one before them is still being made, beside those under way."""


class Pool:
    """Processes that do tasks; without any, everything happens in this one."""

    def __init__(self, helpers: list[Connection]) -> None:
        self._helpers = helpers

    def simulate(self, wanted: Iterable[tuple[Case, int]]) -> Iterator[Part]:
        """What came of each shard, in the order in which they were asked for."""
        return self.do(partial(shards.simulate, case, worker) for case, worker in wanted)

    def do(self, tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
        """What came of each task, in their order; a task and what comes of it can be pickled."""
        if not self._helpers:
            yield from (task() for task in tasks)
            return
        numbered = enumerate(tasks)
        idle, busy = list(self._helpers), dict[Connection, int]()
        done: dict[int, T] = {}
        turn, more = 0, True
        while True:
            while more and idle and len(busy) + len(done) < len(self._helpers) + AHEAD:
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
    """What a helper made; a bug over there is one here."""
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
    """A pool; `processes` are by default the cores there are. One: everything happens in this process."""
    count = processes or len(host.cores())
    context = multiprocessing.get_context("spawn")
    helpers: list[tuple[SpawnProcess, Connection]] = []
    try:
        for _ in range(count if count > 1 else 0):
            mine, theirs = context.Pipe()
            helper = context.Process(target=_help, args=(theirs,), daemon=True)
            with _interruptions_put_off():
                helper.start()
                helpers.append((helper, mine))
            theirs.close()   # so that its end is seen
        yield Pool([mine for _, mine in helpers])
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
    """Hold Ctrl-C back meanwhile, and for good in a process that is started: it spends its first second with
    imports, before any code of ours could ignore it."""
    resource_tracker.ensure_running()   # else `start` starts it, and it lets Ctrl-C in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _help(caller: Connection) -> None:
    """The life of a helper: do what comes until nobody is there any more."""
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
