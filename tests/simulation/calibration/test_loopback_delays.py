"""Delays are read off ticks that were alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
from rows import MS, arrays_of

from bench.records.trial_record import WindowInstants
from bench.simulation.calibration.loopback_delays import Instants, instants
from bench.simulation.engine.server_queue import coldness

US = 1000
COOLING_S = 0.1
WINDOWS = WindowInstants(warmup_ns=0, t0_ns=100 * MS, t1_ns=900 * MS, late_after_ns=50 * MS)


def trial(due_ms: list[int], kernel_us: list[int], lag_us: int = 30, cold_share: float = 0.0) -> Instants:
    """Return ten clients of one symbol, who get the tick that was due then so long after the one before them."""
    feed = [{"index": place, "symbol": "A", "due_ns": due * MS} for place, due in enumerate(due_ms)]
    arrivals: list[dict[str, Any]] = []
    for place, due in enumerate(due_ms):
        for client in range(10):
            slept_s = (due - due_ms[place - 1]) / 1000 if place else 0.0
            spacing_us = 7 * (1 + cold_share * float(coldness(slept_s, COOLING_S)))
            kernel = due * MS + round((kernel_us[place] + spacing_us * client) * US)
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


def test_fan_outs_that_get_slower_the_longer_the_sleep_tell_the_cold_share() -> None:
    """Whatever a few of them say; too few sleeps say nothing."""
    due_ms = [150]
    for gap_ms in (2, 3, 5, 8, 12, 20, 30, 45, 60, 2, 4, 9, 33, 17, 50):
        due_ms.append(due_ms[-1] + gap_ms)
    kernel_us = [200] * len(due_ms)
    assert trial(due_ms, kernel_us, cold_share=0.4).cold_share(COOLING_S) == pytest.approx(0.4, abs=0.02)
    assert trial(due_ms, kernel_us).cold_share(COOLING_S) == pytest.approx(0.0, abs=0.01)
    assert math.isnan(trial(due_ms[:5], kernel_us).cold_share(COOLING_S))
