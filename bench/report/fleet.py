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
    moving, stretch = not math.isnan(first.busiest_s), f"the busiest {style.number(first.busiest_s)} s"
    rows = tuple(_row(need, priced, several, moving) for need in plan)
    full = f"{100 * first.full_at:.0f} %"
    columns = (
        *(("clients",) if several else ()), "", "CPU (cores)", *((f"CPU in {stretch}",) if moving else ()),
        f"workers at {full}", "out (Gbit/s)", *((f"out in {stretch}",) if moving else ()),
        "requests/s", "sockets", "memory (GB)",
        *((f"workers ({first.currency} a month)", "traffic", "together") if priced else ()),
        "mean and longest latency with these workers (closed form)",
        f"not of this plan: median and p99 as simulated, with {first.workers_simulated:,} workers",
    )
    heading = "Capacity plan" if several else f"Capacity plan for {first.clients:,} clients"
    return Table("fleet", heading, columns, rows, note=_note(plan, manifest, full, priced))


def _note(plan: Sequence[Need], manifest: Mapping[str, Any], full: str, priced: bool) -> str:
    prices = (manifest["scenario"].get("simulation") or {}).get("prices") or {}
    told = [
        f"Workers: server processes with a core each, so many that none is busier than {full} "
        f"{_when(plan[0])}; the feed and the idle base are each worker's own, the rest is shared. Out: on "
        "the wire, TCP and IP headers among it; in is in fleet.csv.",
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
        "Latency: a tick goes out to a worker's clients one by one, so fewer workers are slower. With these "
        "workers: closed forms, at the rate that was asked for; longest: of the last client, where a tick "
        "waits for no other. Percentiles have no closed form; to see them, simulate the planned number "
        "(--workers). The last column is of the workers that were simulated, whatever the plan's.")
    return " ".join(told)


def _when(need: Need) -> str:
    """Which stretch of the feed the workers are for."""
    if math.isnan(need.busiest_s):
        return "on average"
    return (f"in the busiest {style.number(need.busiest_s)} s that were simulated, which is the time after "
            "which an update is late, so that none is late for its worker's sake")


def _row(need: Need, priced: bool, several: bool, moving: bool) -> tuple[str, ...]:
    least = "at least " if need.short else ""
    workers = "none is enough" if need.workers is None else f"{least}{need.workers:,}"
    prices = (need.workers_month, need.traffic_month, need.month) if priced else ()
    simulated = (need.latency_p50_simulated_ms, need.latency_p99_simulated_ms)
    return (
        *((f"{need.clients:,}",) if several else ()), style.title(need.transport),
        style.number(need.cpu_cores), *((style.number(need.cpu_busiest_cores),) if moving else ()), workers,
        style.number(need.gbit_out_per_s),
        *((style.number(need.gbit_out_busiest_per_s),) if moving else ()),
        style.number(need.requests_per_s), f"{need.sockets:,.0f}", style.number(need.memory_gb),
        *(f"{least}{price:,.0f}" if not math.isnan(price) else "–" for price in prices),
        _latencies(need.latency_mean_ms, need.latency_worst_ms), _latencies(*simulated),
    )


def _latencies(middle_ms: float, high_ms: float) -> str:
    """Two latencies; a dash where there is neither."""
    if math.isnan(middle_ms) and math.isnan(high_ms):
        return "–"
    if math.isinf(middle_ms):
        return "without end: they can't keep up"
    return f"{style.number(middle_ms)} and {style.number(high_ms)} ms"
