"""The event queue: future arrivals in order of time, and the clients that wait for news.

`EventQueue` holds future arrivals as sorted runs. The arrivals that a round produces go in as one run; a run that
is not much shorter than the one before is merged with it. So there are never more runs than log₂ of the
entries. A round's arrivals come nearly sorted, and a stable sort (Timsort) merges sorted runs, so hardly
anything is ever really sorted.

    run 1   ●───●──●────●──●───●─●───────●──●────●     take(until): the front of each run, merged
    run 2      ●─●──●─────●──●                         put: a new run at the end
    run 3        ●─●─●

`WaitingClients` holds the waiting clients in the order in which ticks are handed out. Where clients ask, that is the
order of their requests, so the first in line is also the first whose hold time ends. Where clients are pushed
to, it is the order of the clients.
"""

from __future__ import annotations

import math

import numpy as np

from bench.simulation.engine.inputs import Bools, Floats, Ints

NOBODY = np.empty(0, dtype=np.int64)
NO_INSTANTS = np.empty(0)


class EventQueue:
    """The arrivals that are still to come."""

    def __init__(self) -> None:
        self._runs: list[tuple[Floats, Ints]] = []

    @property
    def first_s(self) -> float:
        """The instant of the next arrival; infinite if there is none."""
        return min((float(at[0]) for at, _ in self._runs), default=math.inf)

    def first_of(self, chosen: Bools) -> float:
        """Return the next arrival of a client that is in the mask; infinite if there is none."""
        first = math.inf
        for at, who in self._runs:
            place = int(np.argmax(chosen[who]))
            if chosen[who[place]]:
                first = min(first, float(at[place]))
        return first

    def put(self, at: Floats, who: Ints) -> None:
        """Add the arrivals of clients `who` at instants `at`."""
        if not len(at):
            return
        self._runs.append(_sorted(at, who))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            last = self._runs.pop()
            self._runs.append(merged(self._runs.pop(), last))

    def take(self, until_s: float, before_s: float, most: int) -> tuple[Floats, Ints]:
        """Remove and return, in order, at most `most` arrivals up to `until_s` and before `before_s`."""
        fronts, rests = [], []
        for at, who in self._runs:
            end = _front(at, until_s, before_s)
            if end:
                fronts.append((at[:end], who[:end]))
            if end < len(at):
                rests.append((at[end:], who[end:]))
        self._runs = rests
        if not fronts:
            return NO_INSTANTS, NOBODY
        at, who = merged(*fronts)
        self.put(at[most:], who[most:])
        return at[:most], who[:most]


def merged(*runs: tuple[Floats, Ints]) -> tuple[Floats, Ints]:
    """Merge sorted runs into one; of equal instants those of the earlier run come first."""
    if len(runs) == 1:
        return runs[0]
    return _sorted(np.concatenate([at for at, _ in runs]), np.concatenate([who for _, who in runs]))


def _front(at: Floats, until_s: float, before_s: float) -> int:
    """Return the number of a run's instants that are up to `until_s` and before `before_s`."""
    return min(int(np.searchsorted(at, until_s, "right")), int(np.searchsorted(at, before_s, "left")))


def _sorted(at: Floats, who: Ints) -> tuple[Floats, Ints]:
    if bool(np.all(at[1:] >= at[:-1])):
        return at, who
    order = np.argsort(at, kind="stable")
    return at[order], who[order]


class WaitingClients:
    """The clients that wait for news, each with the instant at which its hold time ends."""

    def __init__(self, who: Ints, until_s: Floats, by_client: bool) -> None:
        self._who, self._until_s = who, until_s
        self._by_client = by_client
        self._new: list[tuple[Ints, Floats]] = []

    def put(self, who: Ints, until_s: Floats) -> None:
        """Add waiting clients, in this order."""
        if len(who):
            self._new.append((who, until_s))

    @property
    def first_s(self) -> float:
        """The instant at which the first hold time ends; infinite if no client waits."""
        if len(self._until_s):
            return float(self._until_s[0])
        return float(self._new[0][1][0]) if self._new else math.inf

    def peek(self, wanted: Bools | None) -> Ints:
        """Return the waiting clients that are in the mask, in order; all of them if the mask is None."""
        self._settle()
        return self._who if wanted is None else self._who[wanted[self._who]]

    def wake(self, wanted: Bools | None) -> Ints:
        """Remove and return the waiting clients that are in the mask, in order; all if the mask is None."""
        woken = self.peek(wanted)
        self._keep(slice(0, 0) if wanted is None else ~wanted[self._who])
        return woken

    def leave(self, gone: Bools) -> None:
        """Remove the clients that are in the mask."""
        self._settle()
        self._keep(~gone[self._who])

    def expire(self, until_s: float, before_s: float) -> tuple[Floats, Ints]:
        """Remove clients whose hold time ends up to `until_s` and before `before_s`.

        Returns the instants at which it ends, and the clients.
        """
        if self.first_s > until_s:
            return NO_INSTANTS, NOBODY
        self._settle()
        at, who, end = self._until_s, self._who, _front(self._until_s, until_s, before_s)
        self._keep(slice(end, None))
        return at[:end], who[:end]

    def _keep(self, which: slice | Bools | Ints) -> None:
        self._who, self._until_s = self._who[which], self._until_s[which]

    def _settle(self) -> None:
        if not self._new:
            return
        self._who = np.concatenate([self._who, *(who for who, _ in self._new)])
        self._until_s = np.concatenate([self._until_s, *(until_s for _, until_s in self._new)])
        self._new.clear()
        if self._by_client:
            self._keep(np.argsort(self._who, kind="stable"))
