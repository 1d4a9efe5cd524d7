"""WebSocket: connect once, and the server pushes (see `protocol`)."""

from __future__ import annotations

from pathlib import Path

from bench.transports.description import Description, Endpoint, http_words, python
from bench.wire.contract import Status


def _refusal_words(status: Status) -> tuple[str, ...]:
    """Return the words of a close frame, and of a response in place of the upgrade."""
    return (f"close-{status.close}", *http_words(status))


def _command(server: Endpoint) -> str:
    """Return a command that opens a connection and shows every message, with the library's own client."""
    trust = f"SSL_CERT_FILE={server.certificate} " if server.certificate else ""
    trust += "no_proxy='*' " if server.proxied else ""
    scheme = "wss" if server.certificate else "ws"
    return f"{trust}{python()} -m websockets '{scheme}://{server.host_and_path}?after={server.epoch}:0'"


DESCRIPTION = Description(
    title="WebSocket", colour="#009E73", marker="^", dashes=(7.0, 2.0, 1.2, 2.0),
    refusal_words=_refusal_words, command=_command, live=Path(__file__).with_name("live.js"),
)
