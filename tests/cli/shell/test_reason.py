"""The last line of a command that fails, and the file that gets it, too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli.shell import reason


def test_a_reason_is_told_and_its_last_line_is_left_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(reason.VARIABLE, str(tmp_path / "reason"))
    reason.say("a log's line\nthe server died")
    assert capsys.readouterr().err == "a log's line\nthe server died\n"
    assert (tmp_path / "reason").read_text() == "the server died\n"


@pytest.mark.parametrize("named", ["", "/no/such/folder/reason"])
def test_where_no_file_can_be_written_it_is_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], named: str
) -> None:
    monkeypatch.setenv(reason.VARIABLE, named)
    reason.say("the disk is full")
    assert capsys.readouterr().err == "the disk is full\n"


@pytest.mark.process
@pytest.mark.parametrize(("arguments", "why"), [
    ((), "found no command"), (("nosuch",), "nosuch"), (("run", "nosuch"), "no such scenario"),
    (("run", "--nosuch"), "nosuch"), (("report", "nowhere"), "is this a run's folder"),
])
def test_whatever_ends_a_command_its_last_line_says_why(
    tmp_path: Path, arguments: tuple[str, ...], why: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from bench.cli import main; main()", *arguments], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, reason.VARIABLE: "why"})
    assert done.returncode == 2
    last = done.stdout.splitlines()[-1]
    assert why in last
    assert (tmp_path / "why").read_text() == f"{last}\n"
