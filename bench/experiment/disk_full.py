"""A disk that fills while a run is under way: told in one sentence, and no finding of a trial.

What the runner can't write ends the run, which `--resume` goes on with once there is room. What one of
its processes can't write ends that process, and the trial would pass for one that the process failed; so
before a failure is recorded, the disk is looked at.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import DiskFullError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
LEAST_BYTES = 1_000_000
"""A trial's logs and tables without any row take about a tenth of it."""


@contextmanager
def told_where_full(go_on: str) -> Iterator[None]:
    """Turn what can't be written into a `DiskFullError` that says how to go on."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        what = f"{error.filename}: " if error.filename else ""
        mend = "raise the limit on files' sizes (`ulimit -f`)" if error.errno == errno.EFBIG else "make room"
        raise DiskFullError(
            f"{what}can't be written ({os.strerror(error.errno or 0)}); {mend}, then go on with: {go_on}"
        ) from error


def refuse_if_full(folder: Path) -> None:
    """Raise what a write would raise, unless there is room for a trial's smallest files."""
    if shutil.disk_usage(folder).free < LEAST_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
