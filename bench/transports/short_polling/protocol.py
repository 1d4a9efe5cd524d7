"""Short polling: the client asks on a schedule of its own, and is answered at once.

    client   |── interval ──|── interval ──|          each poll at its instant, however long the last took
             ▼              ▼              ▼
    server   what there is  what there is  nothing: 304, or an empty batch

An update waits for the next poll: half an interval on average, if updates and polls know nothing of
each other. A poll costs a request whether there is news or not; the entity tag saves the empty body.

The server decides nothing here: an answer is due when the request is there. The client decides when to ask:

    rate     phase + k · interval            + a draw of the poll's own
    delay    the last answer's end + interval + a draw of the poll's own

where a draw lies evenly within ± jitter · interval / 2. At a fixed rate draws do not add up, and polls keep
their order.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bench.scenario.fields import Positive
from bench.wire.options import HttpWire


class Options(HttpWire):
    """`[transports.<label>]` of a short-polling subject."""

    interval_s: Positive = 1.0
    """From one poll to the next, of one client. Polls start at a random phase."""
    pace: Literal["rate", "delay"] = "rate"
    """`rate`: polls keep their instants, whatever the answers do. `delay`: the interval begins anew with
    each answer, as a timer does that is set when the answer is there."""
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How far each poll is moved at random, as a share of the interval: evenly by up to half of it, either
    way."""


def moved_ns(options: Options, draw: float) -> int:
    """By how much a poll is moved; `draw` is even in [0, 1)."""
    return int(options.interval_s * 1e9 * options.jitter * (draw - 0.5))
