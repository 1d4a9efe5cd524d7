"""The messages of one author: which to send now, which to send again, and the fate of each.

    planned ──due──► sent ──answer──► accepted, or refused
               ▲       │
               └─ again: its connection broke, or the server had no feed ─┘

It is pure: an author's machine asks it for the next message when it can send one. A message is due at its instant,
whatever happened to those before; one that can't be sent then (no connection, or over HTTP an answer that has not
come) waits, and its latency counts from its due instant all the same. What was sent and not answered when a
connection ends is sent again first, which is harmless, since a message is numbered once. After `no-feed` or
`stopping` an author waits as after a lost connection. Any other refusal is final.

Known weakness: an answer without an index, which a server gives to bytes that are no message, answers none of these.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from bench.transports import NEVER
from bench.uplink.message import Answer

AGAIN = frozenset({"no-feed", "stopping"})
"""Refusals after which a message is sent again."""
PAUSE_MIN_NS = 100_000_000
PAUSE_MAX_NS = 2_000_000_000


@dataclass(slots=True)
class Uplink:
    """One message and its fate; instants in ns on the run clock."""

    index: int
    due_ns: int
    body: bytes
    sent_ns: int | None = None
    """The instant at which it was sent for the first time; None: never."""
    sends: int = 0
    """Times that it was sent."""
    answered_ns: int | None = None
    """The instant of its last answer; None: none came, or it is to be sent again."""
    refusal: str | None = None
    """The word of the refusal that was its last answer."""


class Outgoing:
    """The messages of one author."""

    def __init__(self, rng: random.Random) -> None:
        self.uplinks: list[Uplink] = []
        self._rng = rng
        self._planned: deque[Uplink] = deque()
        self._again: deque[Uplink] = deque()
        self._waiting: dict[int, Uplink] = {}
        """Sent, and not answered, by index."""
        self._from_ns = 0
        """No message is sent again before this instant."""
        self._failures = 0
        """Refusals in a row after which a message is sent again."""

    def plan(self, uplinks: Sequence[Uplink]) -> None:
        """Take over the messages, in the order of their due instants."""
        self.uplinks = list(uplinks)
        self._planned = deque(uplinks)

    @property
    def next_ns(self) -> int:
        """Return the instant from which `take` gives a message; `NEVER` if none is left to send."""
        due_ns = self._planned[0].due_ns if self._planned else NEVER
        return min(due_ns, self._from_ns) if self._again else due_ns

    def take(self, now_ns: int) -> Uplink | None:
        """Return the message that is to be sent now, and count it as sent; None if there is none."""
        if self._again and now_ns >= self._from_ns:
            uplink = self._again.popleft()
        elif self._planned and now_ns >= self._planned[0].due_ns:
            uplink = self._planned.popleft()
        else:
            return None
        uplink.sends += 1
        if uplink.sent_ns is None:
            uplink.sent_ns = now_ns
        self._waiting[uplink.index] = uplink
        return uplink

    def answered(self, answer: Answer, now_ns: int) -> None:
        """Handle an answer. One to a message that waits for none is ignored."""
        uplink = self._waiting.pop(answer.index, None) if answer.index is not None else None
        if uplink is None:
            return
        uplink.answered_ns, uplink.refusal = now_ns, answer.refusal
        if answer.refusal in AGAIN:
            uplink.answered_ns = None
            self._again.append(uplink)
            self._failures += 1
            mean_ns = min(PAUSE_MAX_NS, PAUSE_MIN_NS << min(self._failures - 1, 10))
            self._from_ns = now_ns + int(mean_ns * self._rng.uniform(0.5, 1.5))
        else:
            self._failures = 0

    @property
    def unanswered(self) -> list[Uplink]:
        """Return the messages that were sent and not answered, in the order in which they were sent."""
        return list(self._waiting.values())

    def lost(self, never_left: int = 0) -> None:
        """Have all that was sent and not answered sent again, in the order of their indices: the connection is lost.

        The last `never_left` of them were still to be handed to the kernel, and do not count as sent.
        """
        for uplink in self.unanswered[len(self._waiting) - never_left :]:
            uplink.sends -= 1
            if not uplink.sends:
                uplink.sent_ns = None
        unanswered = sorted(self._waiting.values(), key=lambda uplink: uplink.index)
        self._again.extendleft(reversed(unanswered))
        self._waiting.clear()
