"""A trial's row: every column, for every outcome, and what the witnesses say."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from synthetic import DEFAULT, Made, Plan, trial_record

from bench.stats.trial.row import COLUMNS, WHOLE, WORDS, trial_figures, trial_row

PLAN = Plan()


def test_a_finished_trial_has_every_column() -> None:
    record, tables = trial_record(PLAN, "websocket", DEFAULT["websocket"], 20, 1, 1)
    row = trial_row(record, tables)
    assert tuple(row) == COLUMNS
    assert all(isinstance(row[name], str) or row[name] is None for name in WORDS)
    counted = [row[name] for name in WHOLE if not (name.startswith("uplinks_") and math.isnan(float(row[name] or 0)))]
    assert all(isinstance(value, int) or float(value or 0).is_integer() for value in counted)
    assert row["updates_due"] == row["delivered"] == 20 * int(row["feed_due"] or 0)
    assert row["latency_mean_ms"] == pytest.approx(1.0, rel=0.2)


def test_a_failed_trial_has_the_same_columns_and_no_figures() -> None:
    record, tables = trial_record(PLAN, "websocket", DEFAULT["websocket"], 5, 1, 1)
    failed = replace(record, status="failed", reason="server-ended", windows=None)
    for given in (tables, None):
        row = trial_row(failed, given)
        assert tuple(row) == COLUMNS
        assert (row["status"], row["failure"]) == ("failed", "server-ended")
        assert math.isnan(float(row["delivered"] or 0))


def test_percentiles_stop_where_too_little_lies_beyond_them() -> None:
    record, tables = trial_record(PLAN, "websocket", DEFAULT["websocket"], 5, 1, 1)
    row = trial_row(record, tables)
    assert not math.isnan(float(row["latency_p90_ms"] or 0))
    assert math.isnan(float(row["latency_p99_ms"] or 0))


def test_the_lost_make_a_percentile_infinite() -> None:
    record, tables = trial_record(PLAN, "lossy", Made(loss=0.15), 40, 1, 1)
    row = trial_row(record, tables)
    assert row["latency_p90_ms"] == math.inf
    assert float(row["latency_p50_ms"] or 0) < 2
    assert float(row["latency_mean_ms"] or 0) < 2
    assert float(row["lost"] or 0) / float(row["updates_due"] or 1) == pytest.approx(0.15, abs=0.03)


def test_what_remains_for_figures_holds_every_update() -> None:
    record, tables = trial_record(PLAN, "short_polling", DEFAULT["short_polling"], 10, 1, 1)
    figures = trial_figures(record, tables)
    by_instant = figures.distribution.groupby("instant")["count"].sum()
    assert by_instant["app"] == by_instant["kernel"] == figures.row["delivered"]
    timeline = figures.timeline
    within = timeline[(timeline["at_s"] >= 0) & (timeline["at_s"] < PLAN.measure_s - 1e-9)]
    assert within["due"].sum() == figures.row["updates_due"]
    assert timeline["arrived"].sum() == figures.row["received"]
    assert np.allclose(np.diff(timeline["at_s"]), 0.1)


def test_one_late_look_in_fifty_is_seen_and_errors_are_a_share_of_what_was_asked() -> None:
    record, tables = trial_record(PLAN, "short_polling", DEFAULT["short_polling"], 10, 1, 1)
    for table, column, values in (
        ("deliveries", "kernel_ns", [at_ns - 40_000_000 * (place % 50 == 0) for place, at_ns in
                                     enumerate(tables["deliveries"]["app_ns"].to_pylist())]),
        ("clients", "errors", [2] * 10),
    ):
        place = tables[table].schema.get_field_index(column)
        field = tables[table].schema.field(place)
        tables = {**tables, table: tables[table].set_column(place, field, pa.array(values, field.type))}
    row = trial_row(record, tables)
    assert row["client_lag_p99_ms"] == 40
    asked = 10 + 20 + int(row["requests"] or 0)   # first answers, what failed, polls
    assert row["client_error_share"] == pytest.approx(20 / asked)


def test_witnesses_are_set_against_each_other() -> None:
    record, tables = trial_record(PLAN, "websocket", DEFAULT["websocket"], 5, 1, 1)
    received = tables["deliveries"].num_rows
    published = tables["feed"].num_rows
    said = replace(
        record, server_counts={"deliveries": received - 3}, publisher={"published": published},
        load={"deliveries": received + 1, "users_at_t1": 4})
    row = trial_row(said, tables)
    assert (row["deliveries_unexplained"], row["recorded_unexplained"], row["clients_vanished"]) == (3, 1, 1)
    assert row["publishing_unexplained"] == 0
    silent = trial_row(replace(record, server_counts={}), tables)
    assert math.isnan(float(silent["deliveries_unexplained"] or 0))


def test_the_ends_of_connections_are_shares_of_those_that_ended() -> None:
    record, tables = trial_record(PLAN, "websocket", DEFAULT["websocket"], 5, 1, 1)
    assert math.isnan(float(trial_row(record, tables)["closed_by_server_share"] or 0))
    said = replace(record, load={**record.load, "goodbyes": 4, "goodbyes_answered": 3, "closed_by_server": 1,
                                 "closed_by_clients": 4})
    row = trial_row(said, tables)
    assert (row["goodbyes_answered_share"], row["closed_by_server_share"]) == (0.75, 0.2)
