"""`validate`: judges again from files, goes on where it was interrupted, and refuses what can't be said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from posed import posed
from priced import priced
from remade import ONE, Made, maker, sets
from typer.testing import CliRunner, Result

from bench import cli, transports
from bench.cli.validate import SHORT, _print_errors
from bench.experiment import prepare
from bench.records.trial_record import SCHEMA_VERSION, write_json
from bench.report.figures.validation import HEADINGS
from bench.simulation.calibration.costs import write_costs
from bench.stats.run.prediction import LIMIT, QUANTITIES, ValidationRow

pytestmark = pytest.mark.usefixtures("few_figures")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "120"})


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    return maker(tmp_path, monkeypatch)


def test_a_validation_is_judged_again_from_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "a-validation"
    run = posed(prepare.read("quick", ONE), priced(), folder / "runs")
    write_costs(folder / "costs.json", priced())
    write_json(folder / "held-out.json", {
        "schema_version": SCHEMA_VERSION, "calibration": [], "held_out": [run.name], "searches": []})
    result = tickertape("validate", str(folder), "--json")
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    assert {row["transport"] for row in said["rows"]} == set(transports.own_names())
    assert (folder / "validation.csv").is_file()
    result = tickertape("validate", str(folder))
    assert "CPU µs" in result.stdout
    assert "10 % inside with proof" in result.stdout


def test_an_interrupted_validation_goes_on(tmp_path: Path, made: Made) -> None:
    """The trials of whole blocks stay, an interrupted block is made again, and the table is made once all is
    there; the costs that were given may be gone by then."""
    write_costs(tmp_path / "given.json", priced())
    a_block = len(transports.own_names())
    first = made(a_block + 1)
    result = tickertape("validate", "--scenario", "quick", "--costs", "given.json", *sets(ONE))
    assert result.exit_code == 130
    folder = next((tmp_path / "results").glob("*-validation"))
    assert f"To go on: tickertape validate --resume {folder.relative_to(tmp_path)}" in result.stderr
    (tmp_path / "given.json").unlink()
    assert "files to be judged are missing" in tickertape("validate", str(folder)).stderr

    rest = made(None)
    result = tickertape("validate", "--resume", str(folder), "--force", "--json")
    assert result.exit_code == 0, result.stderr
    assert len(json.loads(result.stdout)["rows"]) == 8 * a_block
    assert first[:a_block] + rest == [each["name"] for each in json.loads(
        next(folder.glob("runs/*-quick/manifest.json")).read_text())["plan"]]
    again = made(0)
    assert tickertape("validate", "--resume", str(folder), "--force").exit_code == 0
    assert again == []


def test_every_predicted_figure_has_a_name_on_the_terminal_and_on_the_page() -> None:
    names = {quantity.name for quantity in (*QUANTITIES, LIMIT)}
    assert set(SHORT) == set(HEADINGS) == names


def test_a_cell_of_several_runs_is_printed_with_each_ones_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    rows = [ValidationRow("websocket", clients, 0.3, "latency_p50_ms", 1.0, 1.0, 0.0, 0.0, 0.0, 0.1, "yes", run)
            for run, clients in (("slow", 100), ("fast", 100), ("fast", 200))]
    _print_errors(rows, Path("a-validation"), as_json=False)
    printed = [line.partition(" load")[0].split("  ")[0].strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in printed if line.startswith("websocket")] == [
        "websocket 100 (slow)", "websocket 100 (fast)", "websocket 200"]


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("validate", "--resume", "x", "--costs", "y"), "none of them goes with it"),
    (("validate", "nowhere"), "allowed is a validation's folder"),
    (("validate", "nowhere", "--costs", "costs.json"), "which keeps its own costs.json and cells"),
    (("validate", "--scenario", "calibration"), "the costs were fitted to that very cell"),
])
def test_mistakes_are_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    result = tickertape(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.stderr
