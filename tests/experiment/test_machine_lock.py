"""The lock between runs: one holder at a time, and none once it is gone."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.errors import HostError, RunError
from bench.experiment.machine_lock import begun, folder_lock, lock_resumed, machine_lock

HOLDER = """
from bench.experiment.machine_lock import machine_lock
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
    """Return whether a run that wanted the machine now would be refused."""
    try:
        with machine_lock(wait=False):
            return False
    except HostError:
        return True


@pytest.mark.process
def test_a_second_run_is_refused_and_told_by_whom() -> None:
    process = holder()
    with pytest.raises(HostError, match=f"process {process.pid}.*--wait"), machine_lock(wait=False):
        pass
    process.communicate(b"\n")
    with machine_lock(wait=False):
        assert is_held()


@pytest.mark.process
def test_a_killed_holder_holds_nothing() -> None:
    process = holder()
    process.kill()
    process.wait()
    with machine_lock(wait=False):
        assert is_held()
    assert not is_held()


@pytest.mark.process
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


class Made:
    """A run that was begun in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder


@pytest.mark.process
def test_a_runs_folder_is_held_by_one_command_whatever_the_temporary_folder(tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    run.mkdir()
    other.mkdir()
    script = HOLDER.replace("machine_lock(wait=False)", f"folder_lock(Path({str(run)!r}))").replace(
        "import machine_lock", "import folder_lock\nfrom pathlib import Path")
    process = subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1,
                               env=os.environ | {"TMPDIR": str(other)})
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    with ExitStack() as held, pytest.raises(RunError, match="run: another command is at work in it"):
        lock_resumed(held, run)
    process.kill()
    process.communicate()
    with ExitStack() as held:
        lock_resumed(held, run)
        assert begun(held, lambda: Made(run), run).folder == run
        with pytest.raises(RunError, match="at work"), folder_lock(run):
            pass
    assert list(run.iterdir()) == []


def test_a_new_run_holds_its_folder_too(tmp_path: Path) -> None:
    with ExitStack() as held:
        begun(held, lambda: Made(tmp_path), None)
        with pytest.raises(RunError, match="at work"), folder_lock(tmp_path):
            pass
    with folder_lock(tmp_path):
        pass


def test_what_is_no_folder_holds_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is this a run's folder"), folder_lock(tmp_path / "nowhere"):
        pass


def test_a_file_system_without_such_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    said: list[str] = []
    with folder_lock(tmp_path, say=said.append):
        assert "locks no folders (No locks available)" in said[0]
