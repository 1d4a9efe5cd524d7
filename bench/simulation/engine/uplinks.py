"""The messages that clients send: when each leaves its author, reaches the worker, and is answered.

    due ──send──► leaves ──up──► worker: message ──hop──► its tick ─► as any tick
                     ▲                │                     └─ answer ──down──► author
                     └── the next ────┴─ refused: answer ──down──► author

On a connection that it also receives on, a client sends each message when it is due. Where it posts (`Cycle.posts`) it
has one request under way at a time: a message that is due meanwhile leaves when the answer to the one before has been
read. A poll that is parked is on another connection, and neither waits for the other.

A message is one job, whose cost includes its answer. The tick comes back a hop later, and the answer leaves when the
worker has taken it, before it goes out to anybody. A message beyond the rate of its author is refused, and answered
when its job is done.

A message whose author has another worker comes as a tick alone. It waits there as long as a message that reached this
worker at the same instant would wait here, a wake-up included: all workers hand out the same ticks at the same time. It
takes none of this worker's time, is never refused, and waits for none of its author's others.

Known weaknesses: the part of a message's cost that its answer takes is charged when the message comes. A message that
is refused costs as much as one that is accepted. A slow link delays neither messages nor their answers. Nothing is sent
again, since no connection breaks and the feed is never lost.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from bench.simulation.engine.event_queue import EventQueue
from bench.simulation.engine.inputs import ELSEWHERE, Bools, Floats, Ints, Shard, UplinkOutcome
from bench.simulation.engine.network import Network
from bench.uplink.relay import Bucket


class UplinkTraffic:
    """The messages of a shard, and what became of them so far."""

    def __init__(self, shard: Shard, network: Network) -> None:
        assert shard.uplinks is not None, "clients that only listen send nothing"
        self._shard, self._uplinks, self._network = shard, shard.uplinks, network
        count = len(shard.ticks)
        assert len(self._uplinks.author) == count, "each tick is a message"
        self.is_own: Bools = self._uplinks.author != ELSEWHERE
        """True for each message whose author is a client of this worker, shape (messages,)."""
        self.sent_s, self.numbered_s, self.answered_s = (np.full(count, np.inf) for _ in range(3))
        self.refused = np.zeros(count, dtype=np.bool_)
        delay_s = 0.0 if shard.load_client is None else shard.load_client.send_s
        self._wish_s: Floats = shard.ticks.due_s + delay_s
        """The instant at which each message leaves if nothing keeps it."""
        self._owed = int(np.count_nonzero((shard.ticks.due_s < shard.t1_s) & self.is_own))
        """Number of messages of own clients due before t1 that were not answered yet."""
        self._buckets: dict[int, Bucket] = {}
        self._later: dict[int, deque[int]] = {}
        """The messages of each author that posts, which wait for the one before."""
        self._arrivals = EventQueue()
        first, others = np.flatnonzero(self.is_own), np.flatnonzero(~self.is_own)
        if shard.cycle.posts:
            for message, author in zip(first.tolist(), self._uplinks.author[first].tolist(), strict=True):
                self._later.setdefault(author, deque()).append(message)
            first = np.array(sorted(mine.popleft() for mine in self._later.values()), dtype=np.int64)
        self._send(first, self._wish_s[first])
        self._arrivals.put(self._arrival_s(others, self._wish_s[others]), others)

    @property
    def first_s(self) -> float:
        """The instant at which the next message reaches the worker; infinite if none is on its way."""
        return self._arrivals.first_s

    @property
    def owes(self) -> bool:
        """True while the answer to a message that is due before t1 is still to come."""
        return self._owed > 0

    def take(self) -> tuple[float, int]:
        """Remove the next message, and return its arrival and its place."""
        at, message = self._arrivals.take(math.inf, math.inf, 1)
        return float(at[0]), int(message[0])

    def is_allowed(self, message: int, now_s: float) -> bool:
        """Take note of a message whose turn has come; return False if its author sends too many."""
        if math.isinf(self._uplinks.rate_per_s):
            return True
        author = int(self._uplinks.author[message])
        bucket = self._buckets.setdefault(author, Bucket(self._uplinks.rate_per_s, 0.0))
        self.refused[message] = not bucket.take(now_s)
        return not self.refused[message]

    def reply(self, messages: Ints, leaves_s: float) -> None:
        """Send the answers to messages, which leave the worker at this instant."""
        shard, who = self._shard, self._uplinks.author[messages]
        self._owed -= int(np.count_nonzero(shard.ticks.due_s[messages] < shard.t1_s))
        kernel_s = self._network.reply(who, messages, leaves_s)
        seen_s, done_s = self._network.read(kernel_s, np.zeros(len(messages), dtype=np.int64))
        self.answered_s[messages] = seen_s
        if not shard.cycle.posts:
            return
        waiting = [self._later[author] for author in who.tolist()]
        free = np.array([len(mine) > 0 for mine in waiting], dtype=np.bool_)
        following = np.array([mine.popleft() for mine in waiting if mine], dtype=np.int64)
        self._send(following, np.maximum(self._wish_s[following], done_s[free]))

    def _send(self, messages: Ints, leave_s: Floats) -> None:
        if not len(messages):
            return
        self.sent_s[messages] = leave_s
        self._arrivals.put(self._arrival_s(messages, leave_s), messages)

    def _arrival_s(self, messages: Ints, leave_s: Floats) -> Floats:
        """Return when messages that leave at `leave_s` reach their worker."""
        return self._network.send(np.maximum(self._uplinks.author[messages], 0), messages, leave_s)

    def outcome(self) -> UplinkOutcome:
        """Return what has become of the messages by the end of the drain."""
        end_s = self._shard.end_s
        for at_s in (self.sent_s, self.numbered_s, self.answered_s):
            at_s[at_s > end_s] = np.inf
        return UplinkOutcome(self.sent_s, self.numbered_s, self.answered_s, self.refused)
