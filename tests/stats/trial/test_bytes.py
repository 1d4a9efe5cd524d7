"""Costs: parts that add up to the whole, and nothing for what was not counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import MS, WINDOWS, record_of, tables_of

from bench.records.trial_record import COUNTED, COUNTED_BY_KERNEL, SAMPLES, Usage
from bench.stats.trial.arrays import trial_arrays
from bench.stats.trial.bytes import DIRECTIONS, PARTS, byte_parts, costs

FEED = [{"index": place, "symbol": "A", "due_ns": (90 + 10 * place) * MS, "payload_bytes": 100 + place}
        for place in range(12)]
COUNTS = {"connections": 1, "requests": 4, "header_bytes_up": 400, "header_bytes_down": 600,
          "body_bytes_up": 10, "body_bytes_down": 900, "bytes_up": 410, "bytes_down": 1500,
          "segments_up": 8, "segments_down": 5, "data_segments_up": 4, "data_segments_down": 4,
          "control_segments_up": 2, "control_segments_down": 1, "retransmitted_segments_up": 1,
          "retransmitted_bytes_up": 90}


def costs_of(client: dict[str, Any], usage: dict[str, Usage] | None = None,
             sample: float = 1.0, samples: Sequence[dict[str, Any]] = ()) -> dict[str, float]:
    # Arrivals at 95…205: index 0 before the window, index 11 after it, index 1 twice.
    arrivals = [{"client": 0, "index": place, "app_ns": (95 + 10 * place) * MS} for place in range(12)]
    arrivals.append({"client": 0, "index": 1, "app_ns": 150 * MS})
    tables = tables_of(FEED, arrivals, clients=[{"client": 0} | client])
    tables = {**tables, "samples": pa.Table.from_pylist(list(samples), SAMPLES)}
    record = record_of(clients=1, usage=usage or {}, sample=sample)
    return costs(record, trial_arrays(record, tables), tables)


def test_what_is_divided_by_what() -> None:
    found = costs_of(COUNTS, {"server": Usage(50_000_000, None, None, 3_000_000, 1_000_000)})
    assert found["arrivals"] == 10
    assert found["requests_per_update"] == 0.4
    assert found["server_cpu_us_per_update"] == 5000
    assert found["server_cpu_cores"] == 0.5
    assert found["server_rss_bytes_per_client"] == 2_000_000
    # Payload is of every arrival, the repeated one too: indices 1…10 and 1 again.
    assert found["payload_bytes_down_per_update"] == (sum(range(101, 111)) + 101) / 10
    assert found["tcpip_bytes_up_per_update"] == 3 * 52 / 10
    assert found["ack_bytes_up_per_update"] == 2 * 52 / 10
    assert found["connection_bytes_up_per_update"] == (2 * 52 + 8) / 10
    assert found["retransmitted_bytes_up_per_update"] == (90 + 52) / 10
    assert found["bytes_up_per_update"] == (410 + 90 + 8 * 52 + 8) / 10
    assert found["ack_bytes_down_per_update"] == 0


def test_cpu_and_arrivals_are_of_the_same_instants() -> None:
    """The server was read at 100 and, late, at 210 ms, after two more arrivals."""
    looks = [{"process": "server", "at_ns": at_ms * MS} for at_ms in (50, 100, 150, 210)]
    found = costs_of(COUNTS, {"server": Usage(48_000_000)}, samples=looks)
    assert found["arrivals"] == 11
    assert found["server_cpu_us_per_update"] == pytest.approx(48_000 / 11)
    assert found["server_cpu_cores"] == pytest.approx(48 / 110)


def test_a_share_of_the_clients_in_the_tables_is_not_all_that_the_server_served() -> None:
    used = {"server": Usage(50_000_000, None, None, 3000, 1000, wakeups=80)}
    whole = costs_of(COUNTS, used)
    share = costs_of(COUNTS, used, sample=0.25)
    assert share["arrivals"] == whole["arrivals"] == 10
    assert share["server_cpu_us_per_update"] == whole["server_cpu_us_per_update"] / 4
    assert share["server_wakeups_per_update"] == 2
    assert share["bytes_up_per_update"] == whole["bytes_up_per_update"]


def test_a_client_counts_from_its_first_look_to_its_second() -> None:
    # Indices 3…8 arrive at 125…175; what came before and after belongs to no counter of this client.
    found = costs_of(COUNTS | {"counted_from_ns": 125 * MS, "counted_to_ns": 180 * MS})
    assert (found["arrivals"], found["arrivals_counted"]) == (10, 6)
    assert found["payload_bytes_down_per_update"] == (sum(range(103, 109)) + 101) / 6
    assert found["requests_per_update"] == 4 / 6


def test_opening_and_closing_are_for_each_connection() -> None:
    found = costs_of(COUNTS | {
        "openings": 4, "opening_bytes_up": 448, "closings": 2, "closing_segments_up": 4})
    assert found["opening_bytes_up"] == 112
    assert found["closing_segments_up"] == 2
    assert math.isnan(costs_of(COUNTS)["closing_bytes_down"])


def test_compressed_payload_counts_as_it_was_sent() -> None:
    # Half of 900 bytes is compressed to a third: 450 were 1350, so all of it was 1800.
    found = costs_of(COUNTS | {"compressed_bytes_down": 450, "expanded_bytes_down": 1350})
    raw = found["raw_payload_bytes_down_per_update"]
    assert raw == (sum(range(101, 111)) + 101) / 10
    assert found["payload_bytes_down_per_update"] == pytest.approx(raw / 2)
    whole = sum(found[f"{part}_bytes_down_per_update"] for part in PARTS if part != "retransmitted")
    assert whole == pytest.approx(found["bytes_down_per_update"], rel=1e-12)


def test_an_older_record_has_all_segments_under_one_part() -> None:
    unknown = dict.fromkeys(("data_segments_up", "data_segments_down", "control_segments_up",
                             "control_segments_down", "retransmitted_bytes_up"))
    found = costs_of(COUNTS | unknown)
    assert found["tcpip_bytes_up_per_update"] == (8 * 52 + 8) / 10
    assert math.isnan(found["ack_bytes_up_per_update"])
    assert found["bytes_up_per_update"] == (410 + 8 * 52 + 8) / 10


def test_the_share_of_clients_in_the_tables_is_not_all_that_the_server_served() -> None:
    tables = tables_of(FEED, [{"client": 0, "index": 1, "app_ns": 150 * MS}])
    record = record_of(clients=4, sample=0.25, usage={"server": Usage(cpu_ns=8000)})
    found = costs(record, trial_arrays(record, tables), tables)
    assert found["server_cpu_us_per_update"] == 2


def test_what_was_not_counted_is_not_zero() -> None:
    found = costs_of(COUNTS | dict.fromkeys(COUNTED_BY_KERNEL))
    assert math.isnan(found["bytes_down_per_update"])
    assert math.isnan(found["tcpip_bytes_down_per_update"])
    assert math.isnan(found["server_cpu_us_per_update"])
    assert found["header_bytes_down_per_update"] == 60


def test_no_arrivals_have_no_cost() -> None:
    tables = tables_of(FEED, [])
    record = record_of()
    found = costs(record, trial_arrays(record, tables), tables)
    assert math.isnan(found["bytes_down_per_update"])


COUNTERS = st.fixed_dictionaries({name: st.integers(0, 10**9) for name in (*COUNTED, *COUNTED_BY_KERNEL)})


@given(COUNTERS, st.integers(0, 10**9), st.booleans())
def test_the_parts_add_up_to_the_whole(counts: dict[str, int], payload: int, older: bool) -> None:
    known = {name: float(count) for name, count in counts.items()}
    known["expanded_bytes_down"] = known["compressed_bytes_down"]
    if older:
        known |= {name: math.nan for name in known if "data_seg" in name or "control_seg" in name}
    parts = byte_parts(known, payload)
    for direction in DIRECTIONS:
        each = [parts[f"{part}_bytes_{direction}"] for part in PARTS]
        whole = sum(value for value in each if not math.isnan(value))
        assert whole == parts[f"bytes_{direction}"]   # whole numbers: to the byte


def test_the_window_is_the_one_of_the_record() -> None:
    assert WINDOWS.t1_ns == 200 * MS
    assert isinstance(tables_of(FEED, [])["clients"], pa.Table)
