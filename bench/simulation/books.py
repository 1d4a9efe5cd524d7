"""What is counted while a shard runs: of each client over [t0, t1), of the worker from beginning to end.

Something counts when it happens at the client: a request when it leaves, an answer when it is seen. The
names are those of the measured records (`world.COUNTED`, `bench.serving.chassis.Counts`).

A round's clients differ from one another, so a column is added to by fancy index; where a whole round lies
within the window (nearly always) without a mask.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from bench.simulation.answers import Batches
from bench.simulation.world import COUNTED, Bools, Floats, Ints, Shard


class Books:
    """The counts of one shard."""

    def __init__(self, shard: Shard, asked_s: Floats) -> None:
        self._t0_s, self._t1_s = shard.t0_s, shard.t1_s
        count = len(shard.clients)
        self.clients: dict[str, Ints | Floats] = {
            name: np.zeros(count) if name.endswith("_s") else np.zeros(count, dtype=np.int64)
            for name in COUNTED
        }
        self.server: Counter[str] = Counter()
        self._asked_s = asked_s
        """When each client's present request left or will leave; infinite: it has none."""

    def ask(self, who: Ints, leave_s: Floats, connects_s: Floats | None = None) -> None:
        """Requests leave; where a connection is opened for each, that began at `connects_s`."""
        self._asked_s[who] = leave_s
        self._add("requests", who, leave_s)
        if connects_s is not None:
            self._add("connections", who, connects_s)

    def answer(self, who: Ints, seen_s: Floats, batches: Batches) -> None:
        """Responses are seen."""
        self._respond(who, seen_s)
        self._add("answers_empty", who, seen_s, (batches.updates == 0) & ~batches.refused)
        self._take(who, seen_s, batches)

    def push(self, who: Ints, seen_s: Floats, batches: Batches, new: Bools) -> None:
        """Pushed messages are seen; a `new` one is the response to a request for being pushed to."""
        self._add("messages", who, seen_s)
        self._take(who, seen_s, batches)
        if bool(new.any()):
            self._respond(who[new], seen_s[new])
            self._asked_s[who[new]] = np.inf

    def _respond(self, who: Ints, seen_s: Floats) -> None:
        asked_s = self._asked_s[who]
        self._add("responses", who, seen_s)
        self._add("request_duration_s", who, seen_s, seen_s - asked_s)
        self._under_way(who, asked_s, seen_s)

    def _take(self, who: Ints, seen_s: Floats, batches: Batches) -> None:
        self._add("updates", who, seen_s, batches.updates)
        self._add("payload_bytes", who, seen_s, batches.bytes)
        if bool(batches.refused.any()):
            self._add("refused", who, seen_s, batches.refused)
        for declared in (batches.conflated, batches.dropped):
            if len(declared.batch):
                entries = np.bincount(declared.batch, minlength=len(who))
                self._add("declared", who, seen_s, entries)

    def late(self, who: Ints, instant_s: Floats) -> None:
        """Polls could not leave at their instants."""
        self._add("polls_late", who, instant_s)

    def close(self) -> None:
        """What is under way at the end was so up to t1."""
        asking = np.flatnonzero(self._asked_s < self._t1_s)
        self._under_way(asking, self._asked_s[asking], np.full(len(asking), self._t1_s))

    def _under_way(self, who: Ints, asked_s: Floats, seen_s: Floats) -> None:
        if float(asked_s.min(initial=np.inf)) < self._t0_s or float(seen_s.max(initial=0.0)) > self._t1_s:
            asked_s, seen_s = (np.clip(at_s, self._t0_s, self._t1_s) for at_s in (asked_s, seen_s))
        self.clients["in_flight_s"][who] += seen_s - asked_s

    def _add(self, name: str, who: Ints, at_s: Floats, amount: Ints | Floats | Bools | int = 1) -> None:
        if not len(who):
            return
        column = self.clients[name]
        if float(at_s.min()) >= self._t0_s and float(at_s.max()) < self._t1_s:
            column[who] += amount
        else:
            inside = (at_s >= self._t0_s) & (at_s < self._t1_s)
            column[who] += inside * amount
