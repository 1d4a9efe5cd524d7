"""`simulate` of storms and maps: their tables and reports, `report` again, and how mistakes are told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from priced import priced_file
from typer.testing import CliRunner, Result

from bench import cli

pytestmark = pytest.mark.usefixtures("few_figures")

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
    prices = () if scenario == "storm.toml" else ("--costs", "costs-nowhere.json")
    result = tickertape("simulate", scenario, *prices)
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


def test_a_connection_of_which_nothing_is_known_is_not_taken_to_be_free() -> None:
    costs = json.loads(Path("costs-nowhere.json").read_text())
    (pushed,) = (each for each in costs["transports"] if each["kind"]["transport"] == "websocket")
    pushed["costs"]["connection_s"]["value"] = 0.0
    Path("costs-nowhere.json").write_text(json.dumps(costs))
    Path("bare.toml").write_text(STORM.replace("connection_ms = 10.0\n", ""))
    refused = tickertape("simulate", "bare.toml", "--costs", "costs-nowhere.json")
    assert refused.exit_code == 2
    assert "storm.connection_ms: found none, allowed is a time in ms" in refused.stderr
    assert "of websocket" in refused.stderr
    assert not Path("results").exists()


def _made() -> dict[str, bytes]:
    """Return the latest run's tables and reports, which name it."""
    folder = Path("results/latest").resolve()
    files = [*folder.glob("*.csv"), *folder.glob("report.*"), *folder.glob("figures/*")]
    return {path.name: path.read_bytes().replace(folder.name.encode(), b"RUN") for path in files}


@pytest.mark.process
def test_a_storm_that_was_interrupted_ends_with_the_same_bytes() -> None:
    many = ("storm.toml", "--set", "trials.count=15", "--set", "load.clients=[2500]")
    command = [sys.executable, "-c", "from bench.cli import main; main()", "simulate", *many]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                          start_new_session=True) as run:
        while run.poll() is None and len(list(Path("results").glob("latest/checkpoints/*.json"))) < 3:
            time.sleep(0.002)
        os.killpg(run.pid, signal.SIGINT)   # as a terminal does: to the pool's processes, too
        assert run.stderr is not None
        told_then = run.stderr.read()
        assert run.wait(20) == 130
    assert "Interrupted. To go on: tickertape simulate --resume results/" in told_then
    assert "Traceback" not in told_then
    made = {path: path.stat().st_mtime_ns for path in Path("results/latest/checkpoints").glob("*.json")}
    assert 3 <= len(made) < 15
    assert tickertape("report", "results/latest").exit_code == 2
    resumed = tickertape("simulate", "--resume", "results/latest", "--force")
    assert resumed.exit_code == 0, resumed.stderr
    assert {path: path.stat().st_mtime_ns for path in made} == made
    interrupted = _made()
    assert tickertape("simulate", *many).exit_code == 0
    assert interrupted == _made()


@pytest.mark.process
def test_a_map_goes_on_with_the_checks_that_it_lacks() -> None:
    assert tickertape("simulate", "map.toml", "--costs", "costs-nowhere.json").exit_code == 0
    folder, whole = Path("results/latest").resolve(), _made()
    for path in [*folder.glob("*.csv"), *folder.glob("report.*"), folder / "checkpoints" / "check-2.json"]:
        path.unlink()
    shutil.rmtree(folder / "figures")
    resumed = tickertape("simulate", "--resume", "results/latest", "--force", "--json")
    assert resumed.exit_code == 0, resumed.stderr
    assert json.loads(resumed.stdout)["run"] == str(folder)
    assert _made() == whole
    Path("costs-nowhere.json").write_text("{}")
    refused = tickertape("simulate", "--resume", "results/latest", "--force")
    assert refused.exit_code == 2
    assert "the costs file: found another content" in refused.stderr


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("run", "storm.toml"), "storm.toml: storm: found a table that is only simulated"),
    (("run", "map.toml", "--plan"), "map.toml: crossover: found a table that is only simulated"),
    (("simulate", "map.toml", "--set", "storm={}"), "storm: found [crossover] as well, allowed is one of the two"),
    (("simulate", "storm.toml", "--set", "load.clients=[10,20]"), "found 2 counts, allowed is one"),
    (("simulate", "storm.toml", "--set", "trials.count=10_000"), "trials.count: found 10,000, that is "),
    (("simulate", "storm.toml", "--clients", "3000000"), "load.clients: found 3,000,000 per worker"),
    (("simulate", "map.toml", "--costs", "none.json"), "none.json"),
    (("simulate", "map.toml", "--set", "feed.source=clients"),
     "feed.source: found 'clients', allowed is 'publisher' to simulate a "),
    (("simulate", "scale/decision", "--set", "simulation={up_ms=10.0,down_ms=30.0}"),
     "simulation.up_ms: found 10.0, allowed is none: a decision takes half of simulation.rtt_ms each way"),
])
def test_a_mistake_is_one_sentence_and_status_2(arguments: tuple[str, ...], sentence: str) -> None:
    result = tickertape(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
