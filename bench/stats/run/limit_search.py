"""The search for the capacity limit: the highest level (clients, ticks per second) that holds an objective.

    raise      start, start × factor, start × factor² …    until a step breaks
    refine     further steps near the limit: in turns at the level below which it lies with a probability of
               0.3, and of 0.7, so that some hold and some break, on both sides
    end        once the limit's 95 % interval (`bench.stats.run.capacity_limit`) is within ± `precision`

    level      100   200   400   800   566   490   537   490 …    (factor 2, precision 0.15)
    outcome    held  held  held  broke broke held  broke held     limit: 512 (453 to 583)

Levels are rungs of a ladder, a third of the precision apart, so that steps are repeated at the same levels.

A step may have two other outcomes:

    void       the machine was busy with something else: it says nothing, and is repeated, twice at most
    bound      the measuring side reached its limit (the load generator, the feed), not the server. The server
               did not fail, and nothing is tried at this level or higher. If no step breaks below, the answer
               is a bound: at least the highest level that held

`next_step` is a function of the finished steps alone: an interrupted search continues where it was, and the
same steps give the same search. All subjects take turns, one step each, so that a drift of the machine
affects all of them alike, and a search that runs out of time leaves them equally far.

Known weakness: below `start` nothing is tried, since a step with fewer clients may have too few updates for
its percentile; of a limit below it nothing else is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.scenario.model import Capacity
from bench.stats.run import capacity_limit
from bench.stats.run.capacity_limit import CapacityLimit

Outcome = Literal["held", "broke", "bound", "void"]
TRIES_MAX = 3
"""The number of tries of a level at which each step is void; after these it counts as a bound."""
EACH_LEAST = 2
"""The least number of steps that held, and that broke, before an interval may count as narrow."""
STEPS_MOST = 60
"""The largest number of steps of one subject, however wide the interval still is."""
ABOUT = (0.3, 0.7)
"""Steps near the limit are made, in turns, at the levels below which it lies with these probabilities."""
RUNGS = 3
"""Rungs of the ladder within one `precision`."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The settings of the search."""

    start: int
    most: int
    """The highest level that is tried."""
    factor: float
    precision: float
    """The largest distance of the interval's ends from the limit, as a share."""
    time_s: float
    """No step begins once the finished ones, of all subjects, took this long together."""

    @classmethod
    def of(cls, capacity: Capacity) -> SearchSettings:
        """Return the search that a scenario asks for."""
        return cls(capacity.start, capacity.most, capacity.factor, capacity.precision, capacity.time_s)


@dataclass(frozen=True, slots=True)
class SearchStep:
    """One finished trial of a search."""

    subject: str
    level: int
    outcome: Outcome
    took_s: float

    @property
    def held(self) -> bool:
        """True where it held the objective."""
        return self.outcome == "held"

    @property
    def void(self) -> bool:
        """True where it says nothing about the level."""
        return self.outcome == "void"


@dataclass(frozen=True, slots=True)
class SearchState:
    """The present state of the search for one subject's capacity limit."""

    held: int | None
    """The highest level, not above the limit, at which a step held."""
    broke: int | None
    """The lowest level above that at which one broke."""
    limit: CapacityLimit | None = None
    """None where nothing held, or nothing broke."""
    bound: int | None = None
    """The lowest level above `held` at which the measuring side reached its limit."""


def search_state(steps: Sequence[SearchStep]) -> SearchState:
    """Return the state of the search that follows from the steps of one subject."""
    held = sorted({step.level for step in steps if step.outcome == "held"})
    broke = sorted({step.level for step in steps if step.outcome == "broke"})
    found = _limit(steps) if held and broke else None
    below = [level for level in held if found is None or level <= found.estimate]
    most = below[-1] if below else held[0] if held else None
    above = next((level for level in broke if most is None or level > most), None)
    return SearchState(most, above, found, _ceiling(steps))


def next_level(steps: Sequence[SearchStep], search: SearchSettings) -> int | None:
    """Return the level to try next for one subject; None: its limit is found, there is none, or `STEPS_MOST` steps
    were made."""
    if not steps:
        return search.start
    if len(steps) >= STEPS_MOST:
        return None
    if steps[-1].void and not _given_up(steps, steps[-1].level):
        return steps[-1].level
    decisive = [step for step in steps if step.outcome in ("held", "broke")]
    ceiling = _ceiling(steps) or search.most + 1
    if all(step.held for step in decisive):
        return _raised(max((step.level for step in decisive), default=0), ceiling, search)
    if _is_narrow(decisive, search):
        return None
    share = ABOUT[len(decisive) % len(ABOUT)]
    level = _rung(_quantile(decisive, share), search)
    if level < ceiling:
        return level
    # The measuring side reaches its limit below the server's: what is left is to raise what held towards them.
    return _raised(max((step.level for step in decisive if step.held), default=0), ceiling, search)


def next_step(steps: Sequence[SearchStep], subjects: Sequence[str], search: SearchSettings) -> tuple[str, int] | None:
    """Return the subject and the level that come next; None: all limits are found, or the time is over."""
    if is_over(steps, search):
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


def is_over(steps: Sequence[SearchStep], search: SearchSettings) -> bool:
    """Return True where the time of the search is over, for all subjects."""
    return sum(step.took_s for step in steps) >= search.time_s


def is_found(steps: Sequence[SearchStep], search: SearchSettings) -> bool:
    """Return True where the search of one subject ended by itself, and was not cut off by time."""
    return next_level(steps, search) is None


def _raised(held: int, ceiling: int, search: SearchSettings) -> int | None:
    """Return a level above all that held, and below those that can't be measured; None where there
    is none."""
    if held == 0:
        return None if ceiling <= search.start else search.start
    if held >= search.most:
        return None
    higher = math.ceil(held * search.factor)
    if ceiling > search.most:
        return min(search.most, higher)
    middle = round(math.sqrt(held * ceiling))
    near = ceiling <= held * (1 + search.precision)
    return None if near or middle in (held, ceiling) else min(middle, higher)


def _ceiling(steps: Sequence[SearchStep]) -> int | None:
    """Return the lowest level, with none held there or higher, at which the measuring side reached
    its limit or every step was void."""
    highest = max((step.level for step in steps if step.held), default=0)
    levels = {step.level for step in steps
              if step.outcome == "bound" or (step.void and _given_up(steps, step.level))}
    return min((level for level in levels if level > highest), default=None)


def _given_up(steps: Sequence[SearchStep], level: int) -> bool:
    """Return True where a level was tried the largest number of times and every step was void."""
    tried = [step for step in steps if step.level == level]
    return len(tried) >= TRIES_MAX and all(step.void for step in tried)


def _is_narrow(decisive: Sequence[SearchStep], search: SearchSettings) -> bool:
    """Return True where the limit is known well enough, or known to lie below the first step."""
    held = sum(step.held for step in decisive)
    broke = len(decisive) - held
    found = _limit(decisive)
    if found.high < search.start:
        return True
    return min(held, broke) >= EACH_LEAST and found.reach <= search.precision


def _limit(steps: Sequence[SearchStep]) -> CapacityLimit:
    decisive = [step for step in steps if step.outcome in ("held", "broke")]
    return capacity_limit.limit([float(step.level) for step in decisive], [step.held for step in decisive])


def _quantile(decisive: Sequence[SearchStep], share: float) -> float:
    return capacity_limit.quantile([float(step.level) for step in decisive], [step.held for step in decisive], share)


def _rung(level: float, search: SearchSettings) -> int:
    """Return the rung of the ladder that is nearest to a level, within the bounds of the search."""
    between = math.log(search.factor)
    rungs = max(1, math.ceil(between * RUNGS / math.log1p(search.precision)))
    rung = round(math.log(level / search.start) / between * rungs)
    nearest = round(search.start * math.exp(between * rung / rungs))
    return min(search.most, max(search.start, nearest))
