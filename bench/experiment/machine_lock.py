"""Locks that allow one run at a time on a machine, and one command at a time in a run's folder.

    machine_lock    a file in the temporary folder    two runs at once would disturb each other's values
    folder_lock     the run's own folder              two commands at once would undo each other's work

Each lock is a `flock`: the system releases it however its holder ends. The machine's lock file stays on disk
and holds its holder's process id, which the error message for a second run names. A run's folder is locked
directly, so that no lock file stays behind in it.

Known weakness: two runs with different TMPDIR do not see each other, nor do runs in two containers, unless
they use the same folder. A network file system that can't lock folders leaves a run's folder unlocked, which
is reported.
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
"""Error numbers by which file systems report that they can't lock folders."""


@contextmanager
def machine_lock(*, wait: bool, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold the machine for one run.

    If another run holds it, raise `HostError`, or with `wait` report the holder through `say` and wait for
    it.
    """
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
    """Lock a run's folder for one command that writes in it.

    If another command holds it, raise `RunError`, or with `wait` report that through `say` and wait.
    """
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
            say(f"{folder}: its file system locks no folders ({error.strerror}); make sure that no other "
                "command resumes this run meanwhile")
        yield
    finally:
        os.close(fd)


class OnDisk(Protocol):
    """A run, or a series of runs, with a folder on disk."""

    @property
    def folder(self) -> Path:
        """The folder."""


T = TypeVar("T", bound=OnDisk)


def lock_resumed(held: ExitStack, resumed: Path | None, *, wait: bool = False,
                 say: Callable[[str], None] = lambda _: None) -> None:
    """Lock the folder of a run that is to be resumed, if one is, until `held` is closed.

    It is locked before anything in it is read, and before the machine is: a folder that is none is said at once.
    """
    if resumed is not None:
        held.enter_context(folder_lock(resumed, wait=wait, say=say))


def begun(held: ExitStack, begin: Callable[[], T], resumed: Path | None, *,
          say: Callable[[str], None] = lambda _: None) -> T:
    """Begin a run, whose folder stays locked until `held` is closed, or resume one that is locked already."""
    found = begin()
    if resumed is None:
        held.enter_context(folder_lock(found.folder, say=say))
    return found


def _opened(path: Path) -> int:
    """Open the lock file, and create it if necessary so that every user can lock it.

    Linux refuses to open another user's file in a shared folder with O_CREAT, so that flag is tried last.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        fd = os.open(path, flags | os.O_CREAT, 0o666)
        os.fchmod(fd, 0o666)
        return fd
