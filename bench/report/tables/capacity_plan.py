"""The capacity plan of a simulated run as a table: the needs of each transport, and their monthly price.

The rows are those of `fleet.csv` (`bench.stats.run.capacity_plan`, `bench.report.data.capacity_plan`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.report import style
from bench.report.tables.run import TextTable
from bench.stats.run.capacity_plan import HOURS_A_MONTH, RequiredResources

Column = tuple[str, Callable[[RequiredResources], str]]
"""A heading, and the function that writes a plan's cell below it."""


def table(plan: Sequence[RequiredResources], manifest: Mapping[str, Any]) -> TextTable:
    """Return the capacity plan as a table; a table without rows where there is no plan."""
    if not plan:
        return TextTable("fleet", "Capacity plan", (), ())
    columns = _columns(plan)
    several = len({need.clients for need in plan}) > 1
    heading = "Capacity plan" if several else f"Capacity plan for {plan[0].clients:,} clients"
    rows = tuple(tuple(told(need) for _, told in columns) for need in plan)
    return TextTable("fleet", heading, tuple(head for head, _ in columns), rows, note=_note(plan, manifest))


def _columns(plan: Sequence[RequiredResources]) -> list[Column]:
    """Return the columns that apply to these plans.

    Client counts are shown if there are several, the busiest stretch if the feed's rate changes, prices if
    there are any, and the share of draws in which a plan is the cheapest if it is known.
    """
    first = plan[0]
    lengths_s = [need.busiest_s for need in plan if not math.isnan(need.busiest_s)]
    moving, stretch = bool(lengths_s), f"the busiest {style.number(max(lengths_s, default=0.0))} s"
    priced = any(not math.isnan(need.month) for need in plan)
    judged = any(not math.isnan(need.least_share) for need in plan)
    bits, per_s = _unit([need.gbit_out_per_s for need in plan], "Gbit/s", "Mbit/s")
    bytes_, held = _unit([need.memory_gb for need in plan], "GB", "MB")
    clients: list[Column] = [("clients", lambda need: f"{need.clients:,}")]
    busiest: list[Column] = [
        (f"CPU in {stretch} (cores)", lambda need: style.number(need.cpu_busiest_cores)),
        (f"out in {stretch} ({bits})", lambda need: style.number(per_s * need.gbit_out_busiest_per_s))]
    prices: list[Column] = [
        (f"workers ({first.currency} a month)", lambda need: _price(need, need.workers_month)),
        ("traffic", lambda need: _price(need, need.traffic_month)),
        ("together", lambda need: _price(need, need.month, need.month_low, need.month_high)),
        *[("the cheapest in", lambda need: style.percent(need.least_share, 0, signed=False))] * judged]
    return [
        *clients * (len({need.clients for need in plan}) > 1),
        ("", lambda need: style.title(need.transport)),
        ("CPU (cores)", lambda need: style.number(need.cpu_cores)), *busiest[:1] * moving,
        (f"workers at {_full(first)}", _workers),
        (f"out ({bits})", lambda need: style.number(per_s * need.gbit_out_per_s)), *busiest[1:] * moving,
        ("requests/s", lambda need: style.number(need.requests_per_s)),
        ("sockets", lambda need: f"{need.sockets:,.0f}"),
        (f"memory ({bytes_})", lambda need: style.number(held * need.memory_gb)),
        *prices * priced,
        ("mean latency", lambda need: _latency(need.latency_mean_ms)),
        ("longest latency", lambda need: _latency(need.latency_worst_ms)),
    ]


def _unit(values: Sequence[float], unit: str, thousandth: str) -> tuple[str, float]:
    """Return the unit in which the largest value is 1 or more, and the factor from the first unit to it."""
    largest = max((value for value in values if math.isfinite(value)), default=1.0)
    return (unit, 1.0) if largest >= 1 else (thousandth, 1000.0)


def _full(need: RequiredResources) -> str:
    return f"{100 * need.full_at:.0f} %"


def _note(plan: Sequence[RequiredResources], manifest: Mapping[str, Any]) -> str:
    full = _full(plan[0])
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
    else:
        told.append("Memory is not simulated, and there is no measured run of the same options beside.")
    if any(need.short for need in plan):
        told.append(
            f"At least: the workers that were simulated were busier than {full}, so that updates shared "
            "answers, polls came late or work was left undone, and what they used is less than what is asked "
            "for. Simulate it again with more workers (simulation.workers) to see how many are enough.")
    if any(not math.isnan(need.workers_low) for need in plan):
        told.append(
            "In brackets: 95 % of what it may be, by the costs' intervals and the errors of the validation "
            "drawn together; of these draws the cheapest in so many. What lies beyond what was checked is "
            "not in it.")
    if prices:
        told.append(
            f"Prices are the scenario's: {style.number(prices['worker_month'])} {prices['currency']} a "
            f"worker and month of {HOURS_A_MONTH} hours, {style.number(prices['gigabyte_out'])} "
            f"{prices['currency']} a gigabyte out.")
    told.append(
        "Latency: a tick goes out to a worker's clients one by one, so fewer workers are slower. These are "
        "closed forms for the planned workers, at the rate that was asked for; longest: of the last client, "
        "where a tick waits for no other; without end: workers that can't keep up. Percentiles have no "
        "closed form: where they stand they were simulated, with "
        f"{style.counted(plan[0].workers_simulated, 'worker')}.")
    return " ".join(told)


def _when(need: RequiredResources) -> str:
    """Return the stretch of the feed that the workers are planned for, in words."""
    if math.isnan(need.busiest_s):
        return "on average"
    return (f"in the busiest {style.number(need.busiest_s)} s that were simulated, which is the time after "
            "which an update is late, so that none is late for its worker's sake")


def _workers(need: RequiredResources) -> str:
    if need.workers is None:
        return "none is enough"
    low, high = need.workers_low, need.workers_high
    among = f" ({low:,.0f}–{high:,.0f})" if low < high else ""
    return f"{_least(need)}{need.workers:,}{among}"


def _price(need: RequiredResources, price: float, low: float = math.nan, high: float = math.nan) -> str:
    return "–" if math.isnan(price) else f"{_least(need)}{style.banded(price, low, high)}"


def _least(need: RequiredResources) -> str:
    return "at least " if need.short else ""


def _latency(value_ms: float) -> str:
    """Return a latency in words; it is without end where the workers can't keep up."""
    if math.isinf(value_ms):
        return "without end"
    return "–" if math.isnan(value_ms) else f"{style.number(value_ms)} ms"
