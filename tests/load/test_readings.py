"""Readings of a client's counters, and the columns that follow from two of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from bench.load.readings import life_columns, open_columns, read_counters, tcp_columns
from bench.measure import tcp
from bench.records.trial_record import COUNTED, COUNTED_BY_KERNEL, OPEN, OPENING_AND_CLOSING
from bench.transports import ClientCounts
from bench.transports.link import Link

NOTHING = tcp.TcpInfo(*[0] * len(tcp.TcpInfo._fields))


def link(counts: ClientCounts, **fields: object) -> Link:
    made = {"openings": 0, "closings": 0, "opening": None, "closing": None, "tcp_info": lambda: None} | fields
    return cast(Link, SimpleNamespace(machine=SimpleNamespace(counts=counts), **made))


def test_a_reading_begins_a_new_stretch_and_names_the_request_under_way() -> None:
    counts = ClientCounts(requests=2, asked_ns=5)
    counts.gauge(5, 1)
    reading = read_counters(link(counts), 20)
    assert dict(zip(COUNTED, reading.counts, strict=True))["requests"] == 2
    assert (reading.at_ns, reading.asked_ns, counts.stretch_ns) == (20, 5, 20)
    assert open_columns(reading, counts, 30) == dict(zip(OPEN, (5, 30, False), strict=True))
    counts.gauge(21, 0)
    assert open_columns(read_counters(link(counts), 40), counts, 50) == dict.fromkeys(OPEN)


def test_the_kernels_counts_are_differences_or_null() -> None:
    later = NOTHING._replace(bytes_up=7)
    assert tcp_columns(NOTHING, later)["bytes_up"] == 7
    assert set(tcp_columns(None, later)) == set(COUNTED_BY_KERNEL)
    assert set(tcp_columns(None, later).values()) == {None}


def test_what_was_not_counted_of_a_life_is_null() -> None:
    assert life_columns(link(ClientCounts())) == dict.fromkeys(OPENING_AND_CLOSING)
    found = life_columns(link(ClientCounts(), openings=2, opening=NOTHING, closing=NOTHING))
    assert (found["openings"], found["closings"]) == (2, 0)
