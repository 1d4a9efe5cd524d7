"""What a command needs of its surroundings before anything else of it is imported.

    stdin, stderr closed       opened on /dev/null: else the next file would get their number and output
    stdout closed              refused: nobody would see what was asked for
    arguments, folder's name   UTF-8, as all files of a run are
    working folder             is there
    address space              enough to import: numerical libraries end the process, or hang, where it is not

It is made of the standard library alone, so that it runs where nothing else can be imported.

Known weakness: memory is foreseen for the imports and not for the run, which says itself what it needs; a
container's limit shows only as a process that is killed.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

LEAST_BYTES = 1_500_000_000
"""Of address space: 650 MB are taken by the first imports on two cores, the rest by figures and threads."""
A_CORE_BYTES = 50_000_000
"""What numerical libraries set aside for each further core."""


def open_streams() -> None:
    """Open /dev/null in the place of each of stdin, stdout and stderr that is closed."""
    fd = os.open(os.devnull, os.O_RDWR)
    while fd <= 2:
        os.set_inheritable(fd, True)
        fd = os.open(os.devnull, os.O_RDWR)
    os.close(fd)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:   # a terminal that has no ─ or µ shows its code, and is no mistake
            stream.reconfigure(errors="backslashreplace")   # type: ignore[union-attr]


def mistake(arguments: Sequence[str], *, has_stdout: bool) -> str | None:
    """What is missing, in a sentence; None: nothing is."""
    if not has_stdout:
        return "stdout: found it closed, allowed is an open one (> /dev/null, where nothing is to be seen)"
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
