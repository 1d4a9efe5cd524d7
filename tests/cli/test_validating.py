"""`calibrate` and `validate`: refits and judges again from files, and refuses what can't be said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from posed import posed
from priced import priced
from typer.testing import CliRunner, Result

from bench import cli
from bench.experiment import prepare
from bench.records import SCHEMA_VERSION, write_json
from bench.simulation.costs import read_costs, write_costs

SMALL = ("load.clients=[20, 40]", "trials.count=2", "windows.measure_s=1.0")


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


def test_a_validation_is_judged_again_from_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "a-validation"
    run = posed(prepare.read("quick", SMALL), priced(), folder / "runs")
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
    assert "10 % met" in result.stdout


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("calibrate", "nowhere"), "is this a run's folder"),
    (("calibrate", "--scenario", "nosuch"), "no such scenario"),
    (("validate", "nowhere"), "allowed is a validation's folder"),
    (("validate", "nowhere", "--costs", "costs.json"), "a validation keeps its own costs.json"),
    (("validate", "--scenario", "calibration"), "the costs were fitted to that very cell"),
])
def test_mistakes_are_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    result = tickertape(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.stderr
