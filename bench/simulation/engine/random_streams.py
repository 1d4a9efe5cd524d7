"""Random numbers that depend on who draws and for what, and on nothing else.

    (seed, stream, client, cycle)  ─►  one number, even in [0, 1)

Nobody holds a generator, so no draw depends on the order of events: two engines, two transports, or
forty shards and one, meet the same luck (common random numbers). The number is SplitMix64's finaliser
(Steele, Lea and Flood 2014) over a key to which each of the four adds its multiple of an odd constant,
twice in a row, since one round leaves neighbours in two dimensions a little alike.

Known weakness: a key collides with another once in 2⁶⁴ pairs; that is far rarer than anything here.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from bench.simulation.engine.inputs import Floats, Ints

_CLIENT = np.uint64(0x9E3779B97F4A7C15)
_CYCLE = np.uint64(0xD1B54A32D192ED03)
_STREAM = 0x8CB92BA72F3D8DD7
_SEED = 0xA24BAED4963EE407
_MASK = 2**64 - 1


class Stream(IntEnum):
    """What is drawn for. `cycle` counts what its comment says."""

    PHASE = 1   # nothing: one draw a client, where its cycle begins
    POLL = 2    # the schedule's instants: by how much each is moved
    UP = 3      # requests: the delay on the way up
    DOWN = 4    # requests, or pushed ticks: the delay on the way down
    LINK = 5    # nothing: one draw a client, whether its link is slow
    SAMPLE = 6  # nothing: one draw a client, whether its rows are kept


def even(seed: int, stream: Stream, client: Ints, cycle: Ints | int = 0) -> Floats:
    """For each client and cycle, a number that is even in [0, 1)."""
    key = np.uint64((seed * _SEED + int(stream) * _STREAM) & _MASK)
    mixed = key + client.astype(np.uint64) * _CLIENT
    mixed += np.asarray(cycle).astype(np.uint64) * _CYCLE
    _finalise(_finalise(mixed))
    return np.asarray((mixed >> np.uint64(11)) * 2.0**-53, dtype=np.float64)


def _finalise(mixed: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser, in place."""
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
