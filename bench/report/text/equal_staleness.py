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
from bench.report.data.swept import at_equal, by_rate, curves_of
from bench.report.text.findings import ComparedFigure, ratio_text
from bench.report.text.first_screen import BYTES, CPU
from bench.stats.run.comparison import EqualStaleness
from bench.stats.run.intervals import Effect, Interval, corrected

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

    def against(self, first: str, label: str) -> Interval:
        """Return the cost of the curve `label` ÷ that of `first`.

        Between `push` and `poll` the interval is the one that decided, between others the 95 % interval.
        """
        if {first, label} != {self.push, self.poll}:
            return self.curves.effect(label, first).interval
        found = self.effect.printed
        return found if label == self.push else found.inverse


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
    clauses = []
    for question in COSTS:
        assessed = [each for each in compared_at_equal(run, question) if each.effect.assessed]
        found = sorted(assessed, key=lambda each: (list(OUTCOMES).index(each.outcome), each.rate_per_s))
        if found:
            values = style.listed([ratio_text(each.effect.printed) for each in found])
            clauses.append(f"{_outcome_text(found, question)} ({values} times as much)")
    return f"At equal staleness a push with flush {', and '.join(clauses)}." if clauses else ""


def lines(run: RunData) -> list[str]:
    """Return a line for each rate and cost: every curve at equal staleness, the cheapest first."""
    found = []
    for question in COSTS:
        for each in compared_at_equal(run, question):
            first, *others = each.curves.costs
            texts = [f"{_name(run, first)} {_mean_text(each.curves.costs[first])} {question.unit}"]
            texts += [f"{_name(run, label)} {ratio_text(each.against(first, label))} times as much"
                      for label in others]
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


def _mean_text(costs: Sequence[float]) -> str:
    return style.number(sum(costs) / len(costs))


def _name(run: RunData, label: str) -> str:
    option = next(curve.option for curve in curves_of(run) if curve.label == label)
    return f"{style.title(label)} by {option}"
