"""The processes of a trial, from the runner's side: started under supervisors, read, ended.

    runner ──guard socket──► guard ──► command
       └─────────lifeline───────────────┘      (own processes only; see `bench.lifeline`)

The guard is the supervisor of one command. Over the guard socket it reports the command's process id, and by
closing it that the command has ended. If the runner closes its end, or dies, the guard ends the command with
all its descendants; no other process holds that end. The lifeline is the command's own control socket to the
runner. Messages of all processes are read together, so that the death of one is noticed while the runner
waits for another.

Everything happens in the runner's main thread: `PR_SET_PDEATHSIG` fires when the thread that started a
process ends.
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
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from bench import lifeline
from bench.errors import TrialError

GUARD = Path(__file__).with_name("guard.py")
TAIL_LINES = 20
EXACT_NS = 3_000_000
"""Remainder of a wait that is slept, since a selector wakes only by whole milliseconds."""
LONGEST_TURN_S = 3600.0
"""Longest wait of a selector; epoll refuses to wait for months."""
GRACE_S = 5.0
"""Time that a process may take to stop when asked."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command to start, and its surroundings."""

    name: str
    """`server`, `load`, `publisher`: also the name of its log."""
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables added to the runner's own."""
    folder: Path | None = None
    """Folder in which it runs; by default the runner's."""
    cores: frozenset[int] | None = None
    lifeline: bool = True
    """True for the project's own programs, which have a control socket (lifeline) to the runner."""


@dataclass(eq=False, slots=True)
class Child:
    """One command under its supervisor."""

    command: Command
    guard: subprocess.Popen[bytes]
    guard_socket: socket.socket
    lifeline: socket.socket | None
    log: Path
    pid: int | None = None
    """Process id of the command itself, not of its guard; None until the guard has reported it."""
    status: int | None = None
    """Exit status, once the command has ended: 128 + n after signal n."""
    messages: dict[str, Any] = field(default_factory=dict)
    """Messages that it sent, by key."""
    stopping: bool = False
    """True if its end is expected."""
    _pending: bytes = b""

    @property
    def name(self) -> str:
        """Return the command's name."""
        return self.command.name

    def send(self, message: dict[str, Any]) -> None:
        """Send one object over the lifeline.

        If the process is gone the object is dropped; its guard reports the end.
        """
        assert self.lifeline is not None, f"{self.name} has no lifeline"
        try:
            self.lifeline.sendall(json.dumps(message).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            return

    def tail(self) -> str:
        """Return the last lines that it printed."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def heard(self, data: bytes) -> None:
        """Process bytes that arrived over the lifeline."""
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            self.messages.update(json.loads(line))
        self.stopping = self.stopping or "done" in self.messages


class TrialProcesses:
    """The processes of one trial. Leaving the context ends all that are still running."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._selector = selectors.DefaultSelector()
        self.children: list[Child] = []
        self.on_fall: dict[str, Callable[[], None]] = {}
        """Functions to call, by the command's name, when a process ends by itself, instead of failing the
        trial."""

    def __enter__(self) -> TrialProcesses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self.children:
            child.guard_socket.close()   # close all first, then wait: the guards work in parallel
        for child in self.children:
            child.guard.wait()
            if child.lifeline is not None:
                child.lifeline.close()
        self._selector.close()

    def start(self, command: Command) -> Child:
        """Start a command; its process id is known once its guard has reported it."""
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
        """Process the messages of all processes, for at most `timeout_s` or until one has arrived."""
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
        """Return the processes that ended without having been asked to."""
        return [child for child in self.children if child.status is not None and not child.stopping]

    def check(self) -> None:
        """Raise `TrialError` where a process has ended by itself or reports a failure."""
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

    def wait(self, done: Callable[[], bool], timeout_s: float, what: str, reason: str = "timeout") -> None:
        """Process messages until `done` returns true.

        Raises `TrialError` where a process ends by itself, or for `reason` where `timeout_s` passes first.
        """
        deadline = time.monotonic() + timeout_s
        while not done():
            self.check()
            left = deadline - time.monotonic()
            if left <= 0:
                raise TrialError(reason, f"{what} did not come within {timeout_s:g} s")
            if not done():
                self.turn(left)

    def sleep_until(self, instant_ns: int) -> None:
        """Process messages until `CLOCK_MONOTONIC` reaches `instant_ns`; raise `TrialError` where a
        process ends."""
        while (left := instant_ns - time.monotonic_ns()) > EXACT_NS:
            self.check()
            self.turn((left - EXACT_NS) / 1e9)
        time.sleep(max(0, instant_ns - time.monotonic_ns()) / 1e9)

    def expect(self, child: Child, key: str, timeout_s: float) -> Any:
        """Return the message `key` of `child`; wait up to `timeout_s`, then raise `TrialError`, which names `child`."""
        self.wait(lambda: key in child.messages, timeout_s, f"{key!r} of the {child.name}", f"{child.name}-timeout")
        return child.messages[key]

    def stop(self, child: Child) -> dict[str, Any]:
        """Ask a process to stop, wait until it has, and return its last message (empty if there was none).

        A process that takes longer than `GRACE_S` is killed.
        """
        child.stopping = True
        if child.lifeline is not None:
            child.send({"stop": {}})
        elif child.pid is not None and child.status is None:
            with suppress(ProcessLookupError):   # it has just ended by itself, which its guard is about to report
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
        """Process the messages that an ended process had sent before its end."""
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
        return b""   # it ended with unread data of the runner's
