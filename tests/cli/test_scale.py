"""`simulate` of storms and maps: their tables and reports, `report` again, and how mistakes are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from priced import priced_file
from typer.testing import CliRunner, Result

from bench import cli

STORM = """
question = "Who is back?"
[load]
clients = [400]
[trials]
count = 1
[storm]
connection_ms = 10.0
backlog = 60
horizon_s = 20.0
[storm.policies.full]
[transports.websocket]
"""
MAP = """
question = "Which?"
[crossover]
rates_per_s = [1.0]
clients = [100]
rtt_ms = [40.0]
staleness_ms = [500.0]
checked = 1
[transports.short_polling]
[transports.websocket]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    priced_file(tmp_path)
    Path("storm.toml").write_text(STORM)
    Path("map.toml").write_text(MAP)


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "80"})


@pytest.mark.parametrize(("scenario", "tables"), [
    ("storm.toml", ("storm.csv", "storm_timeline.csv")),
    ("map.toml", ("crossover.csv", "crossover_checks.csv")),
])
def test_it_ends_with_tables_and_a_report(scenario: str, tables: tuple[str, ...]) -> None:
    result = tickertape("simulate", scenario, "--costs", "costs-nowhere.json")
    assert result.exit_code == 0, result.stderr
    folder = Path("results/latest")
    for name in (*tables, "report.html", "report.md", "manifest.json"):
        assert (folder / name).is_file(), name
    assert json.loads((folder / "manifest.json").read_text())["source"] == "simulated"
    assert "Report:" in result.stdout
    before = (folder / "report.html").read_bytes()
    again = tickertape("report", "results/latest", "--json")
    assert again.exit_code == 0, again.stderr
    assert (folder / "report.html").read_bytes() == before
    assert json.loads(again.stdout)["findings"]


def test_a_storm_that_prices_nothing_takes_the_costs_of_what_comes_back() -> None:
    Path("bare.toml").write_text(STORM.replace("connection_ms = 10.0\n", ""))
    result = tickertape("simulate", "bare.toml", "--costs", "costs-nowhere.json", "--json")
    assert result.exit_code == 0, result.stderr
    markdown = (Path(json.loads(result.stdout)["run"]) / "report.md").read_text()
    assert "0.08 ms of CPU is from the costs measured on nowhere" in markdown.replace("\n", " ")


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("run", "storm.toml"), "storm.toml: storm: found a table that nothing measures"),
    (("run", "map.toml", "--plan"), "map.toml: crossover: found a table that nothing measures"),
    (("simulate", "map.toml", "--set", "storm={}"), "found a crossover as well, allowed is one of the two"),
    (("simulate", "storm.toml", "--set", "load.clients=[10,20]"), "found 2 counts, allowed is one"),
    (("simulate", "storm.toml", "--clients", "3000000"), "load.clients: found 3,000,000 a worker"),
    (("simulate", "map.toml", "--costs", "none.json"), "none.json"),
])
def test_a_mistake_is_one_sentence_and_status_2(arguments: tuple[str, ...], sentence: str) -> None:
    result = tickertape(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
