"""The options of a bulletin: those of a WebSocket, with another default."""

from __future__ import annotations

from bench.scenario.fields import Positive
from bench.transports.websocket import protocol


class Options(protocol.Options):
    """`[transports.<label>]` of a bulletin."""

    ping_interval_s: Positive = 30.0
    """As of a WebSocket."""
