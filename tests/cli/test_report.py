"""`report`: an exit status that says if the run is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from swept_runs import swept_run
from synthetic import Plan, make_run
from typer.testing import CliRunner, Result

from bench import cli


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "80"})


def test_a_report_of_a_whole_run_ends_with_0_and_one_that_lacks_trials_with_1(tmp_path: Path) -> None:
    make_run(tmp_path / "whole", Plan(clients=(5,), trials=2, measure_s=0.5))
    make_run(tmp_path / "failed", Plan(clients=(5,), trials=2, measure_s=0.5, failed=("1-1",)))
    whole, failed = tickertape("report", "whole", "--json"), tickertape("report", "failed")
    assert whole.exit_code == 0, whole.stderr
    said = json.loads(whole.stdout)
    assert (said["verdicts"], len(said["cells"])) == ({"VALID": 6}, 3)
    assert Path(said["report"]).is_file()
    assert failed.exit_code == 1
    assert failed.stderr.splitlines()[-1].startswith("1 of 6 places has no valid trial: ")
    assert "Trials: 5 VALID, 1 ABORTED" in failed.stdout


def test_a_run_at_another_rate_is_shown_beside_and_one_of_another_sweep_is_a_mistake(tmp_path: Path) -> None:
    swept_run(tmp_path / "at-40", trials=2)
    swept_run(tmp_path / "at-20", 20.0, trials=2)
    both = tickertape("report", "at-40", "--beside", "at-20")
    assert both.exit_code == 0, both.stderr
    assert "20 and 40 ticks/s" in " ".join(both.stdout.split())
    assert tickertape("report", "at-40").stdout == both.stdout   # from the run's own files alone
    again = tickertape("report", "at-40", "--beside", "at-40")
    assert again.exit_code == 2
    assert "feed.rate_per_s: found 40" in again.stderr.replace("\n", " ")
