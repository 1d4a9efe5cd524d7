"""Short polling: ask on a schedule, be answered at once (see `protocol`)."""

from __future__ import annotations

from pathlib import Path

from bench.transports.description import Description, Endpoint, http_words


def _command(server: Endpoint) -> str:
    """Return a command that asks once, for everything since the feed's first tick."""
    return f"{server.curl} '{server.url}?after={server.epoch}:0'"


DESCRIPTION = Description(
    title="short polling", colour="#D55E00", marker="o", dashes=(4.0, 2.0),
    refusal_words=http_words, command=_command, live=Path(__file__).with_name("live.js"),
)
