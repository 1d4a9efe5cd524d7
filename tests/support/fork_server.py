"""Starts server processes fast: one process imports the servers once, and forks for each of them.

    tests ── path, control channel, stderr, status pipe ──► fork server ─fork─► watcher ─fork─► server
                                    ▲ pid, then exit status                       │
                                    └─────────────────────────────────────────────┘

Started as `python fork_server.py FD`, it serves requests on the socket FD until that is closed. The server is as
`python -m bench.transports` starts it, but for its imports.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

from bench import lifeline

REQUEST_BYTES = 4096


class Process:
    """A server process, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status
        """The file on which the exit status comes."""

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        return self._read(0.0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._read(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("server", timeout or 0.0)
        return code

    def _read(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            self.returncode = int(os.read(self._status, 16))
            os.close(self._status)
        return self.returncode


class ForkServer:
    """The fork server, seen from the tests. It ends with them."""

    def __init__(self) -> None:
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()],
        )
        theirs.close()

    def start(self, config: Path, channel: socket.socket) -> Process:
        """Start the server of a configuration; `channel` is its end of the control channel."""
        ours, theirs = os.pipe()
        socket.send_fds(self._sock, [str(config).encode()], [channel.fileno(), 2, theirs])
        os.close(theirs)
        return Process(int(os.read(ours, 16)), ours)


def serve(sock: socket.socket) -> None:
    """Fork for each request, until the socket is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)   # watchers are reaped by the system
    while True:
        path, fds, _, _ = socket.recv_fds(sock, REQUEST_BYTES, 3)
        if not path:
            return
        if os.fork() == 0:
            sock.close()
            watch(path.decode(), *fds)
        for fd in fds:
            os.close(fd)


def watch(path: str, channel: int, errors: int, status: int) -> None:
    """Fork the server, and report its pid and then its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(status)
        os.dup2(errors, 2)
        os.close(errors)
        os.environ[lifeline.VARIABLE] = str(channel)
        os._exit(run(path))
    os.close(channel)
    os.write(status, b"%-16d" % pid)
    _, code = os.waitpid(pid, 0)
    os.write(status, b"%-16d" % os.waitstatus_to_exitcode(code))
    os._exit(0)


def run(path: str) -> int:
    """Run a server as its program does, and return its exit status."""
    from bench.transports.__main__ import main

    try:
        return main([path])
    except Exception:
        logging.exception("the server failed")
        return 1


def preload() -> None:
    """Import what servers need."""
    import bench.transports.__main__
    from bench import transports

    for name in transports.names():
        transports.part(name, "protocol")
        for implementation in transports.servers(name):
            transports.server(name, implementation)
    assert bench.transports.__main__


if __name__ == "__main__":
    preload()
    serve(socket.socket(fileno=int(sys.argv[1])))
