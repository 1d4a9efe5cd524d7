"""The needs of a command before anything of it is imported: one sentence each where one is missing."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli.shell.surroundings import LEAST_BYTES, keep_to_own_core, mistake

RUN = ("run", "quick", "--results", "Größe")


def test_a_usual_command_has_all() -> None:
    assert mistake(RUN, has_stdout=True) is None


@pytest.mark.parametrize(("arguments", "has_stdout", "sentence"), [
    (RUN, False, "stdout: found it closed"),
    (("run", "--results", "res\udcff"), True, "'res\\udcff': found bytes that are no UTF-8"),
    (("run", "--results", "\udcff" * 9000), True, "found bytes that are no UTF-8"),
])
def test_what_is_missing_is_named(arguments: tuple[str, ...], has_stdout: bool, sentence: str) -> None:
    found = mistake(arguments, has_stdout=has_stdout)
    assert found is not None
    assert sentence in found
    assert len(found) < 600
    found.encode()


def test_a_working_folder_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    found = mistake(RUN, has_stdout=True)
    assert found == "the working folder: can't be used (No such file or directory); go to one that is there"


@pytest.mark.parametrize(("limit", "is_enough"), [(LEAST_BYTES - 1, False), (1 << 50, True),
                                                  (resource.RLIM_INFINITY, True)])
def test_too_little_memory_to_import_is_refused(
    limit: int, is_enough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The libraries would hang, or end the process themselves."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    found = mistake(RUN, has_stdout=True)
    assert (found is None) == is_enough
    assert found is None or found.startswith("memory: found a limit of 1,464,843 kB of address space")


@pytest.mark.process
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not show a process's threads")
def test_what_a_command_computes_leaves_the_other_cores_alone() -> None:
    code = ("import atexit, os, sys; from bench import cli\n"
            "def threads():\n"
            "    import numpy, scipy.linalg; scipy.linalg.inv(numpy.eye(300) @ numpy.eye(300))\n"
            "    names = [open(f'/proc/self/task/{each}/comm').read() for each in os.listdir('/proc/self/task')]\n"
            "    print(sum('jemalloc' not in each for each in names), file=sys.stderr)\n"   # Arrow's, which sleeps
            "atexit.register(threads); sys.argv = ['tickertape', 'scenarios']; cli.main()")
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "1"


def test_threads_that_the_user_asks_for_are_kept() -> None:
    environment = {"OPENBLAS_NUM_THREADS": "4"}
    keep_to_own_core(environment)
    assert environment == {"OPENBLAS_NUM_THREADS": "4", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
