"""`docs/results.md` describes every file and column there is, and none that there is not."""

from __future__ import annotations

import pytest
from documented import DOCUMENT, described

from bench.claims import table
from bench.records import trial_record
from bench.report import RunData
from bench.report.data import capacity_limits
from bench.report.data.run import BESIDE, VERDICT_WORDS
from bench.stats.run import capacity_plan, prediction
from bench.stats.run.summary import BOUNDED, FIGURES, bounds, columns
from bench.stats.trial.row import COLUMNS


@pytest.mark.parametrize("name", trial_record.SCHEMAS)
def test_tables_of_a_trial(name: str) -> None:
    assert sorted(described(f"{name}.parquet")) == sorted(trial_record.SCHEMAS[name].names)


def test_trials() -> None:
    assert sorted(described("trials.csv")) == sorted([*COLUMNS, *VERDICT_WORDS])


def test_summary() -> None:
    own = set(described("summary.csv"))
    assert own <= set(columns())
    intervals = {bound for figure in BOUNDED for bound in bounds(figure)}
    assert set(columns()) - own - intervals <= set(described("trials.csv"))
    assert len(FIGURES) == 15
    assert "the first fifteen values" in DOCUMENT


def test_claims() -> None:
    assert described("claims.csv") == list(table([]).columns)


def test_capacity() -> None:
    assert sorted(described("capacity.csv")) == sorted(capacity_limits.COLUMNS)


def test_validation() -> None:
    assert described("validation.csv") == list(prediction.COLUMNS)


def test_fleet() -> None:
    assert described("fleet.csv") == list(capacity_plan.COLUMNS)


def test_other_rates() -> None:
    assert described("other_rates.csv") == list(BESIDE["other_rates"])


def test_condensed_files(run: RunData) -> None:
    assert described("distributions.parquet") == list(run.distributions.columns)
    assert described("timelines.parquet") == list(run.timelines.columns)


def test_the_schemas_version() -> None:
    assert f"now {trial_record.SCHEMA_VERSION};" in DOCUMENT
