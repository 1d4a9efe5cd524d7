"""A client that also sends messages: what it has to send, and all of its connections.

    Outgoing (what, when, fate) ─► the machine that sends: the client's own, or a further one ─► rows of `uplinks`

The machines are the transport's (`transports.two_way`); the first receives, and the last one sends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from bench.load.readings import ClientReading, life_columns, read_counters
from bench.transports.link import Link
from bench.transports.outgoing import Outgoing


@dataclass(frozen=True, slots=True)
class Author:
    """One client that also sends."""

    number: int
    outgoing: Outgoing
    links: tuple[Link, ...]
    """Its connections: the one on which it receives, and a further one if its transport needs it to send."""

    def whole(self, reading: ClientReading) -> ClientReading:
        """Return a reading of the first connection with those of the further ones added."""
        for link in self.links[1:]:
            further = read_counters(link, reading.at_ns)
            counts = tuple(one + other for one, other in zip(reading.counts, further.counts, strict=True))
            tcp = None if reading.tcp is None or further.tcp is None else reading.tcp + further.tcp
            reading = replace(reading, counts=counts, tcp=tcp)
        return reading

    def life_columns(self) -> dict[str, int | None]:
        """Return the cost of opening and closing all its connections (`trial_record.OPENING_AND_CLOSING`)."""
        columns = life_columns(self.links[0])
        for link in self.links[1:]:
            for name, value in life_columns(link).items():
                before = columns[name]
                columns[name] = None if before is None or value is None else before + value
        return columns

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of `trial_record.UPLINKS` of its messages."""
        for uplink in self.outgoing.uplinks:
            yield {
                "index": uplink.index, "author": self.number, "due_ns": uplink.due_ns, "sent_ns": uplink.sent_ns,
                "sends": uplink.sends, "answered_ns": uplink.answered_ns, "refusal": uplink.refusal,
                "payload_bytes": len(uplink.body),
            }
