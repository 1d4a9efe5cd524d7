"""SplitMix64's finaliser (Steele, Lea and Flood 2014): a hash of 64 bits to 64 bits.

    key + n · GOLDEN ─► finalised ─► 64 bits, of which each depends on all bits of the key

Numbers that are drawn by hashing depend on their key alone, not on the order in which they are drawn: a feed's
book (`bench.feed.schedule`), and all draws of the simulation (`bench.simulation.engine.random_streams`).

Known weakness: one round leaves keys that are neighbours in two dimensions slightly correlated.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

GOLDEN = 0x9E3779B97F4A7C15
"""2⁶⁴ divided by the golden ratio, made odd: the step of SplitMix64's own sequence."""
MASK = 2**64 - 1
"""The bits that a word of 64 bits keeps of a larger number."""


def finalised(words: Words) -> Words:
    """Apply the finaliser to an array of any shape, in place, and return the array."""
    words ^= words >> np.uint64(30)
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words
