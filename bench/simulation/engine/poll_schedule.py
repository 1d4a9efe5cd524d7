"""The poll schedule: the instants at which clients ask, by the pace of their cycle.

    ""       at once when a response has come
    rate     at the schedule's instants, base + k · interval + a draw. If the last response is not there by
             then, the poll is late and leaves when it is; further instants that pass meanwhile collapse
             into that one
    delay    the interval (and a draw) after the response

A draw is uniform within ± jitter · interval / 2, and each poll has its own, so instants keep their order and
do not drift. The base, a client's phase, is uniform in [0, interval). A batch that was cut is followed by the
next request at once, outside of the schedule.

A simulated load client sends what its timer finds due, and the timer has turns `LoadClient.turn_s` apart: all polls
whose instants are between two turns leave at the second, one right behind the other, in the order of their
instants. So they meet the worker as a burst, and wake it once. Without a load client each leaves at its own instant.

Known weakness: the turns are at equal distances, those of polls that are all on time. An at-once request, after a
batch that was cut, waits for the timer, too.

The schedule lets the engine look ahead: at a fixed rate no client asks before its next instant, whatever the
worker does.
"""

from __future__ import annotations

import numpy as np

from bench.simulation.engine.event_queue import NO_INSTANTS, NOBODY
from bench.simulation.engine.inputs import Bools, Floats, Ints, Shard
from bench.simulation.engine.random_streams import Stream, uniform

BURST_SHARE = 0.1
"""The share of the time between two turns of the load client's timer in which the polls of one turn leave."""


class PollSchedule:
    """The instants at which the clients of a shard wish to ask."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        cycle = shard.cycle
        client = shard.load_client
        polls_per_s = len(shard.clients) / cycle.interval_s if cycle.interval_s else 0.0
        self._turn_s = client.turn_s(polls_per_s) if client is not None else 0.0
        self._moves_s = cycle.interval_s * cycle.jitter
        phase = uniform(shard.seed, Stream.PHASE, shard.clients)
        self._base_s = phase * cycle.interval_s
        self._poll = np.zeros(len(phase), dtype=np.int64)
        """The number k of each client's next instant."""
        everybody = np.arange(len(phase))
        self.first_s: Floats = self._base_s + self._move(everybody)
        """The instant at which each client asks for the first time."""
        self._poll += 1
        self._instant_s = self._planned(everybody)
        """At a fixed rate, each client's next instant after its present poll."""

    def not_before(self, first_s: float) -> float:
        """Return a bound before which no client asks again that reaches the worker from `first_s` on.

        It holds for clients that get a whole response, not one that was cut.
        """
        cycle = self._shard.cycle
        if cycle.pace == "rate":
            return float(self._instant_s.min())
        return first_s + self._shard.net.down_s + cycle.interval_s * (1 - cycle.jitter / 2)

    def leaving_s(self, wish_s: Floats) -> Floats:
        """Return when polls leave that are due at `wish_s`: at the next turn of the load client's timer."""
        if not self._turn_s:
            return wish_s
        before_s = np.floor(wish_s / self._turn_s) * self._turn_s
        return np.asarray(before_s + self._turn_s + BURST_SHARE * (wish_s - before_s))

    def missed(self, by_s: float) -> tuple[Ints, Floats]:
        """Return the clients whose next instant is before `by_s` and thus missed, and these instants."""
        who = np.flatnonzero(self._instant_s < by_s) if self._shard.cycle.pace == "rate" else NOBODY
        return who, self._instant_s[who]

    def next(self, who: Ints, done_s: Floats, at_once: Bools) -> tuple[Floats, Ints, Floats]:
        """Return when each client asks next, given that its response came at `done_s`.

        Also returns the places in `who` of the clients that missed an instant, and these instants.
        """
        pace = self._shard.cycle.pace
        if pace == "":
            return done_s, NOBODY, NO_INSTANTS
        if pace == "delay":
            leave = done_s + self._shard.cycle.interval_s + self._move(who)
            self._poll[who] += ~at_once
            return np.where(at_once, done_s, leave), NOBODY, NO_INSTANTS
        instant = self._instant_s[who]
        late = instant <= done_s
        missed = np.flatnonzero(late)
        if not len(missed) and not bool(at_once.any()):
            self._poll[who] += 1
            self._instant_s[who] = self._planned(who)
            return instant, NOBODY, NO_INSTANTS
        goes_on = who[late | ~at_once]
        self._poll[goes_on] += 1
        self._instant_s[goes_on] = self._planned(goes_on)
        self._pass(who[missed], done_s[missed])
        return np.where(late | at_once, done_s, instant), missed, instant[missed]

    def _pass(self, who: Ints, now_s: Floats) -> None:
        """Skip all instants up to `now_s`."""
        whole = np.floor((now_s - self._base_s[who]) / self._shard.cycle.interval_s).astype(np.int64)
        self._poll[who] = np.maximum(self._poll[who], whole)
        self._instant_s[who] = self._planned(who)
        while len(who):   # at most twice: a draw moves by half an interval at most
            passed = self._instant_s[who] <= now_s
            who, now_s = who[passed], now_s[passed]
            self._poll[who] += 1
            self._instant_s[who] = self._planned(who)

    def _planned(self, who: Ints) -> Floats:
        return self._base_s[who] + self._poll[who] * self._shard.cycle.interval_s + self._move(who)

    def _move(self, who: Ints) -> Floats | float:
        if not self._moves_s:
            return 0.0
        draw = uniform(self._shard.seed, Stream.POLL, self._shard.clients[who], self._poll[who])
        return self._moves_s * (draw - 0.5)
