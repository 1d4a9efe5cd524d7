"""Age of information: by hand, against sampling and sums over ticks, and from few ticks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import MS, WINDOWS, arrays_of

from bench.stats.trial.age import ages


def test_age_is_the_area_under_what_the_client_knows() -> None:
    # Known from the warm-up's begin (0); the tick due at 150 is known at 160: 100…160, then 10…50.
    feed = [{"index": 0, "symbol": "A", "due_ns": 150 * MS}]
    age = ages(arrays_of(feed, [{"client": 0, "index": 0, "app_ns": 160 * MS}]))
    assert age.mean_s == pytest.approx((60 * 130 + 40 * 30) / 100 / 1000)
    # The ideal client would have known it from 150 on: 10 ms earlier, and it is all the news there is.
    assert age.excess_s == pytest.approx(0.010)


def test_news_weighs_by_the_time_since_the_tick_before() -> None:
    feed = [{"index": place, "symbol": "A", "due_ns": at * MS} for place, at in enumerate((0, 120, 150, 190))]
    arrived = [{"client": 0, "index": index, "app_ns": at * MS}
               for index, at in ((0, 90), (1, 125), (3, 200))]
    # 120 ms of news for 5 ms; 30 ms and 40 ms, of which the first comes with the second, for 50 and 10 ms.
    assert ages(arrays_of(feed, arrived)).excess_s == pytest.approx(
        (120 * 5 + 30 * 50 + 40 * 10) / (120 + 30 + 40) / 1000)
    # What never arrives is missed until the drain is over, at 300.
    assert ages(arrays_of(feed, arrived[:1])).excess_s == pytest.approx(
        (120 * 180 + 30 * 150 + 40 * 110) / (120 + 30 + 40) / 1000)


def test_where_nothing_is_due_in_the_window_warm_up_tells() -> None:
    feed = [{"index": place, "symbol": symbol, "due_ns": at * MS} for place, (symbol, at) in enumerate(
        (("A", 0), ("B", 0), ("B", 60)))]
    arrived = [{"client": 0, "index": index, "app_ns": at * MS} for index, at in ((0, 30), (1, 30), (2, 90))]
    assert ages(arrays_of(feed, arrived)).excess_s == pytest.approx(0.030)
    nothing = ages(arrays_of([{"index": 0, "symbol": "A", "due_ns": 220 * MS}], []))
    assert np.isnan(nothing.excess_s)
    assert nothing.mean_s == pytest.approx(0.150)


@pytest.mark.parametrize("ticks", [3, 10, 300])
def test_polls_are_half_an_interval_old_however_few_ticks_there_are(ticks: int) -> None:
    rng = np.random.default_rng(ticks)
    due_ns = np.sort(rng.integers(100, 200, ticks)) * MS
    feed = [{"index": 0, "symbol": "A", "due_ns": 0}, *(
        {"index": place, "symbol": "A", "due_ns": int(at)} for place, at in enumerate(due_ns, 1))]
    phases_ms = (np.arange(100) + 0.5) * 0.9   # polls every 90 ms
    arrived = [{"client": client, "index": row["index"],
                "app_ns": int((row["due_ns"] / MS + (phase - row["due_ns"] / MS) % 90) * MS)}
               for client, phase in enumerate(phases_ms) for row in feed]
    clients = [{"client": client} for client in range(100)]
    assert ages(arrays_of(feed, arrived, clients=clients)).excess_s == pytest.approx(0.045, rel=0.01)


def test_what_arrived_before_the_window_is_kept() -> None:
    feed = [{"index": 0, "symbol": "A", "due_ns": 90 * MS}]
    age = ages(arrays_of(feed, [{"client": 0, "index": 0, "app_ns": 91 * MS}]))
    assert age.mean_s == pytest.approx(0.060)


def test_nobody_has_no_age() -> None:
    feed = [{"index": 0, "symbol": "A", "due_ns": 90 * MS}]
    assert np.isnan(ages(arrays_of(feed, [], clients=[{"client": 0, "symbols": []}])).mean_s)


def sampled_s(feed: list[dict[str, Any]], arrivals: list[dict[str, Any]], clients: list[dict[str, Any]]
              ) -> float:
    """Return the mean age, found by looking every 0.05 ms, in the middle of the step."""
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
                seen = min(times, default=10**15)
                known = np.where(looks >= seen, np.maximum(known, tick["due_ns"]), known)
            means.append((looks - known).mean())
    return float(np.mean(means)) / 1e9


def summed_s(feed: list[dict[str, Any]], arrivals: list[dict[str, Any]], clients: list[dict[str, Any]]
             ) -> float:
    """Return the excess age, tick by tick."""
    rows = []   # weight by the window's news, weight by warm-up's, and how long it was missed
    for client in clients:
        wanted = "AB" if client["symbols"] is None else client["symbols"]
        for symbol in wanted:
            mine, before = [tick for tick in feed if tick["symbol"] == symbol], WINDOWS.warmup_ns
            for place, tick in enumerate(mine):
                later = {newer["index"] for newer in mine[place:]}
                known = min((row["app_ns"] for row in arrivals if row["client"] == client["client"]
                             and row["index"] in later), default=10**15)
                due = tick["due_ns"]
                rows.append(((due - before) * (WINDOWS.t0_ns <= due < WINDOWS.t1_ns), due < WINDOWS.t0_ns,
                             min(known, WINDOWS.end_ns) - due))
                before = due
    for place in (0, 1):
        total = sum(row[place] for row in rows)
        if total:
            return sum(row[place] * row[2] for row in rows) / total / 1e9
    return float("nan")


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
    assert age.mean_s == pytest.approx(sampled_s(feed, arrivals, clients), abs=1e-7)
    assert age.excess_s == pytest.approx(summed_s(feed, arrivals, clients), abs=1e-9, nan_ok=True)
    assert not age.excess_s < -1e-12
