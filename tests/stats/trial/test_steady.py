"""The trend within a window and the cut of a warm-up, on series whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rows import MS, arrays_of

from bench.feed.schedule import hawkes
from bench.records.trial_record import WindowInstants
from bench.scenario.model import Bursts
from bench.stats.trial import steady
from bench.stats.trial.steady import binned, mser5, steadiness


def noise(seed: int, count: int = 60, alike: float = 0.0) -> np.ndarray:
    """Return values about 0 with standard deviation 1; neighbours correlated by `alike`."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(count)
    for place in range(1, count):
        values[place] = alike * values[place - 1] + math.sqrt(1 - alike**2) * values[place]
    return values


def trend_share(values: np.ndarray) -> float:
    """Return the trend on a feed with as many ticks in each bin."""
    return steady.trend_share(values, np.full(len(values), 10.0))


@pytest.mark.parametrize("alike", [0.0, 0.6])
def test_noise_without_a_trend_is_hardly_ever_taken_for_one(alike: float) -> None:
    shares = [trend_share(10 + noise(seed, alike=alike)) for seed in range(300)]
    assert sum(share > 0.25 for share in shares) == 0
    assert sum(share > 0 for share in shares) <= 6


@pytest.mark.parametrize("rise", [1.0, -1.0])
def test_a_large_trend_is_seen_in_either_direction(rise: float) -> None:
    line = 10 + 5 * rise * np.linspace(-1, 1, 60)
    share = trend_share(line + noise(1))
    assert 0.5 < share < 1.0
    assert trend_share(line) == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("decay_s", [1.0, 10.0])
def test_bursts_that_are_answered_more_slowly_are_no_trend(decay_s: float) -> None:
    found, creeping = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        due_s = hawkes(rng, 100, Bursts(branching_ratio=0.95, decay_s=decay_s), 60)
        bins, ticks = np.unique(due_s.astype(int), return_counts=True)
        values = 10 + 0.2 * ticks + noise(seed, len(bins))
        found.append(steady.trend_share(values, ticks.astype(float)))
        creeping.append(steady.trend_share(values * np.linspace(1, 2.5, len(bins)), ticks.astype(float)))
    assert np.nanmax(found) < 0.1
    assert np.nanmedian(creeping) > 0.25


def test_one_stalled_bin_is_no_trend() -> None:
    values = np.full(60, 5.0)
    values[-3] = 200.0
    assert trend_share(values) == 0


def test_too_few_bins_are_not_assessed() -> None:
    assert math.isnan(trend_share(np.full(29, 1.0)))
    assert trend_share(np.full(30, 1.0)) == 0
    assert math.isnan(trend_share(np.zeros(30)))


def test_values_are_put_into_the_whole_bins_that_have_some() -> None:
    at = np.array([25, -1, 0, 9, 29, 30, 41], dtype=np.int64)
    numbers, sums = binned(at, at.astype(float), 39, 10, np.sum)
    assert list(numbers) == [0, 2]
    assert list(sums) == [9, 54]


@pytest.mark.parametrize("bins", [255, 256, 257, 65_535, 65_536, 65_537])
def test_each_of_many_bins_has_its_own_values(bins: int) -> None:
    at = np.random.default_rng(bins).permutation(bins).astype(np.int64)
    numbers, values = binned(at, 2.0 * at, bins, 1, np.sum)
    assert np.array_equal(numbers, np.arange(bins))
    assert np.array_equal(values, 2.0 * numbers)


def test_the_cut_of_a_warm_up_is_where_the_level_is_reached() -> None:
    warming = np.concatenate([np.linspace(50, 10, 20), 10 + noise(3, 180) / 5])
    cut = mser5(warming)
    assert cut is not None
    assert 15 <= cut <= 30
    assert mser5(10 + noise(4, 200) / 5) is not None
    assert mser5(np.ones(19)) is None


def test_a_trial_whose_latency_grows_has_a_trend() -> None:
    seconds = 40
    windows = WindowInstants(0, 5000 * MS, (5 + seconds) * 1000 * MS, 1000 * MS)
    feed = [{"index": 0, "symbol": "A", "due_ns": 0}, *(
        {"index": index, "symbol": "A", "due_ns": index * 100 * MS - 50 * MS} for index in range(1, 451))]
    steady = [{"client": 0, "index": row["index"],   # the opening may take as long as it takes
               "app_ns": row["due_ns"] + (3 if row["index"] else 900) * MS} for row in feed]
    grows = [{"client": 0, "index": row["index"], "app_ns": row["due_ns"] + (3 + row["index"] // 50) * MS}
             for row in feed]
    quiet = steadiness(arrays_of(feed, steady, windows=windows))
    assert (quiet.bins, quiet.trend_share, quiet.warmup_cut_s) == (seconds, 0, 0)
    assert steadiness(arrays_of(feed, grows, windows=windows)).trend_share > 0.5
