"""What all verbs share: a mistake is one sentence and status 2, an interruption status 130."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from bench import cli
from bench.cli.terms import told
from bench.errors import DiskFullError, RunError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "80"})


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("run", "nosuch"), "scenarios/: nosuch: found no such scenario, allowed is aa, "),
    (("run", "my.toml"), "my.toml: the file: found no such file"),
    (("run", "quick", "--set", "load.client=3"), "load.client: found an unknown key, allowed is clients"),
    (("run", "quick", "--feed", "no.csv", "--plan"), "no.csv"),
    (("run", "--resume", "nowhere"), "is this a run's folder"),
    (("report", "nowhere"), "is this a run's folder"),
    (("compare", "nowhere", "nowhere"), "is this a run's folder"),
    (("serve", "nosuch"), "no such scenario"),
])
def test_a_mistake_is_one_sentence_and_status_2(arguments: tuple[str, ...], sentence: str) -> None:
    result = tickertape(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(("error", "status"), [
    (RunError("a run"), 2), (DiskFullError("a disk"), 1), (KeyboardInterrupt(), 130),
])
def test_what_ends_a_command_is_a_status(error: BaseException, status: int) -> None:
    with pytest.raises(typer.Exit) as caught, told():
        raise error
    assert caught.value.exit_code == status
