"""Long polling: ask, and be answered when there is news (see `protocol`)."""

from __future__ import annotations

from pathlib import Path

from bench.transports.description import Description, Endpoint, http_words


def _command(server: Endpoint) -> str:
    """Return a command that asks for the ticks after the cursor which a request without one is given.

    So it waits for the next tick, and is answered with it.
    """
    return f"{server.curl} \"{server.url}?after=$({server.curl} -s {server.url} | cut -d'\"' -f4)\""


DESCRIPTION = Description(
    title="long polling", colour="#0072B2", marker="s", dashes=(1.2, 1.6),
    refusal_words=http_words, command=_command, live=Path(__file__).with_name("live.js"),
)
