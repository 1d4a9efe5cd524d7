"""The control channel between the runner and the processes that it starts; a process ends when it breaks.

Each process that we start ourselves inherits one end of a socket pair. Its file descriptor is in the
environment variable `TICKERTAPE_LIFELINE`; only the runner holds the other end. The messages are lines
of JSON, one object per line, in both directions:

    process ─► runner   {"ready": {"host": "127.0.0.1", "port": 40213}}     once, when it can be used
    runner ─► process   {"start": {"origin_ns": …}}                         depends on the process
    process ─► runner   {"done": {…}}                                       its last message

End of file means that the runner is gone, for whatever reason; the process then exits at once. This is
one of three ways to make sure that no process outlives a run. The others are the supervising process
under which each command is started, and `PR_SET_PDEATHSIG`. Each of the three alone has been seen to
leak processes; all three together have not. The runner itself takes SIGTERM for Ctrl-C
(`termination_as_interrupt`), and so ends what it has started in order.

Known weakness: `PR_SET_PDEATHSIG` fires when the *thread* that started the process ends, so the
runner starts every process from its main thread.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

VARIABLE = "TICKERTAPE_LIFELINE"
"""The environment variable that holds the number of the file descriptor."""

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends (on Linux; do nothing elsewhere)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Lifeline:
    """The process's end of the socket pair. It is a plain blocking socket; event loops watch `fileno()`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._pending = b""

    @classmethod
    def from_environment(cls) -> Lifeline | None:
        """Return the channel that this process was started with, or None if it was started by hand.

        Also asks the kernel to kill this process when its parent ends.
        """
        number = os.environ.get(VARIABLE)
        if number is None:
            return None
        die_with_parent()
        return cls(socket.socket(fileno=int(number)))

    def fileno(self) -> int:
        """Return the descriptor; it is readable when there is a message or the runner is gone."""
        return self._sock.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Send one object. No error is raised if the runner is gone: `receive` then returns None."""
        try:
            self._sock.sendall(json.dumps(message).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            return

    def receive(self) -> dict[str, Any] | None:
        """Return the next object; block until there is one. Return None if the runner is gone: the caller
        exits."""
        while b"\n" not in self._pending:
            data = self._read()
            if not data:
                return None
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def receive_ready(self) -> list[dict[str, Any]] | None:
        """Return all complete objects that have arrived, once `fileno()` is readable; None if the runner is
        gone.

        Reads once, so it never blocks when it is called on readiness.
        """
        data = self._read()
        if not data:
            return None
        *lines, self._pending = (self._pending + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def _read(self) -> bytes:
        """Return the bytes that have arrived; none at the end of file.

        A reset also counts as the end: it happens when the runner left messages of ours unread.
        """
        try:
            return self._sock.recv(65536)
        except ConnectionResetError:
            return b""


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C within the context."""
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
