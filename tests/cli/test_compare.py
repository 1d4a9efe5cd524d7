"""`compare`: a table, JSON, and an exit status for scripts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import DEFAULT, Plan, make_run
from typer.testing import CliRunner, Result

from bench import cli
from bench.stats.run.regressions import FIGURES


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "80"})


def test_two_runs_are_compared_with_a_status_for_scripts(tmp_path: Path) -> None:
    push = DEFAULT["websocket"]
    slow = {"websocket": replace(push, cpu_us=1.2 * push.cpu_us, noise_seed=4)}
    plan = Plan(trials=5, clients=(20,), subjects={"websocket": push})
    make_run(tmp_path / "before", plan, raw=False)
    make_run(tmp_path / "after", replace(plan, subjects=slow), raw=False)
    make_run(tmp_path / "other", replace(plan, seed=2), raw=False)
    same = tickertape("compare", "before", "before")
    assert same.exit_code == 0
    assert "Nothing has become worse" in same.stdout
    worse = tickertape("compare", "before", "after")
    assert worse.exit_code == 1
    assert "Regressed: server_cpu_us_per_update" in worse.stdout
    assert all(figure in worse.stdout for figure in FIGURES)   # in 80 columns
    assert "…" not in worse.stdout
    plain = tickertape("compare", "before", "after", "--json")
    assert plain.exit_code == 1
    assert json.loads(plain.stdout)["regressed"] == ["server_cpu_us_per_update"]
    why = "1 value has become worse: server_cpu_us_per_update of websocket, 20 clients"
    assert plain.stderr.splitlines()[-1] == worse.stderr.splitlines()[-1] == why
    assert tickertape("compare", "before", "after", "--threshold", "60").exit_code == 0
    for none in ("nan", "inf"):   # neither of which any change is above
        assert tickertape("compare", "before", "after", "--threshold", none).exit_code == 2
    refused = tickertape("compare", "before", "other")
    assert refused.exit_code == 2
    assert "seed: 1 and 2" in refused.stderr
    assert tickertape("compare", "before", "other", "--force").exit_code in (0, 1)
