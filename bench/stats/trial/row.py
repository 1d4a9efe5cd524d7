"""One trial: its record and tables become one row of `trials.csv`, histograms and a timeline.

    record ─► the settings: trial, transport, clients …
    tables ─► arrays ─► fates, latency, age, costs, and the audit's values

`trial_row` returns a row for every trial; for one that failed, or without a measured window, the values
are NaN. `docs/results.md` describes the columns.

`TrialFigures` also condenses the raw deliveries for the figures of a report: the latencies in
bins of 0.5 %, and the deliveries in bins of 100 ms. A report is made from these and the rows alone, so a
run can be kept without its raw deliveries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.clock import NO_STAMP
from bench.records.trial_record import TrialRecord
from bench.stats.trial import population as whole
from bench.stats.trial import server_costs
from bench.stats.trial.age import ages
from bench.stats.trial.arrays import Tables, TrialArrays, busiest_per_s, trial_arrays
from bench.stats.trial.bytes import COLUMNS as COST_COLUMNS
from bench.stats.trial.bytes import client_sums, costs
from bench.stats.trial.fates import fates
from bench.stats.trial.latency import PERCENTILES, Latencies, bins, latencies, quantile, trial_percentiles
from bench.stats.trial.little import in_flight
from bench.stats.trial.marks import late_ms
from bench.stats.trial.reconciliation import COLUMNS as RECONCILED
from bench.stats.trial.reconciliation import number, reconcile, refusals_of, unbroken_holes
from bench.stats.trial.steady import steadiness
from bench.stats.trial.tick_errors import error_shares
from bench.stats.trial.uplinks import COLUMNS as UPLINK_COLUMNS
from bench.stats.trial.uplinks import uplink_columns

NS_PER_MS = 1e6

Row = dict[str, float | int | str | None]

HOST = (
    "others_share", "steal_share", "throttled_ms", "swapped_pages", "probe_gap_share", "probe_gap_max_us",
    "probe_slowdown", "probe_spin_before_us", "probe_spin_after_us",
)
"""Columns copied from the record's `host`."""
WORDS = ("trial", "transport", "transport_kind", "server", "client", "source", "status", "failure")
WHOLE = (
    "block", "position", "attempt", "clients", "seed", "updates_due", "delivered", "late", "conflated",
    "lost", "dropped", "duplicate", "foreign", "arrivals", "arrivals_counted", "feed_due", "feed_unpublished",
    "received", "clients_subscribed", "client_errors", "client_refusals", "reordered", "skips_declared",
    "steady_bins", *(name for name in UPLINK_COLUMNS if name.startswith("uplinks_")),
)
"""Columns of `trials.csv` that hold words and whole numbers; all others hold real ones."""
COLUMNS = (
    "trial", "block", "position", "attempt", "transport", "transport_kind", "server", "client", "clients", "seed",
    "source", "sample", "status", "failure", "rate_per_s", "measure_s", "late_after_s",
    "updates_due", "delivered", "late", "conflated", "lost", "dropped", "duplicate", "foreign", "arrivals",
    "arrivals_counted",
    *(f"latency_{name}_ms" for name in ("mean", *PERCENTILES, "min", "max")),
    *(f"kernel_latency_{name}_ms" for name in ("mean", *PERCENTILES)),
    *(f"latency_{name}_error_share" for name in PERCENTILES),
    "client_lag_p99_ms", "shared_read_share", "age_mean_ms", "age_excess_mean_ms",
    *COST_COLUMNS,
    *server_costs.COLUMNS, "load_cpu_cores", "publisher_cpu_cores",
    "feed_due", "feed_busiest_per_s", "feed_unpublished", "feed_lateness_p50_ms", "feed_lateness_p99_ms",
    "feed_lateness_max_ms",
    *RECONCILED,
    "clients_subscribed", "clients_missing", "clients_vanished", "client_errors", "client_refusals",
    "client_error_share",
    "connections", "requests", "responses", "retries", "answers_empty", "answers_empty_share", "polls_late",
    "polls_late_share", "polls_overdue_share", "goodbyes_answered_share", "closed_by_server_share",
    "turn_gap_max_ms", "runner_late_ms", "clock_step_us", "steady_bins", "trend_share", "warmup_cut_s",
    "requests_in_flight", "request_mean_ms", "in_flight_gap_share", *HOST, *UPLINK_COLUMNS,
)
"""The columns of `trials.csv`, in their order; the verdict's columns follow."""
NUMBERS = tuple(name for name in COLUMNS if name not in WORDS)
"""The columns that hold numbers."""


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """All values reported of a trial."""

    row: Row
    """The trial's row of `trials.csv`, without the verdict."""
    distribution: pd.DataFrame
    """`trial, instant (app | kernel), bin, count`: the latencies, see `bench.stats.trial.latency.bins`."""
    timeline: pd.DataFrame
    """`trial, at_s, due, arrived`: updates due and arrived in [at_s, at_s + 0.1), since t0."""


def trial_row(record: TrialRecord, tables: Tables | None) -> Row:
    """Return a trial's row of `trials.csv`; `tables` may be None for a trial that failed."""
    return trial_figures(record, tables).row


def trial_figures(record: TrialRecord, tables: Tables | None) -> TrialFigures:
    """Return the values of a trial; `tables` may be None for a trial that failed."""
    row: Row = {**dict.fromkeys(COLUMNS, math.nan), **_asked(record)}
    if record.status == "failed" or record.windows is None or tables is None:
        return TrialFigures(row, _distribution(record.trial, None), _timeline(record.trial, None))
    trial = trial_arrays(record, tables)
    by_fate = fates(trial)
    latency = latencies(trial, int(by_fate["lost"].sum()))
    age = ages(trial)
    row |= {
        "updates_due": int(by_fate["due"].sum()),
        **{fate: int(by_fate[fate].sum())
           for fate in ("delivered", "late", "conflated", "lost", "dropped", "duplicate")},
        "foreign": trial.arrivals.foreign,
        **_latency_columns(latency),
        **{f"latency_{name}_error_share": share
           for name, share in error_shares(trial, latency.lost, PERCENTILES).items()},
        "age_mean_ms": age.mean_s * 1000,
        "age_excess_mean_ms": age.excess_s * 1000,
        **costs(record, trial, tables),
        **_witnesses(record, trial, tables),
        **reconcile(record, trial, tables, unbroken_holes(by_fate, tables["clients"])),
        **_steadiness(trial, tables),
        **{name: number(record.host.get(name)) for name in HOST},
        **uplink_columns(trial, tables),
    }
    of_all = whole.whole(record, tables)
    if of_all is not None:
        row |= whole.columns(of_all, record)
    assert set(row) == set(COLUMNS), f"columns differ: {sorted(set(row) ^ set(COLUMNS))}"
    if of_all is not None:
        name = record.trial
        return TrialFigures(row, whole.distribution(of_all, name), whole.timeline(of_all, name, trial))
    return TrialFigures(row, _distribution(record.trial, latency), _timeline(record.trial, trial))


def _asked(record: TrialRecord) -> Row:
    """Return the trial's settings and its status."""
    windows = record.windows
    return {
        "trial": record.trial,
        "block": record.block,
        "position": record.position,
        "attempt": record.attempt,
        "transport": record.subject,
        "transport_kind": record.transport,
        "server": record.server,
        "client": record.client,
        "clients": record.clients,
        "seed": record.seed,
        "source": record.source,
        "sample": record.sample,
        "status": record.status,
        "failure": record.reason,
        "rate_per_s": number(record.rate_per_s),
        "measure_s": (windows.t1_ns - windows.t0_ns) / 1e9 if windows else math.nan,
        "late_after_s": windows.late_after_ns / 1e9 if windows else math.nan,
    }


def _steadiness(trial: TrialArrays, tables: Tables) -> Row:
    """Return the columns that show whether the trial was in a steady state."""
    steady, requests = steadiness(trial), in_flight(tables["clients"], trial)
    return {
        "steady_bins": steady.bins,
        "trend_share": steady.trend_share,
        "warmup_cut_s": steady.warmup_cut_s,
        "requests_in_flight": requests.in_flight,
        "request_mean_ms": requests.mean_s * 1000,
        "in_flight_gap_share": requests.gap_share,
    }


def _latency_columns(latency: Latencies) -> Row:
    """Return the latency columns, in ms: mean, percentiles, extremes."""
    columns: Row = {}
    for prefix, ordered, lost in (("latency", latency.app_ns, latency.lost),
                                  ("kernel_latency", latency.kernel_ns, latency.kernel_lost)):
        columns[f"{prefix}_mean_ms"] = float(ordered.mean()) / NS_PER_MS if len(ordered) else math.nan
        for name, value_ns in trial_percentiles(ordered, lost).items():
            columns[f"{prefix}_{name}_ms"] = value_ns / NS_PER_MS
    lowest = [float(ordered[0]) for ordered in (latency.app_ns, latency.kernel_ns) if len(ordered)]
    return columns | {
        "latency_min_ms": min(lowest, default=math.nan) / NS_PER_MS,
        "latency_max_ms": float(latency.app_ns[-1]) / NS_PER_MS if len(latency.app_ns) else math.nan,
        "client_lag_p99_ms": quantile(latency.lag_ns, 0, 990) / NS_PER_MS,
        "shared_read_share": latency.shared_share,
    }


def _witnesses(record: TrialRecord, trial: TrialArrays, tables: Tables) -> Row:
    """Return the counts of the publisher, the server and the clients, for the audit."""
    windows, ticks = trial.windows, trial.ticks
    within = (ticks.due_ns >= windows.t0_ns) & (ticks.due_ns < windows.t1_ns)
    published = within & (ticks.sent_ns != NO_STAMP)
    stretch_s = min(windows.late_after_ns, windows.t1_ns - windows.t0_ns) / 1e9
    lateness_ns = np.sort((ticks.sent_ns - ticks.due_ns)[published])
    if "uplinks" in tables:   # the time to the publisher is the clients' and the server's: `uplink_numbered_p50_ms`
        lateness_ns = lateness_ns[:0]
    clients = tables["clients"]
    sums = client_sums(clients)
    subscribed = clients.num_rows - clients.column("subscribed_ns").null_count
    errors = int(clients.column("errors").to_numpy().sum())
    refusals = refusals_of(record, errors)
    # The count of live users covers all clients, the tables hold a share of them.
    whole = record.sample == 1
    return {
        "feed_due": int(np.count_nonzero(within)),
        "feed_busiest_per_s": busiest_per_s(np.sort(ticks.due_ns[within]) / 1e9, stretch_s),
        "feed_unpublished": int(np.count_nonzero(within & ~published)),
        "feed_lateness_p50_ms": quantile(lateness_ns, 0, 500) / NS_PER_MS,
        "feed_lateness_p99_ms": quantile(lateness_ns, 0, 990) / NS_PER_MS,
        "feed_lateness_max_ms": quantile(lateness_ns, 0, 1000) / NS_PER_MS,
        "clients_subscribed": subscribed,
        "clients_missing": record.clients - subscribed if whole else math.nan,
        "clients_vanished": record.clients - number(record.load.get("users_at_t1")),
        "client_errors": errors,
        "client_refusals": refusals,
        "client_error_share": (errors - refusals) / (clients.num_rows + errors + sums["requests"]),
        "connections": sums["connections"],
        "requests": sums["requests"],
        "responses": sums["responses"],
        "retries": sums["retries"],
        "answers_empty": sums["answers_empty"],
        "answers_empty_share": sums["answers_empty"] / sums["responses"] if sums["responses"] else math.nan,
        "polls_late": sums["polls_late"],
        "polls_late_share": sums["polls_late"] / sums["requests"] if sums["requests"] else math.nan,
        "polls_overdue_share": sums["polls_overdue"] / sums["requests"] if sums["requests"] else math.nan,
        **_endings(record),
        "turn_gap_max_ms": number(record.load.get("turn_gap_max_ns")) / NS_PER_MS,
        "runner_late_ms": late_ms(tables["samples"], windows),
        "clock_step_us": record.clock_step_ns / 1000 if record.clock_step_ns is not None else math.nan,
    }


def _endings(record: TrialRecord) -> Row:
    """Return the columns about the ends of connections; NaN where there was none, or it was not counted."""
    said, answered, first, second = (number(record.load.get(name)) for name in (
        "goodbyes", "goodbyes_answered", "closed_by_server", "closed_by_clients"))
    return {
        "goodbyes_answered_share": answered / said if said else math.nan,
        "closed_by_server_share": first / (first + second) if first + second else math.nan,
    }


def _distribution(trial: str, latency: Latencies | None) -> pd.DataFrame:
    nothing = np.empty(0, dtype=np.int64)
    instants = {"app": nothing, "kernel": nothing}
    if latency is not None:
        instants = {"app": latency.app_ns, "kernel": latency.kernel_ns}
    found = {instant: bins(ordered) for instant, ordered in instants.items()}
    numbers, counts = (np.concatenate(each) for each in zip(*found.values(), strict=True))
    names = np.repeat([*found], [len(held) for held, _ in found.values()])
    return pd.DataFrame({"trial": trial, "instant": names, "bin": numbers, "count": counts})


def _timeline(trial: str, arrays: TrialArrays | None) -> pd.DataFrame:
    at_s = np.empty(0)
    due = arrived = np.empty(0, dtype=np.int64)
    if arrays is not None:
        windows, ticks = arrays.windows, arrays.ticks
        edges = whole.step_edges(windows)
        weights = arrays.clients.subscribed.sum(axis=0)[ticks.symbol]
        at_s = (edges[:-1] - windows.t0_ns) / 1e9
        due = np.histogram(ticks.due_ns, edges, weights=weights)[0].astype(np.int64)
        arrived = np.histogram(arrays.arrivals.app_ns, edges)[0].astype(np.int64)
    return pd.DataFrame({"trial": trial, "at_s": at_s, "due": due, "arrived": arrived})
