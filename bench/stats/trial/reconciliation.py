"""The books of a trial: what publisher, server and clients each counted, held against each other.

Three processes count without knowing of one another, and a fourth party, what lies between them, counts
nothing:

    publisher's log ──published──► server's counters ──handed over, skipped──► clients' records

Each figure is a difference that must be zero, or must not be above it, whatever server and load did:

    publishing_unexplained   ticks that the publisher counted − ticks in its log                  = 0
    deliveries_unexplained   updates that clients received − updates that the server handed over  ≤ 0
    lost_on_the_way          updates that a client lost though a later one of the same symbol came, and that
                             the server says it handed over                                       = 0
    skips_unexplained        skips that were declared to clients − skips that the server counted  ≤ 0
    recorded_unexplained     updates that the generator counted − rows in its table               = 0

What is handed over and still under way when a trial ends makes the second one fall below zero by right;
so an update counts as lost on the way only where a later one overtook it, which no stream allows.

A publisher that was killed leaves no count of its first life, so its books can't be held against the log:
what it did not publish is told by `feed_unpublished`.

`reordered` counts updates that arrived after a later one of the same client and symbol had. A server may
do that (and is told so), which is why it isn't among the differences.

Known weakness: a loss and a repetition on the way can cancel in the totals; the fates tell them apart.
"""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.clock import NO_STAMP
from bench.records.trial_record import TrialRecord
from bench.stats.trial.arrays import Tables, TrialArrays

COLUMNS = (
    "publishing_unexplained", "received", "server_deliveries", "deliveries_unexplained", "lost_on_the_way",
    "skips_declared", "skips_unexplained", "recorded_unexplained", "reordered",
)
REFUSALS = ("http-409", "http-410", "close-4008", "close-4009", "close-4010")
"""Errors of clients that are the server's word by the contract: too slow, left the tape, another epoch."""


def books(record: TrialRecord, trial: TrialArrays, tables: Tables, holes: int) -> dict[str, float]:
    """The columns of `COLUMNS`; `holes` as in `fates`. NaN where one of the parties did not count."""
    counts = record.server_counts
    received = tables["deliveries"].num_rows
    handed = number(counts.get("deliveries"))
    declared = _sum(tables["skips"], "count")
    skipped = number(counts.get("conflated")) + number(counts.get("dropped"))
    logged = int(np.count_nonzero(trial.ticks.sent_ns != NO_STAMP))
    # The other parties speak of all clients, the tables of a share of them.
    whole = 1.0 if record.sample == 1 else math.nan
    missing = handed - received
    alone = record.publisher.get("lives", 1) == 1
    return {
        "publishing_unexplained": number(record.publisher.get("published")) - logged if alone else math.nan,
        "received": received,
        "server_deliveries": handed,
        "deliveries_unexplained": (received - handed) * whole,
        "lost_on_the_way": math.nan if math.isnan(missing) else max(0.0, min(holes, missing)) * whole,
        "skips_declared": declared,
        "skips_unexplained": (declared - skipped) * whole,
        "recorded_unexplained": (number(record.load.get("deliveries")) - received) * whole,
        "reordered": reordered(trial),
    }


def reordered(trial: TrialArrays) -> int:
    """First arrivals of a client that came after a later tick of the same symbol."""
    arrivals = trial.arrivals
    if not len(arrivals.key):
        return 0
    pair = arrivals.key // max(1, trial.ticks.ranks)
    # The earliest arrival among all later ticks of the pair: a minimum from the back, begun anew with
    # each pair, which is one run over instants that are moved apart by more than they span.
    apart_ns = arrivals.app_ns - arrivals.app_ns.min()
    span_ns = int(apart_ns.max()) + 1
    place = np.cumsum(np.append(0, pair[1:] != pair[:-1]))
    moved = apart_ns + place * span_ns
    earliest_after = np.minimum.accumulate(moved[::-1])[::-1]
    same = np.append(pair[1:] == pair[:-1], False)
    later = np.append(earliest_after[1:], 0)
    return int(np.count_nonzero(same & (moved > later)))


def refusals_of(record: TrialRecord, errors: int) -> int:
    """How many of the clients' errors were refusals that the server is meant to give."""
    words = record.load.get("errors") or {}
    refused, told = sum(words.get(word, 0) for word in REFUSALS), sum(words.values())
    # The words are of all clients, `errors` of those in the tables.
    return round(errors * refused / told) if told else 0


def number(value: object) -> float:
    """A number that a process said of itself; NaN where it said none."""
    return float(value) if isinstance(value, int | float) else math.nan


def _sum(table: pa.Table, name: str) -> int:
    return int(pc.sum(table.column(name)).as_py() or 0)
