"""The short-polling server: every request is answered at once from the tape (the ticks a server still
holds).
"""

from __future__ import annotations

from bench.serving.chassis import Chassis, Service
from bench.serving.http import HttpConnection, PollService
from bench.serving.responses import BatchResponse
from bench.transports.short_polling.protocol import Options
from bench.wire.contract import Request


def install(chassis: Chassis, options: Options) -> Service:
    """Return the service of this transport."""

    async def respond(request: Request, _: HttpConnection) -> BatchResponse:
        return chassis.response(request)

    return PollService(chassis, respond, options)
