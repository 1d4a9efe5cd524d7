"""The free-running timer of a worker that flushes: its turns come every F, whatever happens.

    turns   phase        phase + F      phase + 2F     phase + 3F          F = `Cycle.flush_s`
    ──────────●──────────────●──────────────●──────────────●──────►        phase: uniform in [0, F), one draw per worker

At a turn the worker hands out what has come since the turn before. If it is busy then, it does so as soon as it
gets to it. Turns that pass until it is done are left out, and the timer goes on with the next instant of its grid: so a
hand-out that takes a little longer than F halves the number of turns.

Known weakness: a turn that finds nothing costs nothing.
"""

from __future__ import annotations

import math

from bench.simulation.engine.inputs import Shard
from bench.simulation.engine.random_streams import Stream, uniform


class FlushTimer:
    """The turns of one worker's timer."""

    def __init__(self, shard: Shard) -> None:
        self._every_s = shard.cycle.flush_s
        self._phase_s = self._every_s * float(uniform(shard.seed, Stream.FLUSH, shard.clients[:1])[0])
        self._number = 0

    @property
    def turn_s(self) -> float:
        """The instant of the next turn."""
        return self._phase_s + self._number * self._every_s

    def pass_over(self, until_s: float) -> None:
        """Leave out all turns up to `until_s`."""
        self._number = max(self._number, math.floor((until_s - self._phase_s) / self._every_s))
        while self.turn_s <= until_s:   # once, or twice where the division was rounded
            self._number += 1
