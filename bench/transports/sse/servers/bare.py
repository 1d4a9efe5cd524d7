"""The bare Server-Sent Events server: streams on `bench.serving.bare`."""

from __future__ import annotations

from bench.serving.bare import BareStreamService
from bench.serving.chassis import Chassis, Service
from bench.transports.sse.protocol import EventFormat, Options


def install(chassis: Chassis, options: Options) -> Service:
    """Return the service of this transport."""
    return BareStreamService(chassis, EventFormat(options))
