"""Little's law on counters that keep it, break it, or say too little."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.little import NEEDED, in_flight

S = 1_000_000_000


def clients(
    answers: int, mean_s: float, hung_s: float = 0.0, count: int = 10, window_s: float = 3.0
) -> pa.Table:
    """So many clients, each with so many answers, and with requests that hung for so long."""
    busy_ns = int(answers * mean_s * S)
    row = {
        "responses": answers, "request_duration_ns": busy_ns, "in_flight_ns": busy_ns + int(hung_s * S),
        "counted_from_ns": S, "counted_to_ns": S + int(window_s * S),
    }
    return pa.Table.from_pylist([row] * count)


def test_requests_under_way_are_rate_times_duration() -> None:
    found = in_flight(clients(answers=30, mean_s=0.05))
    assert found.in_flight == pytest.approx(10 * 30 * 0.05 / 3)
    assert found.rate_per_s == pytest.approx(100)
    assert found.mean_s == pytest.approx(0.05)
    assert found.gap_share == pytest.approx(0)


@given(st.integers(20, 500), st.floats(0.0001, 0.05), st.floats(0, 3))
def test_the_gap_is_the_share_of_the_time_that_no_answer_tells_of(
    answers: int, mean_s: float, hung_s: float
) -> None:
    found = in_flight(clients(answers, mean_s, hung_s))
    busy_s = answers * mean_s
    assert found.gap_share == pytest.approx(hung_s / (busy_s + hung_s), abs=1e-3)


@pytest.mark.parametrize("table", [
    clients(answers=5, mean_s=0.05), clients(answers=20, mean_s=0.2), clients(answers=0, mean_s=0.0),
    clients(answers=30, mean_s=0.01).drop_columns(["in_flight_ns"]),
    clients(answers=30, mean_s=0.01).set_column(0, "responses", pa.array([None] * 10, pa.int64())),
    pa.table({name: pa.array([], pa.int64()) for name in NEEDED}),
], ids=["few answers", "long durations", "pushed", "an older run", "not counted", "nobody"])
def test_where_there_is_too_little_to_say_nothing_is_said(table: pa.Table) -> None:
    assert math.isnan(in_flight(table).gap_share)
