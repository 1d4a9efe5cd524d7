"""Reconciliation: independent counts of the updates, and the causes of their differences."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import MS, WINDOWS, arrays_of, record_of, tables_of

from bench import transports
from bench.records.trial_record import TrialRecord
from bench.stats.trial.arrays import trial_arrays
from bench.stats.trial.fates import fates
from bench.stats.trial.reconciliation import COLUMNS, reconcile, refusals_of, reordered, unbroken_holes
from bench.wire.contract import POLICY, REFUSALS

FEED = [{"index": place, "symbol": "AB"[place % 2], "due_ns": (100 + 10 * place) * MS} for place in range(8)]
EVERYTHING = [{"client": 0, "index": row["index"], "app_ns": row["due_ns"] + MS} for row in FEED]


def figures(
    deliveries: list[dict[str, Any]] = EVERYTHING, skips: Any = (), errors: int = 0, **record: Any
) -> dict[str, float]:
    said = {
        "server_counts": {"deliveries": 8, "conflated": 0, "dropped": 0}, "publisher": {"published": 8},
        "load": {"deliveries": len(deliveries)},
    }
    made: TrialRecord = record_of(**(said | record))
    tables = tables_of(FEED, deliveries, skips, clients=[{"client": 0, "errors": errors}])
    trial = trial_arrays(made, tables)
    return reconcile(made, trial, tables, unbroken_holes(fates(trial), tables["clients"]))


def test_counts_that_agree() -> None:
    found = figures()
    assert set(found) == set(COLUMNS)
    assert (found["received"], found["server_deliveries"]) == (8, 8)
    differences = {name: value for name, value in found.items()
                   if name not in ("received", "server_deliveries")}
    assert set(differences.values()) == {0}


@pytest.mark.parametrize("transport", [*transports.names(), "one_that_is_gone"])
def test_what_the_policy_asks_for_is_a_refusal_and_other_errors_are_not(transport: str) -> None:
    said = transports.describe(transport if transport in transports.names() else transports.names()[0])
    meant, others = (
        Counter(said.refusal_words(status)[0] for code, status in REFUSALS.items() if (code in POLICY) == policy)
        for policy in (True, False))
    record = record_of(transport=transport, load={"errors": dict(meant + others)})
    assert refusals_of(record, meant.total() + others.total()) == meant.total() == len(POLICY)


def test_a_publisher_that_counts_other_than_its_log() -> None:
    assert figures(publisher={"published": 9})["publishing_unexplained"] == 1


def test_a_publisher_that_was_killed_has_no_count_to_go_by() -> None:
    assert math.isnan(figures(publisher={"published": 5, "lives": 2})["publishing_unexplained"])
    assert figures(publisher={"published": 8, "lives": 1})["publishing_unexplained"] == 0


def test_what_comes_twice_is_more_than_was_handed_over() -> None:
    assert figures([*EVERYTHING, EVERYTHING[3]])["deliveries_unexplained"] == 1


def test_a_hole_in_what_was_handed_over_was_lost_on_the_way() -> None:
    hole = [row for row in EVERYTHING if row["index"] != 3]
    assert figures(hole)["lost_on_the_way"] == 1
    assert figures(hole, server_counts={"deliveries": 7})["lost_on_the_way"] == 0


def test_a_hole_where_a_client_was_refused_was_never_handed_over_whatever_is_under_way_at_the_end() -> None:
    """It resumed at the head: one update left out, and one under way when the trial ended."""
    hole = [row for row in EVERYTHING if row["index"] not in (3, 7)]
    handed_over = {"deliveries": 7, "conflated": 0, "dropped": 0}
    assert figures(hole, errors=1, server_counts=handed_over)["lost_on_the_way"] == 0
    assert figures(hole, server_counts=handed_over)["lost_on_the_way"] == 1


def test_what_was_under_way_when_the_trial_ended_was_not_lost_on_the_way() -> None:
    found = figures(EVERYTHING[:5])
    assert found["lost_on_the_way"] == 0
    assert found["deliveries_unexplained"] == -3


def test_declared_skips_are_set_against_the_servers_count() -> None:
    hole = [row for row in EVERYTHING if row["index"] != 3]
    skip = {"client": 0, "symbol": "B", "count": 1, "index": 5}
    assert figures(hole, [skip])["skips_unexplained"] == 1
    told = figures(hole, [skip], server_counts={"deliveries": 7, "conflated": 1, "dropped": 0})
    assert (told["skips_declared"], told["skips_unexplained"], told["lost_on_the_way"]) == (1, 0, 0)


def test_where_somebody_did_not_count_there_is_no_difference() -> None:
    found = figures(server_counts={}, publisher={}, load={})
    for name in ("publishing_unexplained", "deliveries_unexplained", "lost_on_the_way", "skips_unexplained",
                 "recorded_unexplained"):
        assert math.isnan(found[name])
    assert math.isnan(figures(sample=0.5)["deliveries_unexplained"])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 7), st.integers(1, 90)), max_size=30))
def test_reordered_counts_whoever_comes_after_a_later_one(rows: list[tuple[int, int, int]]) -> None:
    deliveries = [{"client": client, "index": index, "app_ns": (100 + at) * MS} for client, index, at in rows]
    first: dict[tuple[int, str, int], int] = {}
    for row in deliveries:
        key = (row["client"], FEED[row["index"]]["symbol"], row["index"])
        first[key] = min(first.get(key, row["app_ns"]), row["app_ns"])
    overtaken = sum(
        any(other[:2] == mine[:2] and other[2] > mine[2] and first[other] < first[mine] for other in first)
        for mine in first
    )
    clients = [{"client": number} for number in range(3)]
    assert reordered(arrays_of(FEED, deliveries, clients=clients, windows=WINDOWS)) == overtaken
