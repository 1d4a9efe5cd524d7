"""The cost of an update on the wire: bytes, segments, requests (for the server's costs see `server_costs`).

    per update = growth of a client's counters between its two readings / first arrivals between them

summed over all clients. A client's counters are read just after t0 and just after t1, so the numerator and
the denominator cover the same stretch of time. The bytes of each direction have parts that add up to the
whole:

    payload        the ticks' own encoding, for every arrival; up, the messages that clients send
    header         start line to blank line of every request or response
    framing        all other application bytes: brackets, cursors, skip counts, frame headers, pings
    tls            TCP payload − application bytes: handshakes, record headers and tags; without TLS, the
                   bytes between kernel and application at the two readings, so about 0
    tcpip          52 for each segment with data: 20 IPv4, 20 TCP, 12 timestamp option
    ack            52 for each bare acknowledgement: a segment without data that is neither SYN nor FIN
    connection     52 for each SYN and FIN, and 8 more for a SYN
    retransmitted  payload and headers of retransmitted segments            (up only)

Compressed responses count with the bytes that were sent: payload and framing of a body shrink by the same
factor, body / (body − compressed + expanded). `raw_payload_bytes_down` is the payload before compression.

Opening and closing connections have separate values, per connection that was seen to open or close in the
client's whole life, since a lasting connection is opened before t0 and closed after t1.

Known weakness: retransmissions by the server show at the client only as segments without new data. A
record without counts of data segments (older kernels, older runs) has all segments under `tcpip`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.measure.tcp import SEGMENT_BYTES, SYN_BYTES
from bench.records.trial_record import COUNTED, COUNTED_BY_KERNEL, OPENING_AND_CLOSING, TrialRecord, Usage
from bench.stats.trial.arrays import Bools, Ints, Tables, TrialArrays
from bench.stats.trial.marks import server_span
from bench.stats.trial.server_costs import server_costs
from bench.stats.trial.uplinks import sent_payload

DIRECTIONS = ("up", "down")
PARTS = ("payload", "header", "framing", "tls", "tcpip", "ack", "connection", "retransmitted")
"""The kinds of bytes, from the payload to the overhead that is least visible."""
COLUMNS = (
    "requests_per_update", "connections_per_update",
    *(f"{part}bytes_{direction}_per_update"
      for direction in DIRECTIONS for part in ("", *(f"{part}_" for part in PARTS))),
    "raw_payload_bytes_down_per_update",
    *(f"{kind}segments_{direction}_per_update"
      for direction in DIRECTIONS for kind in ("", "data_", "ack_")),
    "retransmitted_segments_up_per_update",
    *(name for name in OPENING_AND_CLOSING if "_" in name),
)
"""Columns of `trials.csv` that are computed here; those of opening and closing are per connection."""


def arrivals_between(trial: TrialArrays, span: tuple[int, int]) -> int:
    """Return the number of first arrivals in [span[0], span[1]) (ns), by which the server's costs
    are divided."""
    app_ns = trial.arrivals.app_ns
    return int(np.count_nonzero((app_ns >= span[0]) & (app_ns < span[1])))


@dataclass(frozen=True, slots=True)
class CountedArrivals:
    """The arrivals while the clients' counters ran, for each client between its own two readings."""

    arrivals: int
    """Number of first arrivals."""
    payload_bytes: int
    """Payload bytes of all arrivals, including repeated ones."""


def counted(trial: TrialArrays, clients: pa.Table) -> CountedArrivals:
    """Return the arrivals between the two readings of each client's counters."""
    begin, end = _read_ns(trial, clients)

    def between(client: Ints, app_ns: Ints) -> Bools:
        return np.asarray((app_ns >= begin[client]) & (app_ns < end[client]), dtype=np.bool_)

    arrivals, payload = trial.arrivals, trial.ticks.payload_bytes
    first = between(arrivals.client, arrivals.app_ns)
    again = between(arrivals.repeated_client, arrivals.repeated_app_ns)
    total = payload[arrivals.tick[first]].sum() + payload[arrivals.repeated_tick[again]].sum()
    return CountedArrivals(int(np.count_nonzero(first)), int(total))


def _read_ns(trial: TrialArrays, clients: pa.Table) -> tuple[Ints, Ints]:
    """Return the instants (ns) of the first and second reading of each client's counters; t0 and t1
    where they are not recorded."""
    place = np.searchsorted(trial.clients.numbers, clients.column("client").to_numpy())
    instants = []
    for name, default_ns in (
        ("counted_from_ns", trial.windows.t0_ns), ("counted_to_ns", trial.windows.t1_ns)
    ):
        at_ns = np.full(len(trial.clients.numbers), default_ns, dtype=np.int64)
        at_ns[place] = clients.column(name).fill_null(default_ns).to_numpy()
        instants.append(at_ns)
    return instants[0], instants[1]


def byte_parts(counts: dict[str, float], raw_payload: float, sent_payload: float = 0.0) -> dict[str, float]:
    """Return the bytes of each direction, whole and by part, as `bytes_up`, `header_bytes_up` … .

    `counts` are the sums of the clients' counters, NaN where one was not counted; `raw_payload` is
    the payload in bytes before compression, `sent_payload` that of the clients' own messages. Parts that are not
    known are NaN; the known parts add up to the whole.
    """
    parts = {"raw_payload_bytes_down": raw_payload}
    for direction in DIRECTIONS:
        header, body = counts[f"header_bytes_{direction}"], counts[f"body_bytes_{direction}"]
        tcp = counts[f"bytes_{direction}"]
        carried = _as_sent(raw_payload, counts) if direction == "down" else sent_payload
        headers = _header_parts(counts, direction)
        parts |= {
            f"bytes_{direction}": tcp + sum(value for value in headers.values() if not math.isnan(value)),
            f"payload_bytes_{direction}": carried,
            f"header_bytes_{direction}": header,
            f"framing_bytes_{direction}": body - carried,
            f"tls_bytes_{direction}": tcp - header - body,
            **{f"{part}_bytes_{direction}": value for part, value in headers.items()},
        }
    return parts


def _as_sent(raw_payload: float, counts: dict[str, float]) -> float:
    """Return the bytes of the payload as sent: fewer than `raw_payload` where responses were compressed."""
    sent, expanded = counts["compressed_bytes_down"], counts["expanded_bytes_down"]
    if math.isnan(sent) or sent == expanded:
        return raw_payload
    body = counts["body_bytes_down"]
    return raw_payload * body / (body - sent + expanded)


def _header_parts(counts: dict[str, float], direction: str) -> dict[str, float]:
    """Return the bytes of TCP/IP headers by the purpose of their segments, and all retransmitted bytes."""
    segments, syns = counts[f"segments_{direction}"], counts["connections"]
    data, control = counts[f"data_segments_{direction}"], counts[f"control_segments_{direction}"]
    if math.isnan(data):
        whole = segments * SEGMENT_BYTES + syns * SYN_BYTES
        return {"tcpip": whole, "ack": math.nan, "connection": math.nan, "retransmitted": math.nan}
    again, bytes_again = (
        (counts["retransmitted_segments_up"], counts["retransmitted_bytes_up"])
        if direction == "up" else (0.0, math.nan)
    )
    return {
        "tcpip": (data - again) * SEGMENT_BYTES,
        "ack": (segments - data - control) * SEGMENT_BYTES,
        "connection": control * SEGMENT_BYTES + syns * SYN_BYTES,
        "retransmitted": bytes_again + again * SEGMENT_BYTES,
    }


def client_sums(clients: pa.Table) -> dict[str, float]:
    """Return the clients' counters over the window, summed over clients; NaN where a client lacks a
    counter."""
    return {name: _sum(clients, name) for name in (*COUNTED, *COUNTED_BY_KERNEL)}


def opening_and_closing(clients: pa.Table) -> dict[str, float]:
    """Return the bytes and segments of opening and closing one connection, as `opening_bytes_up` …
    `closing_segments_down`."""
    return {
        name: _ratio(_sum(clients, name), _sum(clients, f"{name.partition('_')[0]}s"))
        for name in OPENING_AND_CLOSING if "_" in name
    }


def _sum(clients: pa.Table, name: str) -> float:
    column = clients.column(name)
    return math.nan if column.null_count or not len(column) else float(pc.sum(column).as_py())


def costs(record: TrialRecord, trial: TrialArrays, tables: Tables) -> dict[str, float]:
    """Return the cost columns of a trial (`docs/results.md`); NaN for values that were not measured."""
    clients, span = tables["clients"], server_span(tables["samples"], trial.windows)
    here = arrivals_between(trial, span)
    # The server serves all clients; the tables hold only a share of them.
    found = cost_columns(record, here / record.sample, counted(trial, clients), client_sums(clients),
                         opening_and_closing(clients), span[1] - span[0], sent_payload(trial, tables))
    return found | {"arrivals": float(here)}


def cost_columns(record: TrialRecord, arrivals: float, mine: CountedArrivals, counts: dict[str, float],
                 opening: dict[str, float], length_ns: int | None = None,
                 sent_payload: float = 0.0) -> dict[str, float]:
    """Return the cost columns of a trial from its counts.

    `arrivals` is the number of arrivals at all clients between the server's two marks, which are
    `length_ns` apart (None: the length of the window). `counts` are the clients' counters, summed;
    `mine` are the arrivals while they ran; `sent_payload` are the bytes of the clients' messages then; `opening` as
    in `opening_and_closing`.
    """
    assert record.windows is not None, f"{record.trial}: no window was measured"
    figures = byte_parts(counts, mine.payload_bytes, sent_payload)
    for name in ("requests", "connections", "retransmitted_segments_up"):
        figures[name] = counts[name]
    for direction in DIRECTIONS:
        segments, data, control = (
            counts[f"{kind}segments_{direction}"] for kind in ("", "data_", "control_"))
        figures |= {f"segments_{direction}": segments, f"data_segments_{direction}": data,
                    f"ack_segments_{direction}": segments - data - control}
    per_update = {f"{name}_per_update": _ratio(value, mine.arrivals) for name, value in figures.items()}
    if length_ns is None:
        length_ns = record.windows.t1_ns - record.windows.t0_ns
    return per_update | opening | server_costs(record, arrivals, length_ns) | {
        "arrivals": float(arrivals),
        "arrivals_counted": float(mine.arrivals),
        "load_cpu_cores": _number(record.usage.get("load", Usage()).cpu_ns) / length_ns,
        "publisher_cpu_cores": _number(record.usage.get("publisher", Usage()).cpu_ns) / length_ns,
    }


def _number(value: int | None) -> float:
    return math.nan if value is None else float(value)


def _ratio(value: float, count: float) -> float:
    return value / count if count else math.nan
