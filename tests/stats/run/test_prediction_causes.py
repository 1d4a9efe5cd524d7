"""Reasons for misses: from the figures that were measured beside them."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest

from bench.stats.run.prediction import ValidationRow
from bench.stats.run.prediction_causes import FitQuality, furthest_apart, why

FIT = FitQuality(0.07, 0.185)


def row(quantity: str, met: str = "no", error: float = 0.3) -> ValidationRow:
    """Return a miss of a cell."""
    return ValidationRow("websocket", 100, 0.3, quantity, 10.0, 13.0, error, error - 0.05, error + 0.05, 0.1, met)


def cell(**columns: tuple[list[float], list[float]]) -> pd.DataFrame:
    """Return three pairs, from (measured, predicted) by column."""
    return pd.DataFrame({f"{name}_{side}": values for name, both in columns.items()
                         for side, values in zip(("measured", "predicted"), both, strict=True)})


def test_bytes_name_the_part_that_is_furthest_off() -> None:
    """In bytes per update, which way."""
    said = why(row("bytes_per_update"), cell(
        ack_bytes_up_per_update=([4.0, 4.0, 4.0], [71.0, 71.0, 71.0]),
        header_bytes_down_per_update=([200.0] * 3, [210.0] * 3),
    ), FIT)
    assert said == "Mostly acknowledgements up: 71.0 bytes per update predicted, 4.0 measured."


def test_cpu_names_what_trials_differ_by_and_the_fit() -> None:
    """A spread between trials of one cell can't be predicted."""
    said = why(row("server_cpu_us_per_update"),
               cell(server_cpu_us_per_update=([8.0, 10.0, 12.5], [9.0] * 3)), FIT)
    assert "CPU differs by 22.3 %" in said
    assert "lie 7.0 % from the fit" in said
    assert "those with the same feed by +18.5 %" in said


def test_latency_is_split_into_service_kernel_and_load_client() -> None:
    """Whose error it is."""
    pairs = cell(
        latency_p50_ms=([10.0] * 3, [13.0] * 3), server_cpu_us_per_update=([10.0] * 3, [12.0] * 3),
        kernel_latency_p50_ms=([9.0] * 3, [9.09] * 3), client_lag_p99_ms=([2.0] * 3, [6.0] * 3),
        requests_per_update=([0.9] * 3, [0.99] * 3),
    )
    said = why(row("latency_p50_ms"), pairs, FIT)
    assert "CPU per update is off by +20.0 % too" in said
    assert "Up to the clients' kernel the error is +1.0 %" in said
    assert "2.00 ms long (99th percentile), 6.00 ms predicted" in said
    assert "Requests per update are off by +10.0 %" in said
    assert "CPU" not in why(row("latency_p50_ms", error=-0.3), pairs, FIT), "it would be the other way"


def test_an_open_verdict_tells_how_wide_it_is() -> None:
    """And by what."""
    said = why(row("server_cpu_us_per_update", met="open"),
               cell(server_cpu_us_per_update=([8.0, 10.0, 12.5], [9.0] * 3)), FIT)
    assert said.startswith("3 pairs leave an interval of ± 5.0 %")


def test_an_open_verdict_without_an_interval_tells_why() -> None:
    """Too few pairs have the value, or it is lost in one."""
    none = replace(row("latency_p99_ms", met="open"), interval_low=math.nan, interval_high=math.nan)
    few = cell(latency_p99_ms=([8.0, math.nan, math.nan], [9.0] * 3), server_cpu_us_per_update=([1.0] * 3, [1.0] * 3),
               requests_per_update=([1.0] * 3, [1.0] * 3))
    assert why(none, few, FIT) == "Pairs of trials that have the value: 1 of 3, too few for an interval."
    lost = few.assign(latency_p99_ms_measured=[8.0, 8.0, math.inf])
    assert why(none, lost, FIT) == "In a pair of trials the value is lost, so there is no error."


@pytest.mark.parametrize("side", ["measured", "predicted"])
def test_no_error_is_told_of_what_is_lost_in_a_pair(side: str) -> None:
    pairs = cell(latency_p99_ms=([10.0] * 3, [13.0] * 3), kernel_latency_p99_ms=([9.0] * 3, [9.0] * 3),
                 server_cpu_us_per_update=([1.0] * 3, [1.0] * 3), requests_per_update=([1.0] * 3, [1.0] * 3))
    assert why(row("latency_p99_ms"), pairs, FIT) == "Up to the clients' kernel the error is +0.0 %."
    lost = pairs.assign(**{f"kernel_latency_p99_ms_{side}": [9.0, 9.0, math.inf]})
    assert why(row("latency_p99_ms"), lost, FIT) == ""


def test_the_level_whose_tries_differ_most_is_told() -> None:
    """By the ratio; what was tried once or has no figure says nothing."""
    assert furthest_apart([450, 551, 551, 675, 675], [20.0, 72.6, 31.2, 56.0, 63.0]) == (551, 31.2, 72.6)
    assert furthest_apart([450, 551, 551], [20.0, 72.6, math.inf]) is None
