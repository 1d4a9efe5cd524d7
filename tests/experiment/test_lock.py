"""The lock between runs: one holder at a time, and none once it is gone."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench.errors import HostError
from bench.experiment.lock import machine_lock

HOLDER = """
from bench.experiment.lock import machine_lock
with machine_lock(wait=False):
    print("held", flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def holder() -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=-1, stdout=-1)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def is_held() -> bool:
    """Whether a run that wanted the machine now would be refused."""
    try:
        with machine_lock(wait=False):
            return False
    except HostError:
        return True


def test_a_second_run_is_refused_and_told_by_whom() -> None:
    process = holder()
    with pytest.raises(HostError, match=f"process {process.pid}.*--wait"), machine_lock(wait=False):
        pass
    process.communicate(b"\n")
    with machine_lock(wait=False):
        assert is_held()


def test_a_killed_holder_holds_nothing() -> None:
    process = holder()
    process.kill()
    process.wait()
    with machine_lock(wait=False):
        assert is_held()
    assert not is_held()


def test_waiting_gets_the_lock_once_it_is_free() -> None:
    process = holder()
    script = HOLDER.replace("wait=False", "wait=True, say=lambda line: print(line, flush=True)")
    waiting = subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1)
    assert waiting.stdout is not None
    assert f"run of process {process.pid} ".encode() in waiting.stdout.readline()
    assert process.poll() is None
    process.communicate(b"\n")
    assert waiting.stdout.readline() == b"held\n"
    waiting.communicate(b"\n")


def test_a_link_in_the_locks_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("1")
    (tmp_path / "tickertape.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(HostError, match="can't be opened"), machine_lock(wait=False):
        pass
    assert (tmp_path / "precious").read_text() == "1"


def test_every_user_may_take_it(tmp_path: Path) -> None:
    with machine_lock(wait=False):
        assert (tmp_path / "tickertape.lock").stat().st_mode & 0o777 == 0o666
