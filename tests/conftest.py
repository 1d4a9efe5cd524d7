"""What all tests share: their order, and marks on processes, by which whatever a test started is found.

`make test` runs two workers. All tests that start processes are one group, which one worker takes first, so
that no two of them measure or hold the machine's lock at a time; the other worker takes what is pure, file by
file.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest


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


MEASURING = ("cli", "experiment")
"""The folders whose tests run whole commands; some of these measure, and would wait for each other."""


@pytest.hookimpl(tryfirst=True)   # before the groups are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that start processes first, as one group; every other file is a group of its own."""
    def starts_processes(item: pytest.Item) -> bool:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        return folder in MEASURING or item.get_closest_marker("process") is not None

    for item in items:
        item.add_marker(pytest.mark.xdist_group("process" if starts_processes(item) else str(item.path)))
    items.sort(key=starts_processes, reverse=True)


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
