"""Calibration: what trials were simulated with is what calibrating them finds."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from posed import LOAD_BASE, all_posed
from priced import COSTS, LOAD_CLIENT, NET, OF_MESSAGES, priced

from bench import transports
from bench.errors import RunError
from bench.experiment import series
from bench.simulation.calibration import calibration
from bench.simulation.calibration.calibration import calibrate, extended
from bench.simulation.calibration.costs import CostsFile, Estimate, KindCosts
from bench.simulation.calibration.observations import Observation, observe

SMALL = ("trials.count=1", "windows.idle_s=1.0")
WAKE_S, COLD_SHARE, COOLING_S, CROWD_SHARE, SWITCH_S, TIMER_S = 200e-6, 0.4, 0.1, 0.3, 30e-6, 1.1e-3
COLD = 0.33
"""The mean coldness of a server that 20 ticks wake in a second, about which costs of waking are told from others."""


def crowd_share(transport: str) -> float:
    """Return the assumed one: requests of many connections take longer, pushes do not."""
    return CROWD_SHARE if transport in ("short_polling", "long_polling") else 0.0


@pytest.fixture(scope="module")
def observations(tmp_path_factory: pytest.TempPathFactory) -> list[Observation]:
    """Those of the project's own calibration, simulated with known costs."""
    asked = series.questions("calibration", SMALL)
    costs = priced(messages=True)
    cold = {"wake_s": Estimate(WAKE_S), "cold_share": Estimate(COLD_SHARE),
            "cooling_s": Estimate(COOLING_S)}
    costs = replace(costs, transports=[
        replace(each, costs={**each.costs, **cold, "crowd_share": Estimate(crowd_share(each.kind.transport)),
                             "switch_s": Estimate(SWITCH_S * (each.kind.transport == "short_polling"))})
        for each in costs.transports])
    folders = all_posed(asked, costs, tmp_path_factory.mktemp("results"))
    return [each for folder in folders for each in observe(folder)]


@pytest.fixture(scope="module")
def found(observations: list[Observation]) -> CostsFile:
    """The costs that were fitted to them."""
    return calibrate(observations, "here", {}, "2026-11-22T18:00:00Z", None, {})


def of(found: CostsFile, transport: str) -> KindCosts:
    """Return the costs of one transport."""
    return next(each for each in found.transports if each.kind.transport == transport)


def test_every_transport_is_fitted_closely(found: CostsFile) -> None:
    """Trials without noise lie on the line, but for what a window cuts off at its ends."""
    assert sorted(each.kind.transport for each in found.transports) == list(transports.own_names())
    for each in found.transports:
        assert each.residual_share < 0.03, each.kind
        assert each.load_residual_share < 0.03, each.kind


def test_polls_get_their_costs_back(found: CostsFile) -> None:
    """A request and its answer together, since nothing can tell them apart where they come together."""
    costs = of(found, "short_polling").costs
    assert costs["request_s"].value == pytest.approx(COSTS["request_s"] + COSTS["answer_s"], rel=0.05)
    assert costs["answer_s"].value == 0
    assert costs["connection_s"].value == pytest.approx(COSTS["connection_s"], rel=0.05)


def test_a_parked_request_is_told_from_its_answer(found: CostsFile) -> None:
    """By the spacing of a fan-out; the update is in the answer that brings it."""
    costs = of(found, "long_polling").costs
    per_update = COSTS["update_s"] + 80 * COSTS["byte_s"]
    together = costs["answer_s"].value + costs["update_s"].value + 80 * costs["byte_s"].value
    assert together == pytest.approx(COSTS["answer_s"] + per_update, rel=0.15)
    assert costs["request_s"].value == pytest.approx(COSTS["request_s"], rel=0.1)


def test_short_fan_outs_say_nothing_of_an_answer(observations: list[Observation]) -> None:
    """They are over before anybody is warm."""
    parked = [each for each in observations if each.kind.transport == "long_polling"]
    stretched = [replace(each, instants=replace(each.instants, spacing_s=2 * each.instants.spacing_s))
                 if each.cell.clients == 10 else each for each in parked]
    two = [of(calibrate(mine, "here", {}, "2026-11-22T18:00:00Z", None, {}), "long_polling").costs["answer_s"]
           for mine in (parked, stretched)]
    assert two[0] == two[1]


def test_a_push_has_no_requests(found: CostsFile) -> None:
    """Only messages, ticks and bytes."""
    costs = of(found, "websocket").costs
    assert costs["request_s"].value == costs["connection_s"].value == 0
    whole = costs["answer_s"].value + costs["update_s"].value + 80 * costs["byte_s"].value
    assert whole == pytest.approx(COSTS["answer_s"] + COSTS["update_s"] + 80 * COSTS["byte_s"], rel=0.05)


def test_what_it_costs_to_wake_a_server(found: CostsFile) -> None:
    """Where ticks wake it, their own cost is not told from it. The posed trials count no wake-ups."""
    for transport in ("websocket", "long_polling"):
        costs = of(found, transport).costs
        assert costs["cold_share"].value == pytest.approx(COLD_SHARE, abs=0.15), transport
        waking = COLD * costs["wake_s"].value + costs["tick_s"].value
        near = 0.5 if transport == "long_polling" else 0.1   # its requests keep a server warm, and hide a part
        assert waking == pytest.approx(COLD * WAKE_S + COSTS["tick_s"], rel=near), transport
    polls = of(found, "short_polling").costs
    assert polls["wake_s"].value == pytest.approx(WAKE_S, rel=0.25)
    assert polls["base_share"].value == pytest.approx(COSTS["base_share"], rel=0.1)


def test_what_a_wake_up_costs_is_told_from_a_poll(found: CostsFile) -> None:
    """By servers that more and more polls find awake. Where ticks alone wake a server, they cost it."""
    assert of(found, "short_polling").costs["switch_s"].value == pytest.approx(SWITCH_S, rel=0.25)
    for transport in ("long_polling", "sse", "websocket"):
        assert of(found, transport).costs["switch_s"].value == 0


def test_the_load_clients_timer_shows_in_how_often_its_polls_wake_a_server(observations: list[Observation]) -> None:
    """With b polls per turn, at random instants, 1 − exp(−b) turns have any; and the turns come later, the more the
    load client has to do. A busy server tells nothing of it."""
    def woken(each: Observation) -> Observation:
        polls_per_s = each.counts["requests"] / each.seconds
        turn_s = TIMER_S / (1 - polls_per_s * LOAD_CLIENT["answer_s"])
        return replace(each, bursts=-math.expm1(-polls_per_s * turn_s) / turn_s * each.seconds)

    polled = [woken(each) for each in observations if each.kind.transport == "short_polling"]
    busy = [replace(each, bursts=5.0) if each.server_cpu_s > 0.5 * each.seconds else each for each in polled]
    for mine in (polled, busy):
        load_client = of(calibrate(mine, "here", {}, "2026-11-22T18:00:00Z", None, {}), "short_polling").load_client
        assert load_client["timer_s"].value == pytest.approx(TIMER_S, rel=0.001)


@pytest.mark.parametrize("transport", transports.own_names())
def test_what_a_crowd_costs_is_found(found: CostsFile, transport: str) -> None:
    """As a share of request and answer, whose costs are those at 100 connections."""
    assert of(found, transport).costs["crowd_share"].value == pytest.approx(crowd_share(transport), abs=0.06)


def test_the_loopback_and_the_load_client_are_found(found: CostsFile) -> None:
    """Delays to within what fits leave over: a part of what waking takes, for parked requests."""
    for transport in ("long_polling", "websocket"):
        each = of(found, transport)
        whole_s = each.net["feed_s"].value + each.net["down_s"].value
        near_s = 50e-6 if transport == "long_polling" else 15e-6
        assert whole_s == pytest.approx(NET["feed_s"] + NET["down_s"], abs=near_s), transport
        assert each.load_client["wake_s"].value == pytest.approx(LOAD_CLIENT["wake_s"], abs=2e-6)
    polls = of(found, "short_polling")
    way_s = polls.net["up_s"].value + polls.load_client["wake_s"].value
    assert way_s == pytest.approx(NET["up_s"] + NET["down_s"] + LOAD_CLIENT["wake_s"], rel=0.5)
    assert of(found, "websocket").load_client["answer_s"].value == pytest.approx(
        LOAD_CLIENT["answer_s"] + LOAD_CLIENT["update_s"], rel=0.05)
    assert LOAD_BASE > 0


def test_a_load_client_that_falls_behind_is_timed_by_its_reads(observations: list[Observation]) -> None:
    """Its CPU leaves out what it waits for; but where it keeps pace, its reads are as far apart as the
    answers are, and few of them say nothing."""
    def slower(each: Observation) -> Observation:
        times = {10: 9.0, 650: 1.5}.get(each.cell.clients, 1.0)
        return replace(each, instants=replace(each.instants, reading_s=times * each.instants.spacing_s))

    pushed = [slower(each) for each in observations if each.kind.transport == "websocket"]
    behind_s = next(each.instants.reading_s for each in pushed if each.cell.clients == 650)
    load_client = of(calibrate(pushed, "here", {}, "2026-11-22T18:00:00Z", None, {}), "websocket").load_client
    assert load_client["answer_s"].value + load_client["update_s"].value == pytest.approx(behind_s)


@pytest.mark.parametrize("transport", transports.own_names())
def test_messages_get_their_costs_back(found: CostsFile, transport: str) -> None:
    """A message's own cost and a cold server's are told apart as well as what it costs to wake the server is known."""
    each, (message_s, cold_s) = of(found, transport), OF_MESSAGES["costs"].values()
    with_tick_s = message_s + COSTS["tick_s"]   # which no longer wakes the server, and is not told from waking it
    assert 0.9 * message_s < each.costs["message_s"].value < 1.05 * with_tick_s
    assert each.costs["message_cold_s"].value == pytest.approx(cold_s, rel=0.2)
    together_s = each.costs["message_s"].value + COLD * each.costs["message_cold_s"].value
    assert together_s == pytest.approx(message_s + COLD * cold_s, rel=0.1)
    assert each.net["hop_s"].value == pytest.approx(OF_MESSAGES["net"]["hop_s"], abs=40e-6)
    assert each.load_client["send_s"].value == pytest.approx(OF_MESSAGES["load_client"]["send_s"], abs=1e-6)


def test_costs_of_messages_are_added_at_the_pace_of_the_known_ones(
    found: CostsFile, observations: list[Observation]
) -> None:
    """A machine that takes twice as long for everything finds the same costs, of the machine that the others are of."""
    known = replace(found, transports=[
        replace(each, costs={name: cost for name, cost in each.costs.items() if name not in OF_MESSAGES["costs"]},
                fitted=[])
        for each in found.transports])
    slow = [replace(each, server_cpu_s=2 * each.server_cpu_s) for each in observations
            if each.server_cpu_s < 0.3 * each.seconds]
    added = extended(known, slow, "there", {"cpu_model": "Imagined 1500"}, "2026-11-23T18:00:00Z", None)
    assert added.messages is not None
    for each in added.transports:
        before = of(known, each.kind.transport)
        assert each.costs["message_s"].value == pytest.approx(of(found, each.kind.transport).costs["message_s"].value,
                                                              rel=0.1)
        assert {name: each.costs[name] for name in before.costs} == before.costs
        assert added.messages.paces[str(each.kind)].value == pytest.approx(2.0, rel=0.05)
    nobody = [each for each in observations if not each.counts["messages"]]
    with pytest.raises(RunError, match="found no messages"):
        extended(known, nobody, "there", {}, "2026-11-23T18:00:00Z", None)
    alone = [each for each in observations if each.counts["messages"]]
    with pytest.raises(RunError, match="and 0 whose clients only listen, needed are 2 and 4"):
        extended(known, alone, "there", {}, "2026-11-23T18:00:00Z", None)


def test_the_cells_stand_in_the_file(found: CostsFile) -> None:
    """With their counts, so that a validation can tell what was seen, and a reader how well it fits."""
    everything = of(found, "websocket").fitted
    sending = [each for each in everything if each.cell.takes_messages]
    assert {(each.cell.clients, each.cell.rate_per_s) for each in sending} == {(100, 20.0), (40, 300.0)}
    assert all(abs(each.error) < 0.1 for each in sending)
    fitted = [each for each in everything if not each.cell.takes_messages]
    assert {(each.cell.clients, each.cell.rate_per_s, each.cell.book_levels) for each in fitted} == {
        *((clients, 20.0, 0) for clients in (10, 50, 100, 200, 400, 650)), (120, 60.0, 0), (120, 20.0, 20),
        (20, 4.0, 0)}
    steady = next(each for each in fitted if each.cell.clients == 200)
    assert steady.counts["updates"] == pytest.approx(200 * steady.counts["ticks"], rel=0.05)
    assert abs(steady.error) < 0.05


def test_too_few_trials_are_refused(observations: list[Observation]) -> None:
    """In a sentence."""
    with pytest.raises(RunError, match="fewer than 4 VALID ones"):
        calibrate(observations[:2], "here", {}, "2026-11-22T18:00:00Z", None, {})


def test_a_request_has_no_bounds_where_the_exchange_has_none(observations: list[Observation]) -> None:
    """Its own cost is not taken for its upper bound, nor 0 for the lower one."""
    parked = [each for each in observations if each.kind.transport == "long_polling"]
    costs = {"exchange": Estimate(50e-6), "update": Estimate(0.0), "byte": Estimate(0.0)}
    request, _ = calibration._split(parked, costs, {
        "cooling": Estimate(COOLING_S), "cold": Estimate(0.0), "crowd": Estimate(0.0)})
    assert math.isnan(request.low)
    assert math.isnan(request.high)


def test_a_mean_has_no_bounds_where_one_of_its_parts_has_none() -> None:
    """In whatever order they come."""
    pair = [Estimate(1.0, 0.9, 1.1), Estimate(3.0)]
    for parts in (pair, pair[::-1]):
        found = calibration._middle(parts)
        assert found.value == 2.0
        assert math.isnan(found.low)
        assert math.isnan(found.high)


def test_a_kind_whose_clients_hardly_ever_only_listen_is_told_to_be_left_out(observations: list[Observation]) -> None:
    """Trials in which they send don't show what the other work costs."""
    pushed = [each for each in observations if each.kind.transport == "websocket"]
    sending, listening = ([each for each in pushed if bool(each.counts["messages"]) == sends]
                          for sends in (True, False))
    assert len(sending) > 1
    kind = pushed[0].kind
    (sentence,) = calibration.left_out({"websocket": kind}, [*sending, *sending, *listening[:3]])
    assert "found 3 VALID trials whose clients only listen, with a server below 80 % of a core, needed" in sentence
    assert calibration.left_out({"websocket": kind}, pushed) == []


def test_pushes_that_flush_show_no_costs(observations: list[Observation]) -> None:
    """Their timer wakes the server, too, which is not fitted; they are named where too few others are."""
    pushed = [each for each in observations if each.kind.transport == "websocket" and not each.counts["messages"]]
    flushing = [replace(each, cycle=replace(each.cycle, flush_s=0.1)) for each in pushed]
    whole, beside = (of(calibrate(mine, "here", {}, "2026-11-22T18:00:00Z", None, {}), "websocket").costs
                     for mine in (pushed, [*pushed, *flushing]))
    assert str(whole) == str(beside)   # NaN is not itself
    (sentence,) = calibration.left_out({"websocket": pushed[0].kind}, [*pushed[:3], *flushing[:2]])
    assert "found 3 VALID trials with a server below 80 % of a core, and 2 that flush, needed are 4" in sentence
