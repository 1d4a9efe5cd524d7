"""Fixtures of the load's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import Stage, set_up

from bench.experiment.trial.processes import TrialProcesses


@pytest.fixture(autouse=True)
def settings_of_a_locust_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that somebody keeps for tests of their own: none of them reaches a load."""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    (home / ".locust.conf").write_text("master = true\nprocesses = 2\nloglevel = ERROR\n")
    (here / "locust.conf").write_text("master = true\nusers = 1\n")
    (here / "pyproject.toml").write_text('[tool.locust]\nspawn-rate = 0.1\nrun-time = "1s"\n')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    for name, value in {"RUN_TIME": "1s", "CSV": "mine", "HEADLESS": "true", "STOP_TIMEOUT": "99"}.items():
        monkeypatch.setenv(f"LOCUST_{name}", value)


@pytest.fixture
def trial_processes(tmp_path: Path) -> Iterator[TrialProcesses]:
    """Processes that are ended whatever happens."""
    with TrialProcesses(tmp_path / "logs") as trial_processes:
        yield trial_processes


@pytest.fixture
def stage(trial_processes: TrialProcesses, tmp_path: Path, request: pytest.FixtureRequest) -> Stage:
    """Parametrised (indirectly) with (transport, options)."""
    return set_up(trial_processes, tmp_path, *request.param)
