"""Short polling: the client asks on its own schedule, and is answered at once.

    client   |── interval ──|── interval ──|          each poll at its instant, however long the last took
             ▼              ▼              ▼
    server   what there is  what there is  nothing: 304, or an empty batch

An update waits for the next poll: half an interval on average, if updates and polls are independent. A poll
costs a request whether there is news or not; the entity tag saves the empty body.

The server makes no decision here: it answers as soon as the request is there. The client decides when to
ask:

    rate     phase + k · interval            + a draw of the poll's own
    delay    the last response's end + interval + a draw of the poll's own

where a draw is uniform within ± jitter · interval / 2. At a fixed rate draws do not add up, and polls keep
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
    """Time from one poll of a client to its next. Polls start at a random phase."""
    pace: Literal["rate", "delay"] = "rate"
    """`rate`: polls keep their instants, independently of the responses. `delay`: the interval starts again
    with each response, like a timer that is set when the response is there."""
    jitter: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.0
    """The range of the random time by which each poll is moved, as a share of the interval: the time is
    uniform, up to half of this range either way."""


def moved_ns(options: Options, draw: float) -> int:
    """Return the time by which a poll is moved, in ns; `draw` is uniform in [0, 1)."""
    return int(options.interval_s * 1e9 * options.jitter * (draw - 0.5))
