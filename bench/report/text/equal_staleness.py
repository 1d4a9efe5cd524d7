"""The finding of a sweep: what costs less at equal staleness, a push or a poll.

    trials of each rate ─► a curve for each swept transport ─► its costs where all are equally stale
                             ├─► answer   the cheapest push against the cheapest poll, in server CPU and in bytes
                             └─► lines    every curve against the cheapest one

A ratio is paired by block and has its interval (`bench.stats.run.comparison`); one that is not separable, after Holm's
correction over the rates, is a tie. Nothing here depends on the name of a transport: exchange the records of a push
and a poll, and the finding is exchanged.

Known weakness: the cheapest of several pushes is chosen by the values that are then compared, so that chance is a
little on its side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.report import style
from bench.report.data.measured_forms import flush_s
from bench.report.data.run import RunData
from bench.report.data.swept import AGE, at_equal, by_rate, curves_of
from bench.report.text.findings import ComparedFigure, amount_text, ratio_text
from bench.report.text.first_screen import BYTES, CPU
from bench.stats.run.comparison import EqualStaleness
from bench.stats.run.intervals import Effect, Interval, corrected, interval

COSTS = (CPU, BYTES)
OUTCOMES = {"less": "costs less than polls", "more": "costs more than polls", "tie": "ties with polls"}


@dataclass(frozen=True, slots=True)
class PushAgainstPolls:
    """The cheapest push and the cheapest poll at one rate, at equal staleness."""

    rate_per_s: float
    curves: EqualStaleness
    """The costs of all swept curves, of which these two are the cheapest of their sort."""
    push: str
    """Label of the push's curve, without a value of the swept option."""
    poll: str
    effect: Effect
    """The push's cost ÷ the poll's."""

    @property
    def outcome(self) -> str:
        """Return `less`, `more` or `tie`, as the push compares with the poll."""
        if not self.effect.separable:
            return "tie"
        return "less" if self.effect.interval.estimate < 1 else "more"


def compared_at_equal(run: RunData, question: ComparedFigure) -> list[PushAgainstPolls]:
    """Return the comparison of a cost at each rate at which a push and a poll were swept, the lowest rate first."""
    pushing = {curve.label for curve in curves_of(run)
               if len(curve.subjects) > 1 and flush_s(run, curve.subjects[0][1]) is not None}
    if not pushing:
        return []
    found = []
    for rate, trials in by_rate(run):
        costs = at_equal(run, trials, question.column)
        if costs is None:
            continue
        push = next((label for label in costs.costs if label in pushing), None)
        poll = next((label for label in costs.costs if label not in pushing), None)
        if push and poll:
            found.append(PushAgainstPolls(rate, costs, push, poll, costs.effect(push, poll)))
    effects = corrected([each.effect for each in found])
    return [replace(each, effect=one) for each, one in zip(found, effects, strict=True)]


def answer(run: RunData) -> str:
    """Return the finding as one sentence; empty where no push and poll were swept, or too few blocks are whole."""
    clauses, every = [], []
    for question in COSTS:
        assessed = [each for each in compared_at_equal(run, question) if each.effect.assessed]
        found = sorted(assessed, key=lambda each: (list(OUTCOMES).index(each.outcome), each.rate_per_s))
        if found:
            values = style.listed([ratio_text(each.effect.printed) for each in found])
            needless = _needless(run, found, question)
            clauses.append(f"{_outcome_text(found, question)} ({values} times as much{needless})")
            every += found
    if not clauses:
        return ""
    low, high = min(each.curves.low for each in every), max(each.curves.high for each in every)
    return (f"At equal staleness, {style.number(low)} to {style.number(high)} ms of excess age, a push with flush "
            f"{', and '.join(clauses)}.")


def _needless(run: RunData, found: Sequence[PushAgainstPolls], question: ComparedFigure) -> str:
    """Return in words at which rates the same push without flush is fresher and cost less in every trial."""
    rates = [each.rate_per_s for each in found if _costs_less_without_flush(run, each, question.column)]
    return f"; without flush it costs still less, and is fresher, at {style.tick_rate(sorted(rates))}" if rates else ""


def _costs_less_without_flush(run: RunData, each: PushAgainstPolls, column: str) -> bool:
    trials = dict(by_rate(run))[each.rate_per_s]
    curve = next(curve for curve in curves_of(run) if curve.label == each.push)
    at_once = trials[trials["transport"].isin([label for _, label in curve.subjects if flush_s(run, label) == 0])]
    return bool(len(at_once) and at_once[column].max() < min(each.curves.costs[each.push])
                and at_once[AGE].max() < each.curves.low)


def lines(run: RunData) -> list[str]:
    """Return a line for each rate and cost: every curve at equal staleness, the cheapest first."""
    found = []
    for question in COSTS:
        compared = compared_at_equal(run, question)
        against = _against_cheapest(compared)
        for each in compared:
            first, *others = each.curves.costs
            texts = [f"{_name(run, first)} {amount_text(interval(each.curves.costs[first]), question)}"]
            for label in others:
                ratio, separable = against[each.rate_per_s, label]
                tie = "" if separable else ", a tie"
                texts.append(f"{_name(run, label)} {ratio_text(ratio)} times as much{tie}")
            found.append(f"At {style.tick_rate([each.rate_per_s])} and an excess age of "
                         f"{style.number(each.curves.low)} to {style.number(each.curves.high)} ms, {question.noun}: "
                         f"{'; '.join(texts)}.")
    return found


def _outcome_text(found: Sequence[PushAgainstPolls], question: ComparedFigure) -> str:
    """Return how a push compares with polls in a cost, with the rates where there are several."""
    texts: list[str] = []
    for outcome, words in OUTCOMES.items():
        rates = [each.rate_per_s for each in found if each.outcome == outcome]
        of_cost = f" in {question.noun}" * (not texts)
        at = f" at {style.tick_rate(rates)}" if rates and len(found) > 1 else ""
        texts += [f"{words}{of_cost}{at}"] * bool(rates)
    return style.listed(texts)


def _against_cheapest(compared: Sequence[PushAgainstPolls]) -> dict[tuple[float, str], tuple[Interval, bool]]:
    """Return the cost of each curve ÷ the cheapest one's, and whether the two are separable, by rate and curve.

    Between the push and the poll it is the interval that decided; all others are corrected together.
    """
    found: dict[tuple[float, str], tuple[Interval, bool]] = {}
    others: dict[tuple[float, str], Effect] = {}
    for each in compared:
        first, *labels = each.curves.costs
        for label in labels:
            if {first, label} == {each.push, each.poll}:
                ratio = each.effect.printed
                found[each.rate_per_s, label] = ratio if label == each.push else ratio.inverse, each.effect.separable
            else:
                others[each.rate_per_s, label] = each.curves.effect(label, first)
    decided = corrected(list(others.values()))
    return found | {key: (one.printed, one.separable) for key, one in zip(others, decided, strict=True)}


def _name(run: RunData, label: str) -> str:
    option = next(curve.option for curve in curves_of(run) if curve.label == label)
    return f"{style.title(label)} by {option}"
