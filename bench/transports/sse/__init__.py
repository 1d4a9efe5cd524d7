"""Server-Sent Events: ask once, and the server pushes over a response that does not end (see `protocol`)."""

from __future__ import annotations

from pathlib import Path

from bench.transports.description import Description, Endpoint, http_words
from bench.wire.contract import Status


def _refusal_words(status: Status) -> tuple[str, ...]:
    """Return the words of a refusal that is an event, and of one that is an HTTP response."""
    return (f"refusal-{status.http}", *http_words(status))


def _command(server: Endpoint) -> str:
    """Return a command that shows every event as it comes."""
    return f"{server.curl} -N '{server.url}?after={server.epoch}:0'"


DESCRIPTION = Description(
    title="SSE", colour="#CC79A7", marker="D", dashes=(9.0, 3.0),
    refusal_words=_refusal_words, command=_command, live=Path(__file__).with_name("live.js"),
)
