"""`simulate`: what it prints, its exit status, and how mistakes are told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from priced import priced_file
from typer.testing import CliRunner, Result

from bench import cli, transports

QUICK = ("quick", "--set", "windows.measure_s=1.0", "--set", "trials.count=2", "--clients", "20")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    priced_file(tmp_path)


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "80"})


def simulate(*arguments: str) -> Result:
    return tickertape("simulate", *arguments, "--costs", "costs-nowhere.json")


@pytest.mark.usefixtures("few_figures")
@pytest.mark.process
def test_a_run_is_simulated_and_says_whose_costs(tmp_path: Path) -> None:
    result = simulate(*QUICK, "--workers", "3", "--rtt", "80ms", "--seed", "5", "--json",
                      "--require", "websocket.latency_mean_ms <= 30 and lost == 0")
    assert result.exit_code == 3, result.stderr
    assert result.stderr.splitlines()[-1].startswith("Status 3, 1 broken of 5 thresholds: websocket.latency_mean_ms")
    said = json.loads(result.stdout)
    assert said["verdicts"] == {"VALID": 2 * len(transports.own_names())}
    push = next(cell for cell in said["cells"] if cell["transport"] == "websocket")
    assert 40 < push["latency_mean_ms"] < 45
    assert push["source"] == "simulated"
    assert "Simulated, with costs measured on nowhere (Imagined 3000, 2 cores), 2026-11-01" in result.stderr
    manifest = json.loads((Path(said["run"]) / "manifest.json").read_text())
    assert (manifest["source"], manifest["seed"]) == ("simulated", 5)
    assert manifest["scenario"]["load"]["clients"] == [20]
    assert manifest["scenario"]["simulation"]["workers"] == 3
    assert tickertape("report", said["run"]).exit_code == 3, "the thresholds are the run's"


def _wait_until_gone(group: int) -> None:
    """Return once no process of a group is left; Python's own tracker of shared things is the last."""
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)


@pytest.mark.process
def test_ctrl_c_leaves_no_process_and_says_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from bench.cli import main; main()", "simulate", *QUICK[:5],
               "--clients", "20000", "--workers", "40", "--rtt", "9ms", "--costs", "costs-nowhere.json",
               "--set", "trials.count=20"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                          start_new_session=True) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("[2/"):
                break
        os.killpg(run.pid, signal.SIGINT)   # as a terminal does: to the pool's processes, too
        told_then = run.stderr.read()
        assert run.wait(20) == 130
    assert "Interrupted. To go on: tickertape simulate --resume results/" in told_then
    assert "Traceback" not in told_then
    _wait_until_gone(run.pid)
    refused = tickertape("run", "--resume", "results/latest")
    assert refused.exit_code == 2
    assert "found a simulated run; go on with `tickertape simulate --resume" in refused.stderr


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("nosuch",), "no such scenario"),
    (("quick", "--costs", "none.json"), "allowed is a costs file"),
    (("quick", "--costs", "costs-nowhere.json", "--measured", "nowhere"), "is this a run's folder"),
    (("--resume", "nowhere"), "is this a run's folder"),
    (("quick", "--resume", "nowhere"), "none of them goes with it"),
    (("--require", "lost == 0", "--resume", "nowhere"), "none of them goes with it"),
    (("scale/storm", "--require", "lost == 0"), "a threshold together with [storm]"),
    (("quick", "--set", "simulation.worker=3"), "workers (the nearest known name)"),
    (("quick", "--set", "transports.websocket.tls=true", "--costs", "costs-nowhere.json"),
     "needed is websocket with TLS"),
])
def test_a_mistake_is_one_sentence_and_status_2(arguments: tuple[str, ...], sentence: str) -> None:
    result = tickertape("simulate", *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("text", "ms"), [("80ms", 80.0), ("0.2s", 200.0), ("1 ms", 1.0)])
def test_a_round_trip_time_has_a_unit(text: str, ms: float) -> None:
    from bench.cli.simulate import _rtt_ms
    assert _rtt_ms(text) == ms


@pytest.mark.parametrize("text", ["80", "0ms", "-3ms", "fast", "1.2.3s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    result = simulate("quick", "--rtt", text)
    assert result.exit_code == 2
    assert result.stderr == f"--rtt: found '{text}', allowed is a time above 0 with its unit: 80ms, 0.2s\n"
