"""The capacity plan of a simulated run, as a table: what each transport needs, and what that costs a month.

The rows are `fleet.csv`'s (`bench.stats.fleet`, `bench.report.provision`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bench.report import style
from bench.report.tables import Table
from bench.stats.fleet import HOURS_A_MONTH, Need


def table(plan: Sequence[Need], manifest: Mapping[str, Any]) -> Table:
    """The plan as a table; without rows where there is none."""
    if not plan:
        return Table("fleet", "Capacity plan", (), ())
    first = plan[0]
    priced = any(not math.isnan(need.month) for need in plan)
    several = len({need.clients for need in plan}) > 1
    rows = tuple(_row(need, priced, several) for need in plan)
    full = f"{100 * first.full_at:.0f} %"
    columns = (
        *(("clients",) if several else ()), "", "CPU (cores)", f"workers at {full}", "out (Gbit/s)",
        "requests/s", "sockets", "memory (GB)",
        *((f"workers ({first.currency} a month)", "traffic", "together") if priced else ()),
        f"median and p99 with {first.workers_simulated:,} workers",
    )
    heading = "Capacity plan" if several else f"Capacity plan for {first.clients:,} clients"
    return Table("fleet", heading, columns, rows, note=_note(plan, manifest, full, priced))


def _note(plan: Sequence[Need], manifest: Mapping[str, Any], full: str, priced: bool) -> str:
    prices = (manifest["scenario"].get("simulation") or {}).get("prices") or {}
    told = [
        f"Workers: server processes with a core each, so many that none is busier than {full} on average; "
        "the feed and the idle base are each worker's own, the rest is shared. Out: on the wire, TCP and "
        "IP headers among it; in is in fleet.csv.",
    ]
    if manifest["scenario"].get("feed", {}).get("schedule") not in ("replay", "constant"):
        told.append("CPU, traffic and requests are those of the rate that was asked for, along the line "
                    "through the trials, which drew more ticks or fewer.")
    run = (manifest.get("measured") or {}).get("run")
    if any(not math.isnan(need.memory_gb) for need in plan):
        told.append(f"Memory is not simulated: it is what a further client took in the measured run {run}.")
    elif plan:
        told.append("Memory is not simulated, and there is no measured run of the same options beside.")
    if any(need.short for need in plan):
        told.append(
            f"At least: the workers that were simulated were busier than {full}, so that updates shared "
            "answers, polls came late or work was left undone, and what they used is less than what is asked "
            "for. Simulate it again with more workers (simulation.workers) to see how many are enough.")
    if priced:
        told.append(
            f"Prices are the scenario's: {style.number(prices['worker_month'])} {prices['currency']} a "
            f"worker and month of {HOURS_A_MONTH} hours, {style.number(prices['gigabyte_out'])} "
            f"{prices['currency']} a gigabyte out.")
    told.append(
        "Latencies are those of the workers that were simulated; with another number they change about as "
        "the clients a worker do, since a tick goes out to them one by one.")
    return " ".join(told)


def _row(need: Need, priced: bool, several: bool) -> tuple[str, ...]:
    least = "at least " if need.short else ""
    workers = "none is enough" if need.workers is None else f"{least}{need.workers:,}"
    prices = (need.workers_month, need.traffic_month, need.month) if priced else ()
    latency = f"{style.number(need.latency_p50_ms)} and {style.number(need.latency_p99_ms)} ms"
    return (
        *((f"{need.clients:,}",) if several else ()), style.title(need.transport),
        style.number(need.cpu_cores), workers, style.number(need.gbit_out_per_s),
        style.number(need.requests_per_s), f"{need.sockets:,.0f}", style.number(need.memory_gb),
        *(f"{least}{price:,.0f}" if not math.isnan(price) else "–" for price in prices), latency,
    )
