"""`calibrate`: fits again from files, goes on where it was interrupted, and refuses what can't be said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from posed import posed
from priced import priced
from remade import SMALL, Made, maker, sets
from typer.testing import CliRunner, Result

from bench import cli, transports
from bench.experiment import prepare
from bench.records import manifest
from bench.simulation.calibration.costs import read_costs

pytestmark = pytest.mark.usefixtures("few_figures")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "120"})


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    return maker(tmp_path, monkeypatch)


def test_costs_are_fitted_again_from_a_run(tmp_path: Path) -> None:
    run = posed(prepare.read("quick", SMALL), priced(), tmp_path / "results")
    result = tickertape("calibrate", str(run), "--to", "costs.json")
    assert result.exit_code == 0, result.stderr
    assert "websocket" in result.stdout
    kinds = [each.kind.transport for each in read_costs(tmp_path / "costs.json").transports]
    assert sorted(kinds) == list(transports.own_names())
    said = json.loads(tickertape("calibrate", str(run), "--to", "costs.json", "--json").stdout)
    assert said["costs"] == "costs.json"
    assert said["left_out"] == []
    shutil.rmtree(next(run.glob("trials/*-websocket-*")))   # three are too few
    result = tickertape("calibrate", str(run), "--to", "costs.json", "--json")
    sentence = ("websocket: left out of the costs: found 3 VALID trials with a server below 80 % of a core, "
                "needed are 4: measure more (--set trials.count=…)")
    assert sentence in result.stderr
    assert json.loads(result.stdout)["left_out"] == [sentence]


def test_an_interrupted_calibration_goes_on(tmp_path: Path, made: Made) -> None:
    a_block = len(transports.own_names())
    made(2 * a_block + 1)
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
    assert len(rest) == 2 * a_block
    assert len(read_costs(tmp_path / "mine.json").transports) == a_block
    for verb, sentence in (("validate", "series: found 'calibration', allowed is 'validation'"),
                           ("run", "manifest.json: no such file")):
        assert sentence in tickertape(verb, "--resume", str(folder)).stderr


def test_further_kinds_are_measured_beside_the_others(tmp_path: Path, made: Made) -> None:
    made(0)
    further = ("--make", "bare", "--also", "sse retry_s=2")
    result = tickertape("calibrate", "--scenario", "quick", *further, "--to", "mine.json", *sets(SMALL))
    assert result.exit_code == 130, result.stderr
    run = next(tmp_path.glob("results/*-calibration/runs/*"))
    own = transports.own_names()
    assert set(manifest.read(run).subjects) == {*own, *(f"{name}_bare" for name in own), "sse_2"}


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("calibrate", "--resume", "x", "--make", "bare"), "none of them goes with it"),
    (("calibrate", "x", "--also", "sse retry_s=1"), "--also"),
    (("calibrate", "--scenario", "quick", "--also", "nosuch retry_s=1"), "found 'nosuch retry_s=1', allowed is one of"),
    (("calibrate", "--resume", "nowhere"), "is this a run's folder"),
    (("calibrate", "--resume", "x", "--set", "seed=2"), "none of them goes with it"),
    (("calibrate", "nowhere"), "is this a run's folder"),
    (("calibrate", "--scenario", "nosuch"), "no such scenario"),
])
def test_mistakes_are_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    result = tickertape(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.stderr
