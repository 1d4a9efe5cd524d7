"""Schedules: laws that hold for every seed, and statistics that hold for the seeds named."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.feed.schedule import NS, Schedule, make, symbol_names
from bench.feed.tick import decode, encode
from bench.scenario.model import Bursts, Feed

feeds = st.builds(
    Feed,
    schedule=st.sampled_from(["constant", "poisson", "bursty"]),
    rate_per_s=st.floats(0.1, 500),
    symbols=st.integers(1, 40),
    book_levels=st.integers(0, 5),
    bursty=st.builds(Bursts, branching_ratio=st.floats(0, 0.95), decay_s=st.floats(0.001, 1)),
)
seeds = st.integers(0, 2**63 - 1)


def same(one: Schedule, other: Schedule) -> bool:
    arrays = ("offset_ns", "symbol", "price", "size")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)


@given(feeds, seeds, st.floats(0.1, 5))
@settings(deadline=None)
def test_a_schedule_is_sorted_within_its_horizon_and_a_function_of_the_seed(
    feed: Feed, seed: int, horizon_s: float
) -> None:
    schedule = make(feed, seed, horizon_s, 1.0)
    assert schedule.offset_ns.dtype == np.int64
    assert (np.diff(schedule.offset_ns) >= 0).all()
    assert ((schedule.offset_ns >= 0) & (schedule.offset_ns < horizon_s * NS)).all()
    assert ((schedule.symbol >= 0) & (schedule.symbol < feed.symbols)).all()
    assert (schedule.price >= 0.01).all()
    assert (schedule.price == np.round(schedule.price, 2)).all()
    assert (schedule.size >= 1).all()
    assert same(schedule, make(feed, seed, horizon_s, 1.0))
    assert schedule.symbol[: feed.symbols].tolist() == list(range(feed.symbols))   # the opening
    assert (schedule.offset_ns[: feed.symbols] == 0).all()


def test_the_opening_moves_nothing_that_is_drawn() -> None:
    few, many = (make(Feed(rate_per_s=20, symbols=count), 4, 5.0, 1.0) for count in (1, 7))
    assert few.offset_ns[1:].tolist() == many.offset_ns[7:].tolist()
    assert (few.offset_ns[1:] > 0).all()


@given(feeds, seeds, st.lists(st.floats(0, 3), min_size=2, max_size=2))
@settings(deadline=None)
def test_what_is_due_in_a_window_is_known_by_symbol(feed: Feed, seed: int, window: list[float]) -> None:
    schedule = make(feed, seed, 3.0, 1.0)
    from_ns, to_ns = sorted(round(edge * NS) for edge in window)
    within = [
        (index, schedule.symbols[symbol])
        for index, (offset, symbol) in enumerate(zip(schedule.offset_ns, schedule.symbol, strict=True))
        if from_ns <= offset < to_ns
    ]
    assert schedule.last_index(from_ns, to_ns) == {symbol: index for index, symbol in within}
    assert schedule.due_by_symbol(from_ns, to_ns) == Counter(symbol for _, symbol in within)
    if within:
        assert schedule.first_due_from(from_ns) == within[0][0]


@given(feeds, seeds)
@settings(deadline=None)
def test_ticks_carry_the_schedules_values_and_a_sound_book(feed: Feed, seed: int) -> None:
    schedule = make(feed, seed, 1.0, 0.0)
    for index in range(min(20, len(schedule))):
        tick = schedule.tick(index, index + 7, 123)
        assert (tick.index, tick.seq, tick.due_ns) == (index, index + 7, 123)
        assert tick.symbol == schedule.symbols[schedule.symbol[index]]
        assert decode(encode(tick)) == tick == schedule.tick(index, index + 7, 123)
        assert len(tick.bids) == len(tick.asks) == feed.book_levels
        bids, asks = [price for price, _ in tick.bids], [price for price, _ in tick.asks]
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        assert all(0 < bid < tick.price for bid in bids)
        assert all(ask > tick.price for ask in asks)
        assert all(size >= 1 for _, size in tick.bids + tick.asks)


@pytest.mark.parametrize("schedule", ["constant", "poisson", "bursty"])
def test_seeds_differ_and_the_rate_is_the_scenarios(schedule: str) -> None:
    feed = Feed(schedule=schedule, rate_per_s=200)  # type: ignore[arg-type]
    ratio = feed.bursty.branching_ratio if schedule == "bursty" else 0.0
    counts = [len(make(feed, seed, 100.0, 1.0)) for seed in range(12)]
    # The count's variance is rate · horizon / (1 − n)² (0 for constant); four standard errors.
    error = np.sqrt(200 * 100 / len(counts)) / (1 - ratio)
    assert abs(np.mean(counts) - 200 * 100) < 4 * error
    assert not same(make(feed, 1, 5.0, 1.0), make(feed, 2, 5.0, 1.0))


def test_constant_is_evenly_spaced_from_a_phase_of_the_seeds() -> None:
    feed = Feed(schedule="constant", rate_per_s=8)
    schedules = [make(feed, seed, 10.0, 1.0) for seed in range(20)]
    for schedule in schedules:
        assert len(schedule) == 5 + 80
        assert (np.abs(np.diff(schedule.offset_ns[5:]) - NS // 8) <= 1).all()
    phases = sorted(int(schedule.offset_ns[5]) for schedule in schedules)
    assert phases[0] < NS // 32
    assert phases[-1] > NS // 8 - NS // 32


def test_poisson_gaps_are_exponential() -> None:
    offset_s = make(Feed(schedule="poisson", rate_per_s=100), 5, 200.0, 1.0).offset_ns / NS
    gaps = np.diff(offset_s)
    # Kolmogorov and Smirnov: 1.63/√n is exceeded once in a hundred seeds.
    cdf = 1 - np.exp(-100 * np.sort(gaps))
    assert np.abs(cdf - np.arange(gaps.size) / gaps.size).max() < 1.63 / np.sqrt(gaps.size)


@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.8])
def test_bursts_are_as_wide_as_theory_has_them(ratio: float) -> None:
    """Var N(w) / E N(w) tends to 1/(1 − n)² in windows w that are long against the memory."""
    bursts = Bursts(branching_ratio=ratio, decay_s=0.02)
    offset_s = make(Feed(schedule="bursty", rate_per_s=400, bursty=bursts), 11, 4000.0, 1.0).offset_ns / NS
    counts = np.histogram(offset_s, bins=800, range=(0, 4000))[0]
    dispersion = counts.var() / counts.mean()
    # In windows of 5 s the memory of decay/(1−n) ≤ 0.1 s costs at most 4 %; the estimate's own
    # relative error over 800 windows is √(2/800) = 5 %.
    assert dispersion == pytest.approx(1 / (1 - ratio) ** 2, rel=0.19)


def test_bursts_decay_as_asked() -> None:
    """The share of variance that a short window has by theory (Hawkes 1971, exponential kernel)."""
    ratio, decay_s, window_s = 0.8, 0.1, 0.1
    bursts = Bursts(branching_ratio=ratio, decay_s=decay_s)
    offset_s = make(Feed(schedule="bursty", rate_per_s=200, bursty=bursts), 12, 4000.0, 1.0).offset_ns / NS
    counts = np.histogram(offset_s, bins=40_000, range=(0, 4000))[0]
    rate = (1 - ratio) / decay_s  # at which the covariance decays
    wide = 1 / (1 - ratio) ** 2
    theory = wide + (1 - wide) * (1 - np.exp(-rate * window_s)) / (rate * window_s)
    assert counts.var() / counts.mean() == pytest.approx(theory, rel=0.08)


def test_bursts_are_stationary_from_the_start() -> None:
    bursts = Bursts(branching_ratio=0.9, decay_s=0.5)
    feed = Feed(schedule="bursty", rate_per_s=50, bursty=bursts)
    first = [len(make(feed, seed, 1.0, 0.0)) - feed.symbols for seed in range(400)]
    error = np.std(first) / np.sqrt(len(first))
    assert abs(np.mean(first) - 50) < 4 * error
    assert 4 * error < 15  # an empty past would give 9.5 in the first second


def test_symbols_have_names_of_their_own() -> None:
    names = symbol_names(10_000)
    assert names[:2] == ("AAA", "AAB")
    assert names[25:27] == ("AAZ", "ABA")
    assert len(set(names)) == 10_000


def test_a_feed_that_is_nearly_never_due_opens_and_is_silent() -> None:
    schedule = make(Feed(schedule="poisson", rate_per_s=1e-9, symbols=2), 1, 1.0, 0.0)
    assert schedule.last_index(0, NS) == {"AAA": 0, "AAB": 1}
    assert schedule.last_index(1, NS) == {}
