"""The cycle of a transport: the steps that a client repeats, as plain numbers.

    serve ──► gap ──► ask ──► served at once, or parked until there is news ──► serve ──► …

    short polling   gap: up to the schedule's next instant      never parks
    long polling    gap: none                                   parks, at most for the hold time
    push            asks once; each tick is a serve, or each turn of a timer that finds ticks (`flush_s`)

A transport's `model.cycle(options)` returns its cycle. The simulator's engine uses nothing else of a
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
    """True if the server sends each tick unasked; then only `flush_s`, `handshakes` and `posts` below apply."""
    flush_s: float = 0.0
    """Time between two turns of a free-running timer at which the server sends what has come since the turn
    before, in seconds; 0 if it sends each tick at once."""
    parks: bool = False
    """True if the server keeps a request for which there is nothing new until there is."""
    interval_s: float = 0.0
    """Time from one request to the next, in seconds; 0 if the next request follows the response at once."""
    pace: Literal["", "rate", "delay"] = ""
    """The start of the interval: the schedule's instants (`rate`) or the response (`delay`)."""
    jitter: float = 0.0
    """Each request is moved by a random time, uniform within ± jitter · interval / 2."""
    hold_s: float = math.inf
    """The longest time for which a request is parked, in seconds."""
    new_connection: bool = False
    """True if each request opens a connection of its own."""
    handshakes: float = 1.0
    """Round trips on a new connection before its request is sent: 1 for TCP, and 1 more for TLS 1.3."""
    posts: bool = False
    """True if a client sends its messages as requests on a further connection, each once the one before was answered;
    False if it sends them on the connection on which it receives, whenever they are due."""

    def __post_init__(self) -> None:
        assert not (self.pushes and (self.parks or self.interval_s)), "a push has no requests to pace or park"
        assert self.pushes or not self.flush_s, "only a push is flushed"
        assert (self.interval_s > 0) == (self.pace != ""), "an interval has a pace, and a pace an interval"
        assert self.pushes or self.parks or self.interval_s, "nothing would keep a client from asking"
        assert not (self.parks and self.interval_s), "a request that may be parked is not paced"
