"""The answer of a simulated run, at the top of its page: the cheapest transport, its price, and the freshest.

    capacity plan ─► the cheapest per month (without prices: the fewest workers), its latency with these
                     workers, and the needs of the others
    cells         ─► the freshest, as it was simulated

Transports that the bands don't separate are called a tie: of the joint draws of costs and validation
(`bench.stats.run.uncertainty`), each of them is the cheapest in some. A plan that is only a lower bound is
not compared; its transport is named. The freshest tie where their trials don't separate them, as anywhere in a report
(`bench.report.text.first_screen`). Nothing here depends on the name of a transport.

Known weakness: the answer has two clauses, for two questions; the reader has to decide which one matters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.report import style
from bench.report.data.run import RunData, shown_clients
from bench.report.tables import model_accuracy
from bench.report.text import first_screen, forms
from bench.report.text.findings import QUESTIONS
from bench.stats.run import uncertainty
from bench.stats.run.capacity_plan import RequiredResources

AGE = next(each for each in QUESTIONS if each.column == "age_excess_mean_ms")
"""The value by which transports are the freshest."""


def sentence(run: RunData) -> str:
    """Return the answer for the client count that the first table shows.

    Returns an empty text where there is no plan: for a measured run, and for a search for the capacity limit.
    """
    if not run.simulated or run.capacity_limits is not None:
        return ""
    clients = shown_clients(run)
    plan = [need for need in run.fleet if need.clients == clients]
    cells = run.summary[run.summary["clients"] == clients].dropna(subset=["age_excess_mean_ms"])
    ages = dict(zip(cells["transport"], cells["age_excess_mean_ms"].astype(float), strict=True))
    return " ".join(filter(None, (
        of_plan(plan), *(_beyond(run, need) for need in plan[:1] and _answers(plan)),
        of_ages(ages, plan[0].workers_simulated, _freshest(run)) if plan else "",
        *(forms.separated_text(each) for each in forms.apart(run, "age_excess_mean_ms", clients) if plan))))


def _answers(plan: Sequence[RequiredResources]) -> list[RequiredResources]:
    """Return the plans that are the answer: one, or those that tie."""
    enough = [need for need in plan if need.workers and not need.short]
    return tied(enough) if enough else []


def _beyond(run: RunData, need: RequiredResources) -> str:
    """Return a sentence on how far the workers of an answer are beyond the range in which the model was
    checked.

    Returns an empty text where they are within it, or where nothing was checked.
    """
    if run.validation is None or not need.workers:
        return ""
    cells = model_accuracy.checked(run, need.transport)
    load = need.workers_exact / need.workers * need.full_at
    far = model_accuracy.beyond(cells, need.clients / need.workers, load) if len(cells) else ""
    return (f"That is beyond what was checked: a worker of {style.title(need.transport)} has {far}." if far
            else "")


def of_plan(plan: Sequence[RequiredResources]) -> str:
    """Return the result of the plans for one client count, in words."""
    if not plan:
        return ""
    clients = style.counted(plan[0].clients, "client")
    enough = [need for need in plan if need.workers and not need.short]
    bounds = [style.title(need.transport) for need in plan if need.short]
    simulated = style.counted(plan[0].workers_simulated, "worker")
    too_few = (f" {style.sentence(style.listed(bounds))} kept {simulated} busier than a plan allows: "
               "simulate with more." if bounds else "")
    if not enough:
        return f"No plan for {clients} yet.{too_few}"
    priced = not any(math.isnan(need.month) for need in enough)
    ranked = sorted(enough, key=lambda need: _price(need, priced))
    alike = tied(enough)
    ranked = [*alike, *(need for need in ranked if need not in alike)]
    others = [f"{style.title(need.transport)} takes {_taken(need, priced)}" for need in ranked[len(alike):]]
    compared = f" {style.sentence('; '.join(others))}." if others else ""
    if len(alike) > 1 and len({_taken(need, priced) for need in alike}) == 1:
        names = style.listed([style.title(need.transport) for need in alike])
        return f"{clients} take {_taken(ranked[0], priced)} by {names} alike.{compared}{too_few}"
    if len(alike) > 1:
        names = style.listed([f"{style.title(need.transport)}, {_taken(need, priced)}{_latency(need)}"
                              for need in alike])
        return (f"The {'cheapest' if priced else 'fewest workers'} for {clients}: a tie, since costs and model "
                f"are not known precisely enough to separate {names}.{compared}{too_few}")
    best = f"{style.title(ranked[0].transport)}, {_taken(ranked[0], priced)}{_latency(ranked[0])}"
    return f"The {'cheapest' if priced else 'fewest workers'} for {clients}: {best}.{compared}{too_few}"


def tied(enough: Sequence[RequiredResources]) -> list[RequiredResources]:
    """Return the plans that no band shows to be more expensive than the cheapest, the cheapest first.

    Without bands, returns the plans with exactly the lowest price or the fewest workers.
    """
    priced = not any(math.isnan(need.month) for need in enough)
    ranked = sorted(enough, key=lambda need: _price(need, priced))
    shares = {need.transport: need.least_share for need in enough}
    if any(math.isnan(share) for share in shares.values()):
        return [need for need in ranked if _price(need, priced) == _price(ranked[0], priced)]
    left = uncertainty.candidates(shares)
    return [need for need in ranked if need.transport in left]


def _freshest(run: RunData) -> Sequence[str]:
    """Return the transport with the least excess age and those that tie with it; none where too few blocks are valid
    to decide that."""
    found = first_screen.measured(run, [(AGE, first_screen.FRESHNESS)])
    return found[0].best if found else ()


def of_ages(ages_ms: dict[str, float], workers: int, freshest: Sequence[str]) -> str:
    """Return a sentence on the freshest transports with the simulated workers, from excess ages in ms by label.

    `freshest` are the one with the least and those that tie with it, none where that was not decided.
    """
    if len(ages_ms) < 2:
        return ""
    ranked = sorted(ages_ms, key=lambda label: ages_ms[label])
    best = [label for label in ranked if label in freshest] or ranked[:1]
    others = [f"{style.title(label)} {style.number(ages_ms[label])} ms" for label in ranked if label not in best]
    names = style.listed([style.title(label) for label in best])
    values = style.listed([f"{style.number(ages_ms[label])} ms" for label in best])
    tie, rest = ", a tie" * (len(best) > 1), f" ({', '.join(others)})" if others else ""
    undecided = "" if freshest else "; too few valid blocks to exclude chance"
    return (f"The freshest, with the {style.counted(workers, 'worker')} simulated: {names}{tie}, with {values} of "
            f"excess age{rest}{undecided}.")


def _latency(need: RequiredResources) -> str:
    """Return the mean latency of a plan's own workers in words; empty where there is none."""
    if not math.isfinite(need.latency_mean_ms):
        return ""
    return f", with a mean latency of {style.number(need.latency_mean_ms)} ms (closed form)"


def _taken(need: RequiredResources, priced: bool) -> str:
    """Return the workers of a plan in words, and its monthly price if it has one."""
    price = style.banded(need.month, need.month_low, need.month_high)
    price_text = f", {price} {need.currency} per month" if priced else ""
    return style.counted(need.workers or 0, "worker") + price_text


def _price(need: RequiredResources, priced: bool) -> float:
    """Return the number by which plans are compared: the monthly price, or the workers without prices."""
    return need.month if priced else float(need.workers or math.inf)
