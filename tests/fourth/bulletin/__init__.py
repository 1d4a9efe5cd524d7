"""Bulletin: a transport that exists in tests alone, as a package of a user's own would.

It speaks WebSocket. What is its own: its title and style, the words by which its clients count refusals, the command
to try it, and two implementations of its server.
"""

from __future__ import annotations

from bench.transports.description import Description, Endpoint
from bench.transports.description import python as python_here
from bench.wire.contract import Status


def _refusal_words(status: Status) -> tuple[str, ...]:
    """Return the words: of an upgrade that is refused, and of a close frame."""
    return (f"http-{status.http}", f"bulletin-{status.close}")


def _command(server: Endpoint) -> str:
    """Return a command that opens a connection and shows every message."""
    trust = f"SSL_CERT_FILE={server.certificate} " if server.certificate else ""
    trust += "no_proxy='*' " if server.proxied else ""
    scheme = "wss" if server.certificate else "ws"
    return f"{trust}{python_here()} -m websockets '{scheme}://{server.host_and_path}?after={server.epoch}:0'"


DESCRIPTION = Description(
    title="Bulletin", colour="#7F3C8D", marker="h", dashes=(2.0, 1.0, 6.0, 1.0),
    refusal_words=_refusal_words, command=_command,
)
