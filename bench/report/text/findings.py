"""The findings of a run, as sentences that are computed from its values.

For each question (how fast, how fresh, at what cost) there is one finding: its `lead` names the transport with the
lowest value, its `rest` says how much more each other transport has. A sentence of `rest` gives the effect with its
interval, then says whether the two can be separated at all (`bench.stats.run.comparison`), and whether they differ
by more than one server differs from itself, where the run shows that (`bench.report.data.noise_floor`). Where the
lowest can't be separated from others, `lead` names no winner. A value that is lost comes last and has no ratio.
Nothing here depends on the name of a transport: exchange the records of two, and the findings are exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.report import style
from bench.report.data.noise_floor import NoiseFloor, floor_under, floors, resimulated
from bench.report.data.run import RunData, compared, shown_clients
from bench.report.text import forms
from bench.stats.run.comparison import Comparison
from bench.stats.run.intervals import ALPHA, CLEAR, FEW, Interval
from bench.stats.run.summary import bounds, few_values


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """A value that the report compares at a glance."""

    column: str
    """The column of `summary.csv`."""
    heading: str
    """The heading of its column in the table."""
    noun: str
    """Its name in the sentences."""
    unit: str
    scale: float = 1.0
    """The size of one `unit` in the column's own unit."""


MEMORY = ComparedFigure(
    "server_rss_bytes_per_client", "memory per client", "server memory per client", "kB", 1000)
QUESTIONS = (
    ComparedFigure("latency_p50_ms", "median latency", "median latency", "ms"),
    ComparedFigure("latency_p99_ms", "p99 latency", "99th percentile of latency", "ms"),
    ComparedFigure("age_excess_mean_ms", "excess age", "excess age", "ms"),
    ComparedFigure("bytes_down_per_update", "bytes down", "bytes down per update", "B"),
    ComparedFigure("bytes_up_per_update", "bytes up", "bytes up per update", "B"),
    ComparedFigure("server_cpu_us_per_update", "server CPU", "server CPU per update", "µs"),
    MEMORY,
)


TAIL = {
    "p99": QUESTIONS[1],
    "p95": ComparedFigure("latency_p95_ms", "p95 latency", "95th percentile of latency", "ms"),
    "p90": ComparedFigure("latency_p90_ms", "p90 latency", "90th percentile of latency", "ms"),
}
"""The percentiles that the second question may be about, the highest first."""
KERNEL = {
    "latency_p90_ms": ComparedFigure("kernel_latency_p90_ms", "kernel p90", "kernel's 90th percentile", "ms"),
    "latency_p95_ms": ComparedFigure("kernel_latency_p95_ms", "kernel p95", "kernel's 95th percentile", "ms"),
    "latency_p50_ms": ComparedFigure("kernel_latency_p50_ms", "kernel median", "kernel's median latency", "ms"),
    "latency_p99_ms": ComparedFigure("kernel_latency_p99_ms", "kernel p99", "kernel's 99th percentile", "ms"),
}
"""For each latency at the application, the latency at the client's kernel, without the client's own queue."""
KERNEL_DIFFERS = 1.1
"""The factor between a ratio at the application and at the kernel above which a sentence reports it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question: its first sentence, and one for each other transport."""

    question: ComparedFigure
    lead: str
    rest: tuple[str, ...]
    apart: tuple[str, ...] = ()
    """Sentences on values that are far from a closed form that holds for them."""

    @property
    def headline(self) -> str:
        """Return the lead, followed by the sentences on values far from their closed form."""
        return " ".join((self.lead, *self.apart))


def questions(run: RunData) -> tuple[ComparedFigure, ...]:
    """Return the questions asked of a run: `QUESTIONS`, with a percentile that every transport has.

    The 99th percentile is replaced by the highest one that is known well enough of every transport, and is
    kept where there is none.
    """
    clients = shown_clients(run)
    cells = run.summary[(run.summary["clients"] == clients) & run.summary["latency_mean_ms"].notna()]
    known = (each for each in TAIL.values() if len(cells) and cells[each.column].notna().all())
    tail = next(known, TAIL["p99"])
    return tuple(tail if each is TAIL["p99"] else each for each in QUESTIONS)


def unknown_tail(run: RunData, question: ComparedFigure) -> list[str]:
    """Return the transports of which a percentile is not known well enough, and which may have the lowest.

    They are those that have other latencies; there are none where the question is not about a percentile of `TAIL`.
    """
    if question not in TAIL.values():
        return []
    cells = run.summary[(run.summary["clients"] == shown_clients(run)) & run.summary["latency_mean_ms"].notna()]
    return [str(label) for label in cells["transport"][cells[question.column].isna()]]


def cell_text(row: pd.Series, question: ComparedFigure) -> str:
    """Return a value of a cell, as `interval_text` writes it.

    Where a percentile is not known well enough, the highest one that is known is returned with its name, e.g.
    "p90: 12.3 ms (11.0–13.8)".
    """
    if question in TAIL.values() and math.isnan(row[question.column]):
        names = list(TAIL)
        place = list(TAIL.values()).index(question)
        for name in names[place + 1:]:
            if not math.isnan(row[TAIL[name].column]):
                return f"{name}: {interval_text(row, TAIL[name])}"
    return interval_text(row, question)


def findings(run: RunData) -> list[Finding]:
    """Return one finding for each question that at least one transport has a value for."""
    clients = shown_clients(run)
    found = []
    asked = questions(run)
    below = floors(run, (question.column for question in asked))
    for question in asked:
        here = {str(row["transport"]): row for _, row in run.summary.iterrows() if row["clients"] == clients}
        cells = {label: row for label, row in here.items() if not math.isnan(row[question.column])}
        if not cells:
            continue
        ranked = sorted(cells, key=lambda label: float(cells[label][question.column]))
        pairs = _pairs(run, question.column, clients)
        by_kernel = _pairs(run, KERNEL[question.column].column, clients) if question.column in KERNEL else {}
        rest = []
        for other in ranked[1:]:
            pair = frozenset((ranked[0], other))
            lost = math.isinf(cells[other][question.column])
            rest.append(_lost_text(cells[other], question) if lost else
                        _sentence(pairs[pair], cells, question, below)
                        + _kernel_text(pairs[pair], by_kernel.get(pair)))
        silent = (_nothing_arrived(run, label, clients) for label in here if label not in cells)
        lead = _lead(cells, ranked, pairs, question, below)
        if unknown := unknown_tail(run, question):
            names = style.listed([style.title(label) for label in unknown])
            lead = f"{lead.removesuffix('.')}; not known well enough for {names}, which may have a lower one."
        far = (forms.separated_text(each) for each in forms.apart(run, question.column, clients))
        found.append(Finding(question, lead, (*rest, *filter(None, silent)), tuple(far)))
    return found


def _pairs(run: RunData, column: str, clients: int) -> dict[frozenset[str], Comparison]:
    """Return the comparisons of a value at one client count, by the two labels compared."""
    return {
        frozenset((each.mine, each.theirs)): each
        for each in compared(run, column) if each.clients == clients
    }


def _nothing_arrived(run: RunData, label: str, clients: int) -> str:
    """Return a sentence where a transport has no value because nothing arrived; else an empty text."""
    cell = run.valid[(run.valid["transport"] == label) & (run.valid["clients"] == clients)]
    silent = int((cell["arrivals"] == 0).sum())
    if not silent:
        return ""
    return f"{style.title(label)} has none: nothing arrived in {silent} of {len(cell)} trials."


def _kernel_text(comparison: Comparison, by_kernel: Comparison | None) -> str:
    """Return a sentence where the ratio of two transports differs when it is taken at the clients' kernels.

    Then a part of the ratio is due to the client's own queue. Returns an empty text where it does not differ.
    """
    if by_kernel is None or {comparison.effect.kind, by_kernel.effect.kind} != {"ratio"}:
        return ""
    ratio = by_kernel.effect.interval.estimate
    if by_kernel.mine != comparison.mine:
        ratio = 1 / ratio
    apart = ratio / comparison.effect.interval.estimate
    if max(apart, 1 / apart) <= KERNEL_DIFFERS:
        return ""
    return f" By the instants of the clients' kernels it is {style.number(ratio)} times."


def _lead(cells: Mapping[str, pd.Series], ranked: Sequence[str],
          pairs: Mapping[frozenset[str], Comparison], question: ComparedFigure, below: Sequence[NoiseFloor]) -> str:
    """Return the sentence on the lowest value; it names no winner where several can't be separated."""
    best = ranked[0]
    value = interval_text(cells[best], question)
    if math.isinf(cells[best][question.column]):
        return f"Lowest {question.noun}: no one. {_lost_text(cells[best], question)}"
    tied = [other for other in ranked[1:] if not math.isinf(cells[other][question.column])
            and not _claimable(pairs[frozenset((best, other))], below)]
    if len(ranked) == 1:
        return f"{question.noun}: {style.title(best)} has {value}; nothing else has this value."
    if not tied:
        return f"Lowest {question.noun}: {style.title(best)} with {value}."
    names = [style.title(name) for name in (best, *tied)]
    together = f"{', '.join(names[:-1])} and {names[-1]}"
    verdict = f"undecided; {together} cannot be separated"
    if not all(pairs[frozenset((best, other))].effect.assessed for other in tied):
        verdict = f"too few valid blocks to separate {together}"
    return f"Lowest {question.noun}: {verdict} ({names[0]} has {value})."


def tie_text(comparison: Comparison, below: Sequence[NoiseFloor]) -> str:
    """Return why no difference of two transports can be claimed, in words; empty where it can be."""
    if not comparison.effect.assessed:
        return "too few valid blocks to say"
    if not comparison.effect.separable:
        return "a tie"
    return "" if floor_under(comparison, below) is None else "a tie: below the noise floor"


def _claimable(comparison: Comparison, below: Sequence[NoiseFloor]) -> bool:
    return comparison.separable and floor_under(comparison, below) is None


def _sentence(comparison: Comparison, cells: Mapping[str, pd.Series], question: ComparedFigure,
              below: Sequence[NoiseFloor]) -> str:
    """Return the sentence on how much more one transport has than the best."""
    mine, theirs = style.title(comparison.mine), style.title(comparison.theirs)
    cell = cells[comparison.mine]
    effect = effect_text(comparison, question, theirs)
    verdict = separable_text(comparison, question, below)
    return f"{mine} has {effect}: {interval_text(cell, question)}; {verdict}."


def _lost_text(cell: pd.Series, question: ComparedFigure) -> str:
    """Return a sentence saying that a value is lost, and how many updates were lost."""
    return (f"{style.title(str(cell['transport']))}'s {question.noun} is lost: {cell['lost']:,} of "
            f"{cell['updates_due']:,} updates never arrived.")


def effect_text(comparison: Comparison, question: ComparedFigure, theirs: str) -> str:
    """Return the effect with its interval: `1.31 (1.20–1.42) times WebSocket's`. `theirs` is the other's title."""
    if comparison.effect.kind == "lost":
        return "a value that is lost"
    if comparison.effect.kind == "ratio":
        return f"{ratio_text(comparison.effect.printed)} times {theirs}'s"
    found, scale = comparison.effect.printed, question.scale
    return f"{style.number(found.estimate / scale)} {question.unit}{spread_text(found, scale)} more than {theirs}"


def ratio_text(found: Interval) -> str:
    """Return a ratio with its interval: `1.31 (1.20–1.42)`."""
    return f"{style.number(found.estimate)}{spread_text(found, none=1.0)}"


def floor_text(floor: NoiseFloor, question: ComparedFigure) -> str:
    """Return the smallest difference that can be claimed: `8.2 %`, or an amount with its unit."""
    if floor.comparison.effect.kind == "ratio":
        return f"{style.number(100 * (floor.size - 1))} %"
    return f"{style.number(floor.size / question.scale)} {question.unit}"


def floor_sentences(run: RunData) -> list[str]:
    """Return the smallest claimable differences, a sentence for each client count and pair of names of one
    server."""
    sentences = []
    named = {question.column: question for question in questions(run)}
    found = floors(run, named)
    for one, other in resimulated(run):
        for clients in run.clients:
            parts = [
                f"{named[each.comparison.figure].noun} {floor_text(each, named[each.comparison.figure])}"
                for each in found if each.comparison.clients == clients
                and {each.comparison.mine, each.comparison.theirs} == {one, other}
                and not math.isnan(each.size)
            ]
            sentences.append(
                f"Smallest difference that this machine can claim ({style.title(one)} against "
                f"{style.title(other)}, the same server twice, {style.counted(clients, 'client')}): "
                f"{', '.join(parts) or 'too few valid blocks to say'}.")
    return sentences


def separable_text(comparison: Comparison, question: ComparedFigure, below: Sequence[NoiseFloor] = ()) -> str:
    """Return the verdict on a comparison: separable or not, with its corrected probability.

    It adds where the difference is too small to be claimed on this machine.
    """
    if comparison.effect.kind == "lost":
        return "no ratio: an update that never arrives is infinitely late"
    if not comparison.effect.assessed:
        return "too few valid blocks to say whether they differ"
    p = comparison.effect.p_holm
    chance = "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
    if comparison.effect.clear and p >= ALPHA:
        chance += f", but a factor of more than {CLEAR:g} in every block"
    verdict = f"separable ({chance})" if comparison.effect.separable else f"not separable ({chance})"
    if comparison.effect.separable and comparison.opposed:
        verdict += " in the blocks that both have, but the other way round than over all blocks: a tie"
    floor = floor_under(comparison, below)
    if floor is None:
        return verdict
    return (f"{verdict}; not claimable on this machine, where two measurements of one server differ by up to "
            f"{floor_text(floor, question)}")


def interval_text(row: pd.Series, question: ComparedFigure) -> str:
    """Return a cell's value with interval and unit: `0.95 ms (0.92–0.99)`; a dash where it has none."""
    low, high = (float(row[name]) for name in bounds(question.column))
    count, values = int(row["valid_trials"]), few_values(row, question.column)
    return amount_text(Interval(float(row[question.column]), low, high, count, values), question)


def amount_text(found: Interval, question: ComparedFigure) -> str:
    """Return any value of a question's column with its interval and unit, as `interval_text` does."""
    value = found.estimate
    if not math.isfinite(value):
        return style.number(value)
    spread = spread_text(found, question.scale)
    return f"{style.number(value / question.scale)} {question.unit}{spread}"


def spread_text(found: Interval, scale: float = 1.0, none: float = math.nan) -> str:
    """Return an interval in brackets: ` (0.92–0.99)`.

    Of a few trials, returns their own values: ` (n = 2: 0.92, 0.99)`; of one, ` (n = 1)`; of a tie the bounds.
    A bound has as many digits as tell it from `none`, the value of no effect.
    """
    low, high = found.low / scale, found.high / scale
    if math.isnan(low) or math.isnan(high):
        if found.bounds_only:
            return f" (n = {found.count}, too few for an interval)"
        return " (n = 1)" if found.count == 1 else ""
    if found.count <= FEW and not found.bounds_only:
        values = ", ".join(_apart(value / scale, none) for value in found.values)
        return f" (n = {found.count}{': ' if values else ''}{values})"
    between = "–" if low >= 0 else " to "
    few = f"n = {found.count}, interval " * (found.count <= FEW)
    return f" ({few}{_apart(low, none)}{between}{_apart(high, none)})"


def _apart(value: float, none: float) -> str:
    """Return a bound, with as many digits as tell it from `none`; ∞ where nothing bounds the value."""
    if math.isinf(value):
        return "∞"
    texts = (style.number(value, digits) for digits in range(3, 10)
             if style.number(value, digits) != style.number(none, digits))
    return next(texts, style.number(value))
