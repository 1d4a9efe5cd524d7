"""Margins: the worst that a validation has seen, turned round; what was not checked has none."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.run.prediction import ValidationRow
from bench.stats.run.prediction_band import truth, worst


def row(error: float, **changed: Any) -> ValidationRow:
    given_: dict[str, Any] = {
        "transport": "websocket", "clients": 100, "load": 0.3, "quantity": "bytes_per_update",
        "measured": 100.0, "predicted": 100.0 * (1 + error), "error": error,
        "interval_low": math.nan, "interval_high": math.nan, "goal": 0.02, "met": "open",
    }
    return ValidationRow(**(given_ | changed))


@given(st.lists(st.floats(-0.9, 5), min_size=1))
def test_every_cell_that_was_checked_lies_within(errors: list[float]) -> None:
    least, most = worst(errors) or (math.nan, math.nan)
    assert least <= 0 <= most
    assert all(least <= error <= most for error in errors)
    low, high = truth([row(error) for error in errors], "websocket", "bytes_per_update") or (0, 0)
    assert low <= 1 <= high
    for error in errors:
        assert low * (1 - 1e-9) <= 1 / (1 + error) <= high * (1 + 1e-9)


def test_only_errors_of_the_same_transport_and_quantity_count() -> None:
    rows = [row(0.25), row(-0.5, quantity="latency_p50_ms"), row(-0.5, transport="long_polling"),
            row(math.nan)]
    assert truth(rows, "websocket", "bytes_per_update") == (pytest.approx(0.8), 1)


def test_what_was_not_checked_has_no_margin() -> None:
    assert truth([row(0.1)], "short_polling", "bytes_per_update") is None
    assert truth([row(math.nan)], "websocket", "bytes_per_update") is None
    assert worst([]) is None
