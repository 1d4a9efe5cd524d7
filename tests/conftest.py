"""What all tests share: their order, and marks on processes, by which whatever a test started is found.

`make test ARGS="-n 2"` runs two workers. All tests that start processes are one group, which one worker takes
first, so that no two of them measure or hold the machine's lock at a time; the other worker takes the rest.
Without it they run one after the other, since what is measured beside other work may be judged INVALID.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from xdist.scheduler import LoadScopeScheduling

INSTALLED = str(Path(__file__).parent / "fourth")
"""A folder with an installed package: a transport that no other file knows. Tests of every transport try it, too."""
sys.path.append(INSTALLED)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), INSTALLED)))


@dataclass
class Mark:
    """An environment variable that everything a test starts inherits."""

    value: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def environment(self) -> dict[str, str]:
        return {"TICKERTAPE_TEST_MARK": self.value}

    def alive(self) -> list[psutil.Process]:
        """The processes that carry the mark."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("TICKERTAPE_TEST_MARK") == self.value:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def left_after(self, patience_s: float = 20.0) -> list[psutil.Process]:
        """Who is still there once everybody has had time to go."""
        deadline = time.monotonic() + patience_s
        while (alive := self.alive()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return alive


@pytest.fixture(scope="session", autouse=True)
def no_proxy() -> None:
    """Tests ask servers on this machine, which no proxy reaches."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]


PURE = (
    "audit", "output", "records", "report", "scenario", "simulation", "stats", "wire", "test_bursts.py",
    "test_clock.py", "test_errors.py", "test_layout.py", "test_notebooks.py",
)
"""The folders and files whose tests measure nothing and hold no lock of the machine."""


def _is_pure(path: str) -> bool:
    """Return whether a test's file, as a path from the project's root, is one of `PURE`."""
    return path.split("/")[1] in PURE


class TwoGroups(LoadScopeScheduling):
    """Gives one worker all tests that start processes, and the other one the rest, file by file."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if _is_pure(path) else "processes"


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> TwoGroups:
    """Let `-n 2` schedule by these groups."""
    return TwoGroups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that start processes first, since they take the longest."""
    items.sort(key=lambda item: _is_pure(item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """A shell starts what runs in the background deaf to interrupts, and children inherit that; a handler
    they don't."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def mark() -> Iterator[Mark]:
    mark = Mark()
    yield mark
    for process in mark.alive():
        process.kill()
