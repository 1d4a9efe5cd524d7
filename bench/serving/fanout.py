"""The fan-out that pushing servers share: new ticks go to all connections that are up to date, and the
others catch up as they drain.

    news or turn ──► for each subscription: read the tape once, encode once, write to the whole audience
                                                        │ write buffer full
                                                        ▼
                lagging: a cursor of its own ──drained──► read on from the tape ──up to date──► audience

A transport provides its connections (`Member`) and an encoder, which returns the bytes of a batch for one
variant of the transport, such as compressed messages. All members of an audience get the same bytes; a member
may have a `write` that does more with them, such as compressing them with a state of its own.

With `flush_ms` a free-running timer takes turns: at its turns alone is everything sent that has come since
the last one, as one batch to each audience. A connection that begins between two turns gets what the tape
holds at once, and waits for the next turn in an audience of those that began at the same head; the turn then
brings all of them to one head, and they merge. The policy for slow clients is for connections that can't
take what was written to them: waiting for a turn is not lagging.

This module has no socket. Everything but `Fanout.keep_turning` has no clock either.

Known weakness: the timer of uvloop's event loop counts milliseconds, so a turn may be up to 1 ms from its
instant, and turns are at least 1 ms apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from bench.serving.chassis import Chassis
from bench.wire.contract import Batch, Cursor, Refusal, Request, Subscription

WRITE_BUFFER_BYTES = 16 * 1024
"""A connection with more unsent bytes than this in the process is congested."""
TURN_MIN_S = 0.001
"""The shortest time between two turns."""


class Member(Protocol):
    """A connection that is pushed to, as the fan-out sees it."""

    cursor: Cursor | None
    """Everything up to here was written to this connection. Set only while it lags; else its audience's
    cursor applies."""
    write: Callable[[bytes], None]
    """Writes what the encoder returned to the connection's transport."""

    @property
    def subscription(self) -> Subscription:
        """Return the part of the feed that the client wants."""

    @property
    def variant(self) -> Hashable:
        """Return the variant of the encoding that was agreed on with the client."""

    @property
    def paused(self) -> bool:
        """Return True while the write buffer is full."""

    @property
    def is_open(self) -> bool:
        """Return True as long as ticks may be written."""

    def refuse(self, refusal: Refusal) -> None:
        """End the connection for this reason; the fan-out has forgotten it already."""


M = TypeVar("M", bound=Member)
Encoder = Callable[[Batch, Hashable], bytes]
"""Returns the bytes of a batch for one variant."""


class Audience(Generic[M]):
    """The connections of one subscription and one variant that are up to date.

    Everything up to `cursor` was written to every member.
    """

    __slots__ = ("cursor", "members", "quiet_since_s")

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.quiet_since_s: float | None = None
        """An instant after which nothing was written; None after each write."""
        self.members: set[M] = set()


Key = tuple[Subscription, Hashable]
Group = dict[Key, Audience[M]]
"""Audiences at one cursor."""


class Fanout(Generic[M]):
    """Pushes news to the audiences, and keeps the lagging connections apart."""

    def __init__(self, chassis: Chassis, encode: Encoder, flush_ms: float = 0.0) -> None:
        self.chassis = chassis
        self.encode = encode
        self.flush_s = flush_ms / 1000
        self.head: Cursor | None = None
        """The head of the tape at the last turn; None before the first."""
        self.audiences: Group[M] = {}
        """The audiences at that head."""
        self.joining: dict[Cursor, Group[M]] = {}
        """Audiences that wait for their first turn, by the later head at which they began."""
        self.lagging: set[M] = set()
        chassis.on_news(self._on_news)

    def members(self) -> list[M]:
        """Return all connections that are pushed to."""
        groups = [self.audiences, *self.joining.values()]
        pushed = [member for group in groups for audience in group.values() for member in audience.members]
        return [*pushed, *self.lagging]

    def begin(self, member: M, batch: Batch) -> None:
        """Take over a connection to which `batch`, its first one, was written."""
        self.chassis.counts.hand_over(batch)
        member.cursor = batch.cursor
        self.lagging.add(member)
        self.catch_up(member)

    def forget(self, member: M) -> None:
        """Remove a connection that is no longer pushed to, if it is there."""
        self.lagging.discard(member)
        key = (member.subscription, member.variant)
        for group in (self.audiences, *self.joining.values()):
            audience = group.get(key)
            if audience is not None:
                audience.members.discard(member)
                if not audience.members:
                    del group[key]

    def dismiss(self, member: M, refusal: Refusal) -> None:
        """Forget a connection, and end it for this reason."""
        self.forget(member)
        if member.is_open:
            self.chassis.counts.refuse(refusal)
        member.refuse(refusal)

    def _on_news(self) -> None:
        """Push at once where there are no turns. A new epoch waits for no turn."""
        if not self.flush_s or self.head is None or self.head.epoch != self.chassis.tape.epoch:
            self.turn()

    def turn(self) -> None:
        """Push everything up to the tape's head to all audiences; dismiss them if a new epoch has begun."""
        tape = self.chassis.tape
        if tape.epoch is None:
            return
        joining, self.joining = self.joining, {}
        for group in (self.audiences, *joining.values()):
            for key, audience in list(group.items()):
                self._push_to(key, audience)
                if not audience.members:
                    group.pop(key, None)
        self.head = Cursor(tape.epoch, tape.head)
        for group in joining.values():
            for key, audience in group.items():
                if key in self.audiences:
                    self.audiences[key].members |= audience.members
                else:
                    self.audiences[key] = audience

    def _push_to(self, key: Key, audience: Audience[M]) -> None:
        """Push everything up to the head to a whole audience, or dismiss it."""
        tape, limit = self.chassis.tape, self.chassis.config.server.batch_max
        subscription, variant = key
        cursor = audience.cursor
        if cursor.epoch == tape.epoch and not tape.has_news(subscription, cursor.seq):
            audience.cursor = Cursor(cursor.epoch, tape.head)
            return
        more = True
        try:
            while more and audience.members:
                batch = tape.read(subscription, audience.cursor, limit)
                self._broadcast(batch, audience, variant)
                audience.cursor = batch.cursor
                more = batch.more
        except Refusal as refusal:
            for member in list(audience.members):
                audience.members.discard(member)
                self.dismiss(member, refusal)

    def _broadcast(self, batch: Batch, audience: Audience[M], variant: Hashable) -> None:
        """Write a batch to every member; members that can't take it become lagging, with the present cursor."""
        if not batch.ticks:
            return
        data = self.encode(batch, variant)
        audience.quiet_since_s = None
        written = 0
        behind = []
        for member in audience.members:
            if member.paused:
                behind.append(member)
            elif member.is_open:
                member.write(data)
                written += 1
        for member in behind:
            member.cursor = audience.cursor
            self.lagging.add(member)
            audience.members.remove(member)
        self.chassis.counts.hand_over(batch, written)

    def catch_up(self, member: M) -> None:
        """Write to a lagging connection as much as it can take; once it is up to date, it joins its audience."""
        if member not in self.lagging:
            return
        try:
            while member.is_open and not member.paused:
                cursor = member.cursor
                assert cursor is not None
                if self.head is None or (cursor.epoch == self.head.epoch and cursor.seq >= self.head.seq):
                    self._join(member, cursor)
                    return
                batch = self.chassis.read(Request(member.subscription, cursor))
                member.cursor = batch.cursor
                if batch.ticks:
                    member.write(self.encode(batch, member.variant))
                    self.chassis.counts.hand_over(batch)
        except Refusal as refusal:
            self.dismiss(member, refusal)

    def _join(self, member: M, cursor: Cursor) -> None:
        """Add a connection that is up to date to the audience at its cursor."""
        group = self.audiences if cursor == self.head else self.joining.setdefault(cursor, {})
        key = (member.subscription, member.variant)
        audience = group.get(key)
        if audience is None:
            audience = group[key] = Audience(cursor)
        assert audience.cursor == cursor, "audiences are at the head between two turns"
        audience.members.add(member)
        self.lagging.discard(member)
        member.cursor = None

    def refuse_slow(self) -> None:
        """Dismiss lagging connections that can't go on, where the policy is to disconnect.

        They are too slow, of another epoch, or their ticks have left the tape. To be called now and then, since
        a connection that takes nothing is not served otherwise.
        """
        if self.chassis.config.server.slow_client.policy != "disconnect":
            return
        for member in list(self.lagging):
            try:
                self.chassis.read(Request(member.subscription, member.cursor))
            except Refusal as refusal:
                self.dismiss(member, refusal)

    def heartbeat(self, now_s: float, interval_s: float, encode: Callable[[Hashable], bytes]) -> None:
        """Write a heartbeat to audiences to which nothing was written for `interval_s`.

        `encode` returns its bytes for a variant. To be called several times per interval. Members whose buffer
        is full need none: bytes are on their way to them.
        """
        for group in (self.audiences, *self.joining.values()):
            for (_, variant), audience in group.items():
                if audience.quiet_since_s is None:
                    audience.quiet_since_s = now_s
                elif now_s - audience.quiet_since_s >= interval_s:
                    audience.quiet_since_s = None
                    for member in audience.members:
                        if member.is_open and not member.paused:
                            member.write(encode(variant))

    async def keep_turning(self) -> None:
        """Take turns until cancelled; return at once where there are none."""
        loop = asyncio.get_running_loop()
        begun_s, turn = loop.time(), 0
        while self.flush_s:
            turn = next_turn(turn, loop.time() - begun_s, self.flush_s)
            await asyncio.sleep(max(TURN_MIN_S, begun_s + turn * self.flush_s - loop.time()))
            self.turn()


def next_turn(last: int, elapsed_s: float, flush_s: float) -> int:
    """Return the number of the next turn after the turn `last`; turn n is due at n · `flush_s`.

    Turns keep their instants, whatever the ones before took. A turn that is already missed is left out, and
    one that came a little early is not repeated.
    """
    return max(last, int(elapsed_s / flush_s)) + 1
