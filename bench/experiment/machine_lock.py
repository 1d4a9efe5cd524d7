"""One run at a time on a machine, and one command at a time in a run's folder.

    machine_lock    a file in the temporary folder    each run would be the other's noise
    folder_lock     the run's own folder              two that go on with one run undo each other's work

Each is a `flock`: it ends with its holder however that dies. The machine's file stays behind and holds the
holder's process id, for the sentence that a second run is refused with. A run's folder is locked itself, so
that nothing stays behind in it.

Known weakness: two runs whose TMPDIR differs do not see each other, nor do two containers, unless they are
about one folder. A network file system that locks no folders leaves a run's unlocked, which is told.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from bench.errors import HostError, RunError

NO_LOCKS = frozenset({errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
"""With which file systems say that they lock no folders."""


@contextmanager
def machine_lock(*, wait: bool, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold the machine for one run; another holder is a `HostError`, or waited for with `wait`, and `say` is
    told for whom."""
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


@contextmanager
def folder_lock(folder: Path, *, wait: bool = False, say: Callable[[str], None] = lambda _: None
                ) -> Iterator[None]:
    """Hold a run's folder for one command that writes in it; another holder is a `RunError`, or waited
    for."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise RunError(f"{folder}: can't be used ({error.strerror}); is this a run's folder?") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise RunError(f"{folder}: another command is at work in it, and each would undo what the "
                               "other does; let it end") from None
            say(f"Waiting for the command that is at work in {folder} to end …")
            fcntl.flock(fd, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            say(f"{folder}: its file system locks no folders ({error.strerror}); see to it that no other "
                "command goes on with this run meanwhile")
        yield
    finally:
        os.close(fd)


class OnDisk(Protocol):
    """A run, or a series of them."""

    @property
    def folder(self) -> Path:
        """Where it is."""


T = TypeVar("T", bound=OnDisk)


def begun(held: ExitStack, begin: Callable[[], T], resumed: Path | None, *, wait: bool = False,
          say: Callable[[str], None] = lambda _: None) -> T:
    """Begin a run, or go on with the one in `resumed`; its folder is locked until `held` is left. One that
    goes on is locked before anything in it is looked at."""
    if resumed is not None:
        held.enter_context(folder_lock(resumed, wait=wait, say=say))
    found = begin()
    if resumed is None:
        held.enter_context(folder_lock(found.folder, say=say))
    return found


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
