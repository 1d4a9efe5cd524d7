"""Quantiles are numpy's, the lost are infinitely late, histograms are within half a per cent."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import MS, arrays_of

from bench.stats.trial import latency
from bench.stats.trial.latency import bin_quantiles, bins, latencies, quantile, trial_percentiles

FEED = [{"index": place, "symbol": "A", "due_ns": (100 + place) * MS} for place in range(100)]


@given(st.lists(st.integers(-10**6, 10**12), min_size=1, max_size=60), st.integers(0, 1000))
def test_a_quantile_is_numpys(values: list[int], thousandths: int) -> None:
    ordered = np.sort(np.array(values, dtype=np.int64))
    assert quantile(ordered, 0, thousandths) == pytest.approx(np.quantile(ordered, thousandths / 1000))


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=30), st.integers(1, 30), st.integers(0, 1000))
def test_lost_updates_are_infinitely_late(values: list[int], lost: int, thousandths: int) -> None:
    ordered = np.sort(np.array(values, dtype=np.int64))
    huge = np.append(ordered.astype(float), [1e300] * lost)
    expected = np.quantile(huge, thousandths / 1000)
    found = quantile(ordered, lost, thousandths)
    assert math.isinf(found) if expected > 1e200 else found == pytest.approx(expected)


def test_latency_is_from_due_to_the_first_arrival() -> None:
    arrivals = [
        {"client": 0, "index": 0, "app_ns": 103 * MS, "kernel_ns": 102 * MS},
        {"client": 0, "index": 0, "app_ns": 109 * MS, "kernel_ns": 108 * MS},
        {"client": 0, "index": 1, "app_ns": 161 * MS, "kernel_ns": None},
        {"client": 0, "index": 2, "app_ns": 303 * MS, "kernel_ns": 302 * MS},
    ]
    found = latencies(arrays_of(FEED, arrivals), lost=98)
    assert found.app_ns.tolist() == [3 * MS, 60 * MS]      # the third came later than due + 2ℓ
    assert found.kernel_ns.tolist() == [2 * MS]
    assert found.lag_ns.tolist() == [1 * MS, 1 * MS]       # the third too: its client may have delayed it
    assert found.shared_share == 0


def test_shared_reads_are_seen() -> None:
    arrivals = [{"client": 0, "index": index, "app_ns": 150 * MS, "updates_in_read": 1 + (index < 25)}
                for index in range(50)]
    assert latencies(arrays_of(FEED, arrivals), 0).shared_share == 0.5


@pytest.mark.parametrize(("count", "name", "printed"), [
    (19, "p50", False), (20, "p50", True), (999, "p99", False), (1000, "p99", True),
    (9999, "p999", False), (10_000, "p999", True),
])
def test_a_percentile_needs_ten_updates_beyond_it(count: int, name: str, printed: bool) -> None:
    value = trial_percentiles(np.arange(count, dtype=np.int64), 0)[name]
    assert math.isnan(value) is not printed


def test_where_nothing_arrived_every_percentile_is_lost() -> None:
    found = trial_percentiles(np.array([], dtype=np.int64), 500)
    assert [found["p50"], found["p90"]] == [math.inf, math.inf]
    assert math.isnan(found["p99"])                 # 5 of 500 beyond it: too few to say


def test_no_kernel_stamps_is_not_the_same_as_lost() -> None:
    unstamped = [{"client": 0, "index": index, "app_ns": 150 * MS, "kernel_ns": None} for index in range(50)]
    assert latencies(arrays_of(FEED, unstamped), lost=50).kernel_lost == 0
    stamped = [{"client": 0, "index": 0, "app_ns": 150 * MS, "kernel_ns": 150 * MS}]
    assert latencies(arrays_of(FEED, stamped), lost=99).kernel_lost == 99
    assert latencies(arrays_of(FEED, []), lost=100).kernel_lost == 100


@given(st.lists(st.integers(1000, 10**12), min_size=1, max_size=200), st.floats(0.001, 1))
def test_the_middle_of_a_bin_is_good_to_a_quarter_of_a_per_cent(values: list[int], share: float) -> None:
    ordered = np.sort(np.array(values, dtype=np.int64))
    found = bin_quantiles(*bins(ordered), 0, np.array([share]))[0]
    true = ordered[min(len(ordered), math.ceil(share * len(ordered))) - 1]
    assert found == pytest.approx(true, rel=0.0026)


def test_histograms_merge_by_addition_and_end_among_the_lost() -> None:
    numbers, counts = bins(np.array([5000, 5000, 7000]))
    assert counts.tolist() == [2, 1]
    shares = np.array([0.1, 0.75, 0.76, 1.0])
    assert bin_quantiles(numbers, counts, 1, shares).tolist()[2:] == [math.inf, math.inf]
    assert latency.BIN_ZERO_NS * latency.BIN_RATIO ** numbers[0] <= 5000
