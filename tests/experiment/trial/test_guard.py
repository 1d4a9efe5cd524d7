"""The guard: passes the command's status on, and leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.experiment.trial import guard
from bench.experiment.trial.processes import GUARD

pytestmark = pytest.mark.process

ORPHANS = """
import os, subprocess, sys, time
child = subprocess.Popen(["sleep", "300"])
orphan = subprocess.Popen(["sh", "-c", "setsid sleep 301 & echo $!"], stdout=subprocess.PIPE)
print(os.getpid(), child.pid, int(orphan.stdout.readline()), flush=True)
{then}
"""
"""A command with a child and with an orphan in a session of its own."""


class Guarded:
    """A command under a guard, and our end of the guard's socket."""

    def __init__(self, *command: str, cores: str = "-") -> None:
        self.socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(theirs.fileno()), cores, *command],
                pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()

    def status(self) -> int:
        return self.process.wait(timeout=20)

    def close(self) -> None:
        self.socket.close()
        self.process.communicate()


@pytest.fixture
def guarded() -> Iterator[type[Guarded]]:
    made: list[Guarded] = []

    class Kept(Guarded):
        def __init__(self, *command: str, cores: str = "-") -> None:
            super().__init__(*command, cores=cores)
            made.append(self)

    yield Kept
    for each in made:
        each.close()


def gone(pids: list[int]) -> bool:
    """Return whether all of them have ended; wait, since a killed process takes a moment."""
    deadline = time.monotonic() + 20
    while any(psutil.pid_exists(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


@pytest.mark.parametrize(("script", "status"), [
    ("raise SystemExit(0)", 0), ("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137),
])
def test_the_commands_status_is_passed_on(guarded: type[Guarded], script: str, status: int) -> None:
    assert guarded(sys.executable, "-c", script).status() == status


def test_a_command_that_does_not_exist_ends_with_127_and_its_name(guarded: type[Guarded]) -> None:
    guard = guarded("/no/such/command")
    _, error = guard.process.communicate(timeout=20)
    assert guard.process.returncode == 127
    assert b"/no/such/command: No such file" in error


def test_it_tells_the_commands_process_id(guarded: type[Guarded]) -> None:
    guard = guarded(sys.executable, "-c", "import os; print(os.getpid())")
    assert int(guard.socket.recv(100)) == int(guard.line())


@pytest.mark.parametrize("end", ["end of file", "SIGTERM", "the command ends", "the command is killed"])
def test_however_a_guard_ends_its_command_and_all_descendants_end_with_it(guarded: type[Guarded], end: str) -> None:
    then = "input()" if end != "the command ends" else ""
    guard = guarded(sys.executable, "-c", ORPHANS.format(then="time.sleep(300)" if then else ""))
    pids = [int(word) for word in guard.line().split()]
    assert len(pids) == 3
    if end == "end of file":
        guard.socket.close()
    elif end == "SIGTERM":
        guard.process.send_signal(signal.SIGTERM)
    elif end == "the command is killed":
        os.kill(pids[0], signal.SIGKILL)
    guard.status()
    assert gone(pids)


def test_a_ctrl_c_does_not_reach_the_command_through_the_guard(guarded: type[Guarded]) -> None:
    guard = guarded(sys.executable, "-c", "import time; print(1, flush=True); time.sleep(300)")
    guard.line()
    guard.process.send_signal(signal.SIGINT)
    assert guard.process.poll() is None
    guard.socket.close()
    assert guard.status() == 137


def test_cores_are_set_before_the_command_starts(guarded: type[Guarded]) -> None:
    core = max(os.sched_getaffinity(0))
    guard = guarded(sys.executable, "-c", "import os; print(os.sched_getaffinity(0))", cores=str(core))
    assert guard.line().strip() == f"{{{core}}}"


def test_signals_have_their_defaults_in_the_command(guarded: type[Guarded]) -> None:
    script = "import signal, os; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    assert guarded(sys.executable, "-c", script).line().strip() == "True"


def test_descendants_are_found_through_generations() -> None:
    shell = subprocess.Popen(["sh", "-c", "sleep 300 & sleep 300 & wait"])
    try:
        children = psutil.Process(shell.pid).children
        while len(children()) < 2:
            time.sleep(0.001)
        assert set(guard.descendants(shell.pid)) == {child.pid for child in children()}
        assert shell.pid in guard.descendants(os.getpid())
    finally:
        for child in psutil.Process(shell.pid).children():
            child.kill()
        shell.wait()


def test_a_guard_imports_nothing_of_ours() -> None:
    assert "bench" not in Path(guard.__file__).read_text().replace("bench/", "")
