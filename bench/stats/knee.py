"""Looking for the knee: the most of something (clients, ticks a second) at which an objective still holds.

    raise    start, start × factor, start × factor² …      until a step breaks
    confirm  a step that breaks is made once more; it is broken if it breaks again. One that is void (the
             machine was busy with something else) says nothing and is made again, twice at most
    home in  the geometric middle of the highest that held and the lowest that broke,
             until they are no further apart than `precision`

    level    100   200   400   800   800   560   560   470        (factor 2, precision 0.2)
    outcome  held  held  held  broke broke broke broke held       knee: 470, broke at 560

`next_step` is a function of the finished steps alone: an interrupted search goes on where it was, and the
same steps give the same search. All subjects take turns, one step each, so that what drifts on the machine
falls on all of them alike, and a search that runs out of time leaves them equally far.

Known weakness: it takes for granted that what breaks at a level breaks at all higher ones. A level that
held once counts as held, so near the knee, where trials go either way, the knee comes out a little high.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

TRIES = 2
"""How often a level must break before it counts as broken."""
TRIES_MAX = 3
"""How often it is tried at all: a level that could not be held nor broken so often counts as broken."""


@dataclass(frozen=True, slots=True)
class Search:
    """How the knee is looked for."""

    start: int
    most: int
    """No level above it is tried."""
    factor: float
    precision: float
    """The lowest that broke is at most so much (as a share) above the highest that held."""
    time_s: float
    """No step begins once the finished ones took so long together, all subjects."""


@dataclass(frozen=True, slots=True)
class Step:
    """One finished trial of a search."""

    subject: str
    level: int
    held: bool
    took_s: float
    void: bool = False
    """Whether it says nothing about the level."""


@dataclass(frozen=True, slots=True)
class Knee:
    """Where a search stands: the highest level that held and the lowest that broke, if any."""

    held: int | None
    broke: int | None


def knee(steps: Sequence[Step]) -> Knee:
    """What the steps of one subject say."""
    levels = {step.level for step in steps}
    held = {step.level for step in steps if step.held}
    broke = {level for level in levels - held if _is_broken(steps, level)}
    return Knee(max(held, default=None), min(broke, default=None))


def next_level(steps: Sequence[Step], search: Search) -> int | None:
    """The level that one subject is to be tried at next; None: its knee is found, or there is none."""
    if not steps:
        return search.start
    last = steps[-1].level
    found = knee(steps)
    if not any(step.held for step in steps if step.level == last) and not _is_broken(steps, last):
        return last   # to be confirmed
    if found.held is None:
        return None   # it broke at the start: there is no knee above it
    if found.broke is None:
        if found.held >= search.most:
            return None
        return min(search.most, math.ceil(found.held * search.factor))
    middle = round(math.sqrt(found.held * found.broke))
    near = found.broke <= found.held * (1 + search.precision)
    return None if near or middle in (found.held, found.broke) else middle


def next_step(steps: Sequence[Step], subjects: Sequence[str], search: Search) -> tuple[str, int] | None:
    """The subject and the level that come next; None: all knees are found, or the time is over."""
    if sum(step.took_s for step in steps) >= search.time_s:
        return None
    by_subject = {subject: [step for step in steps if step.subject == subject] for subject in subjects}
    wanted = {subject: next_level(mine, search) for subject, mine in by_subject.items()}
    left = [(len(by_subject[subject]), place, subject) for place, subject in enumerate(subjects)
            if wanted[subject] is not None]
    if not left:
        return None
    subject = min(left)[2]
    level = wanted[subject]
    assert level is not None
    return subject, level


def is_found(steps: Sequence[Step], search: Search) -> bool:
    """Whether the search of one subject came to its own end, and was not cut off by time."""
    return next_level(steps, search) is None


def _is_broken(steps: Sequence[Step], level: int) -> bool:
    """Whether a level that never held was tried often enough."""
    tried = [step for step in steps if step.level == level]
    return sum(not step.void for step in tried) >= TRIES or len(tried) >= TRIES_MAX
