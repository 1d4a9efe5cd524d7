"""The counters of a client: what is read of them at one instant, and the columns that follow from two readings.

A client that also sends may have a further connection (`bench.load.author`), whose counters are added to those of the
first, so that a client is one row whatever it needs connections for.

Known weakness: of the requests that are under way when the counters are read, only that of the first connection is
recorded by its instants. One of the further connection is answered within milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.measure.tcp import TcpInfo, wire_bytes
from bench.records.trial_record import COUNTED, COUNTED_BY_KERNEL, OPEN, OPENING_AND_CLOSING
from bench.transports import ClientCounts
from bench.transports.link import Link


@dataclass(frozen=True, slots=True)
class ClientReading:
    """A client's counters at one instant."""

    at_ns: int
    counts: tuple[int, ...]
    """In the order of `trial_record.COUNTED`."""
    tcp: TcpInfo | None
    asked_ns: int | None
    """The instant at which the request under way was sent."""


def read_counters(link: Link, now_ns: int) -> ClientReading:
    """Read the counters of a connection and its machine."""
    counts = link.machine.counts
    asked_ns = counts.begin_stretch(now_ns)
    return ClientReading(now_ns, tuple(getattr(counts, name) for name in COUNTED), link.tcp_info(), asked_ns)


def tcp_columns(before: TcpInfo | None, after: TcpInfo | None) -> dict[str, int | None]:
    """Return the kernel's counts between two readings; null where it does not count."""
    columns: dict[str, int | None] = {}
    for name in COUNTED_BY_KERNEL:
        early, late = getattr(before, name, None), getattr(after, name, None)
        columns[name] = None if early is None or late is None else late - early
    return columns


def open_columns(reading: ClientReading, counts: ClientCounts, stopped_ns: int) -> dict[str, int | bool | None]:
    """Return the request that was under way at a reading (`trial_record.OPEN`); without a response it ends
    with the client."""
    if reading.asked_ns is None:
        return dict.fromkeys(OPEN)
    ended_ns = min(counts.open_ended_ns, stopped_ns)
    return dict(zip(OPEN, (reading.asked_ns, ended_ns, counts.may_wait), strict=True))


def life_columns(link: Link) -> dict[str, int | None]:
    """Return the cost of opening and closing the client's connections (`trial_record.OPENING_AND_CLOSING`)."""
    columns: dict[str, int | None] = dict.fromkeys(OPENING_AND_CLOSING)
    for what, count, took in (
        ("opening", link.openings, link.opening), ("closing", link.closings, link.closing)
    ):
        if took is not None and took.bytes_up is not None:
            syns = count if what == "opening" else 0
            columns |= {
                f"{what}s": count,
                f"{what}_bytes_up": wire_bytes(took.bytes_up, took.segments_up, syns),
                f"{what}_bytes_down": wire_bytes(took.bytes_down, took.segments_down, syns),
                f"{what}_segments_up": took.segments_up,
                f"{what}_segments_down": took.segments_down,
            }
    return columns
