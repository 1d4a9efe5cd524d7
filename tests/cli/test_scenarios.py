"""`tickertape scenarios`: lists what there is, and copies one to begin from."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench import cli
from bench.experiment import prepare

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "80"})


def test_every_scenario_is_a_line_with_its_name_and_question() -> None:
    lines = tickertape("scenarios").stdout.splitlines()
    files = sorted((ROOT / "scenarios").rglob("*.toml"))
    assert len(lines) == len(files)
    for file in files:
        name = file.relative_to(ROOT / "scenarios").with_suffix("").as_posix()
        prepared = tomllib.loads(file.read_text())["question"]
        assert any(line.split(maxsplit=1) == [name, prepared] for line in lines), name


@pytest.mark.parametrize(("name", "to", "written"), [
    ("quick", None, "quick.toml"), ("scale/million", None, "million.toml"),
    ("quick", "mine.toml", "mine.toml"),
])
def test_a_copied_scenario_asks_what_the_original_asks(
        name: str, to: str | None, written: str, tmp_path: Path) -> None:
    result = tickertape("scenarios", name, *(("--to", to) if to else ()))
    assert (result.exit_code, result.stdout) == (0, f"Written: {written}\n")
    assert prepare.read(str(tmp_path / written)).scenario == prepare.read(name).scenario


@pytest.mark.parametrize(("arguments", "said"), [
    (("nothing-like-it",), "no such scenario"), (("there.toml",), "can't be read"),
    (("quick", "--to", "no/folder/x.toml"), "can't be written"),
    (("quick", "--to", "taken"), "is there already"),
    (("--to", "x.toml"), "goes with the name"),
])
def test_a_copy_that_cannot_be_made_is_refused_in_a_sentence(arguments: tuple[str, ...], said: str) -> None:
    Path("taken").write_text("mine")
    result = tickertape("scenarios", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert Path("taken").read_text() == "mine"
