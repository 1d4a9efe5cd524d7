"""A simulated run's answer in a sentence, before everything else: what serves its clients, and at what price.

    capacity plan ─► the cheapest by the month (without prices: by its workers), its latency with
                     these workers, and what share of each other's that is

A plan that is a lower bound is no answer: who has one is named, and is not compared. Nothing here knows the
name of a transport.

Known weakness: the cheapest is not the freshest; the findings below the plan say who is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.report import style
from bench.report.figures import shown_clients
from bench.report.run import Run
from bench.stats.fleet import Need


def sentence(run: Run) -> str:
    """The answer for the client count that the first table shows; empty where there is no plan."""
    if not run.simulated or run.knees is not None:
        return ""
    clients = shown_clients(run)
    return of_plan([need for need in run.fleet if need.clients == clients])


def of_plan(plan: Sequence[Need]) -> str:
    """The answer of a plan for one client count."""
    if not plan:
        return ""
    enough = [need for need in plan if need.workers and not need.short]
    bounds = [style.title(need.transport) for need in plan if need.short]
    too_few = (f" {' and '.join(bounds)} kept the {plan[0].workers_simulated:,} simulated workers busier "
               "than a plan allows: simulate it with more." if bounds else "")
    if not enough:
        return f"No plan for {plan[0].clients:,} clients yet.{too_few}"
    priced = not any(math.isnan(need.month) for need in enough)
    best, *others = sorted(enough, key=_month if priced else _workers)
    latency = "" if math.isnan(best.latency_mean_ms) else (
        f", with a mean latency of {style.number(best.latency_mean_ms)} ms (closed form)")
    share = [_share(best, other, priced) for other in others]
    compared = f": {', '.join(share)}" if share else ""
    what = "Cheapest" if priced else "Fewest workers"
    return (f"{what} for {best.clients:,} clients: {style.title(best.transport)}, {_taken(best, priced)}"
            f"{latency}{compared}.{too_few}")


def _share(best: Need, other: Need, priced: bool) -> str:
    """What the best takes as a share of another, and what that one takes."""
    mine, theirs = (_month(need) if priced else _workers(need) for need in (best, other))
    times = f"{100 * mine / theirs:.0f} % of" if theirs else "as much as"
    return f"{times} {style.title(other.transport)}'s ({_taken(other, priced)})"


def _taken(need: Need, priced: bool) -> str:
    """Workers, and what all costs a month."""
    workers = f"{need.workers:,} worker{'' if need.workers == 1 else 's'}"
    return f"{workers}, {need.month:,.0f} {need.currency} a month" if priced else workers


def _month(need: Need) -> float:
    return need.month


def _workers(need: Need) -> float:
    return float(need.workers or math.inf)
