"""Checks of a command's environment before anything else is imported.

    stdin, stderr closed       opened on /dev/null: else the next file would get their number and output
    stdout closed              refused: the output would be lost
    arguments, folder's name   must be UTF-8, as all files of a run are
    working folder             must exist
    address space              must suffice for the imports: else numerical libraries end the process, or hang
    threads                    linear algebra gets none of its own, unless the user's environment asks for them:
                               they spin on all cores for a while after each call, and what the runner computes
                               after one trial would disturb the server of the next

This module uses only the standard library, so that it works where nothing else can be imported.

Known weakness: the memory check covers the imports and not the run, whose needs are checked when it is
planned; a container's limit shows only when a process is killed.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

LEAST_BYTES = 1_500_000_000
"""Least bytes of address space: the first imports take 650 MB on two cores, figures and threads the rest."""
A_CORE_BYTES = 50_000_000
"""Bytes that numerical libraries reserve for each further core."""
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables with the number of threads of libraries for linear algebra."""


def open_streams() -> None:
    """Open /dev/null in place of each of stdin, stdout and stderr that is closed."""
    fd = os.open(os.devnull, os.O_RDWR)
    while fd <= 2:
        os.set_inheritable(fd, True)
        fd = os.open(os.devnull, os.O_RDWR)
    os.close(fd)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:   # a terminal without ─ or µ shows the code in its place
            stream.reconfigure(errors="backslashreplace")   # type: ignore[union-attr]


def keep_to_own_core(environment: MutableMapping[str, str]) -> None:
    """Have linear algebra compute in the calling thread; libraries read these variables when they are loaded.

    OpenBLAS, which NumPy and SciPy bring with them, starts a thread for each core. It waits for work by spinning,
    also on a core that the runner leaves to the server: trials were INVALID by `host-jitter` and `host-slowed` on
    machines that were quiet.
    """
    for name in THREADS:
        environment.setdefault(name, "1")


def mistake(arguments: Sequence[str], *, has_stdout: bool) -> str | None:
    """Return a sentence on the first requirement that is not met; None if all are."""
    if not has_stdout:
        return "stdout: found it closed, allowed is an open one (> /dev/null, to discard the output)"
    for argument in arguments:
        if not _is_utf8(argument):
            return f"{_shown(argument)}: found bytes that are no UTF-8, allowed are arguments in UTF-8"
    try:
        folder = str(Path.cwd())
    except OSError as error:
        return f"the working folder: can't be used ({error.strerror}); go to one that is there"
    if not _is_utf8(folder):
        return f"{_shown(folder)}: the working folder: found bytes that are no UTF-8, allowed is UTF-8"
    needed = LEAST_BYTES + A_CORE_BYTES * max(0, (os.cpu_count() or 1) - 2)
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < needed:
        return (f"memory: found a limit of {limit // 1024:,} kB of address space, allowed is at least "
                f"{needed // 1024:,} kB (`ulimit -v`)")
    return None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(text: str) -> str:
    return ascii(text) if len(text) <= 80 else f"{text[:80]!a}…"
