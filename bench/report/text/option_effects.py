"""The finding of a run that has each transport with several choices of one option: what the choice saves or costs.

    trials ─► variants: subjects of one transport and server; the first one is the base of the others
                 ├─► answer   bytes and server CPU per update against the base, for each change of options
                 └─► lines    server memory

A run has this finding where every transport has such a base, and where the options that change are texts or truth
values, and the same or some of the same: `headers`, or `compression` and `context_takeover`. Runs that vary a number,
such as an interval, have curves instead. An effect is judged by `bench.stats.run.comparison`, as anywhere in a report;
one that can't be claimed is a tie. Nothing here depends on the name of a transport.

Known weakness: the base is the subject that the scenario lists first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.report import style
from bench.report.data.noise_floor import floors
from bench.report.data.run import RunData, compared, shown_clients
from bench.report.text.conditions import option_text
from bench.report.text.findings import MEMORY, ComparedFigure, spread_text, tie_text
from bench.report.text.first_screen import BYTES, CPU
from bench.stats.run.comparison import Comparison
from bench.stats.run.intervals import Interval

ANSWERED, FURTHER = (BYTES, CPU), (MEMORY,)


@dataclass(frozen=True, slots=True)
class Variant:
    """A subject, and the one that it is compared with."""

    label: str
    base: str
    change: str
    """The options in which it differs from its base, in words."""


def variants(run: RunData) -> list[Variant]:
    """Return the variants of a run, in its order; none where it does not have this finding (see above)."""
    bases: dict[tuple[str, str, str], str] = {}
    found, changed_names = [], set()
    for label in run.transports:
        subject = run.manifest.subjects[label]
        base = bases.setdefault((subject.transport, subject.server, subject.client), label)
        if base == label:
            continue
        theirs = run.manifest.subjects[base].options
        changes = _changes(theirs, subject.options)
        if not changes or not all(isinstance(value, bool | str) for value in changes.values()):
            return []
        changed_names.add(frozenset(changes))
        found.append(Variant(label, base, f"{_words(subject.options, changes)} in place of {_words(theirs, changes)}"))
    whole = {each.base for each in found} == set(bases.values())
    nested = all(one <= other or other <= one for one in changed_names for other in changed_names)
    return found if whole and nested else []


def _changes(theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that differ from the base's, with their values."""
    return {name: value for name, value in mine.items() if value != theirs.get(name)}


def _words(options: Mapping[str, Any], changes: Mapping[str, Any]) -> str:
    """Return the values of the options that change, in words; one that is false is left out where another is not."""
    there = [name for name in changes if options[name] is not False] or changes
    return style.listed([option_text(name, options[name]) for name in there])


def answer(run: RunData) -> str:
    """Return the finding as one sentence; empty where a run has no variants."""
    found = variants(run)
    parts = []
    for change in dict.fromkeys(each.change for each in found):
        clauses = [clause for question in ANSWERED if (clause := _clause(run, found, change, question))]
        if clauses:
            parts.append(f"with {change}, {'; '.join(clauses)}")
    return style.sentence("; ".join(parts)) + "." if parts else ""


def lines(run: RunData) -> list[str]:
    """Return a line for each change of options and further cost."""
    found = variants(run)
    return [f"With {change}, {clause}." for change in dict.fromkeys(each.change for each in found)
            for question in FURTHER if (clause := _clause(run, found, change, question))]


def _clause(run: RunData, found: list[Variant], change: str, question: ComparedFigure) -> str:
    """Return what a change of options does to a value of each transport; an empty text where none has the value."""
    below = floors(run, [question.column])
    texts = []
    for each in found:
        comparison = _between(run, question, each) if each.change == change else None
        if comparison is not None:
            share = _share(comparison, each)
            tie = tie_text(comparison, below)
            value = style.percent(share.estimate / 100)
            texts.append(f"{style.title(each.base)} {value}{spread_text(share)}{f' ({tie})' if tie else ''}")
    return f"{question.noun}: {', '.join(texts)}" if texts else ""


def _between(run: RunData, question: ComparedFigure, pair: Variant) -> Comparison | None:
    """Return the comparison of a variant with its base as a ratio; None where there is none."""
    for each in compared(run, question.column):
        if each.clients == shown_clients(run) and {each.mine, each.theirs} == {pair.label, pair.base}:
            return each if each.effect.kind == "ratio" else None
    return None


def _share(comparison: Comparison, pair: Variant) -> Interval:
    """Return how much more a variant has than its base, in per cent of the base's value."""
    ratio = comparison.times(pair.label)

    def percent(value: float) -> float:
        return math.nan if math.isnan(value) else 100 * (value - 1)

    return replace(ratio, estimate=percent(ratio.estimate), low=percent(ratio.low), high=percent(ratio.high),
                   values=tuple(map(percent, ratio.values)))
