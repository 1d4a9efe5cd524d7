"""A full disk is told with what to do, and is no finding."""

from __future__ import annotations

import errno
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from bench.errors import DiskFullError
from bench.experiment import disk_full

Usage = namedtuple("Usage", "total used free")


def test_what_cannot_be_written_is_told_with_how_to_go_on() -> None:
    with pytest.raises(DiskFullError) as caught, disk_full.report_disk_full("tickertape run --resume x"):
        raise OSError(errno.ENOSPC, "No space", "x/trial.json")
    assert str(caught.value) == ("x/trial.json: can't be written (No space left on device); make room, "
                                 "then go on with: tickertape run --resume x")


@pytest.mark.parametrize(("number", "remedy"), [
    (errno.EROFS, "mount it for writing"), (errno.EFBIG, "raise the limit on files' sizes"),
    (errno.EDQUOT, "make room"),
])
def test_the_remedy_is_that_of_the_cause(number: int, remedy: str) -> None:
    with pytest.raises(DiskFullError, match=f"; {remedy}.*, then go on with: x"), disk_full.report_disk_full("x"):
        raise OSError(number, "no", "y")


def test_other_errors_stay_bugs() -> None:
    with pytest.raises(FileNotFoundError), disk_full.report_disk_full("x"):
        raise FileNotFoundError(errno.ENOENT, "gone")


def test_a_failure_on_a_full_disk_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk_full.refuse_if_full(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 10, 0))
    with pytest.raises(DiskFullError), disk_full.report_disk_full("x"):
        disk_full.refuse_if_full(tmp_path)
