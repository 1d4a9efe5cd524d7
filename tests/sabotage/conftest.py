"""Fixtures of the sabotage: a trial to spoil, a stand-in for the server, a neighbour."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from spoilt import Bench

from bench.experiment.trial import commands, trial
from bench.experiment.trial.processes import Command

HERE = Path(__file__).parent


@pytest.fixture
def bench(tmp_path: Path, mark: Any, monkeypatch: pytest.MonkeyPatch) -> Bench:
    for name, value in mark.environment.items():
        monkeypatch.setenv(name, value)
    return Bench(tmp_path, mark)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have a stand-in take the server's place in the trials that follow."""
    def take_place(mode: str) -> None:
        real = commands.server

        def server(*arguments: Any, **named: Any) -> Command:
            command = real(*arguments, **named)
            words = (sys.executable, str(HERE / "stand_in.py"), mode, *command.arguments)
            return replace(command, arguments=words)

        monkeypatch.setattr(trial.commands, "server", server)

    return take_place


@pytest.fixture
def hog() -> Iterator[Callable[[], None]]:
    """A process that spins on every core but the server's, once it is asked for."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        _, *others = sorted(os.sched_getaffinity(0))
        for core in others:
            code = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
            started.append(subprocess.Popen([sys.executable, "-c", code]))

    yield start
    for process in started:
        process.kill()
        process.wait()
