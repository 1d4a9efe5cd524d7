"""The loop over trials: each that is not on disk yet, in order, told as it goes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from bench.audit import Verdict
from bench.experiment import journal, plan, run, trial
from bench.experiment.journal import Run
from bench.experiment.plan import PlannedTrial
from bench.records import TrialRecord, write_trial
from bench.scenario import Scenario


class Told:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[tuple[str, str]] = []
        self.closed = False

    def __call__(self, done: int, total: int) -> Told:
        self.start = (done, total)
        return self

    def trial_begins(self, planned: PlannedTrial, left_s: float) -> None:
        assert left_s > 0
        self.begun.append(planned.name)

    def trial_ends(self, planned: PlannedTrial, row: Any, verdict: Verdict) -> None:
        self.ended.append((planned.name, verdict.status))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def begun(tmp_path: Path) -> Run:
    scenario = Scenario.model_validate({
        "question": "?", "transports": {"websocket": {"transport": "websocket"}},
        "load": {"clients": [1, 2]}, "trials": {"count": 2},
    })
    return journal.create(
        tmp_path, scenario, plan.trials(scenario), name="x", scenario_file=tmp_path / "x.toml",
        options=plan.options_of_all(scenario, "x"), command=[],
    )


def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that fail at once, in place of real ones."""
    def make(setting: Any, planned: PlannedTrial, folder: Path, attempt: int) -> TrialRecord:
        record = TrialRecord(
            planned.name, planned.block, planned.position, planned.subject, planned.transport,
            planned.clients, planned.seed, attempt=attempt, status="failed", reason="x", detail="y",
        )
        write_trial(folder, record)
        return record

    monkeypatch.setattr(trial, "make", make)


def test_every_trial_is_made_in_order_and_told(begun: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch)
    told = Told()
    run.execute(begun, told)
    names = [planned.name for planned in begun.plan]
    assert told.start == (0, 4)
    assert told.begun == names
    assert told.ended == [(name, "ABORTED") for name in names]
    assert told.closed


def test_what_is_on_disk_is_not_made_again(begun: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch)
    trial.make(None, begun.plan[0], begun.trial_folder(begun.plan[0]), 1)   # type: ignore[arg-type]
    told = Told()
    run.execute(begun, told)
    assert told.start == (1, 4)
    assert told.begun == [planned.name for planned in begun.plan[1:]]


def test_sigterm_is_an_interrupt_and_everything_is_put_back(
    begun: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "make", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    cores, told = os.sched_getaffinity(0), Told()
    with pytest.raises(KeyboardInterrupt):
        run.execute(begun, told)
    assert told.closed
    assert os.sched_getaffinity(0) == cores
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
