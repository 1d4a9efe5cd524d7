"""The bare long-polling server: parks requests on their connections, on `bench.serving.bare`.

A parked request is an entry of `ParkedRequests` and no task. One timer, armed for the earliest deadline, serves
all of them.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from bench.serving.bare import BarePollService, Connection
from bench.serving.chassis import Chassis, Service
from bench.serving.request_head import RequestHead
from bench.serving.target import parse_query
from bench.transports.long_polling.protocol import Options, ParkedRequests, is_due
from bench.wire.contract import Refusal, Request


class Poll(NamedTuple):
    """A request that waits for its response, with the headers that decide its form."""

    request: Request
    if_none_match: str | None
    accept_encoding: str | None
    deadline_ns: int


class BareLongPolling(BarePollService):
    """Answers requests when they are due."""

    def __init__(self, chassis: Chassis, options: Options) -> None:
        super().__init__(chassis, options)
        self.hold_ns = int(options.hold_s * 1e9)
        self.waiting: ParkedRequests[Connection] = ParkedRequests()
        self.polls: dict[Connection, Poll] = {}
        """The parked requests."""
        self._timer: asyncio.TimerHandle | None = None
        self._epoch: str | None = None
        self._head = 0
        """The tape's head at the last news: no parked request had any news up to here."""
        chassis.on_news(self.wake)

    def ticks(self, connection: Connection, query: str, head: RequestHead) -> None:
        """Answer a request for ticks if it is due or its client has closed its side, else park it."""
        deadline_ns = time.monotonic_ns() + self.hold_ns
        request = parse_query(query)
        poll = Poll(request, head.combined(b"if-none-match"), head.combined(b"accept-encoding"), deadline_ns)
        self._respond(connection, poll, hurries=connection.ended)

    def _respond(self, connection: Connection, poll: Poll, hurries: bool) -> None:
        """Answer a request if it is due or `hurries`, else park it (again). Raises `Refusal`."""
        response = self.chassis.response(poll.request)
        if hurries or is_due(poll.request, response.batch, time.monotonic_ns(), poll.deadline_ns):
            self.deliver(connection, response, poll.if_none_match, poll.accept_encoding)
            return
        self.polls[connection] = poll
        self.waiting.park(connection, poll.request.subscription, poll.deadline_ns)
        if self._timer is None:
            self._arm()

    def _release(self, connections: list[Connection], hurries: bool = False) -> None:
        """Answer requests that are no longer parked."""
        for connection in connections:
            poll = self.polls.pop(connection)
            try:
                self._respond(connection, poll, hurries)
            except Refusal as refusal:
                self.refuse(connection, refusal)

    def hurry(self, connection: Connection) -> None:
        """Answer now: the client has closed its side."""
        if connection in self.polls:
            self.waiting.leave(connection, self.polls[connection].request.subscription)
            self._release([connection], hurries=True)

    def abandon(self, connection: Connection) -> None:
        """Forget the request of a connection that is gone."""
        poll = self.polls.pop(connection, None)
        if poll is not None:
            self.waiting.leave(connection, poll.request.subscription)

    def wake(self) -> None:
        """Answer the parked requests that have news; all of them if a new epoch has begun or the server
        stops."""
        tape, head = self.chassis.tape, self._head
        everyone = self.chassis.stopping or tape.epoch != self._epoch
        self._epoch, self._head = tape.epoch, tape.head
        self._release(self.waiting.woken(lambda wanted: everyone or tape.has_news(wanted, head)))

    def _arm(self) -> None:
        """Set the timer for the earliest deadline."""
        deadline_ns = self.waiting.next_deadline_ns
        if deadline_ns is None:
            self._timer = None
            return
        delay_s = max(0.0, (deadline_ns - time.monotonic_ns()) / 1e9)
        self._timer = self.loop.call_later(delay_s, self._expire)

    def _expire(self) -> None:
        self._release(self.waiting.expired(time.monotonic_ns()))
        self._arm()


def install(chassis: Chassis, options: Options) -> Service:
    """Return the service of this transport."""
    return BareLongPolling(chassis, options)
