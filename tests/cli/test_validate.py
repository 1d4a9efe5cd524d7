"""`calibrate` and `validate`: refits and judges again from files, and refuses what can't be said."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import posed as poser
import pytest
from posed import posed
from priced import priced
from typer.testing import CliRunner, Result

from bench import cli
from bench.experiment import prepare
from bench.experiment.plan import PlannedTrial
from bench.experiment.trial import trial
from bench.experiment.trial.trial import TrialSettings
from bench.records.trial_record import SCHEMA_VERSION, TrialRecord, write_json
from bench.simulation.calibration.costs import read_costs, write_costs

SMALL = ("load.clients=[20, 40]", "trials.count=2", "windows.measure_s=1.0")
ONE = ("load.clients=[20]", *SMALL[1:])
"""One cell of each transport; for costs there are too few trials in it."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "120"})


def test_they_explain_themselves() -> None:
    for verb, example in (("calibrate", "tickertape calibrate --set trials.count=6"),
                          ("validate", "tickertape validate --costs")):
        result = tickertape(verb, "--help")
        assert result.exit_code == 0
        assert example in result.stdout


def test_costs_are_fitted_again_from_a_run(tmp_path: Path) -> None:
    run = posed(prepare.read("quick", SMALL), priced(), tmp_path / "results")
    result = tickertape("calibrate", str(run), "--to", "costs.json")
    assert result.exit_code == 0, result.stderr
    assert "websocket" in result.stdout
    assert {str(each.kind) for each in read_costs(tmp_path / "costs.json").transports} == {
        "short polling", "long polling", "websocket"}
    said = json.loads(tickertape("calibrate", str(run), "--to", "costs.json", "--json").stdout)
    assert said["costs"] == "costs.json"
    assert said["left_out"] == []
    shutil.rmtree(next(run.glob("trials/*-websocket-*")))   # three are too few
    result = tickertape("calibrate", str(run), "--to", "costs.json", "--json")
    sentence = ("websocket: left out of the costs: found 3 VALID trials with a server below 80 % of a core, "
                "needed are 4: measure more (--set trials.count=…)")
    assert sentence in result.stderr
    assert json.loads(result.stdout)["left_out"] == [sentence]


def test_a_validation_is_judged_again_from_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "a-validation"
    run = posed(prepare.read("quick", ONE), priced(), folder / "runs")
    write_costs(folder / "costs.json", priced())
    write_json(folder / "held-out.json", {
        "schema_version": SCHEMA_VERSION, "calibration": [], "held_out": [run.name], "searches": []})
    result = tickertape("validate", str(folder), "--json")
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    assert {row["transport"] for row in said["rows"]} == {"short_polling", "long_polling", "websocket"}
    assert (folder / "validation.csv").is_file()
    result = tickertape("validate", str(folder))
    assert "CPU µs" in result.stdout
    assert "10 % inside with proof" in result.stdout


Made = Callable[[int | None], list[str]]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Simulate trials in place of measuring, and interrupt after a number of them; names of those that were made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))   # where the machine's lock is

    def until(interrupted: int | None) -> list[str]:
        names: list[str] = []

        def make(setting: TrialSettings, planned: PlannedTrial, folder: Path, attempt: int) -> TrialRecord:
            if len(names) == interrupted:
                folder.mkdir(parents=True)
                raise KeyboardInterrupt
            names.append(planned.name)
            return poser.make(setting, planned, folder, attempt)

        monkeypatch.setattr(trial, "make", make)
        return names

    return until


def sets(overrides: tuple[str, ...]) -> list[str]:
    return [part for each in overrides for part in ("--set", each)]


def test_an_interrupted_validation_goes_on(tmp_path: Path, made: Made) -> None:
    """What whole blocks hold stays, an interrupted block is made again, and the table is made once all is
    there; the costs that were given may be gone by then."""
    write_costs(tmp_path / "given.json", priced())
    first = made(4)
    result = tickertape("validate", "--scenario", "quick", "--costs", "given.json", *sets(ONE))
    assert result.exit_code == 130
    folder = next((tmp_path / "results").glob("*-validation"))
    assert f"To go on: tickertape validate --resume {folder.relative_to(tmp_path)}" in result.stderr
    (tmp_path / "given.json").unlink()
    assert "files to be judged are missing" in tickertape("validate", str(folder)).stderr

    rest = made(None)
    result = tickertape("validate", "--resume", str(folder), "--force", "--json")
    assert result.exit_code == 0, result.stderr
    assert len(json.loads(result.stdout)["rows"]) == 3 * 8
    assert first[:3] + rest == [each["name"] for each in json.loads(
        next(folder.glob("runs/*-quick/manifest.json")).read_text())["plan"]]
    again = made(0)
    assert tickertape("validate", "--resume", str(folder), "--force").exit_code == 0
    assert again == []


def test_an_interrupted_calibration_goes_on(tmp_path: Path, made: Made) -> None:
    made(7)
    result = tickertape("calibrate", "--scenario", "quick", "--to", "mine.json", *sets(SMALL))
    folder = next((tmp_path / "results").glob("*-calibration"))
    assert result.exit_code == 130
    assert f"tickertape calibrate --to mine.json --resume {folder.relative_to(tmp_path)}" in result.stderr
    told = folder / "series.json"
    mine = told.read_text()
    told.write_text(mine.replace("calibration", "validation"))   # one that never came to naming its cells
    unnamed = made(None)
    assert "held-out.json: no such file" in tickertape("validate", "--resume", str(folder), "--force").stderr
    assert unnamed == []
    told.write_text(mine)
    rest = made(None)
    result = tickertape("calibrate", "--resume", str(folder), "--force", "--to", "mine.json")
    assert result.exit_code == 0, result.stderr
    assert len(rest) == 6
    assert len(read_costs(tmp_path / "mine.json").transports) == 3
    for verb, sentence in (("validate", "series: found 'calibration', allowed is 'validation'"),
                           ("run", "manifest.json: no such file")):
        assert sentence in tickertape(verb, "--resume", str(folder)).stderr


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("calibrate", "--resume", "nowhere"), "is this a run's folder"),
    (("calibrate", "--resume", "x", "--set", "seed=2"), "none of them goes with it"),
    (("validate", "--resume", "x", "--costs", "y"), "none of them goes with it"),
    (("calibrate", "nowhere"), "is this a run's folder"),
    (("calibrate", "--scenario", "nosuch"), "no such scenario"),
    (("validate", "nowhere"), "allowed is a validation's folder"),
    (("validate", "nowhere", "--costs", "costs.json"), "which keeps its own costs.json and cells"),
    (("validate", "--scenario", "calibration"), "the costs were fitted to that very cell"),
])
def test_mistakes_are_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    result = tickertape(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.stderr
