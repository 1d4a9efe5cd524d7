"""`docs/ci.md`: its workflow and its commands work as they are written."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from synthetic import Plan, make_run
from typer.testing import CliRunner

from bench import cli
from bench.scenario import model as scenarios
from bench.stats.run import thresholds

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "ci.md").read_text()


def block(language: str) -> str:
    """Return the document's code of a language."""
    found: str = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)[0]
    return found


WORKFLOW: Any = yaml.safe_load(block("yaml"))
STEPS = WORKFLOW["jobs"]["measure"]["steps"]
COMMANDS = [step["run"] for step in STEPS if "run" in step]


def test_the_workflow_has_what_github_asks_for() -> None:
    assert set(WORKFLOW) == {"name", True, "permissions", "jobs"}   # YAML 1.1 reads `on` as true
    assert {"pull_request", "workflow_dispatch"} == set(WORKFLOW[True])
    assert set(WORKFLOW["jobs"]["measure"]) == {"runs-on", "timeout-minutes", "steps"}
    for step in STEPS:
        assert ("run" in step) != ("uses" in step)
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/a@v1"))
    assert "docs/ci.md" in (ROOT / "README.md").read_text()


@pytest.mark.process
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed here")
def test_the_command_measures_what_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = COMMANDS[0].replace("make ", "make -n -o .venv/.run ", 1)
    made = subprocess.run(["bash", "-ec", command], cwd=ROOT, text=True, capture_output=True, check=True)
    monkeypatch.chdir(tmp_path)
    for command in (made.stdout.splitlines()[-1], block("sh")):
        program, *arguments = shlex.split(command)
        assert program == ".venv/bin/tickertape"
        planned = CliRunner().invoke(cli.app, [*arguments, "--plan", "--json"])
        assert planned.exit_code == 0, planned.stderr
        assert "lost == 0" in json.loads(planned.stdout)["thresholds"]


@pytest.mark.process
def test_the_report_is_the_summary_with_its_verdicts_and_without_figures(tmp_path: Path) -> None:
    run = make_run(tmp_path / "measured" / "20260101T000000Z-quick", Plan(clients=(5,), trials=2, measure_s=0.5))
    (tmp_path / "measured" / "latest").symlink_to(run.name)
    assert CliRunner().invoke(cli.app, ["report", str(run), "--require", "lost == 0"]).exit_code == 0
    summary = tmp_path / "summary.md"
    subprocess.run(["bash", "-ec", COMMANDS[1]], cwd=tmp_path, check=True, env={"GITHUB_STEP_SUMMARY": str(summary)})
    text = summary.read_text()
    assert "**met**: lost == 0, in each of 3 cells" in text
    assert "](figures/" not in text
    kept = STEPS[-1]["with"]["path"]
    assert [path.name for path in tmp_path.glob(kept.rstrip("/"))] == [run.name]


def test_the_scenario_is_one(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(block("toml"))
    scenario = scenarios.load(path)
    thresholds.check(scenario, str(path))
    assert len(scenario.thresholds.thresholds) == 2
