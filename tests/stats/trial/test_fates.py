"""Fates: the table of the definitions, by hand; and against a count that goes client by client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import MS, WINDOWS, arrays_of

from bench.stats.trial.fates import fates

Rows = Sequence[dict[str, Any]]
FEED = [
    {"index": 0, "symbol": "A", "due_ns": 90 * MS},
    {"index": 1, "symbol": "A", "due_ns": 100 * MS},
    {"index": 2, "symbol": "B", "due_ns": 120 * MS},
    {"index": 3, "symbol": "A", "due_ns": 150 * MS},
    {"index": 4, "symbol": "A", "due_ns": 199 * MS},
    {"index": 5, "symbol": "A", "due_ns": 200 * MS},
]


def arrived(index: int, at_ms: float, client: int = 0) -> dict[str, Any]:
    return {"client": client, "index": index, "app_ns": int(at_ms * MS)}


def fate(feed: Rows, deliveries: Rows, skips: Rows = (), clients: Rows = ({"client": 0},)) -> dict[str, int]:
    table = fates(arrays_of(feed, deliveries, skips, clients=clients))
    return {name: int(value) for name, value in table.drop(columns="client").sum().items()}


def test_due_are_the_ticks_of_the_window_and_the_subscription() -> None:
    assert fate(FEED, [])["due"] == 4
    assert fate(FEED, [], clients=[{"client": 0, "symbols": ["B"]}])["due"] == 1
    assert fate(FEED, [], clients=[{"client": 0, "symbols": []}])["due"] == 0


@pytest.mark.parametrize(("after_ms", "expected"), [
    (-1, "delivered"), (50, "delivered"), (50.000001, "late"), (100, "late"), (100.000001, "lost"),
])
def test_the_first_arrival_decides(after_ms: float, expected: str) -> None:
    found = fate(FEED[2:3], [arrived(2, 120 + after_ms), arrived(2, 400)])
    assert found[expected] == 1
    assert found["duplicate"] == 1
    assert sum(found[name] for name in ("delivered", "late", "conflated", "lost")) == 1


def test_only_what_was_declared_is_conflated_and_the_older_are_lost() -> None:
    skip = {"client": 0, "symbol": "A", "count": 2, "index": 5}
    found = fate(FEED, [arrived(0, 95), arrived(5, 201)], [skip])
    # Of the gap of indices 1, 3 and 4 two are declared; B's tick is missing without a word.
    assert (found["conflated"], found["lost"]) == (2, 2)


def test_a_declared_skip_covers_one_symbol_of_one_client() -> None:
    skip = {"client": 0, "symbol": "A", "count": 9, "index": 5}
    arrivals = [arrived(5, 201, client) for client in (0, 1)] + [arrived(2, 121, 0), arrived(2, 121, 1)]
    table = fates(arrays_of(FEED, arrivals, [skip], clients=[{"client": 0}, {"client": 1}]))
    assert table["conflated"].tolist() == [3, 0]
    assert table["lost"].tolist() == [0, 3]


def test_dropped_is_a_part_of_lost() -> None:
    skip = {"client": 0, "kind": "dropped", "symbol": "A", "count": 2, "index": 5}
    found = fate(FEED, [arrived(0, 95), arrived(2, 121), arrived(5, 201)], [skip])
    assert (found["lost"], found["dropped"], found["conflated"]) == (3, 2, 0)


def test_a_skip_that_is_declared_twice_with_one_tick_counts_once() -> None:
    skip = {"client": 0, "symbol": "A", "count": 1, "index": 5}
    found = fate(FEED, [arrived(5, 201), arrived(5, 202), arrived(2, 121)], [skip, skip])
    assert (found["conflated"], found["lost"]) == (1, 2)


def test_what_nobody_asked_for_is_foreign() -> None:
    trial = arrays_of(FEED, [arrived(1, 101), arrived(77, 101), arrived(2, 121, 5)],
                      clients=[{"client": 0, "symbols": ["B"]}])
    assert trial.arrivals.foreign == 3
    assert fates(trial)["lost"].tolist() == [1]


def naive(feed: Rows, deliveries: Rows, skips: Rows, client: dict[str, Any]) -> dict[str, int]:
    """Return the fates of one client by the definitions, word by word."""
    found = dict.fromkeys(
        ("due", "delivered", "late", "conflated", "lost", "dropped", "holes", "duplicate"), 0)
    mine = [row for row in deliveries if row["client"] == client["client"]]
    symbols = {row["symbol"] for row in feed}
    for symbol in symbols if client["symbols"] is None else symbols & set(client["symbols"]):
        gap: list[dict[str, Any]] = []
        for tick in [*(row for row in feed if row["symbol"] == symbol), None]:
            times = sorted(row["app_ns"] for row in mine if tick and row["index"] == tick["index"])
            if tick is not None and not times:
                gap.append(tick)
                continue
            declared = {
                kind: max((skip["count"] for skip in skips if tick and skip["index"] == tick["index"]
                           and skip["client"] == client["client"] and skip["kind"] == kind), default=0)
                for kind in ("conflated", "dropped")
            }
            for missing in reversed(gap):
                if declared["conflated"]:
                    declared["conflated"] -= 1
                    what = ["conflated"]
                elif declared["dropped"]:
                    declared["dropped"] -= 1
                    what = ["lost", "dropped"]
                else:
                    what = ["lost", "holes"] if tick else ["lost"]
                if WINDOWS.t0_ns <= missing["due_ns"] < WINDOWS.t1_ns:
                    for name in ("due", *what):
                        found[name] += 1
            gap = []
            if tick is not None and WINDOWS.t0_ns <= tick["due_ns"] < WINDOWS.t1_ns:
                after = times[0] - tick["due_ns"]
                late_after = WINDOWS.late_after_ns
                name = "delivered" if after <= late_after else "late" if after <= 2 * late_after else "lost"
                found["due"] += 1
                found[name] += 1
                found["duplicate"] += len(times) - 1
    return found


@st.composite
def trials(draw: st.DrawFn) -> tuple[Rows, Rows, Rows, Rows]:
    size = draw(st.integers(1, 14))
    due = sorted(draw(st.lists(st.integers(0, 260), min_size=size, max_size=size)))
    feed = [{"index": place, "symbol": draw(st.sampled_from("ABC")), "due_ns": at * MS}
            for place, at in enumerate(due)]
    clients = [{"client": number, "symbols": draw(st.none() | st.lists(st.sampled_from("ABC"), unique=True))}
               for number in draw(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True))]
    any_client = st.sampled_from([client["client"] for client in clients])
    any_index = st.integers(0, size - 1)
    deliveries = draw(st.lists(st.builds(
        lambda client, index, after: {
            "client": client, "index": index, "app_ns": feed[index]["due_ns"] + after * MS},
        any_client, any_index, st.integers(-5, 160)), max_size=30))
    skips = draw(st.lists(st.builds(
        lambda client, index, count, kind: {
            "client": client, "index": index, "count": count, "kind": kind,
            "symbol": feed[index]["symbol"]},
        any_client, any_index, st.integers(1, 4), st.sampled_from(["conflated", "dropped"])), max_size=8))
    return feed, deliveries, skips, clients


@settings(max_examples=300, deadline=None)
@given(trials())
def test_fates_are_those_of_a_count_word_by_word(trial: tuple[Rows, Rows, Rows, Rows]) -> None:
    feed, deliveries, skips, clients = trial
    table = fates(arrays_of(feed, deliveries, skips, clients=clients)).set_index("client")
    for client in clients:
        row = {name: int(value) for name, value in table.loc[client["client"]].items()}
        assert row == naive(feed, deliveries, skips, client)


def test_half_a_million_pairs() -> None:
    rng = np.random.default_rng(5)
    feed = [{"index": place, "symbol": "ABCDE"[place % 5], "due_ns": int(place * 0.02 * MS)}
            for place in range(10_000)]
    arrivals = [arrived(int(index), feed[int(index)]["due_ns"] / MS + 1, client)
                for client in range(5) for index in np.flatnonzero(rng.random(10_000) < 0.9)]
    table = fates(arrays_of(feed, arrivals, clients=[{"client": client} for client in range(5)]))
    assert table["due"].tolist() == [5000] * 5
    assert (table["delivered"] + table["lost"]).tolist() == [5000] * 5
    assert 400 < table["lost"].mean() < 600
