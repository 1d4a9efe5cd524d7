"""The closed forms of a bulletin are those of a WebSocket."""

from bench.transports.websocket.model import *  # noqa: F403
