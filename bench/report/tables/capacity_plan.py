"""The capacity plan of a simulated run as a table: the needs of each transport, and their monthly price.

The rows are those of `fleet.csv` (`bench.stats.run.capacity_plan`, `bench.report.data.capacity_plan`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bench.records.manifest import Manifest
from bench.report import style
from bench.report.tables.run import TextTable
from bench.stats.run.capacity_plan import HOURS_A_MONTH, RequiredResources

Column = tuple[str, Callable[[RequiredResources], str]]
"""A heading, and the function that writes a plan's cell below it."""


def table(plan: Sequence[RequiredResources], manifest: Manifest) -> TextTable:
    """Return the capacity plan as a table; a table without rows where there is no plan."""
    if not plan:
        return TextTable("fleet", "Capacity plan", (), ())
    columns = _columns(plan)
    several = len({need.clients for need in plan}) > 1
    heading = "Capacity plan" if several else f"Capacity plan for {plan[0].clients:,} clients"
    rows = tuple(tuple(sentences(need) for _, sentences in columns) for need in plan)
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
        (f"workers ({first.currency} per month)", lambda need: _price(need, need.workers_month)),
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


def _note(plan: Sequence[RequiredResources], manifest: Manifest) -> str:
    full = _full(plan[0])
    prices = manifest.scenario.simulation.prices
    sentences = [
        f"Workers: server processes with a core each, the fewest of which none uses more than {full} of it "
        f"{_when(plan[0])}; the feed and the idle base are each worker's own, the rest is shared. Out: on the "
        "wire, with TCP and IP headers; traffic in is listed in fleet.csv.",
    ]
    if manifest.scenario.feed.schedule not in ("replay", "constant"):
        sentences.append("CPU, traffic and requests are for the scenario's rate, interpolated along a line "
                    "through the trials, whose numbers of ticks vary.")
    if manifest.measured is not None and any(not math.isnan(need.memory_gb) for need in plan):
        sentences.append("Memory is not simulated: it is the memory per further client in the measured run "
                         f"{manifest.measured.run}.")
    else:
        sentences.append("Memory is not simulated, and there is no measured run with the same options to take it from.")
    if any(need.short for need in plan):
        sentences.append(
            f"At least: the simulated workers used more than {full} of a core, so that updates shared responses, "
            "polls came late or work was left undone, and they used less than the load requires. Simulate "
            "again with more workers (simulation.workers) to see how many are enough.")
    if any(not math.isnan(need.workers_low) for need in plan):
        sentences.append(
            "In brackets: the range of 95 % of the draws from the costs' intervals and the validation's "
            "errors. The cheapest in: the share of these draws in which the transport is the cheapest. Errors "
            "beyond the range that was checked are not included.")
    if prices is not None:
        sentences.append(
            f"Prices are the scenario's: {style.number(prices.worker_month)} {prices.currency} per worker "
            f"and month of {HOURS_A_MONTH} hours, {style.number(prices.gigabyte_out)} {prices.currency} "
            "per gigabyte out.")
    sentences.append(
        "Latency: a tick goes out to a worker's clients one after the other, so fewer workers are slower. "
        "These are closed forms for the planned workers, at the scenario's rate; longest: of the last client, "
        "if no tick waits for another; infinite: workers that can't keep up. Percentiles have no closed form: "
        f"those shown were simulated, with {style.counted(plan[0].workers_simulated, 'worker')}.")
    return " ".join(sentences)


def _when(need: RequiredResources) -> str:
    """Return the stretch of the feed that the workers are planned for, in words."""
    if math.isnan(need.busiest_s):
        return "on average"
    return (f"in the busiest {style.number(need.busiest_s)} s that were simulated, which is the time after "
            "which an update is late, so that no update is late because of its worker")


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
        return "infinite"
    return "–" if math.isnan(value_ms) else f"{style.number(value_ms)} ms"
