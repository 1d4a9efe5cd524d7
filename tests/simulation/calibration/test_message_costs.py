"""The cost of messages is a trial's CPU beyond its other work; that it comes back is in `test_calibration`."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from priced import priced

from bench.errors import RunError
from bench.simulation.calibration.costs import Cell, KindCosts
from bench.simulation.calibration.loopback_delays import Instants
from bench.simulation.calibration.message_costs import hop_s, other_work_s, pace, with_messages
from bench.simulation.calibration.observations import COUNTS, Observation
from bench.simulation.engine.server_queue import mean_coldness
from bench.transports.cycle import Cycle

KNOWN: KindCosts = next(each for each in priced().transports if each.kind.transport == "websocket")
MESSAGE_S, HOP_S, SEND_S, MESSAGE_COLD_S = 70e-6, 250e-6, 400e-6, 50e-6


def observed(messages: float, factor: float = 1.0, cold_s: float = 0.0) -> Observation:
    """Return a trial of five seconds; a message takes `cold_s` more on a cold server."""
    counts = dict.fromkeys(COUNTS, 0.0) | {
        "ticks": 100.0, "answers": 500.0, "updates": 500.0, "payload_bytes": 45_000.0, "clients": 10.0,
        "messages": messages}
    costs = KNOWN.engine_costs
    first_s = SEND_S + KNOWN.net["up_s"].value + MESSAGE_S + cold_s + HOP_S + costs.tick_s + costs.answer_s
    first_s += costs.update_s + 90 * costs.byte_s
    cell = Cell("websocket", {}, 10, 20.0, 0, "object", takes_messages=messages > 0)
    unknown = float("nan")
    each = Observation(
        "run", "trial", KNOWN.kind, Cycle(pushes=True), cell, 5.0, counts, 1e-9, 0.1, 0, 0, 100.0, 0, unknown, unknown,
        unknown, Instants(first_s=factor * first_s, slept_s=math.inf), SEND_S if messages else unknown)
    for _ in range(50):   # how long it sleeps, and so how cold it is, depends on its CPU
        asleep = 1 - each.server_cpu_s / each.seconds   # a message that finds it awake finds it warm
        cold = asleep * mean_coldness(each.seconds - each.server_cpu_s, messages * asleep, costs.cooling_s)
        work_s = factor * (other_work_s(costs, each) + messages * (MESSAGE_S + cold * cold_s))
        each = dataclasses.replace(each, server_cpu_s=work_s)
    return each


def test_messages_are_what_other_work_leaves() -> None:
    (found,) = with_messages([KNOWN], {KNOWN.kind: [observed(100.0)] * 2}, {KNOWN.kind: [observed(0.0)] * 4})
    assert found.costs["message_s"].value == pytest.approx(MESSAGE_S, rel=1e-6)
    assert found.net["hop_s"].value == pytest.approx(HOP_S, rel=1e-6)
    assert found.load_client["send_s"].value == pytest.approx(SEND_S)
    assert {name: found.costs[name] for name in KNOWN.costs} == KNOWN.costs
    (cell,) = found.fitted
    assert cell.cell.takes_messages
    assert cell.error == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(cell.fitted_load_cores)


def test_messages_at_two_rates_tell_what_a_cold_server_takes_more() -> None:
    few, many = observed(100.0, cold_s=MESSAGE_COLD_S), observed(5000.0, cold_s=MESSAGE_COLD_S)
    listening = {KNOWN.kind: [observed(0.0)] * 4}
    (found,) = with_messages([KNOWN], {KNOWN.kind: [few, few, many, many]}, listening)
    assert found.costs["message_s"].value == pytest.approx(MESSAGE_S, rel=1e-4)
    assert found.costs["message_cold_s"].value == pytest.approx(MESSAGE_COLD_S, rel=1e-4)
    assert hop_s(found.engine_costs, found, few, 1.0) == pytest.approx(HOP_S, rel=1e-3)
    (alone,) = with_messages([KNOWN], {KNOWN.kind: [few, few]}, listening)
    assert alone.costs["message_cold_s"].value == 0


def test_the_pace_is_how_much_longer_a_machine_takes_for_the_same() -> None:
    assert pace(KNOWN, [observed(0.0, 1.5)] * 4).value == pytest.approx(1.5)
    (found,) = with_messages([KNOWN], {KNOWN.kind: [observed(100.0, 1.5)] * 2}, {KNOWN.kind: [observed(0.0, 1.5)] * 4})
    assert found.costs["message_s"].value == pytest.approx(MESSAGE_S, rel=1e-6)


def test_an_error_of_the_pace_counts_by_how_little_of_the_work_messages_are() -> None:
    """A cost is what is left of the CPU, so its interval is wider than that of the pace."""
    each, listening = observed(100.0), [observed(0.0, factor) for factor in (0.96, 0.98, 1.02, 1.04)]
    (found,) = with_messages([KNOWN], {KNOWN.kind: [each] * 2}, {KNOWN.kind: listening})
    cost, at = found.costs["message_s"], pace(KNOWN, listening)
    left_s, fast_s, slow_s = (each.server_cpu_s / factor - other_work_s(KNOWN.engine_costs, each)
                              for factor in (at.value, at.low, at.high))
    assert cost.high == pytest.approx(cost.value * fast_s / left_s, rel=1e-3)
    assert cost.low == pytest.approx(max(cost.value * slow_s / left_s, 0.0), rel=1e-3)
    assert cost.high / cost.value - 1 > 1.2 * (at.value / at.low - 1)


def test_a_tick_that_was_never_alone_shows_no_hop() -> None:
    each = observed(100.0)
    crowded = dataclasses.replace(each, instants=Instants())
    assert np.isnan(hop_s(KNOWN.engine_costs, KNOWN, crowded, 1.0))


def test_without_listeners_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(RunError, match="found 2 VALID ones of websocket whose clients send and 0 whose clients only"):
        with_messages([KNOWN], {KNOWN.kind: [observed(100.0)] * 2}, {})
