"""A bulletin's client: that of a WebSocket, with a word of its own for a refusal."""

from __future__ import annotations

from websockets.frames import Close

from bench.transports.websocket import client


class Client(client.Client):
    """One client, as a state machine."""

    def _end(self, close: Close | None) -> None:
        super()._end(close)
        if close is not None:
            self._word = f"bulletin-{int(close.code)}"
