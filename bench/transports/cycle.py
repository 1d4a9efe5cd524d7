"""The cycle of a transport: what a client does again and again, as plain numbers.

    serve ──► gap ──► ask ──► served at once, or parked until there is news ──► serve ──► …

    short polling   gap: up to the schedule's next instant      never parks
    long polling    gap: none                                   parks, at most for the hold time
    push            asks once; each tick is a serve

A transport's `model.cycle(options)` says which it is. The simulator's engine asks nothing else of a
transport, and names none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Cycle:
    """One transport with its options, as the simulator sees it."""

    pushes: bool = False
    """Whether the server sends each tick unasked; then nothing below but `handshakes` matters."""
    parks: bool = False
    """Whether a request for which there is nothing new is kept until there is."""
    interval_s: float = 0.0
    """From one request to the next; 0: the next request leaves when the answer has come."""
    pace: Literal["", "rate", "delay"] = ""
    """What the interval is counted from: the schedule's instants (`rate`) or the answer (`delay`)."""
    jitter: float = 0.0
    """Each request is moved evenly within ± jitter · interval / 2."""
    hold_s: float = math.inf
    """How long a request is parked at most."""
    new_connection: bool = False
    """Whether each request opens a connection of its own."""
    handshakes: float = 1.0
    """Round trips on a new connection before its request leaves: TCP 1, with TLS 1.3 another one."""

    def __post_init__(self) -> None:
        assert not (self.pushes and (self.parks or self.interval_s)), "a push has no requests to pace or park"
        assert (self.interval_s > 0) == (self.pace != ""), "an interval has a pace, and a pace an interval"
        assert self.pushes or self.parks or self.interval_s, "nothing would keep a client from asking"
        assert not (self.parks and self.interval_s), "a request that may be parked is not paced"
