"""Short polling: the client asks on a schedule of its own, and is answered at once.

    client   |── interval ──|── interval ──|          each poll at its instant, however long the last took
             ▼              ▼              ▼
    server   what there is  what there is  nothing: 304, or an empty batch

An update waits for the next poll: half an interval on average, if updates and polls know nothing of
each other. A poll costs a request whether there is news or not; the entity tag saves the empty body.

The server decides nothing here: an answer is due when the request is there. So only the options are
left to say.
"""

from __future__ import annotations

from bench.scenario import Positive, Table


class Options(Table):
    """`[transports.<label>]` of a short-polling subject."""

    interval_s: Positive = 1.0
    """From one poll to the next, of one client. Polls start at a random phase and keep their instants."""
    entity_tags: bool = True
    """Whether answers carry an entity tag, and an unchanged one is answered 304."""
