"""The frame of all tests: their order, their workers, and marks on the processes that they start.

Two workers (`-n 2`, as in `make test`) share the tests. One takes first, in turn, all that start processes: no two of
them measure at a time, and together they take about as long as all others. The other worker takes the tests that start
none, file by file, and keeps its core busy meanwhile, as a machine of the CI is: what is measured then may be judged
INVALID, and no test depends on that it is not.

A test that starts a process carries the mark `process`, or fails.

Drawn examples are the same in every run of a test, so that a commit has one verdict. To look for others:
`make test ARGS="--hypothesis-profile=default"`; what that finds becomes an `@example`.
"""

from __future__ import annotations

import ast
import gc
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from marked import Mark
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parent.parent
FIRST = ("tests/test_checks.py",)
"""Files of the worker that takes no processes, though these start some: one long tool after another."""
PURE_PROCESSES = ("tests/simulation/", "tests/notebooks/", "tests/cli/test_study.py")
"""Files that start processes which measure nothing, so that any worker may take them."""

INSTALLED = str(Path(__file__).parent / "fourth")
"""A folder with an installed package: a transport that no other file knows. Tests of every transport try it, too."""
sys.path.append(INSTALLED)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), INSTALLED)))


os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")   # tests' matrices are small, and their workers take all cores

IN_MEMORY, ROOM_BYTES = Path("/dev/shm"), 4 << 30
if IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ROOM_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))   # where `tmp_path` is: its files are gone soon

settings.register_profile("same-examples", derandomize=True, deadline=None)   # no test asserts a time
settings.register_profile("few-examples", settings.get_profile("same-examples"), max_examples=20)   # make test-fast
settings.load_profile("same-examples")


@pytest.fixture(scope="session", autouse=True)
def no_proxy() -> None:
    """Tests ask servers on this machine, which no proxy reaches."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_disks() -> None:
    """Tests' own writes need not outlive a crash of the machine. Processes that they start write as ever."""
    os.fsync = lambda fd: None


def pytest_collection_finish() -> None:
    """Take what was imported out of the garbage collector's sight: it stays, and searching it takes long."""
    gc.collect()
    gc.freeze()


# The order, and the workers


MARK = "mark.process"


@cache
def _marked(path: str) -> frozenset[str] | None:
    """Return the names of a file's tests that carry the mark `process`; None: all do."""
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    if any(isinstance(each, ast.Assign) and MARK in ast.unparse(each) and "pytestmark" in ast.unparse(each.targets[0])
           for each in body):
        return None
    return frozenset(each.name for each in body if isinstance(each, ast.FunctionDef)
                     and any(MARK in ast.unparse(decorator) for decorator in each.decorator_list))


def _place(nodeid: str) -> int:
    """Return the place of a test: 0, one of those that start processes and are taken in turn; 1, the first of the
    others; 2, any other."""
    path, _, name = nodeid.partition("::")
    if path in FIRST:
        return 1
    marked = _marked(path)
    starts = marked is None or name.partition("[")[0] in marked
    return 0 if starts and not path.startswith(PURE_PROCESSES) else 2


class InTurn(LoadScopeScheduling):
    """Gives one worker all tests that start processes, and the other one the rest, file by file."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0] if _place(nodeid) else "processes"


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> InTurn:
    """Let `-n 2` schedule by these groups, in the order in which the tests were collected."""
    config.option.loadscopereorder = False
    return InTurn(config, log)


SLOW = frozenset((ROOT / "tests" / "slow.txt").read_text(encoding="utf-8").split())
"""Tests whose cases take over half a second together, as `file::function`; `file::*` is all of a file, where what its
tests share takes that long."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests, and put those that start processes first."""
    for item in items:
        path, _, name = item.nodeid.partition("[")[0].partition("::")
        if f"{path}::{name}" in SLOW or f"{path}::*" in SLOW:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: _place(item.nodeid))


# The mark of tests that start processes

_ASKED = ("git", "fc-list", "uname", "lscpu", "ldconfig", "gcc", "cc", "ld")
"""Programs that we and libraries ask something, briefly."""
_started: list[str] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    """Note the start of a process, as Python's audit events tell of it."""
    if event in ("subprocess.Popen", "os.posix_spawn"):
        _started.append(Path(os.fsdecode(arguments[0] or arguments[1][0])).name)
    elif event in ("os.fork", "os.forkpty"):
        _started.append(event)


sys.addaudithook(_note)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Forget what the tests before have started."""
    _started.clear()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that starts processes without the mark."""
    done = yield
    started = [program for program in _started if program not in _ASKED]
    if started and item.get_closest_marker("process") is None:
        pytest.fail(f"starts processes ({', '.join(started)}) and lacks the mark `process`", pytrace=False)
    return done


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """A shell starts what runs in the background deaf to interrupts, and children inherit that; a handler
    they don't."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def few_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw a single figure in a report, for tests of its words: drawing takes most of its time."""
    from bench.report.figures import run as figures
    from bench.report.pages import render
    every, drawn_all = figures.of, render.drawn_all
    monkeypatch.setattr(figures, "of", lambda run: every(run)[:1])
    monkeypatch.setattr(render, "drawn_all", lambda specs, data, aside="": drawn_all(specs[:1], data, aside))


@pytest.fixture
def mark() -> Iterator[Mark]:
    mark = Mark()
    yield mark
    for process in mark.alive():
        process.kill()
