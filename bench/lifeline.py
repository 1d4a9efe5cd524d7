"""How a process of a run hears from its runner, and ends with it.

Each process that we start ourselves inherits one end of a socket pair, whose number stands in
`TICKERTAPE_LIFELINE`; only the runner holds the other end. Over it go lines of JSON, one object a
line, both ways:

    process ─► runner   {"ready": {"host": "127.0.0.1", "port": 40213}}     once, when it can be used
    runner ─► process   {"start": {"origin_ns": …}}                         depends on the process
    process ─► runner   {"done": {…}}                                       its last words

End of file means that the runner is gone, however it went; the process then exits at once. This is
one of three ways in which nothing outlives a run (the others: the guard that each command is started
under, and `PR_SET_PDEATHSIG`): each of them alone has been seen to leak, all three together have not.

Known weakness: `PR_SET_PDEATHSIG` fires when the *thread* that started the process ends, so the
runner starts everything from its main thread.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
from typing import Any

VARIABLE = "TICKERTAPE_LIFELINE"
"""The environment variable that holds the file descriptor's number."""

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent does (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Lifeline:
    """The process's end of the pair. It is a plain blocking socket; loops watch `fileno()`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._pending = b""

    @classmethod
    def from_environment(cls) -> Lifeline | None:
        """The lifeline that this process was started with, or None when it was started by hand."""
        number = os.environ.get(VARIABLE)
        if number is None:
            return None
        die_with_parent()
        return cls(socket.socket(fileno=int(number)))

    def fileno(self) -> int:
        """The descriptor: readable when there is a message or the runner is gone."""
        return self._sock.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Send one object; a runner that is gone is not an error here, `receive` will tell."""
        try:
            self._sock.sendall(json.dumps(message).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            return

    def receive(self) -> dict[str, Any] | None:
        """The next object; blocks until there is one. None: the runner is gone, so exit."""
        while b"\n" not in self._pending:
            data = self._read()
            if not data:
                return None
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def receive_ready(self) -> list[dict[str, Any]] | None:
        """All objects that have come, after `fileno()` was found readable. None: the runner is gone.

        Reads once, so it never blocks when called on readiness.
        """
        data = self._read()
        if not data:
            return None
        *lines, self._pending = (self._pending + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def _read(self) -> bytes:
        """What has come; nothing at the end, which is a reset when the runner left our words unread."""
        try:
            return self._sock.recv(65536)
        except ConnectionResetError:
            return b""
