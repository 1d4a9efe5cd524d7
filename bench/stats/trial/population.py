"""The values of all clients of a trial whose tables hold only the rows of a share of them.

A simulated trial of a million clients keeps all rows of a thousand of them, chosen by hash. Values that can
be summed are counted over all clients during the simulation:

    totals of trial.json       fates, sums of latencies, the clients' counters
    histograms.parquet         latencies in bins of 0.5 %, arrivals in steps of 100 ms

Where these exist, they give the following values of `trials.csv`, which then cover all clients: fates,
latencies (a percentile is the middle of its bin, so accurate to 0.25 %), bytes, requests, the server's costs
and the reconciliation of counts. Ages, steadiness and updates out of order cover the sampled clients alone,
since they need all events of a client in their order.

Lost updates are the remainder of those due. That the fates add up, each counted on its own, is tested on
trials whose tables hold all clients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bench.errors import RunError
from bench.records.trial_record import (
    COUNTED,
    COUNTED_BY_KERNEL,
    OPENING_AND_CLOSING,
    TrialRecord,
    WindowInstants,
)
from bench.stats.trial.arrays import Ints, Tables, TrialArrays
from bench.stats.trial.bytes import CountedArrivals, cost_columns
from bench.stats.trial.latency import BEYOND_TRIAL, PERCENTILES, beyond, bin_quantiles
from bench.stats.trial.reconciliation import number, refusals_of

Row = dict[str, float | int | str | None]

FATES = ("delivered", "late", "conflated", "lost", "dropped", "duplicate")
LATENCY = (
    "app_latency_ns", "kernel_latency_ns", "latency_min_ns", "latency_max_ns", "stamped", "shared",
)
"""Sums of the latencies of delivered and late updates, by either instant; the least and the
greatest; the number of updates with a kernel timestamp, and of those in a read with others."""
TOTALS = (
    "updates_due", *FATES, "foreign", *LATENCY, "arrivals", "payload_bytes", "received", "skips_declared",
    "clients_subscribed", "client_errors", *COUNTED, *COUNTED_BY_KERNEL, *OPENING_AND_CLOSING,
)
"""The keys of `TrialRecord.totals`. `arrivals` and `payload_bytes` count first arrivals in [t0, t1); the clients'
counters are as in `clients.parquet`; all others cover the whole trial."""
OF_MESSAGES = "uplink_bytes"
"""A further key where clients send: the bytes of their messages in [t0, t1)."""
ALWAYS = (
    "updates_due", *FATES, "foreign", "app_latency_ns", "kernel_latency_ns", "stamped", "shared", "arrivals",
    "payload_bytes", "received", "skips_declared", "clients_subscribed", "client_errors", "connections",
    "requests", "responses", "answers_empty", "polls_late",
)
"""The keys of `TOTALS` that are never unknown."""
STEP_NS = 100_000_000


@dataclass(frozen=True, slots=True, eq=False)
class PopulationTotals:
    """The totals and histograms of all clients of a trial."""

    totals: dict[str, float]
    bins: dict[str, tuple[Ints, Ints]]
    """For each histogram, the numbers of its non-empty bins, ascending, and their counts."""


def whole(record: TrialRecord, tables: Tables) -> PopulationTotals | None:
    """Return the totals and histograms of all clients; None where the tables hold all clients, or no
    totals exist.

    Raises `RunError` where the totals lack a part.
    """
    if record.sample == 1 or not record.totals:
        return None
    for name in ALWAYS:
        if name not in record.totals:
            raise RunError(f"trials/{record.trial}/trial.json: totals.{name}: found nothing, and that is not "
                           "what a run writes there")
    table = tables["histograms"]
    bins = {}
    for name in ("app", "kernel", "arrived", "subscribed"):
        rows = table.filter(pc.equal(table.column("of").cast(pa.string()), name)).sort_by("bin")
        bins[name] = (rows.column("bin").to_numpy().astype(np.int64), rows.column("count").to_numpy())
    return PopulationTotals(record.totals, bins)


def columns(of_all: PopulationTotals, record: TrialRecord) -> Row:
    """Return the columns of `trials.csv` that cover all clients."""
    assert record.windows is not None, f"{record.trial}: no window was measured"
    totals = of_all.totals
    sums = {name: totals.get(name, math.nan) for name in (*COUNTED, *COUNTED_BY_KERNEL)}
    opening = {name: _ratio(totals.get(name, math.nan), totals.get(f"{name.partition('_')[0]}s", math.nan))
               for name in OPENING_AND_CLOSING if "_" in name}
    length_ns = record.windows.t1_ns - record.windows.t0_ns
    arrivals = round(totals["arrivals"])
    mine = CountedArrivals(arrivals, round(totals["payload_bytes"]))
    return {
        "updates_due": round(totals["updates_due"]),
        **{name: round(totals[name]) for name in FATES}, "foreign": round(totals["foreign"]),
        **_latency(of_all),
        **cost_columns(record, arrivals, mine, sums, opening, sent_payload=totals.get(OF_MESSAGES, 0.0)),
        **_witnesses(record, totals),
        **_reconciliation(record, totals),
        "requests_in_flight": sums["in_flight_ns"] / length_ns or math.nan,
        "request_mean_ms": _ratio(sums["request_duration_ns"], sums["responses"]) / 1e6,
    }


def distribution(of_all: PopulationTotals, trial: str) -> pd.DataFrame:
    """Return the latencies of all clients, in the same form as `bench.stats.trial.row` has them of a
    share."""
    return pd.concat([
        pd.DataFrame({"trial": trial, "instant": name, "bin": of_all.bins[name][0],
                      "count": of_all.bins[name][1]}) for name in ("app", "kernel")
    ], ignore_index=True)


def timeline(of_all: PopulationTotals, trial: str, arrays: TrialArrays) -> pd.DataFrame:
    """Return the updates due and arrived over all clients, in steps of 100 ms."""
    edges = step_edges(arrays.windows)
    weights = np.zeros(len(arrays.ticks.symbols), dtype=np.int64)
    places, clients = of_all.bins["subscribed"]
    weights[places] = clients
    symbol = arrays.ticks.symbol
    steps, counts = of_all.bins["arrived"]
    arrived = np.bincount(steps[steps < len(edges) - 1], counts[steps < len(edges) - 1], len(edges) - 1)
    return pd.DataFrame({
        "trial": trial, "at_s": (edges[:-1] - arrays.windows.t0_ns) / 1e9,
        "due": np.histogram(arrays.ticks.due_ns, edges, weights=weights[symbol])[0].astype(np.int64),
        "arrived": arrived.astype(np.int64),
    })


def step_edges(windows: WindowInstants) -> Ints:
    """Return the edges of the timeline's steps, in ns on the run clock; one of them is t0."""
    first = (windows.warmup_ns - windows.t0_ns) // STEP_NS
    last = -(-(windows.end_ns - windows.t0_ns) // STEP_NS)
    return np.arange(first, last + 1) * STEP_NS + windows.t0_ns


def _latency(of_all: PopulationTotals) -> Row:
    """Return the mean, percentiles and extremes of latency, in ms."""
    totals, lost = of_all.totals, round(of_all.totals["lost"])
    found: Row = {}
    for prefix, name in (("latency", "app"), ("kernel_latency", "kernel")):
        numbers, counts = of_all.bins[name]
        arrived = int(counts.sum())
        found[f"{prefix}_mean_ms"] = _ratio(totals[f"{name}_latency_ns"], arrived) / 1e6
        levels = np.array([level / 1000 for level in PERCENTILES.values()])
        values = bin_quantiles(numbers, counts, lost, levels) / 1e6
        for percentile, value in zip(PERCENTILES.items(), values, strict=True):
            enough = beyond(arrived + lost, percentile[1]) >= BEYOND_TRIAL
            found[f"{prefix}_{percentile[0]}_ms"] = float(value) if enough else math.nan
    return found | {
        "latency_min_ms": totals.get("latency_min_ns", math.nan) / 1e6,
        "latency_max_ms": totals.get("latency_max_ns", math.nan) / 1e6,
        "shared_read_share": _ratio(totals["shared"], totals["stamped"]),
    }


def _witnesses(record: TrialRecord, totals: dict[str, float]) -> Row:
    """Return the columns that the clients counted."""
    requests, responses = totals["requests"], totals["responses"]
    errors = round(totals["client_errors"])
    refusals = refusals_of(record, errors)
    return {
        "clients_subscribed": round(totals["clients_subscribed"]),
        "clients_missing": record.clients - totals["clients_subscribed"],
        "client_errors": errors,
        "client_refusals": refusals,
        "client_error_share": (errors - refusals) / (record.clients + errors + requests),
        **{name: totals[name]
           for name in ("connections", "requests", "responses", "answers_empty", "polls_late")},
        "retries": totals.get("retries", math.nan),
        "answers_empty_share": _ratio(totals["answers_empty"], responses),
        "polls_late_share": _ratio(totals["polls_late"], requests),
    }


def _reconciliation(record: TrialRecord, totals: dict[str, float]) -> Row:
    """Return the columns that compare the server's counters with those of all clients."""
    counts = record.server_counts
    handed, received = number(counts.get("deliveries")), totals["received"]
    skipped = number(counts.get("conflated")) + number(counts.get("dropped"))
    return {
        "received": round(received),
        "deliveries_unexplained": received - handed,
        "lost_on_the_way": max(0.0, min(totals["lost"] - totals["dropped"], handed - received)),
        "skips_declared": round(totals["skips_declared"]),
        "skips_unexplained": totals["skips_declared"] - skipped,
    }


def _ratio(value: float, count: float) -> float:
    return value / count if count else math.nan
