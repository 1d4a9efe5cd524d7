"""A trial whose tables hold a share of its clients has the figures of all, as if they held everybody."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from synthetic import DEFAULT, Made, Plan, trial_record

from bench.errors import RunError
from bench.records import trial_record as records
from bench.records.trial_record import TrialRecord
from bench.stats.trial import population
from bench.stats.trial.arrays import Tables, trial_arrays
from bench.stats.trial.bytes import arrivals_between, client_sums, counted
from bench.stats.trial.fates import fates
from bench.stats.trial.latency import bins, latencies
from bench.stats.trial.row import trial_figures, trial_row

CLIENTS, KEPT = 40, 8
OF_THE_SAMPLE = (
    "sample", "age_mean_ms", "age_excess_mean_ms", "client_lag_p99_ms", "reordered", "steady_bins",
    "trend_share", "warmup_cut_s", "in_flight_gap_share", "publishing_unexplained", "recorded_unexplained",
)
"""Columns that only whole clients can tell, or that nobody could count over all."""


def made_trial(plan: Plan, made: Made) -> tuple[TrialRecord, Tables]:
    """Return a trial whose clients were all read right at t0 and t1, as a simulator can."""
    record, tables = trial_record(plan, "subject", made, CLIENTS, 1, 1)
    assert record.windows is not None
    clients = tables["clients"]
    for name, at_ns in (("counted_from_ns", record.windows.t0_ns), ("counted_to_ns", record.windows.t1_ns)):
        place = clients.schema.get_field_index(name)
        clients = clients.set_column(place, clients.schema.field(place), pa.array([at_ns] * CLIENTS))
    return record, {**tables, "clients": clients}


def shared(record: TrialRecord, tables: Tables) -> tuple[TrialRecord, Tables]:
    """Return the same trial, of which a share of the rows were kept, and what is of all was added up."""
    trial = trial_arrays(record, tables)
    by_fate = fates(trial)
    latency = latencies(trial, int(by_fate["lost"].sum()))
    mine = counted(trial, tables["clients"])
    opening = {name: float(pc.sum(tables["clients"].column(name)).as_py())
               for name in records.OPENING_AND_CLOSING}
    totals = {
        "updates_due": by_fate["due"].sum(), **{name: by_fate[name].sum() for name in population.FATES},
        "foreign": trial.arrivals.foreign, "app_latency_ns": latency.app_ns.sum(),
        "kernel_latency_ns": latency.kernel_ns.sum(),
        "latency_min_ns": min(latency.app_ns[0], latency.kernel_ns[0]), "latency_max_ns": latency.app_ns[-1],
        "stamped": len(latency.kernel_ns), "shared": latency.shared_share * len(latency.kernel_ns),
        "arrivals": arrivals_between(trial, (trial.windows.t0_ns, trial.windows.t1_ns)),
        "payload_bytes": mine.payload_bytes,
        "received": tables["deliveries"].num_rows, "skips_declared": 0,
        "clients_subscribed": record.clients, "client_errors": 0, **client_sums(tables["clients"]), **opening,
    }
    assert set(totals) == set(population.TOTALS)
    rows = []
    edges = population.step_edges(trial.windows)
    arrived = np.histogram(trial.arrivals.app_ns, edges)[0]
    for name, (numbers, counts) in {
        "app": bins(latency.app_ns), "kernel": bins(latency.kernel_ns),
        "arrived": (np.arange(len(arrived)), arrived),
        "subscribed": (np.arange(len(trial.ticks.symbols)), trial.clients.subscribed.sum(axis=0)),
    }.items():
        rows += [{"of": name, "bin": int(at), "count": int(count)}
                 for at, count in zip(numbers, counts, strict=True)]
    histograms = pa.Table.from_pylist(rows, records.HISTOGRAMS)
    few = {name: table.filter(pc.less(table.column("client"), KEPT))
           if "client" in table.column_names else table for name, table in tables.items()}
    kept = replace(record, sample=KEPT / record.clients,
                   totals={name: float(value) for name, value in totals.items()})
    return kept, few | {"histograms": histograms}


@pytest.mark.parametrize("made", [*DEFAULT.values(), Made(loss=0.05)], ids=[*DEFAULT, "lossy"])
@pytest.mark.parametrize("symbols", [None, 2])
def test_the_figures_are_those_of_everybody(made: Made, symbols: int | None) -> None:
    plan = Plan(symbols_per_client=symbols)
    record, tables = made_trial(plan, made)
    record = replace(record, server_counts={"deliveries": tables["deliveries"].num_rows + 3})
    full, few = trial_row(record, tables), trial_row(*shared(record, tables))
    assert full["lost"] == few["lost"]
    for name, value in full.items():
        if name in OF_THE_SAMPLE or name.endswith("_error_share") or isinstance(value, str) or value is None:
            continue
        close = 0.01 if "latency_p" in name else 1e-9   # a bin, and what is between two values
        assert few[name] == pytest.approx(value, rel=close, nan_ok=True), name


def test_what_is_drawn_is_of_everybody_too() -> None:
    record, tables = made_trial(Plan(), DEFAULT["websocket"])
    full, few = trial_figures(record, tables), trial_figures(*shared(record, tables))
    assert few.timeline.equals(full.timeline)
    assert few.distribution[["bin", "count"]].equals(full.distribution[["bin", "count"]])


def test_ages_are_those_of_the_clients_that_were_kept() -> None:
    record, tables = made_trial(Plan(), DEFAULT["short_polling"])
    kept, few = shared(record, tables)
    alone = trial_row(replace(record, clients=KEPT), {name: few[name] for name in records.TABLES})
    assert trial_row(kept, few)["age_excess_mean_ms"] == alone["age_excess_mean_ms"]
    assert not math.isnan(float(alone["age_excess_mean_ms"] or 0))


def test_nothing_of_all_where_the_tables_hold_everybody() -> None:
    record, tables = trial_record(Plan(), "subject", DEFAULT["websocket"], 5, 1, 1)
    assert population.whole(record, tables) is None
    assert population.whole(replace(record, sample=0.5), tables) is None   # nothing more is known


def test_totals_that_lack_a_part_are_refused() -> None:
    kept, few = shared(*made_trial(Plan(), DEFAULT["websocket"]))
    without = replace(kept, totals={name: value for name, value in kept.totals.items() if name != "arrivals"})
    with pytest.raises(RunError, match=r"trial\.json: totals\.arrivals: found nothing"):
        population.whole(without, few)
