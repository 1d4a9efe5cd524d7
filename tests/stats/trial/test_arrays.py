"""The arrays: ranks, windows, subscriptions, first arrivals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import MS, arrays_of, record_of, tables_of

from bench.clock import NO_STAMP
from bench.stats.trial.arrays import trial_arrays

FEED = [{"index": place, "symbol": symbol, "due_ns": (80 + 10 * place) * MS}
        for place, symbol in enumerate("ABABAABBBA")]


@given(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=40))
def test_a_rank_is_the_place_among_the_ticks_of_a_symbol(symbols: list[str]) -> None:
    feed = [{"index": place, "symbol": symbol, "due_ns": (90 + place) * MS}
            for place, symbol in enumerate(symbols)]
    ticks = arrays_of(feed, []).ticks
    assert ticks.rank.tolist() == [symbols[:place].count(symbol) for place, symbol in enumerate(symbols)]
    for number, symbol in enumerate(ticks.symbols):
        due = sum(mine == symbol and 100 <= 90 + place < 200 for place, mine in enumerate(symbols))
        assert ticks.due_in_window[number] == due


def test_rows_may_come_in_any_order_and_indices_need_not_begin_at_zero() -> None:
    feed = [row | {"index": 100 + row["index"]} for row in FEED]
    rows = [{"client": 4, "index": 107, "app_ns": 200 * MS}, {"client": 2, "index": 100, "app_ns": 90 * MS}]
    clients = [{"client": 4}, {"client": 2}]
    one = arrays_of(feed, rows, clients=clients)
    other = arrays_of(feed[::-1], rows[::-1], clients=clients[::-1])
    assert one.arrivals.app_ns.tolist() == other.arrivals.app_ns.tolist() == [90 * MS, 200 * MS]
    assert one.ticks.index[one.arrivals.tick].tolist() == [100, 107]
    assert one.arrivals.client.tolist() == [0, 1]


def test_the_first_arrival_is_the_earliest_not_the_one_that_is_written_first() -> None:
    rows = [{"client": 0, "index": 1, "app_ns": at * MS, "kernel_ns": stamp}
            for at, stamp in ((99, None), (93, 92 * MS), (95, 94 * MS))]
    arrivals = arrays_of(FEED, rows).arrivals
    assert arrivals.app_ns.tolist() == [93 * MS]
    assert arrivals.kernel_ns.tolist() == [92 * MS]
    assert arrivals.repeats.tolist() == [2]
    assert arrivals.repeated_app_ns.tolist() == [95 * MS, 99 * MS]


def test_a_stamp_that_is_missing_is_not_an_instant() -> None:
    arrivals = arrays_of(FEED, [{"client": 0, "index": 1, "app_ns": 99 * MS, "kernel_ns": None}]).arrivals
    assert arrivals.kernel_ns.tolist() == [NO_STAMP]


def test_who_subscribes_to_all_needs_no_memory() -> None:
    clients = arrays_of(FEED, [], clients=[{"client": number} for number in range(1000)]).clients
    assert clients.subscribed.shape == (1000, 2)
    assert clients.subscribed.strides == (0, 0)
    assert np.all(clients.subscribed)


def test_a_trial_without_windows_is_a_bug_here() -> None:
    with pytest.raises(AssertionError, match="never measured"):
        trial_arrays(record_of(windows=None), tables_of(FEED, []))
