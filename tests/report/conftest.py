"""Two small runs: one as it should be, one in which things went wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import DEFAULT, Made, Plan, make_run

from bench.report import RunData, open_run

PLAN = Plan(trials=4, clients=(10, 30))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder; tests that change it work on a copy."""
    return make_run(tmp_path_factory.mktemp("runs") / "clean", PLAN)


@pytest.fixture(scope="session")
def run(folder: Path) -> RunData:
    """The run of `folder`, opened."""
    return open_run(folder)


@pytest.fixture(scope="session")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """The run with the records of two transports exchanged."""
    subjects = {
        "short_polling": DEFAULT["short_polling"],
        "long_polling": DEFAULT["websocket"], "websocket": DEFAULT["long_polling"],
    }
    plan = replace(PLAN, subjects=subjects)
    return open_run(make_run(tmp_path_factory.mktemp("runs") / "clean", plan))


@pytest.fixture(scope="session")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """A lossy transport, two that are alike, one trial that failed, simulated records."""
    alike = Made(delay_s=0.002, trial_effect=0.1)
    subjects = {"one": alike, "other": replace(alike, noise_seed=7), "lossy": Made(loss=0.3)}
    plan = replace(PLAN, clients=(10, 60), subjects=subjects, source="simulated", failed=("1-1", "2-3"))
    return open_run(make_run(tmp_path_factory.mktemp("runs") / "troubled", plan))
