"""A publisher's process, spoken to as a runner would."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.clock import RunClock
from bench.lifeline import VARIABLE, Lifeline

WAIT_S = 30.0
"""Long after anything here should have happened."""


class Subscriber:
    """A plain program at the other end of the line protocol."""

    def __init__(self, host: str, port: int, after: str, buffer_bytes: int | None = None) -> None:
        self.sock = socket.socket()
        self.sock.settimeout(WAIT_S)
        if buffer_bytes is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.sock.connect((host, port))
        self.sock.sendall(f"after {after}\n".encode())
        self._lines = self.sock.makefile("rb")

    def line(self) -> Any:
        """Return the next line; an end of the connection is an error."""
        fields: Any = json.loads(self._lines.readline())
        return fields

    def lines(self, count: int) -> list[dict[str, Any]]:
        return [self.line() for _ in range(count)]

    def close(self) -> None:
        self._lines.close()
        self.sock.close()


@dataclass
class Life:
    """One life of the publisher."""

    process: subprocess.Popen[bytes]
    lifeline: Lifeline
    runner_end: socket.socket
    host: str = ""
    port: int = 0
    epoch: str = ""

    def begin(self, warmup_ns: int) -> None:
        self.lifeline.send({"start": {"warmup_ns": warmup_ns}})

    def stop(self) -> dict[str, Any]:
        """Stop the publisher, and return its last message."""
        self.lifeline.send({"stop": {}})
        message = self.lifeline.receive()
        assert message is not None
        assert self.process.wait(WAIT_S) == 0
        done: dict[str, Any] = message["done"]
        return done

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(WAIT_S)

    def subscribe(self, after: str = "-", buffer_bytes: int | None = None) -> Subscriber:
        return Subscriber(self.host, self.port, after, buffer_bytes)


@pytest.fixture
def clock() -> RunClock:
    return RunClock.start()


@pytest.fixture
def publish(tmp_path: Path, clock: RunClock) -> Iterator[Callable[..., Life]]:
    """Start a publisher with fields of its config; it has said that it is ready."""
    lives: list[Life] = []

    def start(feed: dict[str, Any], **fields: Any) -> Life:
        config = {"seed": 1, "horizon_s": 1.0, "t0_s": 0.0, "folder": str(tmp_path), **fields}
        path = tmp_path / f"config-{len(lives)}.json"
        path.write_text(json.dumps({"feed": feed, "clock_origin_ns": clock.origin_ns, **config}))
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.feed.publisher", str(path)],
                env={**os.environ, VARIABLE: str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
            )
        life = Life(process, Lifeline(ours), ours)
        lives.append(life)
        message = life.lifeline.receive()
        assert message is not None
        life.host, life.port, life.epoch = (message["ready"][name] for name in ("host", "port", "epoch"))
        return life

    yield start
    for life in lives:
        life.runner_end.close()
        if life.process.poll() is None:
            life.kill()
