"""Long polling: the server keeps a request until there is news for it, or its hold time is over.

    client   ask ─────────────────┐ ask ────┐ ask ──────────── hold ───────────┐ ask
    server        parked … tick ──┴► batch  │  parked … nothing …              └► 304 or empty
                                            └► a tick came in the gap: at once

An update nearly always meets a parked request, and then takes one transit to the client. Updates that come
while the client is asking again wait for that request, and are sent together in one batch.

Two decisions are made here: whether a request is answered now or parked (`is_due`), and which parked
requests are answered when ticks have come or time has passed (`ParkedRequests`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from bench.scenario.fields import Positive
from bench.wire.contract import Batch, Request, Subscription
from bench.wire.options import HttpWire

T = TypeVar("T")
"""The type of a parked token: any hashable object that the server shell can wake."""


class Options(HttpWire):
    """`[transports.<label>]` of a long-polling subject."""

    hold_s: Positive = 30.0
    """The longest time for which a request is kept when there is nothing new; then its response is empty."""


def is_due(request: Request, batch: Batch, now_ns: int, deadline_ns: int) -> bool:
    """Return True if `batch` is to be sent now. A request without a cursor is answered at once."""
    return bool(batch.ticks) or request.after is None or now_ns >= deadline_ns


class ParkedRequests(Generic[T]):
    """Parked requests, by subscription, in the order of their deadlines.

    All requests of a server have the same hold time, so the first one parked is the first to expire.
    """

    def __init__(self) -> None:
        self._parked: dict[Subscription, dict[T, int]] = {}

    def __len__(self) -> int:
        return sum(len(group) for group in self._parked.values())

    def park(self, token: T, subscription: Subscription, deadline_ns: int) -> None:
        """Keep `token` until there is news for `subscription`, or until the deadline."""
        self._parked.setdefault(subscription, {})[token] = deadline_ns

    def leave(self, token: T, subscription: Subscription) -> None:
        """Remove `token`, if it is still parked."""
        group = self._parked.get(subscription)
        if group is not None:
            group.pop(token, None)
            if not group:
                del self._parked[subscription]

    def woken(self, has_news: Callable[[Subscription], bool]) -> list[T]:
        """Remove and return all tokens whose subscription has news."""
        subscriptions = [subscription for subscription in self._parked if has_news(subscription)]
        return [token for subscription in subscriptions for token in self._parked.pop(subscription)]

    def expired(self, now_ns: int) -> list[T]:
        """Remove and return all tokens whose deadline has come."""
        tokens: list[T] = []
        for subscription, group in list(self._parked.items()):
            due = []
            for token, deadline_ns in group.items():
                if deadline_ns > now_ns:
                    break
                due.append(token)
            for token in due:
                self.leave(token, subscription)
            tokens += due
        return tokens

    @property
    def next_deadline_ns(self) -> int | None:
        """Return the earliest deadline, or None if nothing is parked."""
        return min((next(iter(group.values())) for group in self._parked.values()), default=None)
