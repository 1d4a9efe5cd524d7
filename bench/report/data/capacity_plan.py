"""The data that a capacity plan (`fleet.csv`) needs in addition to a run's trials, from the run's manifest.

The plan itself is computed in `bench.stats.run.capacity_plan`.

    [simulation]   workers, the load at which a worker counts as full, prices
    costs          work that each worker does for itself, whatever its clients
    measured       memory for each client, where a measured run with the same options was found
    closed forms   latency with the planned number of workers (`closed_forms.csv`), and a worker's load with
                   the costs at both ends of their intervals
    validation     the errors of the model; with the costs' intervals they give the bands of a plan
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bench.records.manifest import Manifest, SubjectEntry
from bench.scenario.model import DEFAULT_SERVER
from bench.scenario.simulation import Simulation
from bench.stats.run import uncertainty
from bench.stats.run.capacity_plan import MOVING, PlanPrices, RequiredResources, WorkerOverhead, needs
from bench.stats.trial.arrays import Floats


def needs_of(trials: pd.DataFrame, manifest: Manifest, forms: pd.DataFrame | None = None,
             validation: pd.DataFrame | None = None) -> list[RequiredResources]:
    """Return a capacity plan for each cell, by client count and then in the order of the scenario.

    `forms` are the closed forms of the run (`closed_forms.csv`), from which latencies and the ends of the
    costs' intervals are read; `validation` is the table of the model's errors (`validation.csv`). Without
    them the plans have no latencies or no bands.
    """
    scenario, subjects = manifest.scenario, manifest.subjects
    asked, prices = scenario.simulation, scenario.simulation.prices
    order = {label: place for place, label in enumerate(scenario.transports)}
    found = needs(
        trials, asked.workers, asked.full_at,
        own={label: _own(manifest, subject) for label, subject in subjects.items()},
        memory_bytes=manifest.measured.memory_bytes_per_client if manifest.measured else {},
        new_connections={label: _further_s(asked, subject.options) for label, subject in subjects.items()
                         if subject.options.get("connection") == "new"},
        prices=PlanPrices(prices.currency, prices.worker_month, prices.gigabyte_out) if prices else None,
        moves=scenario.feed.schedule in MOVING,
    )
    found = [_with_latencies(need, forms) for need in found] if forms is not None else found
    found = _with_bands(found, manifest, forms, validation)
    return sorted(found, key=lambda need: (need.clients, order.get(need.transport, len(order))))


def _with_latencies(need: RequiredResources, forms: pd.DataFrame) -> RequiredResources:
    """Return the plan with the latencies that the closed forms predict.

    The forms are for a given number of workers: unless that is the planned one, the plan is returned as it
    is.
    """
    mine = forms[(forms["transport"] == need.transport) & (forms["clients"] == need.clients)]
    known = dict(zip(mine["quantity"], mine["value"].astype(float), strict=True))
    if need.workers is None or known.get("planned_workers") != need.workers:
        return need
    return replace(need, latency_mean_ms=known.get("planned_latency_mean_ms", math.nan),
                   latency_worst_ms=known.get("planned_latency_worst_ms", math.nan))


def _with_bands(plan: Sequence[RequiredResources], manifest: Manifest, forms: pd.DataFrame | None,
                validation: pd.DataFrame | None) -> list[RequiredResources]:
    """Return the plans with bands of workers and of price, and the share of draws in which each is cheapest.

    A plan is compared with the others for the same number of clients, by price, or by workers without prices.
    """
    drawn = {(need.transport, need.clients): _drawn(need, manifest, forms, validation) for need in plan}
    found = []
    for need in plan:
        both = drawn[need.transport, need.clients]
        rivals = {each.transport: drawn[each.transport, each.clients] for each in plan
                  if each.clients == need.clients and each.workers and not each.short}
        known = {label: draws for label, draws in rivals.items() if draws is not None}
        if both is None:
            found.append(need)
            continue
        workers, month = both
        paid = not np.isnan(month).any()
        shares = uncertainty.least_shares({label: draws[1] if paid else draws[0]
                                           for label, draws in known.items()}) if known else {}
        low, high = uncertainty.band(workers, float(need.workers or 0))
        month_low, month_high = uncertainty.band(month, need.month) if paid else (math.nan, math.nan)
        found.append(replace(
            need, workers_low=low, workers_high=high, month_low=month_low, month_high=month_high,
            least_share=shares.get(need.transport, math.nan)))
    return found


def _drawn(need: RequiredResources, manifest: Manifest, forms: pd.DataFrame | None,
           validation: pd.DataFrame | None) -> tuple[Floats, Floats] | None:
    """Return workers and monthly price of a plan in each joint draw (two arrays of the same length).

    Returns None where neither the costs nor the validation give an uncertainty.
    """
    if need.workers is None or math.isinf(need.workers_exact):
        return None
    ends, rng = _load_ends(need, forms), uncertainty.generator(need.transport, str(need.clients))
    cpu, sent = (_errors(need.transport, manifest, validation, quantity)
                 for quantity in ("server_cpu_us_per_update", "bytes_per_update"))
    if ends is None and not cpu:
        return None
    factor = uncertainty.of_costs(*(ends or (1.0, 1.0)), rng) * uncertainty.of_model(cpu, rng)
    workers = np.maximum(np.ceil(need.workers_exact * factor - 1e-9), 1.0)
    month = (need.workers_month / need.workers * workers
             + need.traffic_month * uncertainty.of_model(sent, rng))
    return workers, month


def _load_ends(need: RequiredResources, forms: pd.DataFrame | None) -> tuple[float, float] | None:
    """Return a worker's load with the costs at both ends of their intervals, divided by its load at the
    estimate.

    Returns None where the closed forms do not give both ends.
    """
    if forms is None:
        return None
    mine = forms[(forms["transport"] == need.transport) & (forms["clients"] == need.clients)]
    known = dict(zip(mine["quantity"], mine["value"].astype(float), strict=True))
    load, low, high = (known.get(f"server_load{end}", math.nan) for end in ("", "_low", "_high"))
    return (low / load, high / load) if load > 0 and low == low and high == high else None


def _errors(label: str, manifest: Manifest, validation: pd.DataFrame | None, quantity: str
            ) -> list[uncertainty.Error]:
    """Return the errors of one quantity of a transport in the validation: (error, low, high) for each
    cell."""
    if validation is None:
        return []
    names = validated_as(manifest, label)
    mine = validation[validation["transport"].isin(names) & (validation["quantity"] == quantity)]
    columns = ("error", "interval_low", "interval_high")
    return [(float(error), float(low), float(high))
            for error, low, high in mine[list(columns)].itertuples(index=False)]


def validated_as(manifest: Manifest, label: str) -> tuple[str, ...]:
    """Return the labels of a validation that speak for a subject: its own, and its transport's.

    What is under a transport's name was measured with the default server, and says nothing of another one.
    """
    subject = manifest.subjects[label]
    if subject.server == DEFAULT_SERVER:
        return (label, subject.transport)
    return (label,) if label != subject.transport else ()


def _further_s(asked: Simulation, options: Mapping[str, Any]) -> float:
    """Return the time in seconds by which the server holds a connection longer than its request takes.

    The server holds a connection from the client's first segment until the response. So the time is 0, and with
    TLS one round trip.
    """
    return sum(asked.delays_s or (0.0, 0.0)) if options["tls"] else 0.0


def _own(manifest: Manifest, subject: SubjectEntry) -> WorkerOverhead:
    """Return the work that each worker of a subject does for itself, by the costs of the simulation."""
    options = subject.options
    kind = (subject.transport, options["tls"], options["compression"], options.get("context_takeover", False),
            subject.server)
    for each in manifest.costs.by_kind if manifest.costs else ():
        if (each.transport, each.tls, each.compression, each.context_takeover, each.server) == kind:
            return WorkerOverhead(each.costs.tick_s, each.costs.base_share)
    return WorkerOverhead()
