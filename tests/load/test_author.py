"""An author's reading is the sum over its connections. What a whole load does with authors is in test_session.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from bench.load.author import Author
from bench.load.readings import ClientReading, read_counters
from bench.measure import tcp
from bench.records.trial_record import COUNTED, OPENING_AND_CLOSING
from bench.transports import ClientCounts
from bench.transports.link import Link
from bench.transports.outgoing import Outgoing, Uplink

NOTHING = tcp.TcpInfo(*[0] * len(tcp.TcpInfo._fields))


def link(requests: int, openings: int) -> Link:
    """Return the connection of a machine that has sent some requests."""
    counts = ClientCounts(requests=requests)
    made = SimpleNamespace(
        machine=SimpleNamespace(counts=counts), openings=openings, closings=0, opening=NOTHING, closing=NOTHING,
        tcp_info=lambda: NOTHING._replace(bytes_up=100 * requests))
    return cast(Link, made)


def test_counters_and_costs_of_all_connections_are_added_up() -> None:
    author = Author(4, Outgoing(cast(Any, None)), (link(3, 1), link(5, 2)))
    reading: ClientReading = author.whole(read_counters(author.links[0], 7))
    assert dict(zip(COUNTED, reading.counts, strict=True))["requests"] == 8
    assert (reading.at_ns, reading.tcp and reading.tcp.bytes_up) == (7, 800)
    columns = author.life_columns()
    assert set(columns) == set(OPENING_AND_CLOSING)
    assert (columns["openings"], columns["closings"]) == (3, 0)


def test_each_message_is_a_row_with_its_fate() -> None:
    outgoing = Outgoing(cast(Any, None))
    outgoing.plan([Uplink(3, 10, b"{}", sent_ns=11, sends=2, answered_ns=12, refusal="too-many"), Uplink(4, 20, b"{}")])
    first, second = Author(4, outgoing, (link(0, 0),)).rows()
    assert first == {"index": 3, "author": 4, "due_ns": 10, "sent_ns": 11, "sends": 2, "answered_ns": 12,
                     "refusal": "too-many", "payload_bytes": 2}
    assert (second["sent_ns"], second["sends"], second["answered_ns"], second["refusal"]) == (None, 0, None, None)
