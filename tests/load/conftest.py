"""Real processes for the load's tests: each with a lifeline, ended by its id whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import bench
from bench import lifeline

LOCUSTFILE = Path(bench.__file__).parent / "load" / "locustfile.py"
PATIENCE_S = 60.0


class Spoken:
    """A process, seen from its runner's end of the lifeline."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self._ours, theirs = socket.socketpair()
        self._ours.settimeout(PATIENCE_S)
        self._pending = b""
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
                env={**os.environ, **environment, lifeline.VARIABLE: str(theirs.fileno())},
            )
        theirs.close()

    def say(self, message: dict[str, Any]) -> None:
        self._ours.sendall(json.dumps(message).encode() + b"\n")

    def hear(self, key: str) -> dict[str, Any]:
        """The next message, which must be this one."""
        while b"\n" not in self._pending:
            data = self._ours.recv(65536)
            assert data, f"gone before {key!r}:\n{self.log.read_text()[-3000:]}"
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        assert list(message) == [key], message
        inner: dict[str, Any] = message[key]
        return inner

    def leave(self) -> None:
        """Close the runner's end, as its death would."""
        self._ours.close()

    def end(self) -> None:
        self._ours.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


Start = Callable[[str, Sequence[str], dict[str, Any]], Spoken]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `locust` or one of our modules with a configuration: start(name, command, config)."""
    running: list[Spoken] = []

    def begin(name: str, command: Sequence[str], config: dict[str, Any]) -> Spoken:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(config))
        environment = {"TICKERTAPE_LOAD": str(path)} if name == "load" else {}
        last = [] if name == "load" else [str(path)]
        running.append(Spoken([*command, *last], environment, tmp_path / f"{name}.log"))
        return running[-1]

    yield begin
    for process in reversed(running):
        process.end()


LOCUST = (sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless")


def windows_of(begin_ns: int, warmup_s: float, measure_s: float, late_s: float) -> dict[str, int]:
    """The windows' instants, as the runner says them."""
    t0_ns = begin_ns + int(warmup_s * 1e9)
    t1_ns = t0_ns + int(measure_s * 1e9)
    return {"warmup_ns": begin_ns, "t0_ns": t0_ns, "t1_ns": t1_ns, "late_after_ns": int(late_s * 1e9)}


def origin_ns() -> int:
    return time.monotonic_ns()
