"""Trials that are simulated in place of measured, for tests of interrupted commands."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import posed as poser
import pytest

from bench.experiment.trial import trial
from bench.experiment.trial.trial import TrialSettings
from bench.records.manifest import PlannedTrial
from bench.records.trial_record import TrialRecord

SMALL = ("load.clients=[20, 40]", "trials.count=2", "windows.measure_s=1.0")
ONE = ("load.clients=[20]", *SMALL[1:])
"""One cell of each transport; for costs there are too few trials in it."""
Made = Callable[[int | None], list[str]]


def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Simulate trials in place of measuring, and interrupt after a number of them; names of those that were made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))   # where the machine's lock is

    def until(interrupted: int | None) -> list[str]:
        names: list[str] = []

        def make(setting: TrialSettings, planned: PlannedTrial, folder: Path, attempt: int) -> TrialRecord:
            if len(names) == interrupted:
                folder.mkdir(parents=True)
                raise KeyboardInterrupt
            names.append(planned.name)
            return poser.make(setting, planned, folder, attempt)

        monkeypatch.setattr(trial, "make", make)
        return names

    return until


def sets(overrides: tuple[str, ...]) -> list[str]:
    return [part for each in overrides for part in ("--set", each)]
