"""What the numbers say, in sentences that are computed from them.

For each question (how fast, how fresh, at what cost) one finding: the transport with the lowest figure,
and how much more each other one has: first the effect with its 95 % interval, then whether the two can
be told apart at all (`bench.stats.comparison`), and by more than one server from itself where the run
shows that (`bench.report.claimable`). Where they can't, the sentence says so and names no winner. Nothing
here knows the name of a transport: exchange the records of two, and the findings are exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.report import style
from bench.report.claimable import Floor, floor_under, floors, twins
from bench.report.figures import shown_clients
from bench.report.run import Run
from bench.stats.comparison import Comparison, comparisons
from bench.stats.summary import bounds


@dataclass(frozen=True, slots=True)
class Question:
    """One figure that is asked for at a glance."""

    column: str
    """The column of `summary.csv`."""
    heading: str
    """The head of its column in the table."""
    noun: str
    """What the sentences call it."""
    unit: str
    scale: float = 1.0
    """What one of `unit` is in the column's own."""


QUESTIONS = (
    Question("latency_p50_ms", "median latency", "median latency", "ms"),
    Question("latency_p99_ms", "p99 latency", "99th percentile of latency", "ms"),
    Question("age_excess_mean_ms", "excess age", "excess age", "ms"),
    Question("bytes_down_per_update", "bytes down", "bytes down for each update", "B"),
    Question("bytes_up_per_update", "bytes up", "bytes up for each update", "B"),
    Question("server_cpu_us_per_update", "server CPU", "server CPU for each update", "µs"),
    Question("server_rss_bytes_per_client", "memory a client", "server memory for each client", "kB", 1000),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question: a lead and one sentence for each other transport."""

    question: Question
    lead: str
    rest: tuple[str, ...]


def findings(run: Run) -> list[Finding]:
    """One finding for each question that at least one transport has an answer to."""
    clients = shown_clients(run)
    found = []
    below = floors(run, (question.column for question in QUESTIONS))
    for question in QUESTIONS:
        cells = {str(row["transport"]): row for _, row in run.summary.iterrows()
                 if row["clients"] == clients and not math.isnan(row[question.column])}
        if not cells:
            continue
        ranked = sorted(cells, key=lambda label: float(cells[label][question.column]))
        pairs = {
            frozenset((each.mine, each.theirs)): each
            for each in comparisons(run.trials, question.column, run.transports) if each.clients == clients
        }
        found.append(Finding(question, _lead(cells, ranked, pairs, question, below), tuple(
            _sentence(pairs[frozenset((ranked[0], other))], cells, question, below) for other in ranked[1:]
        )))
    return found


def _lead(cells: Mapping[str, pd.Series], ranked: Sequence[str],
          pairs: Mapping[frozenset[str], Comparison], question: Question, below: Sequence[Floor]) -> str:
    """Who has the lowest figure, if anybody can be said to."""
    best = ranked[0]
    value = interval_text(cells[best], question)
    tied = [other for other in ranked[1:] if not _claimable(pairs[frozenset((best, other))], below)]
    if len(ranked) == 1:
        return f"{question.noun}: {style.title(best)} has {value}; nothing else has this figure."
    if not tied:
        return f"Lowest {question.noun}: {style.title(best)} with {value}."
    names = [style.title(name) for name in (best, *tied)]
    together = f"{', '.join(names[:-1])} and {names[-1]}"
    verdict = f"no one; {together} cannot be told apart"
    if not all(pairs[frozenset((best, other))].effect.assessed for other in tied):
        verdict = f"too few valid blocks to tell {together} apart"
    return f"Lowest {question.noun}: {verdict} ({names[0]} has {value})."


def _claimable(comparison: Comparison, below: Sequence[Floor]) -> bool:
    return comparison.effect.separable and floor_under(comparison, below) is None


def _sentence(comparison: Comparison, cells: Mapping[str, pd.Series], question: Question,
              below: Sequence[Floor]) -> str:
    """How much more one transport has than the best."""
    mine, theirs = style.title(comparison.mine), style.title(comparison.theirs)
    cell = cells[comparison.mine]
    if math.isinf(cell[question.column]):
        return f"{mine}: the figure falls among updates that were lost."
    effect = effect_text(comparison, question, theirs)
    verdict = separable_text(comparison, question, below)
    return f"{mine} has {effect}: {interval_text(cell, question)}; {verdict}."


def effect_text(comparison: Comparison, question: Question, theirs: str) -> str:
    """The effect with its interval: `1.31 (1.20–1.42) times WebSocket's`."""
    found = comparison.effect.interval
    scale = question.scale if comparison.effect.kind == "difference" else 1.0
    estimate = style.number(found.estimate / scale)
    spread = _spread(found.low / scale, found.high / scale)
    if comparison.effect.kind == "ratio":
        return f"{estimate}{spread} times {theirs}'s"
    return f"{estimate} {question.unit}{spread} more than {theirs}"


def floor_text(floor: Floor, question: Question) -> str:
    """The smallest difference that can be claimed: `8.2 %`, or an amount with its unit."""
    if floor.comparison.effect.kind == "ratio":
        return f"{style.number(100 * (floor.size - 1))} %"
    return f"{style.number(floor.size / question.scale)} {question.unit}"


def floor_sentences(run: Run) -> list[str]:
    """What this machine can claim, a sentence for each two names of the same server and client count."""
    sentences = []
    named = {question.column: question for question in QUESTIONS}
    found = floors(run, named)
    for one, other in twins(run):
        for clients in run.clients:
            told = [
                f"{named[each.comparison.figure].noun} {floor_text(each, named[each.comparison.figure])}"
                for each in found if each.comparison.clients == clients
                and {each.comparison.mine, each.comparison.theirs} == {one, other}
                and not math.isnan(each.size)
            ]
            sentences.append(
                f"Smallest difference that this machine can claim ({style.title(one)} against "
                f"{style.title(other)}, the same server twice, {clients:,} clients): "
                f"{', '.join(told) or 'too few valid blocks to say'}.")
    return sentences


def separable_text(comparison: Comparison, question: Question, below: Sequence[Floor] = ()) -> str:
    """Whether the two can be told apart, with the corrected probability, and by enough to be claimed."""
    if not comparison.effect.assessed:
        return "too few valid blocks to say whether they differ"
    p = comparison.effect.p_holm
    chance = "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
    told = f"separable ({chance})" if comparison.effect.separable else f"not separable ({chance})"
    floor = floor_under(comparison, below)
    if floor is None:
        return told
    return (f"{told}; not claimable on this machine, where one server differs from itself by up to "
            f"{floor_text(floor, question)}")


def interval_text(row: pd.Series, question: Question) -> str:
    """A figure of a cell with its interval and unit: `0.95 ms (0.92–0.99)`; a dash where there is none."""
    value = float(row[question.column])
    if not math.isfinite(value):
        return style.number(value)
    low, high = (float(row[name]) / question.scale for name in bounds(question.column))
    return f"{style.number(value / question.scale)} {question.unit}{_spread(low, high)}"


def _spread(low: float, high: float) -> str:
    if math.isnan(low) or math.isnan(high):
        return ""
    between = "–" if low >= 0 else " to "
    return f" ({style.number(low)}{between}{style.number(high)})"
