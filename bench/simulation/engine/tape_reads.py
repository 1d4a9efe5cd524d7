"""Reads of the tape: the deliveries and declared skips of many requests at once.

The tape is the ticks that a server still holds. A client has read it up to its cursor, and it is filled up to
the head; between the two are the ticks that the request may get. Ticks are numbered by their places in the
feed, so a cursor is a number of ticks.

          left the tape          held, [oldest, head)              to come
    ─────────┬──────────────┬───────────────────────────────┬────────────────
             │ cursor       │ oldest = head − tape_ticks     │ head

The rules and their names are those of `bench.feed.tape.Tape.read`:

    refused      a subscribed tick after the cursor has left the tape: the client resumes from the oldest; or
                 the client is too far behind and the policy is `disconnect`: it resumes from the head
    every        each subscribed tick, at most `batch_max`; then `more`
    latest       each symbol's newest tick of the longest stretch that has at most `batch_max` symbols; the
                 older ticks that it replaces are declared with it. The policy `conflate` applies this rule to
                 clients that are too far behind
    drop-oldest  the newest `buffer_ticks`, and of them the first `batch_max`

Where none of these limits can be reached, which is nearly always, a batch is the whole range.

Where ticks are messages of clients, the tape is in the order in which the worker gets them back (`MessageTape`), which
is not always that of the schedule: over HTTP a message waits for the answer to its author's last one.

Known weaknesses: a row is made for each tick of a range before subscriptions are applied. Ticks of a symbol
that were dropped are declared at once, with the symbol's next tick. If that tick is dropped too, the
declaration has no arrival, and the ticks that it declared are `lost` without being `dropped`. The next tick of messages
is that of the schedule where none has come yet, also if another one overtakes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.simulation.engine.inputs import Bools, Floats, Ints, Shard


@dataclass(frozen=True, slots=True, eq=False)
class DeclaredSkips:
    """Declared skips of several batches; one element for each batch and symbol."""

    batch: Ints
    tick: Ints
    count: Ints


NOTHING = np.empty(0, dtype=np.int64)
NO_SKIPS = DeclaredSkips(NOTHING, NOTHING, NOTHING)
ROWS = 1 << 22
"""Limit of the clients of a fan-out that are read for at once, times its ticks."""


@dataclass(frozen=True, slots=True, eq=False)
class SymbolChains:
    """The order of the ticks of each symbol; one element per tick."""

    before: Ints
    """The tick before it of its symbol; −1 if there is none."""
    after: Ints
    """The tick after it of its symbol; the number of ticks if there is none."""
    key: Ints
    """symbol · (number of ticks + 1) + place, sorted."""


def _chains(symbol: Ints) -> SymbolChains:
    count = len(symbol)
    by_symbol = np.argsort(symbol, kind="stable")
    before, after = np.full(count, -1), np.full(count, count)
    same = np.diff(symbol[by_symbol]) == 0
    before[by_symbol[1:][same]] = by_symbol[:-1][same]
    after[by_symbol[:-1][same]] = by_symbol[1:][same]
    return SymbolChains(before, after, symbol[by_symbol] * (count + 1) + by_symbol)


@dataclass(frozen=True, slots=True, eq=False)
class ResponseBatches:
    """The responses to several requests; one element per request except in `tick`."""

    updates: Ints
    """Number of ticks."""
    bytes: Ints
    """Payload of the ticks in bytes."""
    cursor: Ints
    """The cursor from which the client continues."""
    more: Bools
    """True if the batch was cut, or refused with a cursor to continue from: the client asks again at once."""
    left: Bools
    """True if the request was refused because ticks have left the tape."""
    slow: Bools
    """True if the request was refused by the policy for slow clients."""
    tick: Ints
    """The ticks of all batches, one batch after the other."""
    conflated: DeclaredSkips = NO_SKIPS
    dropped: DeclaredSkips = NO_SKIPS
    alone: bool = False
    """True if each batch is the same single tick."""

    @property
    def refused(self) -> Bools:
        """Mask of the requests that were refused, for either reason."""
        return self.left | self.slow


class WorkerTape:
    """The feed as one worker receives it."""

    def __init__(self, shard: Shard) -> None:
        ticks = shard.ticks
        self.arrival_s: Floats = ticks.due_s + shard.net.feed_s
        self.symbol = ticks.symbol
        self.tick: Ints | None = None
        """The place in `Shard.ticks` of each tick of the tape; None if they are the same."""
        self._shard = shard
        self._payload = ticks.payload_bytes
        self._bytes_before = np.concatenate([[0], np.cumsum(ticks.payload_bytes)])
        self._known_chains: SymbolChains | None = None
        every = shard.mode == "every"
        in_one = shard.batch_max
        if not every and len(np.unique(ticks.symbol)) <= shard.batch_max:
            in_one = shard.tape_ticks   # a batch has one tick of each symbol, however many it replaces
        self.pushed_up_to = min(shard.tape_ticks, in_one)
        """Largest number of ticks that one message surely hands to clients that are up to date: the policy for slow
        clients is not for them."""
        self.whole_up_to = min(self.pushed_up_to, shard.slow_client.buffer_ticks) if every else self.pushed_up_to
        """Largest number of ticks between cursor and head at which one batch surely holds everything."""

    def __len__(self) -> int:
        return len(self.symbol)

    @property
    def _chains(self) -> SymbolChains:
        if self._known_chains is None:
            self._known_chains = _chains(self.symbol)
        return self._known_chains

    def alone(self, place: int, count: int) -> ResponseBatches:
        """Return `count` batches that hold the one tick at `place` each."""
        size = int(self._payload[place])
        one, payload, cursor, tick = (np.broadcast_to(each, count) for each in (1, size, place + 1, place))
        no = np.broadcast_to(np.False_, count)
        return ResponseBatches(one, payload, cursor, no, no, no, tick, alone=True)

    def read(self, who: Ints, cursor: Ints, head: int) -> ResponseBatches:
        """Return the batch of each client in `who`, which has read up to `cursor` of `head` ticks."""
        return self._read(who, cursor, head, self._shard.slow_client.buffer_ticks)

    def handed(self, who: Ints, first: int, head: int, pushes: bool) -> ResponseBatches:
        """Return the batch of each client in `who`, all of which wait for news at `first`.

        Where the server `pushes`, none of them counts as slow. Clients are read for one part after the other, so that
        memory stays flat.
        """
        buffer = len(self) if pushes else self._shard.slow_client.buffer_ticks
        each = max(ROWS // (head - first), 1)
        parts = [who[begin : begin + each] for begin in range(0, max(len(who), 1), each)]
        return _joined([self._read(part, np.full(len(part), first), head, buffer) for part in parts])

    def _read(self, who: Ints, cursor: Ints, head: int, buffer: int) -> ResponseBatches:
        """Return the batches of clients that may be `buffer` ticks behind."""
        behind = head - cursor
        furthest = int(behind.max(initial=0))
        no, at_head = np.broadcast_to(np.False_, len(who)), np.broadcast_to(head, len(who))
        if furthest == 0:
            return ResponseBatches(behind, behind, at_head, no, no, no, NOTHING)
        plain_up_to = min(self.pushed_up_to, buffer) if self._shard.mode == "every" else 1
        if self._shard.subscribed is None and furthest <= plain_up_to:
            size = self._bytes_before[head] - self._bytes_before[cursor]
            return ResponseBatches(behind, size, at_head, no, no, no, spans(cursor, behind))
        batch, tick = np.repeat(np.arange(len(who)), behind), spans(cursor, behind)
        if self._shard.subscribed is not None:
            wanted = self._shard.subscribed[who[batch], self.symbol[tick]]
            batch, tick = batch[wanted], tick[wanted]
        return self._ruled(batch, tick, cursor, head, buffer)

    def _ruled(self, batch: Ints, tick: Ints, cursor: Ints, head: int, buffer: int) -> ResponseBatches:
        """Apply the rules to the wanted ticks between cursor and head."""
        shard, count = self._shard, len(cursor)
        policy = shard.slow_client.policy
        wanted = np.bincount(batch, minlength=count)
        oldest = head - shard.tape_ticks
        left = np.bincount(batch[tick < oldest], minlength=count) > 0
        far = (wanted > buffer) & ~left & (shard.mode == "every")
        slow = far & (policy == "disconnect")
        refused = left | slow
        place = np.arange(len(batch)) - (np.cumsum(wanted) - wanted)[batch]
        drops = np.where(far & (policy == "drop-oldest"), wanted - buffer, 0)
        conflates = (far & (policy == "conflate")) | (shard.mode == "latest")
        kept = ~refused[batch] & (place >= drops[batch])
        some = bool(conflates.any())
        first = (self._chains.before[tick] < cursor[batch]) if some else kept
        used = _running_sum(np.where(conflates[batch], first, kept), wanted, batch)
        fits = kept & (used <= shard.batch_max)
        more = np.bincount(batch[kept & ~fits], minlength=count) > 0
        end = np.where(left, oldest, head)
        np.put(end, np.flatnonzero(more), 0)
        np.maximum.at(end, batch[fits & more[batch]], tick[fits & more[batch]] + 1)
        given = fits & (~conflates[batch] | (self._chains.after[tick] >= end[batch])) if some else fits
        return ResponseBatches(
            updates=np.bincount(batch[given], minlength=count),
            bytes=np.bincount(
                batch[given], self._payload[tick[given]], minlength=count).astype(np.int64),
            cursor=end,
            more=more | refused,
            left=left,
            slow=slow,
            tick=tick[given],
            conflated=self._conflated(batch, tick, cursor, given & conflates[batch] & ~first),
            dropped=self._dropped(batch, tick, ~refused[batch] & (place < drops[batch])),
        )

    def _conflated(self, batch: Ints, tick: Ints, cursor: Ints, given: Bools) -> DeclaredSkips:
        """Return each tick that replaces older ticks of its symbol after the cursor, and their number."""
        batch, tick = batch[given], tick[given]
        if not len(tick):
            return NO_SKIPS
        base = self.symbol[tick] * (len(self) + 1)
        rank, read = (np.searchsorted(self._chains.key, base + place) for place in (tick, cursor[batch]))
        return DeclaredSkips(batch, tick, rank - read)

    def _dropped(self, batch: Ints, tick: Ints, gone: Bools) -> DeclaredSkips:
        """Return the number of dropped ticks per symbol, with the symbol's next tick where there is one."""
        if not bool(gone.any()):
            return NO_SKIPS
        batch, tick = batch[gone], tick[gone]
        pair = batch * (int(self.symbol.max()) + 1) + self.symbol[tick]
        _, back, count = np.unique(pair[::-1], return_index=True, return_counts=True)
        last = len(pair) - 1 - back
        after = self._chains.after[tick[last]]
        comes = after < len(self)
        return DeclaredSkips(batch[last][comes], after[comes], count[comes])


class MessageTape(WorkerTape):
    """The tape of a worker whose ticks are messages of clients. The first ones are those that were accepted, in this
    order; they arrive one after the other."""

    def __init__(self, shard: Shard) -> None:
        super().__init__(shard)
        count = len(self)
        self.arrival_s = np.full(count, np.inf)
        self.symbol, self._payload = self.symbol.copy(), self._payload.copy()
        self.tick = np.arange(count)
        self.accepted = 0
        """Number of the messages that were accepted."""

    def accept(self, message: int, arrival_s: float) -> int:
        """Put a message behind those that were accepted before, and return its place; its tick comes at `arrival_s`."""
        assert self.tick is not None
        first = self.accepted
        self.accepted += 1
        self.arrival_s[first] = arrival_s
        later = int(np.argmax(self.tick[first:] == message))
        if later:   # it overtakes others that are due before
            end = first + later + 1
            for column in (self.tick, self.symbol, self._payload):
                column[first:end] = np.roll(column[first:end], 1)
            self._bytes_before[first + 1 : end + 1] = self._bytes_before[first] + np.cumsum(self._payload[first:end])
            self._known_chains = None
        return first


def _joined(parts: list[ResponseBatches]) -> ResponseBatches:
    """Return the batches of several parts as one."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(each.updates) for each in parts)])

    def column(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(each, name) for each in parts])

    def skips(kind: str) -> DeclaredSkips:
        found: list[DeclaredSkips] = [getattr(each, kind) for each in parts]
        return DeclaredSkips(
            np.concatenate([each.batch + start for each, start in zip(found, starts, strict=False)]),
            np.concatenate([each.tick for each in found]), np.concatenate([each.count for each in found]))

    return ResponseBatches(
        column("updates"), column("bytes"), column("cursor"), column("more"), column("left"), column("slow"),
        column("tick"), conflated=skips("conflated"), dropped=skips("dropped"))


def spans(start: Ints, count: Ints) -> Ints:
    """Return start, start + 1, … for each span, `count` numbers each, one span after the other."""
    ends = np.cumsum(count)
    return np.repeat(start - (ends - count), count) + np.arange(ends[-1] if len(ends) else 0)


def _running_sum(flags: Bools, sizes: Ints, batch: Ints) -> Ints:
    """Return for each row the number of flags set up to it within its batch."""
    total = np.cumsum(flags)
    before = np.concatenate([[0], total])[np.cumsum(sizes) - sizes]
    return np.asarray(total - before[batch], dtype=np.int64)
