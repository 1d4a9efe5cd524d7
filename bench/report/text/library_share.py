"""The finding of a run that has each transport on two servers: how much of its cost is its library's.

    trials ─► pairs of subjects that differ in their server alone: the library's and a bare one
                ├─► shares        1 − bare ÷ library, compared within blocks, for each transport and cost
                ├─► among_equals  two pushes that flush alike, on the library's servers and on bare ones
                └─► answer        a sentence on both, and on the CPU of an idle connection; lines for the other costs

Both servers of a pair send the same bytes, so that what they differ in is the library's. A difference is judged by
`bench.stats.run.comparison`, as anywhere in a report; one that can't be claimed is a tie. Nothing here depends on the
name of a transport: exchange the records of two, and the finding is exchanged.

A search for the capacity limit has its limits in a table of its own, a row for each server; other runs have none.

Known weakness: a bare server has code of its own, which another author could make shorter or longer. What is called
the library's is the difference between these two servers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from bench.report import style
from bench.report.data.measured_forms import flush_s
from bench.report.data.noise_floor import NoiseFloor, floor_under, floors
from bench.report.data.run import RunData, compared, counterparts, shown_clients, with_all_bytes
from bench.report.text.findings import MEMORY, QUESTIONS, ComparedFigure, amount_text, ratio_text, spread_text
from bench.report.text.first_screen import BYTES, CPU
from bench.scenario.model import BARE_SERVER, DEFAULT_SERVER
from bench.stats.run.comparison import Comparison
from bench.stats.run.intervals import Interval
from bench.stats.run.summary import cell_interval

OPENING = ComparedFigure(
    "server_opening_cpu_us_per_client", "CPU per connection", "server CPU per connection opened", "µs")
IDLE_COLUMN = "server_idle_cpu_cores"
COSTS = (CPU, OPENING, MEMORY)
AMONG_EQUALS = (CPU, OPENING, MEMORY, QUESTIONS[0], BYTES)


@dataclass(frozen=True, slots=True)
class ServerPair:
    """One transport with the same options on two servers, by the labels of the two subjects."""

    library: str
    bare: str


@dataclass(frozen=True, slots=True)
class LibraryShare:
    """The part of one cost of a transport that its library takes."""

    pair: ServerPair
    library: Interval
    bare: Interval
    share: Interval
    """In per cent of the library server's cost; below 0 where the bare server costs more."""
    claimable: bool
    """False where the two servers tie."""


@dataclass(frozen=True, slots=True)
class EqualServers:
    """Two transports, both on their library's server or both on a bare one."""

    server: str
    """The name of the implementation that both have."""
    more: ServerPair
    """The transport with the larger value."""
    less: ServerPair
    times: Interval
    """The value of `more`, divided by that of `less` within blocks."""
    claimable: bool
    """False where the two tie."""


def pairs_of(run: RunData) -> list[ServerPair]:
    """Return a pair for each transport of the run, in its order; none where a subject has no counterpart."""
    found = [ServerPair(*labels) for labels in counterparts(run, "implementation", DEFAULT_SERVER, BARE_SERVER)]
    return found if 2 * len(found) == len(run.transports) else []


def shares(run: RunData, question: ComparedFigure) -> list[LibraryShare]:
    """Return the library's share in a cost of each transport, the largest first.

    A transport of which either server has no value, or one among lost updates, is left out.
    """
    clients, below = shown_clients(run), floors(run, [question.column])
    found = []
    for pair in pairs_of(run):
        comparison = _between(run, question, clients, pair.library, pair.bare)
        if comparison is not None:
            library, bare = (_cell(run, label, clients, question) for label in (pair.library, pair.bare))
            found.append(LibraryShare(pair, library, bare, _share(comparison.times(pair.library)),
                                      _claimable(comparison, below)))
    return sorted(found, key=lambda each: -each.share.estimate)


def among_equals(run: RunData, question: ComparedFigure) -> list[EqualServers]:
    """Return the comparisons of every two pushes that flush alike, on the library's servers and on bare ones."""
    clients, below = shown_clients(run), floors(run, [question.column])
    pushes = [pair for pair in pairs_of(run) if flush_s(run, pair.library) is not None]
    found = []
    for one, other in combinations(pushes, 2):
        if flush_s(run, one.library) != flush_s(run, other.library):
            continue
        for server in (DEFAULT_SERVER, BARE_SERVER):
            mine, theirs = (pair.bare if server == BARE_SERVER else pair.library for pair in (one, other))
            comparison = _between(run, question, clients, mine, theirs)
            if comparison is not None:
                more, less = (one, other) if comparison.mine == mine else (other, one)
                found.append(EqualServers(server, more, less, comparison.effect.printed,
                                          _claimable(comparison, below)))
    return found


def answer(run: RunData) -> str:
    """Return the finding as one sentence; empty where the run has not each transport on both servers."""
    found = shares(run, CPU)
    if not found:
        return ""
    parts = [f"{_percent_text(each)} with {_title(each.pair)}" for each in found]
    clauses = [f"of the {CPU.noun} the library takes {style.listed(parts)}",
               *_equals_texts(run, CPU), *_idle_texts(run)]
    return f"{style.sentence('; '.join(clauses))}."


def lines(run: RunData) -> list[str]:
    """Return a line for each cost and the library's share in it, and one for each two pushes on equal servers."""
    found = []
    for question in COSTS:
        parts = [f"{_title(each.pair)} {amount_text(each.library, question)}, bare "
                 f"{amount_text(each.bare, question)}, so {_percent_text(each)}" for each in shares(run, question)]
        found += [f"The library's part of {question.noun}: {'; '.join(parts)}."] * bool(parts)
    texts = [text for question in AMONG_EQUALS for text in _equals_texts(run, question)]
    return [*found, *(f"{style.sentence(text)}." for text in texts)]


def _equals_texts(run: RunData, question: ComparedFigure) -> list[str]:
    """Return a clause for each two pushes: how many times the cost of the other the more expensive one has."""
    texts = []
    for each in among_equals(run, question):
        more, less = _title(each.more), _title(each.less)
        servers = "library servers" if each.server == DEFAULT_SERVER else f"{each.server} ones"
        tie = "" if each.claimable else ", a tie"
        texts.append(f"on {servers} {more} has {ratio_text(each.times)} times the {question.noun} of {less}{tie}")
    return texts


def _idle_texts(run: RunData) -> list[str]:
    """Return a clause on the CPU per second that a client takes on both servers while nothing is published."""
    clients = shown_clients(run)
    question = ComparedFigure(IDLE_COLUMN, "idle CPU", "server CPU of a client", "µs/s", clients / 1e6)
    parts = []
    for pair in pairs_of(run):
        library, bare = (_cell(run, label, clients, question) for label in (pair.library, pair.bare))
        if math.isfinite(library.estimate) and math.isfinite(bare.estimate):
            parts.append(f"{_title(pair)} {amount_text(library, question)}, bare {amount_text(bare, question)}")
    return [f"while nothing is published a client takes of the CPU: {', '.join(parts)}"] * bool(parts)


def _title(pair: ServerPair) -> str:
    return style.title(pair.library)


def _percent_text(each: LibraryShare) -> str:
    """Return a share in words: `71 % (69–73)`, with a note where the two servers tie."""
    text = f"{style.number(each.share.estimate)}{style.NARROW}%{spread_text(each.share)}"
    return text if each.claimable else f"{text} (a tie with 0)"


def _between(run: RunData, question: ComparedFigure, clients: int, one: str, other: str) -> Comparison | None:
    """Return the comparison of two subjects as a ratio; None where there is none, or too few blocks to judge it."""
    for each in compared(run, question.column):
        if each.clients == clients and {each.mine, each.theirs} == {one, other}:
            return each if each.effect.kind == "ratio" and each.effect.assessed else None
    return None


def _claimable(comparison: Comparison, below: Sequence[NoiseFloor]) -> bool:
    return comparison.effect.separable and floor_under(comparison, below) is None


def _share(ratio: Interval) -> Interval:
    """Return 1 − 1 ÷ `ratio` in per cent: the library's part, where the ratio is library ÷ bare."""
    def percent(value: float) -> float:
        return math.nan if math.isnan(value) else 100 * (1 - 1 / value)

    return replace(ratio, estimate=percent(ratio.estimate), low=percent(ratio.low), high=percent(ratio.high),
                   values=tuple(map(percent, ratio.values)))


def _cell(run: RunData, label: str, clients: int, question: ComparedFigure) -> Interval:
    whole = with_all_bytes(run.valid)
    return cell_interval(whole[(whole["transport"] == label) & (whole["clients"] == clients)], question.column)
