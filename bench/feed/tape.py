"""The tape: the ticks that a server can still hand out.

A ring of the newest `capacity` ticks of one epoch, in the order of `seq`, without holes:

    left the tape            held                       to come
    ───────────────┬─────────────────────────────────┬──────────
             oldest│ oldest+1  …                 head│
                   └ a cursor here still reads on    └ a cursor here gets an empty batch

A reader comes with a subscription and a cursor, and gets a batch: the subscribed ticks after the
cursor, and a new cursor. Nothing is remembered for a reader, so a slow one costs the tape no memory.
The laws, for any sequence of reads that each continue from the cursor before:

- a tick is handed out at most once, in order, and the cursor never goes back;
- every subscribed tick up to the cursor was handed out or counted as conflated or dropped;
- a read is refused as `left-tape` only if a *subscribed* tick after its cursor is gone. To know that
  for a subset, the tape keeps for each symbol the last `seq` that left.

Ticks are skipped on purpose in `latest` mode, or by the slow-client policy when a reader in `every` mode is
more than `buffer_ticks` subscribed ticks behind. (In `latest` mode a batch is bounded by the number of
symbols, so no policy applies.) A conflated batch that is longer than the limit is the conflation of the
longest stretch after the cursor that has no more symbols than the limit: each symbol's count is thus sent
with one of its ticks. Dropped ticks may be of symbols that have none in the batch; the batch contains their
count nevertheless.

Cost: a read of all symbols is proportional to the ticks handed out, a read of a subset to the ticks scanned.
The case that happens for every client at every tick, a cursor one tick behind the head, is answered with
one `Batch` that all clients share (the very same object, so a server may keep its encoding beside it).

Known weakness: a subset reader with a cursor far back scans up to `capacity` ticks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from bench.scenario.model import SlowClient
from bench.wire.contract import Batch, Cursor, Refusal, Subscription

T = TypeVar("T")


class Tape:
    """The newest `capacity` ticks of the feed's present epoch."""

    def __init__(self, capacity: int) -> None:
        assert capacity >= 1
        self.capacity = capacity
        self.epoch: str | None = None
        """The publisher's present life; None until the feed has begun."""
        self.symbols: frozenset[str] = frozenset()
        """All symbols of the feed, including those without a tick so far."""
        self.head = 0
        """The newest tick's `seq`."""
        self._begin_after(0)

    def begin(self, epoch: str, symbols: frozenset[str], after: int) -> None:
        """Begin a new life, or continue the present one after a hole: everything up to `after` has left the
        tape."""
        self.epoch = epoch
        self.symbols = symbols
        self._begin_after(after)

    def _begin_after(self, seq: int) -> None:
        self.head = self._floor = seq
        self._lines = [b""] * self.capacity
        self._symbol_of = [""] * self.capacity
        self._newest: dict[str, int] = {}
        self._last_left: dict[str, int] = {}
        self._batch_at_head: Batch | None = None
        self._batch_of_last: Batch | None = None

    def append(self, seq: int, symbol: str, line: bytes) -> None:
        """Add the next tick. Raises `AssertionError` unless its `seq` is the head's plus one."""
        assert self.epoch is not None, "append before begin"
        assert seq == self.head + 1, f"tick {seq} after {self.head}"
        slot = seq % self.capacity
        if seq - self.capacity > self._floor:
            self._last_left[self._symbol_of[slot]] = seq - self.capacity
        self._lines[slot] = line
        self._symbol_of[slot] = symbol
        self._newest[symbol] = seq
        self.head = seq
        self._batch_at_head = self._batch_of_last = None

    @property
    def oldest(self) -> int:
        """Return the oldest `seq` after which every tick is held."""
        return max(self._floor, self.head - self.capacity)

    def read(
        self, subscription: Subscription, after: Cursor | None, limit: int, bound: SlowClient | None = None
    ) -> Batch:
        """Return the subscribed ticks after `after`, at most `limit`; if it is None, an empty batch at the
        head.

        The batch's cursor is the head that was scanned, or that of its last tick if it was cut (`more`).
        `bound` is the policy for a reader that is too far behind; None: none applies.

        Raises `Refusal`: `no-feed`, `unknown-symbol`, `other-epoch` (resume from the new one's start),
        `bad-cursor` (beyond the head), `left-tape` (resume from the oldest cursor that still reads on)
        and `slow-client` (resume from the head).
        """
        seq = self._check(subscription, after)
        head = self.head
        if seq == head:
            return self._at_head()
        wanted = subscription.symbols
        if seq == head - 1:
            is_wanted = wanted is None or self._symbol_of[head % self.capacity] in wanted
            return self._of_last() if is_wanted else self._at_head()
        if subscription.mode == "latest":
            return self._conflated(wanted, seq, limit)
        if bound is not None and head - seq > bound.buffer_ticks:
            behind = self.behind(subscription, seq)
            if behind > bound.buffer_ticks:
                return self._slow(wanted, seq, limit, bound, behind)
        return self._every(wanted, seq, limit)

    def behind(self, subscription: Subscription, seq: int) -> int:
        """Return the number of subscribed ticks after `seq` that the tape holds."""
        seq = max(seq, self.oldest)
        wanted = subscription.symbols
        if wanted is None:
            return self.head - seq
        return sum(symbol in wanted for symbol in self._span(self._symbol_of, seq, self.head))

    def has_news(self, subscription: Subscription, seq: int) -> bool:
        """Return True if a subscribed tick has come after `seq`, or may have come: one in a hole of the feed."""
        wanted = subscription.symbols
        if wanted is None or self.head <= seq or seq < self._floor:
            return self.head > seq
        if self.head - seq == 1:
            return self._symbol_of[self.head % self.capacity] in wanted
        return any(self._newest.get(symbol, 0) > seq for symbol in wanted)

    def _check(self, subscription: Subscription, after: Cursor | None) -> int:
        """Return the `seq` to read on from. Raises `Refusal` if there is none."""
        wanted = subscription.symbols
        if self.epoch is None:
            raise Refusal("no-feed", "the feed has not begun; ask again later")
        if wanted is not None and not wanted <= self.symbols:
            unknown = min(wanted - self.symbols)
            raise Refusal("unknown-symbol", f"the feed has no symbol {unknown[:80]!r}")
        if after is None:
            return self.head
        if after.epoch != self.epoch:
            detail = f"the feed's epoch is {self.epoch}, not {after.epoch}: its publisher began anew"
            raise Refusal("other-epoch", detail, Cursor(self.epoch, 0))
        if after.seq > self.head:
            raise Refusal("bad-cursor", f"the cursor {after} is beyond the head, {self.epoch}:{self.head}")
        if after.seq < self.oldest:
            oldest = self._oldest_for(wanted)
            if after.seq < oldest:
                detail = f"ticks after {after} have left the tape; the oldest cursor is {self.epoch}:{oldest}"
                raise Refusal("left-tape", detail, Cursor(self.epoch, oldest))
        return after.seq

    def _oldest_for(self, wanted: frozenset[str] | None) -> int:
        """Return the oldest `seq` after which every tick of the wanted symbols is held."""
        if wanted is None:
            return self.oldest
        return max([self._floor, *(self._last_left.get(symbol, 0) for symbol in wanted)])

    def _cursor(self, seq: int) -> Cursor:
        assert self.epoch is not None
        return Cursor(self.epoch, seq)

    def _at_head(self) -> Batch:
        """Return the empty batch, which all readers share until the next tick."""
        if self._batch_at_head is None:
            self._batch_at_head = Batch(self._cursor(self.head))
        return self._batch_at_head

    def _of_last(self) -> Batch:
        """Return the batch of the newest tick alone, which all readers share until the next tick."""
        if self._batch_of_last is None:
            self._batch_of_last = Batch(self._cursor(self.head), (self._lines[self.head % self.capacity],))
        return self._batch_of_last

    def _every(self, wanted: frozenset[str] | None, seq: int, limit: int) -> Batch:
        """Return each tick once, in order."""
        if wanted is None:
            end = min(self.head, seq + limit)
            return Batch(self._cursor(end), tuple(self._span(self._lines, seq, end)), end < self.head)
        found = list(islice(self._ticks(wanted, seq), limit + 1))
        more = len(found) > limit
        found = found[:limit]
        end = found[-1][0] if more else self.head
        return Batch(self._cursor(end), tuple(line for _, _, line in found), more)

    def _conflated(self, wanted: frozenset[str] | None, seq: int, limit: int) -> Batch:
        """Return the newest tick of each symbol, over the longest stretch that has at most `limit`
        symbols."""
        newest: dict[str, tuple[int, bytes]] = {}
        counts: dict[str, int] = {}
        end, more = self.head, False
        for at, symbol, line in self._ticks(wanted, seq):
            if symbol not in newest and len(newest) == limit:
                end, more = max(newest.values())[0], True
                break
            counts[symbol] = counts.get(symbol, -1) + 1
            newest[symbol] = (at, line)
        return Batch(
            self._cursor(end),
            tuple(line for _, line in sorted(newest.values())),
            more,
            conflated={symbol: count for symbol, count in counts.items() if count},
        )

    def _slow(
        self, wanted: frozenset[str] | None, seq: int, limit: int, bound: SlowClient, behind: int
    ) -> Batch:
        """Return the batch that the policy allows for a reader `behind` ticks behind, more than the bound.

        Raises `Refusal` if the policy is to disconnect.
        """
        if bound.policy == "conflate":
            return self._conflated(wanted, seq, limit)
        if bound.policy == "disconnect":
            detail = f"{behind} ticks behind, allowed are {bound.buffer_ticks}"
            raise Refusal("slow-client", detail, self._cursor(self.head))
        dropped: dict[str, int] = {}
        for at, symbol, _ in islice(self._ticks(wanted, seq), behind - bound.buffer_ticks):
            dropped[symbol] = dropped.get(symbol, 0) + 1
            seq = at
        kept = self._every(wanted, seq, limit)
        return Batch(kept.cursor, kept.ticks, kept.more, dropped=dropped)

    def _ticks(self, wanted: frozenset[str] | None, seq: int) -> Iterator[tuple[int, str, bytes]]:
        """Yield (seq, symbol, line) of the wanted ticks after `seq` that are held."""
        for at in range(max(seq, self.oldest) + 1, self.head + 1):
            slot = at % self.capacity
            symbol = self._symbol_of[slot]
            if wanted is None or symbol in wanted:
                yield at, symbol, self._lines[slot]

    def _span(self, ring: list[T], after: int, end: int) -> list[T]:
        """Return the ring's entries for `seq` in (after, end], all of which are held."""
        if end <= after:
            return []
        first, last = (after + 1) % self.capacity, end % self.capacity
        return ring[first : last + 1] if first <= last else ring[first:] + ring[: last + 1]
