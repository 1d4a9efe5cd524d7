"""The report of a page, made into the records and counts of a client.

    asked    [planned]   a request went out: a poll, an attempt to connect
    took     message     a batch or a bare tick reached the page's code
    refused  word        the server refused to go on
    broke    reason      the connection failed or ended

Each comes with its instant, in the order in which they happened, after the fact. So the counters can be read exactly at
t0 and t1: when the first event at or after such an instant is met, or nothing more can come before it.

Batches, skips and cursors are judged by the code of all other clients (`bench.transports.clients.ClientLife`). Of the
counters, those that a page can't see are left out: connections, headers, sizes of bodies, retries.

A poll is overdue where the page's own timer was more than 20 ms late. It is late where the answer to the poll before
came after its instant; a page then moves its schedule.

Known weakness: an answer that the browser takes from its cache after a 304 looks like an empty batch, which it is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.clock import NO_STAMP
from bench.load.browser.brackets import PageClock
from bench.load.readings import ClientReading
from bench.load.turns import TurnGaps
from bench.records.trial_record import COUNTED
from bench.transports import NEVER, ClientSpec, Sink
from bench.transports.clients import ClientLife, check
from bench.wire.contract import REFUSALS, Cursor, Status, batch_of, tick_fields

OVERDUE_MS = 20.0
"""As for all other clients."""
Event = Sequence[Any]
"""`[kind, instant in ms, detail]`."""


@dataclass(frozen=True, slots=True)
class Asking:
    """The way in which a transport's client asks."""

    polls: bool
    """True where each request has an answer of its own; a push has one answer that does not end."""
    may_wait: bool
    """True where the server may hold an answer back."""
    interval_ms: float
    """The time between two polls; 0 where there is no schedule."""
    refusal_words: Mapping[str, str]
    """The words by which its clients count refusals, by the refusal."""


def refusal_words(words_of: Callable[[Status], tuple[str, ...]]) -> dict[str, str]:
    """Return the word by which clients count each refusal; `words_of` is `Description.refusal_words`."""
    return {name: words_of(status)[0] for name, status in REFUSALS.items()}


class PageClient(ClientLife):
    """One client in a page, as its reports tell it."""

    def __init__(self, spec: ClientSpec, sink: Sink, clock: PageClock, asking: Asking) -> None:
        super().__init__(spec, sink, random.Random(0))   # it draws nothing: the page itself waits
        self.clock = clock
        self.counts.may_wait = asking.may_wait
        self.gaps = TurnGaps()
        """The times between the page's turns from the first reading on."""
        self.readings: list[ClientReading] = []
        self.subscribed_ns: int | None = None
        """The instant of its first answer."""
        self.ticks = 0
        """Ticks that the page itself has counted."""
        self._asking = asking
        self._edges: list[int] = []
        self._measured_ns = NEVER
        self._turned_ns = 0
        self._last_ns = 0
        self._waiting = False
        self._planned_ms: float | None = None

    def plan_readings(self, edges: Sequence[int]) -> None:
        """Set the instants at which the counters are read, before anything that happened after the first is taken."""
        self._edges, self._measured_ns = list(edges), edges[-1]
        self.gaps.begin(edges[0])

    @property
    def measured(self) -> bool:
        """Return True once its counters were read at each planned instant and its turns are counted up to the last."""
        return not self._edges and self._turned_ns >= self._measured_ns

    def take(self, events: Sequence[Event], turns: Sequence[float]) -> None:
        """Take over what the page noted since the last time: its events, and the instants (ms) of its turns."""
        for kind, at_ms, detail in events:
            # Two reads of a client have two instants; the page's clock may not have moved between them.
            now_ns = max(self.clock.run_ns(at_ms), self._last_ns + 1)
            self._last_ns = now_ns
            self.read_until(now_ns)
            match kind:
                case "asked":
                    self._asked(at_ms, detail, now_ns)
                case "took":
                    self._took(detail, now_ns)
                case "refused":
                    self._refused(str(detail), now_ns)
                case _:
                    self._broke(now_ns)
        for at_ms in turns:
            self._turned(self.clock.run_ns(at_ms))

    def read_until(self, now_ns: int) -> None:
        """Read the counters at each planned instant up to `now_ns`; nothing more may come from before it."""
        while self._edges and now_ns >= self._edges[0]:
            at_ns = self._edges.pop(0)
            asked_ns = self.counts.begin_stretch(at_ns)
            counts = tuple(getattr(self.counts, name) for name in COUNTED)
            self.readings.append(ClientReading(at_ns, counts, None, asked_ns))

    def _turned(self, now_ns: int) -> None:
        self.gaps.turn(now_ns)
        self._turned_ns = now_ns

    def _asked(self, at_ms: float, planned_ms: float | None, now_ns: int) -> None:
        counts = self.counts
        counts.requests += 1
        self._waiting = True
        if planned_ms is not None:
            counts.polls_overdue += at_ms - planned_ms > OVERDUE_MS
            if self._planned_ms is not None:
                counts.polls_late += planned_ms - self._planned_ms > self._asking.interval_ms + 1
            self._planned_ms = planned_ms
        if self._asking.polls:
            counts.asked_ns = now_ns
            counts.gauge(now_ns, 1)

    def _took(self, news: Any, now_ns: int) -> None:
        try:
            if isinstance(news, dict) and "cursor" in news:
                batch = batch_of(news)
                check(batch)
                self.take_batch(batch, NO_STAMP, now_ns)
                self.counts.answers_empty += self._asking.polls and not batch.ticks
            elif self.cursor is None:
                raise ValueError("a bare tick before any batch")
            else:
                tick = tick_fields(news) if isinstance(news, list) else news
                self.take_tick(tick, Cursor(self.cursor.epoch, tick["seq"]), NO_STAMP, now_ns)
        except (ValueError, TypeError, KeyError):
            self.counts.errors["bad-answer"] += 1
        if self.subscribed and self.subscribed_ns is None:
            self.subscribed_ns = now_ns
        self._answered(now_ns)

    def _refused(self, word: str, now_ns: int) -> None:
        self.counts.errors[self._asking.refusal_words.get(word, "bad-answer")] += 1
        self._answered(now_ns)

    def _answered(self, now_ns: int) -> None:
        """Count the answer to the request under way, if there is one; a push has one until its first message."""
        if not self._waiting:
            return
        self._waiting = False
        if self._asking.polls:
            self.counts.answered(now_ns)
            self.counts.gauge(now_ns, 0)
        else:
            self.counts.responses += 1

    def _broke(self, now_ns: int) -> None:
        self.counts.errors["broken"] += 1
        if self._waiting and self._asking.polls:
            self.counts.unanswered(now_ns)
            self.counts.gauge(now_ns, 0)
        self._waiting = False
