"""Random numbers that depend only on seed, stream (the purpose of the draw), client and cycle.

    (seed, stream, client, cycle)  ─►  one number, uniform in [0, 1)

There is no generator with a state, so no draw depends on the order of events: two engines, two transports, or
one shard and forty get the same random numbers (common random numbers). The number is SplitMix64's finaliser
(`bench.feed.splitmix`) over a key, to which each of the four inputs adds a multiple of an odd constant.
The finaliser is applied twice, since one round leaves neighbours in two dimensions slightly correlated.

Known weakness: two keys collide once in 2⁶⁴ pairs, which is far rarer than any event here.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from bench.feed.splitmix import GOLDEN, MASK, finalised
from bench.simulation.engine.inputs import Floats, Ints

_CLIENT = np.uint64(GOLDEN)
_CYCLE = np.uint64(0xD1B54A32D192ED03)
_STREAM = 0x8CB92BA72F3D8DD7
_SEED = 0xA24BAED4963EE407


class Stream(IntEnum):
    """The purpose of a draw. The comment of each says what `cycle` counts, and what is drawn."""

    PHASE = 1   # nothing, one draw per client: where its cycle begins
    POLL = 2    # the schedule's instants: by how much each is moved
    UP = 3      # requests: the delay on the way up
    DOWN = 4    # requests, or pushed ticks: the delay on the way down
    LINK = 5    # nothing, one draw per client: decides if its link is slow
    SAMPLE = 6  # nothing, one draw per client: decides if its rows are kept
    FLUSH = 7   # nothing, one draw per worker (its first client): the phase of its timer
    SEND = 8    # messages of clients: the delay on the way up
    REPLY = 9   # messages of clients: the delay of the answer on the way down


def uniform(seed: int, stream: Stream, client: Ints, cycle: Ints | int = 0) -> Floats:
    """Return a number for each client and cycle, uniform in [0, 1); shapes broadcast."""
    key = np.uint64((seed * _SEED + int(stream) * _STREAM) & MASK)
    mixed = key + client.astype(np.uint64) * _CLIENT
    mixed += np.asarray(cycle).astype(np.uint64) * _CYCLE
    finalised(finalised(mixed))
    return np.asarray((mixed >> np.uint64(11)) * 2.0**-53, dtype=np.float64)
