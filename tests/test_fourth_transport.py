"""A transport that lives in `tests/fourth` alone is measured, simulated, reported and served like any other.

Nothing outside its folder knows it: `tests/conftest.py` installs the folder's package, as a user would install one, so
that the tests of every transport try it, too. Its two server implementations are two subjects throughout.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ports import first_port
from priced import COSTS, LOAD_CLIENT, NET, priced
from typer.testing import CliRunner

from bench import cli, transports
from bench.errors import ScenarioError
from bench.experiment import prepare
from bench.records import trial_record
from bench.records.manifest import NAME
from bench.report import open_run
from bench.scenario.model import Scenario
from bench.simulation import baseline
from bench.simulation.calibration.costs import CostKind, Estimate, KindCosts, write_costs
from bench.simulation.calibration.observations import observation
from bench.simulation.validation.resimulate import cells_of
from bench.stats.trial.reconciliation import refusal_words
from bench.wire.contract import REFUSALS

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

SCENARIO = """
question = "Is a transport of one's own like any other?"
[feed]
rate_per_s = 40.0
symbols = 3
[load]
clients = [4]
[windows]
warmup_s = 0.3
measure_s = 0.8
[trials]
count = 1
repeats = 0
[transports.bulletin]
[transports.bulletin_second]
transport = "bulletin"
server = "second"
"""
LABELS = {"bulletin": "library", "bulletin_second": "second"}
"""The subjects, and the server of each."""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from bench.cli import main; main()", *arguments]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fourth") / "own.toml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture(scope="module")
def run(scenario: Path) -> Path:
    """A measured run of both subjects."""
    ended = subprocess.run(command("run", str(scenario), "--json"), cwd=scenario.parent, text=True, capture_output=True)
    assert ended.returncode in (0, 1), ended.stderr   # a busy machine may make a trial INVALID
    return scenario.parent / str(json.loads(ended.stdout)["run"])


def test_it_is_no_part_of_the_project() -> None:
    assert "bulletin" in transports.names()
    assert "bulletin" not in transports.own_names()
    assert transports.servers("bulletin") == ("library", "second")


def test_it_is_measured_and_each_server_is_a_subject(run: Path) -> None:
    found = open_run(run)
    assert dict(zip(found.trials["transport"], found.trials["server"], strict=True)) == LABELS
    assert set(found.trials["transport_kind"]) == {"bulletin"}
    assert set(found.trials["status"]) == {"finished"}
    assert (found.trials["lost"] == 0).all()
    assert (found.trials["delivered"] > 0).all()
    manifest = json.loads((run / NAME).read_text())
    assert {label: each["server"] for label, each in manifest["subjects"].items()} == LABELS
    assert {each["subject"]: each["server"] for each in manifest["plan"]} == LABELS


def test_the_report_has_its_title_and_names_the_other_server(run: Path) -> None:
    assert CliRunner().invoke(cli.app, ["report", str(run)]).exit_code in (0, 1)   # 1: a trial is INVALID
    text = (run / "report.md").read_text()
    assert "Bulletin (second)" in text
    assert "bulletin" not in text.replace("bulletin_second", "").partition("## ")[0]


def test_its_trials_are_observed_for_a_calibration_as_two_kinds(run: Path) -> None:
    frozen = Scenario.model_validate(json.loads((run / NAME).read_text())["scenario"])
    options = transports.options("bulletin", frozen.transports["bulletin"], "own.toml")
    kinds = set()
    for folder in trial_record.trial_folders(run):
        found = observation(folder, trial_record.read_trial(folder), frozen, options)
        assert found.cycle.pushes
        assert found.cell.server == found.kind.server
        kinds.add(found.kind)
    assert kinds == {CostKind("bulletin"), CostKind("bulletin", server="second")}


def test_it_is_simulated_with_the_costs_of_each_server(scenario: Path) -> None:
    def of(server: str, times: float) -> KindCosts:
        costs = {name: Estimate(times * value) for name, value in COSTS.items()}
        net, load_client = ({name: Estimate(value) for name, value in each.items()} for each in (NET, LOAD_CLIENT))
        return KindCosts(CostKind("bulletin", server=server), costs, net, load_client)

    known = scenario.parent / "costs.json"
    write_costs(known, replace(priced(), transports=[of("library", 1), of("second", 3)]))
    sets = [word for each in ("load.clients=[50]", "windows.measure_s=2.0") for word in ("--set", each)]
    ended = CliRunner().invoke(cli.app, [
        "simulate", str(scenario), "--costs", str(known), "--results", str(scenario.parent / "simulated"), *sets])
    assert ended.exit_code == 0, ended.output
    found = open_run(scenario.parent / "simulated" / "latest")
    cpu = found.trials.set_index("server")["server_cpu_us_per_update"]
    assert cpu["second"] == pytest.approx(3 * cpu["library"], rel=0.05)
    write_costs(known, replace(priced(), transports=[of("library", 1)]))
    ended = CliRunner().invoke(cli.app, ["simulate", str(scenario), "--costs", str(known)])
    assert ended.exit_code == 2
    assert "needed is bulletin (second); calibrate with a run that has it" in ended.output.replace("\n", " ")


def test_a_measured_server_is_no_baseline_for_another(scenario: Path) -> None:
    """Neither its cells nor the memory of its clients."""
    there = prepare.read(str(scenario))
    alone = there.scenario.model_copy(update={"transports": {"mine": there.scenario.transports["bulletin_second"]}})
    for pairs in (baseline._same_subjects, baseline._same_kinds):
        found = pairs(alone, {"mine": there.options["bulletin_second"]}, there.scenario, "own.toml")
        assert found == {"mine": "bulletin_second"}


def test_another_server_under_the_transports_own_name_gets_a_label_of_its_own(scenario: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.toml"
    alone.write_text(SCENARIO.partition("[transports.bulletin_second]")[0])
    prepared = prepare.read(str(alone), ["transports.bulletin.server=second"])
    assert list(prepared.scenario.transports) == list(prepared.options) == ["bulletin_second"]
    assert list(prepare.read(str(alone)).scenario.transports) == ["bulletin"]
    with pytest.raises(ScenarioError, match=r"transports\.bulletin\.server: found 'second', allowed is a server other"):
        prepare.read(str(scenario), ["transports.bulletin.server=second"])
    with pytest.raises(ScenarioError, match=r"transports\.bulletin\.server: found 'third', allowed is library, second"):
        prepare.read(str(alone), ["transports.bulletin.server=third"])


def test_cells_of_two_servers_are_two(scenario: Path) -> None:
    one, other = cells_of(prepare.read(str(scenario)))
    assert one != other == replace(one, server="second")


def test_a_refusal_in_its_own_words_is_a_result() -> None:
    assert refusal_words("bulletin") == {"http-409", "http-410", "bulletin-4008", "bulletin-4009", "bulletin-4010"}
    assert f"bulletin-{REFUSALS['too-large'].close}" not in refusal_words("bulletin")


def test_it_is_served_with_its_own_command(mark: Any, scenario: Path) -> None:
    port = first_port()
    process = subprocess.Popen(
        command("serve", str(scenario), "--port", str(port)), cwd=scenario.parent, text=True,
        env={**os.environ, **mark.environment}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    said = [process.stdout.readline().rstrip() for _ in range(3)][1:]
    assert [line.split()[0] for line in said] == list(LABELS)
    from websockets.sync.client import connect
    for line in said:
        with connect(line.split()[-1].strip("'")) as client:
            assert json.loads(client.recv())["cursor"]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert mark.left_after() == []
