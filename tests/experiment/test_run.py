"""The loop over trials: each that is not on disk yet, in order, told as it goes."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.audit.detectors import Verdict
from bench.experiment import plan, run, run_folder
from bench.experiment.run_folder import RunFolder
from bench.experiment.trial import trial
from bench.records.manifest import PlannedTrial
from bench.records.trial_record import TrialRecord, read_trial, trial_folders, write_trial
from bench.scenario.model import Scenario


class Told:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.closed = False

    def __call__(self, done: int, total: int) -> Told:
        self.start = (done, total)
        return self

    def trial_begins(self, planned: PlannedTrial, left_s: Callable[[], float]) -> None:
        assert left_s() > 0
        self.begun.append(planned.name)

    def trial_ends(self, planned: PlannedTrial, row: Any, verdict: Verdict, *, again: bool = False) -> None:
        self.ended.append((planned.name, verdict.status))

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def begun(tmp_path: Path) -> RunFolder:
    scenario = Scenario.model_validate({
        "question": "?", "transports": {"websocket": {"transport": "websocket"}},
        "load": {"clients": [1, 2]}, "trials": {"count": 2},
    })
    return run_folder.create(
        tmp_path, scenario, plan.trials(scenario), name="x", scenario_file=tmp_path / "x.toml",
        options=plan.options_of_all(scenario, "x"), command=[],
    )


def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make trials fail at once, in place of real ones."""
    def make(settings: Any, planned: PlannedTrial, folder: Path, attempt: int) -> TrialRecord:
        record = TrialRecord(
            folder.name, planned.block, planned.position, planned.subject, planned.transport,
            planned.clients, planned.seed, attempt=attempt, status="failed", reason="x", detail="y",
        )
        write_trial(folder, record)
        return record

    monkeypatch.setattr(trial, "make", make)


def verdicts(monkeypatch: pytest.MonkeyPatch, *statuses: Any) -> None:
    """Give the trials that are made these verdicts, one after the other; files that say nothing else."""
    left = list(statuses)
    given: dict[tuple[Path, int], Any] = {}

    def judge(folder: Path) -> Any:
        made = (folder, read_trial(folder).attempt)
        if made not in given:
            given[made] = left.pop(0)
        return SimpleNamespace(row={}), Verdict(given[made])

    failing(monkeypatch)
    monkeypatch.setattr(run, "judge", judge)
    monkeypatch.setattr(run_folder, "judge", judge)


def test_an_invalid_trial_is_made_again_at_its_place(begun: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts(monkeypatch, "VALID", "INVALID", "VALID", "ABORTED", "INVALID", "INVALID", "INVALID")
    told = Told()
    run.execute(begun, told)
    one, two, three, four = (planned.name for planned in begun.plan)
    assert told.begun == [one, two, two, three, four, four, four]
    assert [folder.name for folder in trial_folders(begun.folder)] == [
        one, two, f"{two}.r1", three, four, f"{four}.r1", f"{four}.r2"]
    attempts = [read_trial(folder).attempt for folder in trial_folders(begun.folder)]
    assert attempts == [1, 1, 2, 1, 1, 2, 3]
    assert all(begun.is_done(planned) for planned in begun.plan)


def test_a_run_that_was_stopped_before_a_repeat_ends_with_the_same_matrix(
    begun: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts(monkeypatch, "VALID", "INVALID", "VALID", "VALID", "VALID", "VALID")
    for planned in begun.plan[:2]:
        trial.make(None, planned, begun.trial_folder(planned), 1)   # type: ignore[arg-type]
    resumed = run_folder.resume(begun.folder, None, force=True)
    assert sorted(path.name for path in (begun.folder / "broken").iterdir()) == [
        f"1-{planned.name}" for planned in begun.plan[:2]]
    run.execute(resumed, Told())
    one, two, three, four = (planned.name for planned in begun.plan)
    assert [folder.name for folder in trial_folders(begun.folder)] == [one, two, three, four]


def test_every_trial_is_made_in_order_and_told(begun: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch)
    told = Told()
    run.execute(begun, told)
    names = [planned.name for planned in begun.plan]
    assert told.start == (0, 4)
    assert told.begun == names
    assert told.ended == [(name, "ABORTED") for name in names]
    assert told.closed


def test_what_is_on_disk_is_not_made_again(begun: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch)
    trial.make(None, begun.plan[0], begun.trial_folder(begun.plan[0]), 1)   # type: ignore[arg-type]
    told = Told()
    run.execute(begun, told)
    assert told.start == (1, 4)
    assert told.begun == [planned.name for planned in begun.plan[1:]]


def test_sigterm_is_an_interrupt_and_everything_is_put_back(
    begun: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "make", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    cores, told = os.sched_getaffinity(0), Told()
    with pytest.raises(KeyboardInterrupt):
        run.execute(begun, told)
    assert told.closed
    assert os.sched_getaffinity(0) == cores
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def narrowing(monkeypatch: pytest.MonkeyPatch, results: Path, **trials: Any) -> RunFolder:
    """Return a run that goes on until p99 is within 10 %; a trial's p99 follows from its seed and subject."""
    scenario = Scenario.model_validate({
        "question": "?", "transports": {"a": {"transport": "websocket"}, "b": {"transport": "websocket"}},
        "load": {"clients": [1]}, "trials": {"until": "p99 ± 10 %", "count_max": 12, **trials},
    })
    failing(monkeypatch)

    def judge(folder: Path) -> Any:
        record = read_trial(folder)
        p99 = 3.0 * math.exp(0.1 * math.sin(record.seed) * (1 if record.subject == "a" else 0.5))
        row = {"transport": record.subject, "clients": 1, "block": record.block, "latency_p99_ms": p99,
               "delivered": 10**5, "late": 0, "lost": 0, "latency_p50_ms": 1.0, "updates_due": 10**5}
        return SimpleNamespace(row=row), Verdict("VALID")

    monkeypatch.setattr(run, "judge", judge)
    monkeypatch.setattr(run_folder, "judge", judge)
    return run_folder.create(
        results, scenario, plan.trials(scenario), name="x", scenario_file=results / "x.toml",
        options=plan.options_of_all(scenario, "x"), command=[],
    )


def test_a_run_ends_after_the_block_that_makes_its_intervals_narrow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, told = narrowing(monkeypatch, tmp_path, count=3), Told()
    assert len(under_way.plan) == 24
    run.execute(under_way, told)
    blocks = len(told.begun) // 2
    assert 3 < blocks < 12
    assert told.begun == [planned.name for planned in under_way.plan[: 2 * blocks]]
    assert told.notes[-1] == f"p99 ± 10 % is reached after {blocks} blocks of at most 12"
    assert told.notes[0].startswith("p99 ± 10 % is not reached after 3 blocks of at most 12: a, 1 client: ±")
    assert len(told.notes) == blocks - 2


def test_an_interrupted_run_ends_where_it_would_have_ended_anyway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, told = narrowing(monkeypatch, tmp_path / "whole", count=3), Told()
    run.execute(whole, told)
    part = narrowing(monkeypatch, tmp_path / "part", count=3)
    for planned in part.plan[:9]:
        trial.make(None, planned, part.trial_folder(planned), 1)   # type: ignore[arg-type]
    resumed = run_folder.resume(part.folder, None, force=True)
    run.execute(resumed, Told())
    names = [folder.name for folder in trial_folders(whole.folder)]
    assert names == [folder.name for folder in trial_folders(part.folder)]
    again = Told()
    run.execute(run_folder.resume(part.folder, None, force=True), again)   # it has ended, and stays so
    assert again.begun == []
    assert again.notes == told.notes[-1:]


def test_a_run_that_never_gets_narrow_ends_at_its_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, told = narrowing(monkeypatch, tmp_path, count=3, until="p99 +- 0.1 %", count_max=5), Told()
    run.execute(under_way, told)
    assert len(told.begun) == 10
    assert len(told.notes) == 2
