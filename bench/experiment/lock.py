"""One run at a time on a machine, since each would be the other's noise.

The lock is `flock` on a file in the temporary folder: it ends with its holder however that dies, and
the file that stays behind holds nothing. It contains the holder's process id, for the sentence that a
second run is refused with.

Known weakness: two runs whose TMPDIR differs do not see each other, nor do two containers.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import HostError


@contextmanager
def machine_lock(*, wait: bool, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold the machine for one run; another holder is a `HostError`, or waited for with `wait`, and `say` is
    told whom."""
    path = Path(tempfile.gettempdir()) / "tickertape.lock"
    try:
        fd = _opened(path)
    except OSError as error:
        raise HostError(f"{path}: the lock between runs can't be opened: {error.strerror}") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
            if not wait:
                raise HostError(
                    f"another run is under way on this machine (process {holder}), and each would "
                    "be the other's noise; let it end, or queue with --wait"
                ) from None
            say(f"Waiting for the run of process {holder} to end …")
            fcntl.flock(fd, fcntl.LOCK_EX)
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        yield
    finally:
        os.close(fd)


def _opened(path: Path) -> int:
    """The lock file, made if need be so that every user can take it.

    Linux lets nobody open another user's file in a shared folder with O_CREAT, so that comes last.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        fd = os.open(path, flags | os.O_CREAT, 0o666)
        os.fchmod(fd, 0o666)
        return fd
