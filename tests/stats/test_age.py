"""Age of information: by hand, against sampling, and that latency in order is excess age."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import MS, WINDOWS, arrays_of

from bench.stats.age import ages


def test_by_hand() -> None:
    # Known from the warm-up's begin (0); the tick due at 150 is known at 160: 100…160, then 10…50.
    feed = [{"index": 0, "symbol": "A", "due_ns": 150 * MS}]
    age = ages(arrays_of(feed, [{"client": 0, "index": 0, "app_ns": 160 * MS}]))
    assert age.mean_s == pytest.approx((60 * 130 + 40 * 30) / 100 / 1000)
    # The ideal client would have known it from 150 on: 10 ms earlier, when that was news of 150 ms.
    assert age.excess_s == pytest.approx(10 * 150 / 100 / 1000)


def test_what_arrived_before_the_window_is_kept() -> None:
    feed = [{"index": 0, "symbol": "A", "due_ns": 90 * MS}]
    age = ages(arrays_of(feed, [{"client": 0, "index": 0, "app_ns": 91 * MS}]))
    assert age.mean_s == pytest.approx(0.060)
    assert age.excess_s == 0


def test_nobody_has_no_age() -> None:
    feed = [{"index": 0, "symbol": "A", "due_ns": 90 * MS}]
    assert np.isnan(ages(arrays_of(feed, [], clients=[{"client": 0, "symbols": []}])).mean_s)


def sampled_s(feed: list[dict[str, Any]], arrivals: list[dict[str, Any]], clients: list[dict[str, Any]],
              ideal: bool) -> float:
    """The mean age by looking every 0.05 ms, in the middle of the step."""
    looks = np.arange(WINDOWS.t0_ns, WINDOWS.t1_ns, MS // 20) + MS // 40
    means = []
    for client in clients:
        for symbol in sorted({row["symbol"] for row in feed}):
            if client["symbols"] is not None and symbol not in client["symbols"]:
                continue
            known = np.zeros(len(looks))
            for tick in feed:
                if tick["symbol"] != symbol:
                    continue
                times = [row["app_ns"] for row in arrivals
                         if row["client"] == client["client"] and row["index"] == tick["index"]]
                seen = tick["due_ns"] if ideal else min(times, default=10**15)
                known = np.where(looks >= seen, np.maximum(known, tick["due_ns"]), known)
            means.append((looks - known).mean())
    return float(np.mean(means)) / 1e9


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_it_is_what_sampling_finds(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 8))
    due = sorted(data.draw(st.lists(st.integers(0, 220), min_size=size, max_size=size)))
    feed = [{"index": place, "symbol": data.draw(st.sampled_from("AB")), "due_ns": at * MS}
            for place, at in enumerate(due)]
    clients = [{"client": 3, "symbols": None}, {"client": 7, "symbols": data.draw(
        st.lists(st.sampled_from("AB"), unique=True))}]
    arrivals = data.draw(st.lists(st.builds(
        lambda client, index, after: {
            "client": client, "index": index, "app_ns": feed[index]["due_ns"] + after * MS},
        st.sampled_from([3, 7]), st.integers(0, size - 1), st.integers(0, 130)), max_size=16))
    age = ages(arrays_of(feed, arrivals, clients=clients))
    expected = sampled_s(feed, arrivals, clients, ideal=False)
    assert age.mean_s == pytest.approx(expected, abs=1e-7)
    assert age.excess_s == pytest.approx(expected - sampled_s(feed, arrivals, clients, ideal=True), abs=1e-7)
    assert age.excess_s >= -1e-12
