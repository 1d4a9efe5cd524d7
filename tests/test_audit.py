"""The audit: each detector fires on what it is for, none on a clean trial, and silence is not consent."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from synthetic import DEFAULT, Plan, trial_record

from bench.audit import DETECTORS, Verdict, audit
from bench.records import TrialRecord
from bench.stats.arrays import Tables
from bench.stats.trial import COLUMNS, trial_row

MS = 1_000_000
RECORD, TABLES = trial_record(Plan(), "short_polling", DEFAULT["short_polling"], 10, 1, 1)
RECEIVED = TABLES["deliveries"].num_rows
CLEAN = replace(
    RECORD, publisher={"published": TABLES["feed"].num_rows},
    load={"deliveries": RECEIVED, "users_at_t1": 10, "turn_gap_max_ns": 12 * MS})


def judged(record: TrialRecord = CLEAN, **tables: pa.Table) -> Verdict:
    return audit(record, trial_row(record, TABLES | tables))


def changed(table: str, column: str, values: Any) -> dict[str, pa.Table]:
    """A table with another column."""
    whole = TABLES[table]
    place = whole.schema.get_field_index(column)
    field = whole.schema.field(place)
    return {table: whole.set_column(place, field, pa.array(values, field.type))}


def shifted(table: str, column: str, by_ns: int) -> dict[str, pa.Table]:
    return changed(table, column, pc.add(TABLES[table][column], by_ns).to_pylist())


def names(verdict: Verdict) -> list[str]:
    return [reason.name for reason in verdict.reasons]


def test_a_clean_trial_is_valid_and_all_was_assessed() -> None:
    assert judged() == Verdict("VALID")


SABOTAGE: dict[str, tuple[TrialRecord, Tables]] = {
    "unpublished": (CLEAN, changed("feed", "sent_ns", [None] * TABLES["feed"].num_rows)),
    "feed-late": (CLEAN, shifted("feed", "sent_ns", 30 * MS)),
    "books": (replace(CLEAN, server_counts={"deliveries": RECEIVED - 1}), {}),
    "published-books": (replace(CLEAN, publisher={"published": 1}), {}),
    "recorded-books": (replace(CLEAN, load=CLEAN.load | {"deliveries": RECEIVED + 1}), {}),
    "foreign": (CLEAN, changed("deliveries", "index", [4_000_000] * RECEIVED)),
    "negative-latency": (CLEAN, shifted("deliveries", "kernel_ns", -1200 * MS)),
    "clock-step": (replace(CLEAN, clock_step_ns=150_000), {}),
    "clients-missing": (CLEAN, changed("clients", "subscribed_ns", [None, *range(9)])),
    "clients-vanished": (replace(CLEAN, load=CLEAN.load | {"users_at_t1": 9}), {}),
    "errors": (CLEAN, changed("clients", "errors", [1] * 10)),
    "polls-late": (CLEAN, changed("clients", "polls_late", [1] * 10)),
    "generator-lag": (CLEAN, shifted("deliveries", "app_ns", 40 * MS)),
    "generator-stalled": (replace(CLEAN, load=CLEAN.load | {"turn_gap_max_ns": 150 * MS}), {}),
    "generator-busy": (replace(CLEAN, usage=CLEAN.usage | {
        "load": replace(CLEAN.usage["load"], cpu_ns=2_900 * MS)}), {}),
}


def test_every_detector_is_sabotaged() -> None:
    assert set(SABOTAGE) == {detector.name for detector in DETECTORS}


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_detector_fires_on_what_it_is_for(name: str) -> None:
    record, tables = SABOTAGE[name]
    verdict = judged(record, **tables)
    assert verdict.status == "INVALID"
    assert name in names(verdict)
    reason = next(reason for reason in verdict.reasons if reason.name == name)
    assert "allowed is" in str(reason)


def test_what_was_not_measured_is_not_assessed_and_does_not_condemn() -> None:
    silent = replace(CLEAN, server_counts={}, clock_step_ns=None, usage={}, load={}, publisher={})
    verdict = judged(silent)
    assert verdict.status == "VALID"
    assert {"books", "clock-step", "generator-busy", "clients-vanished"} <= set(verdict.not_assessed)


def test_a_failed_trial_is_aborted_with_its_reason() -> None:
    failed = replace(CLEAN, status="failed", reason="server-ended", detail="exit status 3\nTraceback …")
    verdict = audit(failed, trial_row(failed, None))
    assert verdict.status == "ABORTED"
    assert str(verdict.reasons[0]) == "server-ended: the trial failed: exit status 3"


def test_each_detector_looks_at_a_column_and_has_a_bound() -> None:
    assert {detector.figure for detector in DETECTORS} <= set(COLUMNS)
    for detector in DETECTORS:
        assert math.isfinite(detector.most) or math.isfinite(detector.least)
        assert detector.advice
