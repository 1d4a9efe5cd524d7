"""Reconciliation of a trial's counts: those of publisher, server and clients, compared with each other.

The three count independently of one another; the network between them counts nothing:

    publisher's log ──published──► server's counters ──handed over, skipped──► clients' records

Each value is a difference that must be zero, or at most zero, whatever the server and the load did:

    publishing_unexplained   ticks that the publisher counted − ticks in its log                  = 0
    deliveries_unexplained   updates that clients received − updates that the server handed over  ≤ 0
    lost_on_the_way          updates that a client without an error lost although a later one of the same symbol
                             came, and that the server counted as handed over                     = 0
    skips_unexplained        skips that were declared to clients − skips that the server counted  ≤ 0
    recorded_unexplained     updates that the generator counted − rows in its table               = 0

Updates that are handed over and still under way when a trial ends make the second value negative, which is
correct. So an update counts as lost on the way only where a later one arrived, which no stream allows. A client that
was refused, or whose connection broke, goes on at another cursor, and what lies between was never handed over to it:
only holes of clients without an error count (`unbroken_holes`).

A publisher that was killed leaves no count from before it was killed, so its count can't be compared with the
log: the ticks that it did not publish show in `feed_unpublished`.

`reordered` counts updates that arrived after a later one of the same client and symbol. A server is allowed
to reorder (and the report says so), so this isn't among the differences.

Known weakness: a loss and a repetition on the way can cancel in the totals, as can a repetition and what is under way
at the end; the fates show both. What is lost on the way to a client that had an error, too, does not show here.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bench import transports
from bench.clock import NO_STAMP
from bench.records.trial_record import TrialRecord
from bench.stats.trial.arrays import Tables, TrialArrays
from bench.wire.contract import POLICY, REFUSALS

COLUMNS = (
    "publishing_unexplained", "received", "server_deliveries", "deliveries_unexplained", "lost_on_the_way",
    "skips_declared", "skips_unexplained", "recorded_unexplained", "reordered",
)


def reconcile(record: TrialRecord, trial: TrialArrays, tables: Tables, holes: int) -> dict[str, float]:
    """Return the columns of `COLUMNS`; `holes` as in `unbroken_holes`. NaN where one side did not count."""
    counts = record.server_counts
    received = tables["deliveries"].num_rows
    handed = number(counts.get("deliveries"))
    declared = _sum(tables["skips"], "count")
    skipped = number(counts.get("conflated")) + number(counts.get("dropped"))
    logged = int(np.count_nonzero(trial.ticks.sent_ns != NO_STAMP))
    # The other sides count all clients, the tables hold a share of them.
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


def unbroken_holes(by_fate: pd.DataFrame, clients: pa.Table) -> int:
    """Return the number of holes (as in `fates`) of the clients that had no error, and so one stream."""
    unbroken = clients.filter(pc.equal(clients.column("errors"), 0)).column("client").to_numpy()
    return int(by_fate.loc[by_fate["client"].isin(unbroken), "holes"].sum())


def reordered(trial: TrialArrays) -> int:
    """Return the number of first arrivals that came after a later tick of the same client and symbol."""
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


def refusal_words(transport: str) -> frozenset[str]:
    """Return the words by which a transport's clients count refusals that are results and no errors.

    Of a transport that is no longer here they are those of all others.
    """
    names = transports.names()
    described = [transports.describe(name) for name in ((transport,) if transport in names else names)]
    return frozenset(word for each in described for code in POLICY for word in each.refusal_words(REFUSALS[code]))


def refusals_of(record: TrialRecord, errors: int) -> int:
    """Return the number of the clients' errors that were refusals the server is meant to give."""
    words = record.load.get("errors") or {}
    refused = sum(words.get(word, 0) for word in refusal_words(record.transport))
    counted = sum(words.values())
    # The counts by word cover all clients, `errors` those in the tables.
    return round(errors * refused / counted) if counted else 0


def number(value: object) -> float:
    """Return a number that a process reported, as a float; NaN where it reported none."""
    return float(value) if isinstance(value, int | float) else math.nan


def _sum(table: pa.Table, name: str) -> int:
    return int(pc.sum(table.column(name)).as_py() or 0)
