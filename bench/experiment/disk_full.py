"""Detection of a disk that fills during a run. It is reported in one sentence, and never as a trial's result.

When the runner itself can't write, the run ends, and `--resume` continues it once there is space. When one of
its processes can't write, that process ends, and its trial would look like a failure of that process. Free
disk space is therefore checked before a failure is recorded.
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
MENDS = {errno.EFBIG: "raise the limit on files' sizes (`ulimit -f`)", errno.EROFS: "mount it for writing"}
"""The remedy for an error number; for all others it is to make room."""
LEAST_BYTES = 1_000_000
"""Least free bytes. A trial's logs and tables without any row take about a tenth of it."""


@contextmanager
def report_disk_full(go_on: str) -> Iterator[None]:
    """Turn a write error of a full disk into a `DiskFullError` that says how to continue.

    A read-only disk, an exceeded quota and the limit on a file's size count as full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        what = f"{error.filename}: " if error.filename else ""
        mend = MENDS.get(error.errno or 0, "make room")
        raise DiskFullError(
            f"{what}can't be written ({os.strerror(error.errno or 0)}); {mend}, then go on with: {go_on}"
        ) from error


def refuse_if_full(folder: Path) -> None:
    """Raise the `OSError` of a full disk if there is no space for a trial's smallest files."""
    if shutil.disk_usage(folder).free < LEAST_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
