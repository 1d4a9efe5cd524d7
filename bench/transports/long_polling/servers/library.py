"""The long-polling server: parks requests, and answers those that ticks or time make due.

Every parked request waits on a future of its own: a shared one would be cancelled for all requests by the
first client that disconnects. One timer, armed for the earliest deadline, serves all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial

from bench.serving.chassis import Chassis, Service
from bench.serving.http import HttpConnection, PollService
from bench.serving.responses import BatchResponse
from bench.transports.long_polling.protocol import Options, ParkedRequests, is_due
from bench.wire.contract import Request, Subscription

Parked = asyncio.Future[None]


class LongPolling:
    """Answers requests when they are due."""

    def __init__(self, chassis: Chassis, options: Options) -> None:
        self.chassis = chassis
        self.hold_ns = int(options.hold_s * 1e9)
        self.waiting: ParkedRequests[Parked] = ParkedRequests()
        self._timer: asyncio.TimerHandle | None = None
        self._epoch: str | None = None
        self._head = 0
        """The tape's head at the last news: no parked request had any news up to here."""
        chassis.on_news(self.wake)

    async def respond(self, request: Request, connection: HttpConnection) -> BatchResponse:
        """Return the response to a request once it is due; at once if the client has closed its side."""
        deadline_ns = time.monotonic_ns() + self.hold_ns
        while True:
            response = self.chassis.response(request)
            if connection.ended or is_due(request, response.batch, time.monotonic_ns(), deadline_ns):
                return response
            await self._park(request.subscription, connection, deadline_ns)

    async def _park(self, subscription: Subscription, connection: HttpConnection, deadline_ns: int) -> None:
        parked: Parked = asyncio.get_running_loop().create_future()
        self.waiting.park(parked, subscription, deadline_ns)
        connection.on_end = partial(release, (parked,))
        if self._timer is None:
            self._arm()
        try:
            await parked
        finally:
            connection.on_end = None
            self.waiting.leave(parked, subscription)

    def wake(self) -> None:
        """Wake the parked requests that have news; all of them if a new epoch has begun or the server
        stops."""
        tape, head = self.chassis.tape, self._head
        everyone = self.chassis.stopping or tape.epoch != self._epoch
        self._epoch, self._head = tape.epoch, tape.head
        release(self.waiting.woken(lambda wanted: everyone or tape.has_news(wanted, head)))

    def _arm(self) -> None:
        """Set the timer for the earliest deadline."""
        deadline_ns = self.waiting.next_deadline_ns
        if deadline_ns is None:
            self._timer = None
            return
        delay_s = max(0.0, (deadline_ns - time.monotonic_ns()) / 1e9)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._expire)

    def _expire(self) -> None:
        release(self.waiting.expired(time.monotonic_ns()))
        self._arm()


def release(parked: Iterable[Parked]) -> None:
    """Let these requests continue."""
    for future in parked:
        if not future.done():
            future.set_result(None)


def install(chassis: Chassis, options: Options) -> Service:
    """Return the service of this transport."""
    return PollService(chassis, LongPolling(chassis, options).respond, options)
