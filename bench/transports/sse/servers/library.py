"""The Server-Sent Events server: streams on aiohttp's HTTP server."""

from __future__ import annotations

from bench.serving.chassis import Chassis, Service
from bench.serving.http import StreamService
from bench.transports.sse.protocol import EventFormat, Options


def install(chassis: Chassis, options: Options) -> Service:
    """Return the service of this transport."""
    return StreamService(chassis, EventFormat(options))
