"""SplitMix64: the published sequence, and one place for it."""

from __future__ import annotations

import numpy as np
import pytest

from bench.feed.splitmix import GOLDEN, MASK, finalised


@pytest.mark.parametrize(("seed", "sequence"), [
    (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]),
    (1234567, [6457827717110365317, 3203168211198807973]),
])
def test_the_sequence_of_a_seed_is_the_published_one(seed: int, sequence: list[int]) -> None:
    states = np.array([(seed + (n + 1) * GOLDEN) & MASK for n in range(2)], dtype=np.uint64)
    assert finalised(states).tolist() == sequence
