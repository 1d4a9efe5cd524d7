"""The first screen of a run: which transport to take, as one sentence, and a line for each measure.

    trials ─► ranked: each measure of each transport, and which of them are the best
                 ├─► answer       "For freshness take …; for cost take …"
                 └─► lines        one for each measure: the best, and how many times as much the others have

A transport is the best in a measure where it has the lowest value; those that can't be separated from it
(`bench.stats.run.comparison`), or not claimed on this machine (`bench.report.data.noise_floor`), tie with it. None is
the best in a percentile that is not known well enough of all: the others may have a lower one.
Nothing here depends on the name of a transport: exchange the records of two, and the answer is exchanged.

Known weakness: freshness and cost are not weighed against each other, since only the reader knows by how much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.report import style
from bench.report.data.noise_floor import floor_under, floors
from bench.report.data.run import RunData, compared, shown_clients, with_all_bytes
from bench.report.text.findings import (
    MEMORY,
    QUESTIONS,
    TAIL,
    ComparedFigure,
    amount_text,
    questions,
    ratio_text,
    spread_text,
    unknown_tail,
)
from bench.stats.run.comparison import Comparison
from bench.stats.run.intervals import Interval
from bench.stats.run.summary import cell_interval

BYTES = ComparedFigure("bytes_per_update", "bytes per update", "bytes per update", "B")
CPU = next(each for each in QUESTIONS if each.column == "server_cpu_us_per_update")
FRESHNESS, COST = "freshness", "cost"
NAMED = 3
"""The most transports that a list of a sentence names; of more, the table has the rest."""


@dataclass(frozen=True, slots=True)
class RankedMeasure:
    """One measure of all transports at one client count."""

    question: ComparedFigure
    aim: str
    """`freshness` or `cost`: the aim of a reader for whom the measure counts."""
    figures: Mapping[str, Interval]
    """By label, the lowest first; infinite where a percentile falls among lost updates."""
    best: tuple[str, ...]
    """The label with the lowest value, and those that tie with it; empty where that can't be decided."""
    pairs: Mapping[frozenset[str], Comparison]

    @property
    def heading(self) -> str:
        """Return the name of the measure."""
        return self.question.heading

    def against_best(self, label: str) -> Comparison | None:
        """Return the comparison of a label with the lowest one; None for the lowest itself."""
        return self.pairs.get(frozenset((label, next(iter(self.figures)))))


def ranked(run: RunData) -> list[RankedMeasure]:
    """Return the measures of the first screen that at least one transport has a value for."""
    tail = next(each for each in questions(run) if each in TAIL.values())
    asked = [(QUESTIONS[0], FRESHNESS), (tail, FRESHNESS), (QUESTIONS[2], FRESHNESS), (BYTES, COST), (CPU, COST)]
    asked += [(MEMORY, COST)] * (not run.simulated)
    return measured(run, asked)


def measured(run: RunData, asked: Sequence[tuple[ComparedFigure, str]]) -> list[RankedMeasure]:
    """Return the values among `asked`, each with its aim, that at least one transport has, ranked."""
    clients, whole = shown_clients(run), with_all_bytes(run.valid)
    cells = {label: whole[(whole["transport"] == label) & (whole["clients"] == clients)]
             for label in run.transports}
    below = floors(run, (question.column for question, _ in asked))
    found = []
    for question, aim in asked:
        intervals = {label: cell_interval(cell, question.column) for label, cell in cells.items()}
        known = {label: each for label, each in intervals.items() if not math.isnan(each.estimate)}   # NaN has no order
        known = dict(sorted(known.items(), key=lambda each: each[1].estimate))
        if not known:
            continue
        pairs = {frozenset((each.mine, each.theirs)): each for each in compared(run, question.column)
                 if each.clients == clients}
        claimable = {pair: each.separable and floor_under(each, below) is None
                     for pair, each in pairs.items()}
        best = () if unknown_tail(run, question) else _best(known, pairs, claimable)
        found.append(RankedMeasure(question, aim, known, best, pairs))
    return found


def _best(figures: Mapping[str, Interval], pairs: Mapping[frozenset[str], Comparison],
          claimable: Mapping[frozenset[str], bool]) -> tuple[str, ...]:
    """Return the label with the lowest value and those that tie with it.

    Returns an empty tuple where all values are lost, or too few blocks are valid to compare the lowest with the others.
    """
    first, *others = [label for label, each in figures.items() if math.isfinite(each.estimate)] or [""]
    if not first or not all(pairs[frozenset((first, other))].effect.assessed for other in others):
        return ()
    return (first, *(other for other in others if not claimable[frozenset((first, other))]))


def answer(found: Sequence[RankedMeasure]) -> str:
    """Return which transport to take, in a sentence that follows from the ranked measures alone."""
    if not found:
        return "Nothing can be answered: no valid trial has a value."
    labels = list(dict.fromkeys(label for each in found for label in each.figures))
    if len(labels) == 1:
        return (f"Only {style.title(labels[0])} has values, so there is nothing to choose: "
                f"{style.listed([_value(each, labels[0]) for each in found])}.")
    decided = [each for each in found if each.best]
    if not decided:
        return ("No transport can be chosen yet: too few valid blocks to tell the values of "
                f"{style.listed([style.title(label) for label in labels])} apart.")
    common = set.intersection(*(set(each.best) for each in decided))
    if len(common) == 1:
        label = next(iter(common))
        return f"Take {style.title(label)}, which nothing beats: {_with_ties(decided, label)}."
    parts = [_aim(aim, mine) for aim in (FRESHNESS, COST)
             if (mine := [each for each in decided if each.aim == aim])]
    never = [label for label in labels if not any(label in each.best for each in decided)]
    if never:
        parts.append(f"{_named(never)} {'is' if len(never) == 1 else 'are'} the best in none of the "
                     f"{len(decided)} measures")
    return style.sentence("; ".join(parts)) + "."


def _aim(aim: str, measures: Sequence[RankedMeasure]) -> str:
    """Return which transport serves an aim best, in words."""
    common = set.intersection(*(set(each.best) for each in measures))
    if len(common) == 1:
        label = next(iter(common))
        return f"for {aim} take {style.title(label)} ({_with_ties(measures, label)})"
    if common:
        names = _named([label for label in measures[0].figures if label in common])
        values = style.listed([_value(each, each.best[0]) for each in measures])
        return f"for {aim} {names} tie ({values})"
    by_best: dict[tuple[str, ...], list[str]] = {}
    for each in measures:
        by_best.setdefault(each.best, []).append(_value(each, each.best[0]))
    lowest = [f"{_named(best)} {'has' if len(best) == 1 else 'tie for'} the "
              f"lowest {style.listed(values)}" for best, values in by_best.items()]
    return f"for {aim} it depends on what counts: {', '.join(lowest)}"


def _named(labels: Sequence[str]) -> str:
    """Return transports as a list in words; of many, the first ones and the number of the others."""
    names = [style.title(label) for label in labels]
    if len(names) > NAMED:
        names = [*names[:NAMED - 1], f"{len(names) - NAMED + 1} others"]
    return style.listed(names) if names else ""


def _with_ties(measures: Sequence[RankedMeasure], label: str) -> str:
    """Return the values of a transport that is among the best in all measures, with those that tie."""
    values = []
    for each in measures:
        tied = _named([other for other in each.best if other != label])
        values.append(_value(each, label) + (f" in a tie with {tied}" if tied else ""))
    return style.listed(values)


def _value(each: RankedMeasure, label: str) -> str:
    """Return a measure with a transport's value: `median latency 2.75 ms`."""
    question, figure = each.question, each.figures[label].estimate
    unit = f" {question.unit}" if math.isfinite(figure) else ""
    return f"{question.heading} {style.number(figure / question.scale)}{unit}"


def lines(run: RunData, found: Sequence[RankedMeasure]) -> list[str]:
    """Return one line for each measure: the best, and how many times as much each other transport has."""
    labels = list(dict.fromkeys(label for each in found for label in each.figures))
    return [*(line(each, [label for label in labels if label not in each.figures]) for each in found), *_losses(run)]


def line(each: RankedMeasure, unknown: Sequence[str] = ()) -> str:
    """Return which transport is the best in a measure, and how many times as much the others have.

    `unknown` are the transports without this value.
    """
    name = style.sentence(each.heading)
    why = "not known well enough" if each.question in TAIL.values() else "no value"
    missing = [f"{why} for {style.listed([style.title(label) for label in unknown])}"] * bool(unknown)
    if not each.best:
        values = [f"{style.title(label)} {amount_text(figure, each.question)}"
                  for label, figure in each.figures.items()]
        return f"{name}: not decided ({'; '.join([', '.join(values), *missing])})."
    first = each.best[0]
    lead = f"{style.title(first)}, {amount_text(each.figures[first], each.question)}"
    if len(each.best) > 1:
        tied = [f"{style.title(label)} ({style.number(each.figures[label].estimate / each.question.scale)} "
                f"{each.question.unit})" for label in each.best[:NAMED]]
        more = len(each.best) - NAMED
        tied += [f"{more} other{'s' * (more > 1)}"] * (more > 0)
        lead = f"{style.listed(tied)} tie"
    others = [label for label in each.figures if label not in each.best]
    rest = [_more(each, label) for label in others]
    if len(rest) > NAMED:
        rest = [*rest[:NAMED - 1], f"{len(rest) - NAMED} more, up to {rest[-1]}"]
    return f"{name}: {'; '.join([lead, *rest, *missing])}."


def _more(each: RankedMeasure, label: str) -> str:
    """Return how much more a transport has than the best, in words."""
    comparison = each.against_best(label)
    assert comparison is not None, "two different labels that both have a value"
    if comparison.effect.kind == "lost":
        return f"{style.title(label)} lost"
    interval = comparison.effect.printed
    if comparison.effect.kind == "ratio":
        return f"{style.title(label)} {ratio_text(interval)} times as much"
    scale = each.question.scale
    return (f"{style.title(label)} {style.number(interval.estimate / scale)} {each.question.unit}"
            f"{spread_text(interval, scale)} more")


def _losses(run: RunData) -> list[str]:
    """Return a line on the updates that were lost, if any were."""
    cells = run.summary[run.summary["clients"] == shown_clients(run)]
    parts = [f"{style.title(str(row['transport']))} {int(row['lost']):,} of {int(row['updates_due']):,}"
             for row in cells.dropna(subset=["lost"]).to_dict("records") if row["lost"]]
    return [f"Updates lost: {'; '.join(parts)}."] if parts else []
