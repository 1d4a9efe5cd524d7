"""Counts of a shard: of each client over [t0, t1), and of the worker from beginning to end.

An event counts at the instant at which it happens at the client: a request when it leaves, a response when it
is seen. The names are those of the measured records (`inputs.COUNTED`, `bench.serving.chassis.Counts`).

No client occurs twice in a round, so a column is added to by fancy index. Where a round is all clients in their
order, as most pushes are, the column is added to as a whole, which takes a sixth of the time. Where a whole round
lies within the window, which is nearly always, no mask is needed.

Counts over time are kept in steps, for all clients together. The counts of a round are spread uniformly from
the round's first job to its last: a round ends at the next tick, and polls are uniform within it.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from bench.simulation.engine.inputs import COUNTED, Bools, Floats, Ints, Shard, UplinkOutcome
from bench.simulation.engine.tape_reads import ResponseBatches

STEPS_A_STRETCH = 10
"""Steps per `late_after_s` (ℓ), the longest time that an update may take."""


class CountSteps:
    """The worker's CPU seconds and the counts of `ShardCounts`, over all clients, by step of [t0, t1).

    A step is a tenth of ℓ, the longest time that an update may take; the last step may be cut.
    """

    def __init__(self, shard: Shard) -> None:
        self._t0_s, self._t1_s, self._step_s = shard.t0_s, shard.t1_s, shard.late_after_s / STEPS_A_STRETCH
        self._count = max(int(np.ceil((shard.t1_s - shard.t0_s) / self._step_s - 1e-9)), 1)
        self._before = np.zeros(1 + len(COUNTED))
        self._rows = np.zeros((self._count, 1 + len(COUNTED)))

    def add_round(self, begin_s: float, end_s: float, busy_s: float, sums: dict[str, float]) -> None:
        """Add a round whose jobs ran in [begin_s, end_s]; `busy_s` and `sums` are of all rounds so far."""
        now = np.array([busy_s, *sums.values()])
        grown, self._before = now - self._before, now
        if end_s <= self._t0_s:
            return   # warm-up's work that falls into the window is about as much as is missing at its end
        begin, end = (min(max((at_s - self._t0_s) / self._step_s, 0.0), float(self._count))
                      for at_s in (begin_s, end_s))
        first, last = min(int(begin), self._count - 1), min(int(end), self._count - 1)
        if first == last or end <= begin:
            self._rows[last] += grown
            return
        edges = np.clip(np.arange(first, last + 2), begin, end)
        self._rows[first : last + 1] += np.diff(edges)[:, None] / (end - begin) * grown

    def add_uplinks(self, outcome: UplinkOutcome, payload_bytes: Ints) -> None:
        """Add the messages of clients, whose instants are known when all rounds are over."""
        for name, at_s, amount in _of_uplinks(outcome, payload_bytes, self._t1_s):
            inside = (at_s >= self._t0_s) & (at_s < self._t1_s)
            step = ((at_s[inside] - self._t0_s) / self._step_s).astype(np.int64)
            self._rows[:, 1 + COUNTED.index(name)] += np.bincount(
                np.minimum(step, self._count - 1), amount[inside], self._count)

    @property
    def busy_s(self) -> Floats:
        """The worker's CPU seconds by step, shape (steps,)."""
        return self._rows[:, 0]

    @property
    def counted(self) -> dict[str, Floats]:
        """The counts by step, by name of `COUNTED`; except `in_flight_s`, which is not kept in steps."""
        return dict(zip(COUNTED, self._rows[:, 1:].T, strict=True))


def _of_uplinks(outcome: UplinkOutcome, payload_bytes: Ints, t1_s: float) -> list[tuple[str, Floats, Floats]]:
    """Return the counts of clients' messages: a name of `COUNTED`, and for each message the instant and the amount."""
    one = np.ones(len(payload_bytes))
    return [
        ("uplinks", outcome.sent_s, one), ("uplink_bytes", outcome.sent_s, payload_bytes.astype(np.float64)),
        ("uplinks_answered", outcome.answered_s, one),
        ("uplink_duration_s", outcome.answered_s, outcome.answered_s - np.minimum(outcome.sent_s, t1_s)),
    ]


class ShardCounts:
    """The counts of one shard: its reconciliation of requests, responses, updates and bytes."""

    def __init__(self, shard: Shard, asked_s: Floats) -> None:
        self._t0_s, self._t1_s = shard.t0_s, shard.t1_s
        count = len(shard.clients)
        self.clients: dict[str, Ints | Floats] = {
            name: np.zeros(count) if name.endswith("_s") else np.zeros(count, dtype=np.int64)
            for name in COUNTED
        }
        self.server: Counter[str] = Counter()
        self.sums = dict.fromkeys(COUNTED, 0.0)
        """The sums of the columns of `clients`, except `in_flight_s`."""
        self._asked_s = asked_s
        """The instant at which each client's present request left or will leave; infinite if it has none."""

    def ask(self, who: Ints, leave_s: Floats, connects_s: Floats | None = None) -> None:
        """Count requests that leave at `leave_s`, and connections opened at `connects_s`, if given."""
        self._asked_s[who] = leave_s
        self._add("requests", who, leave_s)
        if connects_s is not None:
            self._add("connections", who, connects_s)

    def respond(self, who: Ints, seen_s: Floats, batches: ResponseBatches) -> None:
        """Count responses that are seen at `seen_s`."""
        self._respond(who, seen_s)
        empty = (batches.updates == 0) & ~batches.refused
        if bool(empty.any()):
            self._add("answers_empty", who, seen_s, empty)
        self._take(who, seen_s, batches)

    def push(self, who: Ints, seen_s: Floats, batches: ResponseBatches, new: Bools) -> None:
        """Count pushed messages seen at `seen_s`; a `new` one is also the response to a request."""
        self._add("messages", who, seen_s)
        if not batches.alone:
            batched = batches.updates != 1
            for declared in (batches.conflated, batches.dropped):
                batched[declared.batch] = True
            self._add("batched", who, seen_s, batched)
        self._take(who, seen_s, batches)
        if bool(new.any()):
            self._respond(who[new], seen_s[new])
            self._asked_s[who[new]] = np.inf

    def _respond(self, who: Ints, seen_s: Floats) -> None:
        asked_s = self._asked_s[who]
        self._add("responses", who, seen_s)
        self._add("request_duration_s", who, seen_s, seen_s - asked_s)
        self._under_way(who, asked_s, seen_s)

    def _take(self, who: Ints, seen_s: Floats, batches: ResponseBatches) -> None:
        self._add("updates", who, seen_s, batches.updates)
        self._add("payload_bytes", who, seen_s, batches.bytes)
        if bool(batches.refused.any()):
            self._add("refused", who, seen_s, batches.refused)
        for declared in (batches.conflated, batches.dropped):
            if len(declared.batch):
                entries = np.bincount(declared.batch, minlength=len(who))
                self._add("declared", who, seen_s, entries)

    def late(self, who: Ints, instant_s: Floats) -> None:
        """Count polls that could not leave at their instants."""
        self._add("polls_late", who, instant_s)

    def uplinks(self, outcome: UplinkOutcome, author: Ints, payload_bytes: Ints, posts: bool) -> None:
        """Count the messages of clients by the instants at which they were sent and answered."""
        for name, at_s, amount in _of_uplinks(outcome, payload_bytes, self._t1_s):
            inside = (at_s >= self._t0_s) & (at_s < self._t1_s)
            np.add.at(self.clients[name], author[inside], amount[inside].astype(self.clients[name].dtype))
            self.sums[name] += float(amount[inside].sum())
        if posts:
            sent_s, answered_s = (np.clip(at_s, self._t0_s, self._t1_s)
                                  for at_s in (outcome.sent_s, outcome.answered_s))
            np.add.at(self.clients["in_flight_s"], author, answered_s - sent_s)

    def close(self) -> None:
        """Count requests that are still under way at the end as under way up to t1."""
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
        if float(at_s.min()) < self._t0_s or float(at_s.max()) >= self._t1_s:
            amount = np.multiply((at_s >= self._t0_s) & (at_s < self._t1_s), amount)
        everybody = len(who) == len(column) and bool(np.all(who[1:] > who[:-1]))
        column[slice(None) if everybody else who] += amount
        self.sums[name] += amount * len(who) if isinstance(amount, int) else float(amount.sum())
