"""The fates of messages, which add up, and the balance of messages with updates."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import MS, WINDOWS, record_of, tables_of

from bench.records.trial_record import UPLINKS
from bench.stats.trial.arrays import Clients, Tables, trial_arrays
from bench.stats.trial.fates import fates
from bench.stats.trial.uplinks import COLUMNS, FATES, round_trips, sent_payload, uplink_columns

AUTHORS, ROOMS = 4, 2
DUE_NS = [(80 + 10 * place) * MS for place in range(14)]
IN_WINDOW = [WINDOWS.t0_ns <= due_ns < WINDOWS.t1_ns for due_ns in DUE_NS]


def trial(ends: list[str]) -> Tables:
    """Return a trial in which each message ends in this way: every message is numbered 2 ms, and comes 5 ms,
    after it was due."""
    feed: list[dict[str, Any]] = []
    deliveries, uplinks = [], []
    for index, (due_ns, end) in enumerate(zip(DUE_NS, ends, strict=True)):
        author, room = index % AUTHORS, index % ROOMS
        is_numbered = end in ("accepted", "unanswered", "forgotten-author", "refused-though")
        feed.append({"index": index, "symbol": "AB"[room], "due_ns": due_ns,
                     "sent_ns": due_ns + 2 * MS if is_numbered else None, "seq": index + 1 if is_numbered else None})
        if is_numbered:
            deliveries += [{"client": client, "index": index, "app_ns": due_ns + 5 * MS}
                           for client in range(AUTHORS) if client % ROOMS == room]
        answered = end in ("accepted", "refused", "forgotten", "refused-though")
        uplinks.append({
            "index": index, "author": author, "due_ns": due_ns,
            "sent_ns": None if end in ("unsent", "forgotten-author") else due_ns + MS, "sends": int(end != "unsent"),
            "answered_ns": due_ns + 3 * MS if answered else None,
            "refusal": "too-many" if end in ("refused", "refused-though") else None, "payload_bytes": 60,
        })
    clients = [{"client": client, "symbols": ["AB"[client % ROOMS]], "counted_from_ns": WINDOWS.t0_ns,
                "counted_to_ns": WINDOWS.t1_ns} for client in range(AUTHORS)]
    tables = tables_of(feed, sorted(deliveries, key=lambda row: row["app_ns"]), clients=clients)
    return {**tables, "uplinks": pa.Table.from_pylist(uplinks, UPLINKS)}


def columns(tables: Tables) -> dict[str, float]:
    return uplink_columns(trial_arrays(record_of(clients=AUTHORS), tables), tables)


GOOD = st.sampled_from(["accepted", "accepted", "refused", "unsent", "lost", "unanswered"])


@given(st.lists(GOOD, min_size=len(DUE_NS), max_size=len(DUE_NS)))
def test_the_fates_add_up_and_accepted_messages_alone_are_owed(ends: list[str]) -> None:
    tables = trial(ends)
    found = columns(tables)
    assert set(found) == set(COLUMNS)
    mine = [end for end, within in zip(ends, IN_WINDOW, strict=True) if within]
    as_fate = {"lost": "sent", "unanswered": "accepted"}
    for fate in FATES:
        assert found[f"uplinks_{fate}"] == sum(as_fate.get(end, end) == fate for end in mine)
    assert found["uplinks_due"] == len(mine)
    assert found["uplinks_unexplained"] == 0
    arrays = trial_arrays(record_of(clients=AUTHORS), tables)
    due = fates(arrays)
    assert due["due"].sum() == due["delivered"].sum() == found["uplinks_accepted"] * AUTHORS // ROOMS
    assert arrays.arrivals.foreign == 0
    if found["uplinks_accepted"]:
        assert found["round_trip_p50_ms"] == found["round_trip_p99_ms"] == 5
        assert (found["uplink_sent_p50_ms"], found["uplink_numbered_p99_ms"]) == (1, 2)


@pytest.mark.parametrize("end", ["forgotten", "forgotten-author", "refused-though"])
def test_records_that_disagree_about_a_message_are_counted_wherever_it_was_due(end: str) -> None:
    assert columns(trial([end, *["accepted"] * (len(DUE_NS) - 2), end]))["uplinks_unexplained"] == 2


@pytest.mark.parametrize(("after_ms", "round_trip_ms"), [(None, math.inf), (101, math.inf), (100, 100)])
def test_an_authors_own_copy_that_is_lost_is_infinitely_late(after_ms: int | None, round_trip_ms: float) -> None:
    """A copy is lost where it never came, or came later than 2ℓ = 100 ms."""
    tables = trial(["accepted"] * len(DUE_NS))
    rows = []
    for row in tables["deliveries"].to_pylist():
        if row["client"] != row["index"] % AUTHORS:
            rows.append(row)
        elif after_ms is not None:
            rows.append({**row, "app_ns": DUE_NS[row["index"]] + after_ms * MS})
    found = columns({**tables, "deliveries": pa.Table.from_pylist(rows, tables["deliveries"].schema)})
    assert found["round_trip_p50_ms"] == round_trip_ms
    assert found["uplink_answered_p50_ms"] == 3


def test_updates_that_are_lost_are_in_no_median_of_both_directions() -> None:
    tables = trial(["accepted"] * len(DUE_NS))
    rows = [{**row, "app_ns": row["app_ns"] + 200 * MS * (row["index"] % 3 > 0)}
            for row in tables["deliveries"].to_pylist()]
    found = columns({**tables, "deliveries": pa.Table.from_pylist(rows, tables["deliveries"].schema)})
    assert found["latency_silent_p50_ms"] == 5


@given(st.lists(GOOD, min_size=len(DUE_NS), max_size=len(DUE_NS)), st.randoms(use_true_random=False))
def test_an_update_is_one_while_sending_by_its_due_instant_as_a_naive_count_has_it(
    ends: list[str], draw: random.Random
) -> None:
    """Messages are often sent or answered just as an update is due, and answered in another order than sent."""
    tables = trial(ends)
    uplinks, deliveries = tables["uplinks"].to_pylist(), tables["deliveries"].to_pylist()
    for row in uplinks:
        if row["sent_ns"] is not None:
            row["sent_ns"] = row["due_ns"] + draw.randrange(0, 45, 5) * MS
        if row["answered_ns"] is not None:
            row["answered_ns"] = row["sent_ns"] + draw.randrange(0, 105, 5) * MS
    draw.shuffle(uplinks)
    for row in deliveries:
        row["app_ns"] = DUE_NS[row["index"]] + draw.randrange(MS, 40 * MS)
    deliveries.sort(key=lambda row: row["app_ns"])
    tables = {**tables, "uplinks": pa.Table.from_pylist(uplinks, UPLINKS),
              "deliveries": pa.Table.from_pylist(deliveries, tables["deliveries"].schema)}
    expected: dict[bool, list[float]] = {True: [], False: []}
    for row in deliveries:
        due_ns = DUE_NS[row["index"]]
        if row["client"] == row["index"] % AUTHORS or not WINDOWS.t0_ns <= due_ns < WINDOWS.t1_ns:
            continue
        is_sending = any(
            each["author"] == row["client"] and each["answered_ns"] is not None and each["sent_ns"] is not None
            and each["sent_ns"] <= due_ns < each["answered_ns"] for each in uplinks)
        expected[is_sending].append((row["app_ns"] - due_ns) / MS)
    found = columns(tables)
    for name, is_sending in (("latency_sending_p50_ms", True), ("latency_silent_p50_ms", False)):
        if expected[is_sending]:
            assert found[name] == pytest.approx(statistics.median(expected[is_sending]))
        else:
            assert math.isnan(found[name])


def test_round_trips_of_authors_whose_rows_were_not_kept_are_left_out_and_not_lost() -> None:
    arrays = trial_arrays(record_of(clients=AUTHORS), trial(["accepted"] * len(DUE_NS)))
    index = np.arange(len(DUE_NS))
    for kept in (0, 1):
        few = Clients(np.arange(kept), np.ones((kept, ROOMS), dtype=np.bool_))
        took, lost = round_trips(replace(arrays, clients=few), index, index % AUTHORS)
        assert (len(took), lost) == (len(index[index % AUTHORS < kept]), 0)


def test_payload_up_is_what_was_sent_between_an_authors_two_readings() -> None:
    tables = trial(["accepted"] * len(DUE_NS))
    arrays = trial_arrays(record_of(clients=AUTHORS), tables)
    assert sent_payload(arrays, tables) == 60 * sum(
        WINDOWS.t0_ns <= due_ns + MS < WINDOWS.t1_ns for due_ns in DUE_NS)
    listening = {name: table for name, table in tables.items() if name != "uplinks"}
    assert sent_payload(arrays, listening) == 0


def test_where_clients_only_listen_there_is_nothing_but_nothing_to_explain() -> None:
    tables = {name: table for name, table in trial(["accepted"] * len(DUE_NS)).items() if name != "uplinks"}
    found = columns(tables)
    assert found.pop("uplinks_unexplained") == 0
    assert all(math.isnan(value) for value in found.values())
