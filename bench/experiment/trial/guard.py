"""A supervisor that runs one command, and ends it with all its descendants when the runner is gone.

    python -I -S guard.py FD CORES COMMAND…

It is a separate program (it imports nothing of this project, so that it starts within 20 ms) and does four
things:

    runner ──socket FD──► guard (child subreaper) ──► command ──► its children, orphans among them

1. It starts the command on the given CORES (`0,2`; `-` leaves them unchanged), and writes the
   command's process id to FD.
2. When FD reports end of file (the runner closed it, or died in any way) or a SIGTERM arrives, it
   kills every descendant, reaps, looks again, and repeats until none is left.
3. When the command ends by itself, processes that it left behind are ended in the same way.
4. It exits with the command's status, as a shell does: 128 + n after signal n, 127 if the command
   could not be started.

As a subreaper it inherits orphans, so it also finds a daemon with a session of its own.

Known weakness: kill -9 of the guard itself. The project's own processes end in that case (they set
`PR_SET_PDEATHSIG`) and at the end of the runner (they watch a control socket to it, see `lifeline`); a
user's own server would survive. Systems other than Linux have neither subreapers nor /proc, so only the
command's process group is ended there.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform == "linux"
GIVE_UP_S = 5.0
"""Time allowed for a descendant that can't be killed (another user's, or stuck in the kernel)."""


def descendants(root: int) -> list[int]:
    """Return the process ids below `root`, from /proc; processes that end meanwhile may be missing or
    stale."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):   # noqa: PTH208 (pathlib would double the time to start)
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:   # noqa: PTH123
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue   # it ended between the listing and the reading
        children.setdefault(int(fields[1]), []).append(int(entry))
    found: list[int] = []
    level = [root]
    while level:
        level = [child for parent in level for child in children.get(parent, [])]
        found += level
    return found


def kill_all(command: int) -> None:
    """Send SIGKILL once to every process below this one (on systems other than Linux: to the command's
    group)."""
    for pid in descendants(os.getpid()) if LINUX else [-command]:
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue   # gone already, or not allowed to kill it: the caller's deadline ends the loop


def reap(statuses: dict[int, int]) -> bool:
    """Collect the statuses of children that have ended; return whether any children are left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        statuses[pid] = status


def end_all(command: int, statuses: dict[int, int]) -> None:
    """Kill and reap until no child is left, or for `GIVE_UP_S` at most."""
    deadline = time.monotonic() + GIVE_UP_S
    while reap(statuses):
        if time.monotonic() > deadline:
            print("guard: some processes can't be ended", file=sys.stderr)   # noqa: T201
            return
        kill_all(command)
        time.sleep(0.001)


def watch(runner: int, wake: int, command: int, statuses: dict[int, int]) -> None:
    """Return when the command has ended, the runner is gone, or a SIGTERM has arrived."""
    poll = select.poll()
    poll.register(runner, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while command not in statuses:
        ready = [fd for fd, _ in poll.poll()]
        if runner in ready and not _read(runner):
            return
        if wake in ready and signal.SIGTERM in _read(wake):
            return
        reap(statuses)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except ConnectionResetError:
        return b""


def spawn(command: list[str]) -> int:
    """Start the command in a process group of its own, with default signal handling; return its process
    id."""
    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE]
    return os.posix_spawnp(command[0], command, os.environ, setpgroup=0, setsigdef=signals)


def main(arguments: list[str]) -> int:
    """Run one command under supervision and return the exit status."""
    runner, cores, command = int(arguments[0]), arguments[1], arguments[2:]
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if cores != "-":
            os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    os.set_inheritable(runner, False)
    wake, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)
    try:
        pid = spawn(command)
    except OSError as error:
        print(f"guard: {command[0]}: {error.strerror}", file=sys.stderr)   # noqa: T201
        return 127
    statuses: dict[int, int] = {}
    try:
        os.write(runner, b"%d\n" % pid)
        watch(runner, wake, pid, statuses)
    except BrokenPipeError:
        pass   # the runner is gone already
    end_all(pid, statuses)
    code = os.waitstatus_to_exitcode(statuses.get(pid, 256))
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
