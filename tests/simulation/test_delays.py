"""Delays are read off ticks that were alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
from rows import MS, arrays_of

from bench.records import Windows
from bench.simulation.delays import Instants, instants

US = 1000
WINDOWS = Windows(warmup_ns=0, t0_ns=100 * MS, t1_ns=900 * MS, late_after_ns=50 * MS)


def trial(due_ms: list[int], kernel_us: list[int], lag_us: int = 30) -> Instants:
    """Ten clients of one symbol, who get the tick that was due then so long after the one before them."""
    feed = [{"index": place, "symbol": "A", "due_ns": due * MS} for place, due in enumerate(due_ms)]
    arrivals: list[dict[str, Any]] = []
    for place, due in enumerate(due_ms):
        for client in range(10):
            kernel = due * MS + (kernel_us[place] + 7 * client) * US
            arrivals.append({"client": client, "index": place, "kernel_ns": kernel,
                             "app_ns": kernel + lag_us * US})
    clients = [{"client": each} for each in range(10)]
    return instants(arrays_of(feed, arrivals, clients=clients, windows=WINDOWS))


def test_a_tick_that_was_alone_tells_its_way() -> None:
    """First arrival, spacing and wake, each the median over the ticks."""
    found = trial([150, 300, 500], [200, 210, 290])
    assert found.first_s == pytest.approx(210e-6)
    assert found.spacing_s == pytest.approx(7e-6)
    assert found.wake_s == found.lag_s == pytest.approx(30e-6)
    assert found.reading_s == pytest.approx(7e-6)
    assert found.alone == 3


def test_ticks_in_company_are_left_out() -> None:
    """Their fan-outs may have waited for each other; so are those outside of the window."""
    found = trial([50, 150, 155, 300], [100, 900, 900, 210])
    assert (found.alone, found.first_s) == (1, pytest.approx(210e-6))


def test_where_no_tick_was_alone_nothing_is_said() -> None:
    """But the lag, which every arrival shows."""
    found = trial([150, 155, 160], [100, 100, 100])
    assert found.alone == 0
    assert math.isnan(found.first_s)
    assert found.lag_s == pytest.approx(30e-6)
