"""What a command needs before anything of it is imported: one sentence each where it is missing."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from bench.cli.shell.surroundings import LEAST_BYTES, mistake

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
