"""The processes of a trial, seen from the runner: started under guards, heard, ended.

    runner ──guard socket──► guard ──► command
       └─────────lifeline───────────────┘      (own processes only; see `bench.lifeline`)

The guard socket tells the command's process id, and by its end of file that the command has ended;
closing the runner's end of it ends the command with all its descendants, and so does the runner's
death, since nobody else holds that end. Messages of all processes are read together, so that the
death of one is noticed while another is waited for.

Everything happens in the runner's main thread: `PR_SET_PDEATHSIG` fires when the thread that started
a process ends.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from bench import lifeline
from bench.errors import TrialError

GUARD = Path(__file__).with_name("guard.py")
TAIL_LINES = 20
EXACT_NS = 3_000_000
"""A selector wakes by whole milliseconds; the rest of a wait is slept."""
LONGEST_TURN_S = 3600.0
"""epoll refuses to wait for months."""
GRACE_S = 5.0
"""How long a process that was asked to stop may take."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start, and how."""

    name: str
    """`server`, `load`, `publisher`: also the log's name."""
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the runner's own."""
    folder: Path | None = None
    """Where it runs; by default where the runner does."""
    cores: frozenset[int] | None = None
    lifeline: bool = True
    """Whether it is one of ours, that speaks over a lifeline."""


@dataclass(eq=False, slots=True)
class Child:
    """One command under its guard."""

    command: Command
    guard: subprocess.Popen[bytes]
    guard_socket: socket.socket
    lifeline: socket.socket | None
    log: Path
    pid: int | None = None
    """The command's own process, not the guard's; None until the guard has told it."""
    status: int | None = None
    """The exit status once it has ended: 128 + n after signal n."""
    messages: dict[str, Any] = field(default_factory=dict)
    """What it said, by the message's key."""
    stopping: bool = False
    """Whether its end is expected."""
    _pending: bytes = b""

    @property
    def name(self) -> str:
        """The command's name."""
        return self.command.name

    def send(self, message: dict[str, Any]) -> None:
        """Send one object over the lifeline; that the process is gone, its guard will tell."""
        assert self.lifeline is not None, f"{self.name} has no lifeline"
        try:
            self.lifeline.sendall(json.dumps(message).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            return

    def tail(self) -> str:
        """The last lines that it printed."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def heard(self, data: bytes) -> None:
        """Take in bytes from the lifeline."""
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            self.messages.update(json.loads(line))
        self.stopping = self.stopping or "done" in self.messages


class Crew:
    """The processes of one trial. Leaving the context ends whatever is still there."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._selector = selectors.DefaultSelector()
        self.children: list[Child] = []
        self.on_fall: dict[str, Callable[[], None]] = {}
        """What to do, by the command's name, instead of failing when a process ends by itself."""

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self.children:
            child.guard_socket.close()   # all at once, then wait: the guards work side by side
        for child in self.children:
            child.guard.wait()
            if child.lifeline is not None:
                child.lifeline.close()
        self._selector.close()

    def start(self, command: Command) -> Child:
        """Start a command; its process id is known once the guard has told it."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{command.name}.log"
        ours, guards = socket.socketpair()
        line, childs = socket.socketpair() if command.lifeline else (None, None)
        environment = {**os.environ, **command.environment}
        passed = [guards.fileno()]
        if childs is not None:
            environment[lifeline.VARIABLE] = str(childs.fileno())
            passed.append(childs.fileno())
        with log.open("ab") as output:
            guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), *_guard_arguments(command, guards.fileno())],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=passed,
                cwd=command.folder, env=environment, start_new_session=True,
            )
        guards.close()
        if childs is not None:
            childs.close()
        child = Child(command, guard, ours, line, log)
        self.children.append(child)
        self._selector.register(ours, selectors.EVENT_READ, child)
        if line is not None:
            self._selector.register(line, selectors.EVENT_READ, child)
        return child

    def turn(self, timeout_s: float) -> None:
        """Take in what the processes say, for at most `timeout_s`, or until one has said something."""
        for key, _ in self._selector.select(min(max(0.0, timeout_s), LONGEST_TURN_S)):
            child: Child = key.data
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            data = _received(sock)
            if not data:
                self._selector.unregister(sock)
            if sock is child.lifeline:
                child.heard(data)
            elif data:
                child.pid = int(data)
            else:
                child.status = child.guard.wait()

    def fallen(self) -> list[Child]:
        """Those that ended without having been asked to."""
        return [child for child in self.children if child.status is not None and not child.stopping]

    def check(self) -> None:
        """Raise `TrialError` where a process has ended by itself, or says that it failed."""
        for child in self.fallen():
            self._turn_out(child)
        for child in self.children:
            if "failed" in child.messages:
                raise TrialError(child.messages["failed"]["reason"], child.messages["failed"]["detail"])
        for child in self.fallen():
            if child.name not in self.on_fall:
                raise TrialError(
                    f"{child.name}-died", f"the {child.name} ended by itself with status {child.status}"
                )
            child.stopping = True
            self.on_fall[child.name]()

    def wait(self, done: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Turn until `done`; a process that falls, or `timeout_s` without it, fails the trial."""
        deadline = time.monotonic() + timeout_s
        while not done():
            self.check()
            left = deadline - time.monotonic()
            if left <= 0:
                raise TrialError("timeout", f"{what} did not come within {timeout_s:g} s")
            if not done():
                self.turn(left)

    def sleep_until(self, instant_ns: int) -> None:
        """Turn until `CLOCK_MONOTONIC` shows `instant_ns`; a process that falls fails the trial."""
        while (left := instant_ns - time.monotonic_ns()) > EXACT_NS:
            self.check()
            self.turn((left - EXACT_NS) / 1e9)
        time.sleep(max(0, instant_ns - time.monotonic_ns()) / 1e9)

    def expect(self, child: Child, key: str, timeout_s: float) -> Any:
        """The message `key` of `child`, waited for if need be."""
        self.wait(lambda: key in child.messages, timeout_s, f"{key!r} of the {child.name}")
        return child.messages[key]

    def stop(self, child: Child) -> dict[str, Any]:
        """Ask a process to stop, and wait until it has; its last words (empty where it had none).

        One that takes longer than `GRACE_S` is killed.
        """
        child.stopping = True
        if child.lifeline is not None:
            child.send({"stop": {}})
        elif child.pid is not None and child.status is None:
            os.kill(child.pid, signal.SIGTERM)
        self.finish(child)
        done: dict[str, Any] = child.messages.get("done", {})
        return done

    def finish(self, child: Child) -> None:
        """Wait for the end of a process that is about to end; kill it after `GRACE_S`."""
        deadline = time.monotonic() + GRACE_S
        while child.status is None and time.monotonic() < deadline:
            self.turn(deadline - time.monotonic())
        if child.status is None:
            self.kill(child)

    def kill(self, child: Child) -> None:
        """End a process and all its descendants at once."""
        child.stopping = True
        if child.status is None:
            child.guard_socket.shutdown(socket.SHUT_WR)   # end of file for the guard; its own comes back
            while child.status is None:
                self.turn(GRACE_S)

    def _turn_out(self, child: Child) -> None:
        """Take in what a process that ended had still said."""
        if child.lifeline is None:
            return
        deadline = time.monotonic() + GRACE_S
        while child.lifeline in self._selector.get_map() and time.monotonic() < deadline:
            self.turn(deadline - time.monotonic())


def _guard_arguments(command: Command, fd: int) -> list[str]:
    cores = "-" if command.cores is None else ",".join(str(core) for core in sorted(command.cores))
    return [str(fd), cores, *command.arguments]


def _received(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except ConnectionResetError:
        return b""   # it ended with something of ours unread
