"""The bare short-polling server: our own reading of requests and writing of responses, on `bench.serving.bare`."""

from __future__ import annotations

from bench.serving.bare import BarePollService, Connection
from bench.serving.chassis import Chassis, Service
from bench.serving.request_head import RequestHead
from bench.serving.target import parse_query
from bench.transports.short_polling.protocol import Options


class BareShortPolling(BarePollService):
    """Answers every request at once from the tape (the ticks a server still holds)."""

    def ticks(self, connection: Connection, query: str, head: RequestHead) -> None:
        """Answer a request for ticks."""
        response = self.chassis.response(parse_query(query))
        self.deliver(connection, response, head.combined(b"if-none-match"), head.combined(b"accept-encoding"))


def install(chassis: Chassis, options: Options) -> Service:
    """Return the service of this transport."""
    return BareShortPolling(chassis, options)
