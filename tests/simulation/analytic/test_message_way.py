"""A message's way: its parts, and what it waits for; `tests/simulation/test_forms.py` holds it to the engine."""

from __future__ import annotations

import pytest

from bench.simulation.analytic.message_way import MessageWay
from bench.simulation.engine.inputs import NetworkDelays

NET = NetworkDelays(0.01, 0.02, 9.0, hop_s=0.003)


def test_a_message_that_waits_for_nothing_takes_its_parts() -> None:
    assert MessageWay(NET, 0.5, 0.1, counted=0.0).least_s() == pytest.approx(0.5 + 0.01 + 0.1 + 0.003)
    assert MessageWay(NET, 0.5, 0.1, counted=1.0).least_s() == pytest.approx(0.5 + 0.01 + 0.003)
    shared = MessageWay(NET, 0.0, 0.1, counted=0.25)   # of one server in four
    assert shared.least_s() == pytest.approx(0.01 + 0.075 + 0.003)


def test_who_posts_waits_for_its_own_messages_too() -> None:
    way = MessageWay(NET, 0.0, 0.1, counted=0.0)
    assert way.waited_s(0.2, 0.0) == pytest.approx(way.least_s() + 0.2)
    under_way_s = 0.01 + 0.2 + 0.1 + 0.003 + 0.02
    own_s = 2 * under_way_s**2 / 2 / (1 - 2 * under_way_s)
    assert way.waited_s(0.2, 2.0) == pytest.approx(way.least_s() + 0.2 + own_s)
    assert way.waited_s(0.2, 10.0) == float("inf")   # more than the answers to the ones before allow
