"""The engine against the closed forms, and the closed forms against the engine.

Exact where the forms are: work, requests and fan-out of ticks that don't meet. Else within what sampling
leaves to chance: some thousands of ticks, or as many phases.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from formed import MESSAGE_BYTES, Gathered, options_of, seen, shard_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quick_options import fields, quick, variants

from bench import transports
from bench.simulation.analytic.demand import Demand
from bench.simulation.analytic.system import Forecast, analytic
from bench.simulation.engine.engine import simulate
from bench.simulation.engine.inputs import Costs, LoadClient, NetworkDelays
from bench.transports.queueing import periodic_wait_s
from bench.wire.sizes import Conversation, Sizes

LINE = b'{"index":41,"seq":42,"due_ns":4100000000,"symbol":"AAA","price":23.82,"size":100}'
MODES = st.sampled_from(["every", "latest"])
SLOW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


def sizes_of(transport: str, options: Any) -> Sizes:
    sizes: Sizes = transports.model_of(transport).wire(options, Conversation((LINE,)))
    return sizes


def sent(sends: bool, rate_per_s: float) -> dict[str, float]:
    """Return the part of a demand that messages are, where the feed's ticks are messages."""
    return {"messages_per_s": rate_per_s, "message_bytes": MESSAGE_BYTES} if sends else {}


def forecast(transport: str, options: Any, costs: Costs, net: NetworkDelays, clients: int, **demand: Any) -> Forecast:
    return analytic(transport, options, costs, net, Demand(**demand), sizes_of(transport, options), clients)


def light(scale_s: float) -> Costs:
    """Return costs in which every kind of work costs something; all together `scale_s` per job, about."""
    return Costs(scale_s / 4, scale_s / 2, scale_s / 3, scale_s / 6, scale_s / 2000, scale_s / 2, 1e-3, 1e-6,
                 message_s=scale_s * 2)


FURTHER: list[dict[str, Any]] = [
    {"jitter": 0.8}, {"hold_s": 0.4}, {"flush_ms": 500.0}, {"connection": "new", "tls": True}]
"""Choices of options beside `variants`, for each transport that has them."""


def subjects() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every transport with each choice of options that makes its cycle another one."""
    for name in transports.names():
        has = fields(name)
        choices = [*variants(name), *(each for each in FURTHER if each.keys() <= has.keys())]
        cycles = []
        for own in ({**quick(name, 0.5), **each} for each in choices):
            cycle = transports.model_of(name).cycle(options_of(name, **own))
            if cycle not in cycles:
                cycles.append(cycle)
                yield name, own


SUBJECTS = list(subjects())


@SLOW
@given(
    st.sampled_from(SUBJECTS), MODES, st.sampled_from([2.0, 8.0]), st.sampled_from([1, 3]),
    st.sampled_from([0.002, 0.06, 0.2]), st.integers(0, 1000), st.booleans(),
)
def test_at_low_load_everything_is_as_the_forms_have_it(
    subject: tuple[str, dict[str, Any]], mode: Any, rate_per_s: float, symbols: int, one_way_s: float,
    seed: int, sends: bool,
) -> None:
    transport, options = subject[0], options_of(subject[0], **subject[1])
    costs, net, clients = light(2e-5), NetworkDelays(one_way_s, one_way_s * 0.7, 0.003, hop_s=0.007), 12
    shard = shard_of(transport, options, costs, net, clients=clients, rate_per_s=rate_per_s,
                     measure_s=1500 / rate_per_s, symbols=symbols, mode=mode, seed=seed, sends=sends)
    found = seen(shard, sizes_of(transport, options))
    rate_per_s = float(((shard.ticks.due_s >= shard.t0_s) & (shard.ticks.due_s < shard.t1_s)).sum()) / (
        shard.t1_s - shard.t0_s)
    due = forecast(transport, options, costs, net, clients, rate_per_s=rate_per_s, symbols=symbols, mode=mode,
                   payload_bytes=100, **sent(sends, rate_per_s))
    for name in ("latency_mean_s", "requests_per_s", "updates_per_s", "utilisation", "cpu_per_update_s",
                 "sockets", "bytes_up", "bytes_down"):
        assert getattr(found, name) == pytest.approx(getattr(due, name), rel=0.05), name
    if subject[1].get("hold_s") is None:
        assert found.age_excess_s == pytest.approx(due.age_excess_s, rel=0.15)
        assert found.conflated_share == pytest.approx(due.conflated_share, abs=0.03)
    assert found.empty_share == pytest.approx(due.empty_share, abs=0.04)
    if not (sends and shard.cycle.posts):   # a message waits for any number of answers to those before
        assert found.latency_worst_s <= due.latency_worst_s + 0.01


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.floats(0.05, 0.99), st.integers(0, 99))
def test_a_fan_out_of_ticks_that_do_not_meet_is_exact(clients: int, busy: float, seed: int) -> None:
    costs = Costs(tick_s=busy / 8 / 10, answer_s=busy * 7 / 8 / 10 / clients, byte_s=0)
    net = NetworkDelays(0.001, 0.002, 0.004)
    options = options_of("websocket")
    shard = shard_of("websocket", options, costs, net, clients=clients, rate_per_s=10, measure_s=5,
                     regular=True, seed=seed)
    found = seen(shard)
    due = forecast("websocket", options, costs, net, clients, rate_per_s=10, regular=True)
    assert found.latency_mean_s == pytest.approx(due.latency_mean_s, rel=1e-9)
    assert found.latency_worst_s == pytest.approx(due.latency_worst_s, rel=1e-9)
    assert due.utilisation == pytest.approx(busy)
    assert found.utilisation == pytest.approx(busy, rel=0.03)   # a window's edges cut ticks


@pytest.mark.parametrize(("busy", "update"), [(0.2, 0.0), (0.6, 0.3), (0.95, 0.0), (1.5, 0.3)])
def test_a_pushed_poisson_feed_waits_for_the_reads_before_it(busy: float, update: float) -> None:
    clients, rate_per_s = 8, 50.0
    batch_s = busy / rate_per_s
    costs = Costs(tick_s=batch_s * 0.1, answer_s=batch_s * (0.9 - update) / clients,
                  update_s=batch_s * update / clients)
    net, options = NetworkDelays(0.0, 0.001), options_of("websocket")
    shard = shard_of("websocket", options, costs, net, clients=clients, rate_per_s=rate_per_s,
                     measure_s=400, seed=3)
    found = seen(shard)
    due = forecast("websocket", options, costs, net, clients, rate_per_s=len(shard.ticks) / 425)
    assert found.latency_mean_s == pytest.approx(due.latency_mean_s, rel=0.05)
    assert found.utilisation == pytest.approx(due.utilisation, rel=0.02)
    assert found.cpu_per_update_s == pytest.approx(due.cpu_per_update_s, rel=0.02)


@pytest.mark.parametrize(("flush_s", "measure_s"), [(0.0173, 20), (0.1271, 60), (0.9877, 60)])
@pytest.mark.parametrize("busy", [0.9, 1.3])
@pytest.mark.parametrize("regular", [False, True])
def test_a_flushed_push_waits_for_the_timer_and_shares_messages(
    flush_s: float, measure_s: float, busy: float, regular: bool
) -> None:
    """Where a fan-out takes nearly as long as the time to the next, or longer; the feed is 50 ticks per second."""
    clients, rate_per_s = 8, 50.0
    costs = Costs(tick_s=1e-4, answer_s=busy * flush_s * 0.7 / clients,
                  update_s=busy * 0.25 / rate_per_s / clients)
    net, options = NetworkDelays(0.0, 0.001), options_of("websocket", flush_ms=1000 * flush_s)
    shards = [shard_of("websocket", options, costs, net, clients=clients, rate_per_s=rate_per_s, measure_s=measure_s,
                       seed=seed, regular=regular) for seed in range(8)]   # each has a phase of its own
    seens = [seen(shard, sizes_of("websocket", options)) for shard in shards]
    rate_per_s = sum(len(shard.ticks) for shard in shards) / 8 / (measure_s + 25)
    due = forecast("websocket", options, costs, net, clients, rate_per_s=rate_per_s, regular=regular, payload_bytes=100)
    for name in ("latency_mean_s", "utilisation", "cpu_per_update_s", "bytes_up", "bytes_down"):
        found = float(np.mean([getattr(each, name) for each in seens]))
        assert found == pytest.approx(getattr(due, name), rel=0.05), name


@pytest.mark.parametrize("busy", [0.3, 0.7, 0.9, 0.98])
@pytest.mark.parametrize("clients", [3, 50, 1000])
def test_polls_on_a_schedule_wait_as_in_n_d_d_1(clients: int, busy: float) -> None:
    service_s = busy / clients
    costs, net = Costs(request_s=service_s / 2, answer_s=service_s / 2), NetworkDelays(0.001, 0.001)
    options = options_of("short_polling", interval_s=1.0)
    waits = []
    for seed in range(200 // clients + 5):
        found = seen(shard_of("short_polling", options, costs, net, clients=clients, rate_per_s=3,
                              measure_s=6, seed=seed))
        duration_s = float(found.counted["request_duration_s"] / found.counted["responses"])
        waits.append(duration_s - 0.002 - service_s)
    spread = 4 * np.std(waits) / len(waits) ** 0.5
    assert np.mean(waits) == pytest.approx(periodic_wait_s(clients, 1.0, service_s), rel=0.06, abs=spread)


def test_ticks_and_updates_make_polls_wait_longer() -> None:
    clients = 400
    costs = Costs(tick_s=0.02, request_s=0.0006, answer_s=0.0006, update_s=0.00002)
    net, options = NetworkDelays(0.001, 0.001), options_of("short_polling", interval_s=1.0)
    found = seen(shard_of("short_polling", options, costs, net, clients=clients, rate_per_s=5, measure_s=600))
    due = forecast("short_polling", options, costs, net, clients, rate_per_s=5, payload_bytes=0)
    duration_s = float(found.counted["request_duration_s"] / found.counted["responses"])
    assert duration_s - 0.002 == pytest.approx(due.server_s, rel=0.05)
    assert found.utilisation == pytest.approx(due.utilisation, rel=0.02)


@pytest.mark.parametrize("symbols", [1, 3])
def test_who_gets_the_newest_alone_waits_for_no_more(symbols: int) -> None:
    """All 40 updates per second in every answer would be more than the server can do."""
    clients, demand = 300, {"rate_per_s": 40.0, "symbols": symbols, "mode": "latest"}
    costs = Costs(tick_s=0.0001, request_s=0.0004, answer_s=0.0004, update_s=0.0003)
    net, options = NetworkDelays(0.02, 0.02), options_of("short_polling", interval_s=1.0)
    found = seen(shard_of("short_polling", options, costs, net, clients=clients, measure_s=40, **demand))
    due = forecast("short_polling", options, costs, net, clients, payload_bytes=0, **demand)
    duration_s = float(found.counted["request_duration_s"] / found.counted["responses"])
    assert duration_s - 0.04 == pytest.approx(due.server_s, rel=0.15)
    assert found.latency_mean_s == pytest.approx(due.latency_mean_s, rel=0.05)
    assert clients * due.updates_per_s * 0.0003 < 1 < clients * 40 * 0.0003


@pytest.mark.parametrize("symbols", [1, 3])
def test_a_flush_of_the_newest_alone_lasts_no_longer_for_those_that_it_skips(symbols: int) -> None:
    """All 40 updates per second in every message would be more than the server can do."""
    clients, demand = 300, {"rate_per_s": 40.0, "symbols": symbols, "mode": "latest"}
    costs = Costs(tick_s=0.0001, answer_s=0.0004, update_s=0.0003)
    net, options = NetworkDelays(0.02, 0.02), options_of("websocket", flush_ms=1000.0)
    found = seen(shard_of("websocket", options, costs, net, clients=clients, measure_s=80, **demand))
    due = forecast("websocket", options, costs, net, clients, payload_bytes=0, **demand)
    for name in ("latency_mean_s", "updates_per_s", "utilisation"):
        assert getattr(found, name) == pytest.approx(getattr(due, name), rel=0.05), name
    assert found.latency_worst_s <= due.latency_worst_s + 0.01
    assert clients * due.updates_per_s * 0.0003 < 1 < clients * 40 * 0.0003


@pytest.mark.parametrize(("busy", "near"), [(0.1, 0.03), (0.3, 0.12), (0.8, 0.2)])
def test_long_polling_bends_under_load_and_does_not_break(busy: float, near: float) -> None:
    clients, rate_per_s = 50, 5.0
    each_s = busy / rate_per_s / clients
    costs, net = Costs(request_s=each_s * 0.6, answer_s=each_s * 0.4), NetworkDelays(0.005, 0.005)
    options = options_of("long_polling")
    found = seen(shard_of("long_polling", options, costs, net, clients=clients, rate_per_s=rate_per_s,
                          measure_s=1000))
    due = forecast("long_polling", options, costs, net, clients, rate_per_s=rate_per_s)
    assert found.latency_mean_s == pytest.approx(due.latency_mean_s, rel=near)
    assert found.requests_per_s == pytest.approx(due.requests_per_s, rel=near)
    assert found.utilisation == pytest.approx(due.utilisation, rel=near)


@pytest.mark.parametrize("sends", [False, True])
@pytest.mark.parametrize(("transport", "own"), [
    (name, own) for name in transports.names() for own in ({}, {"flush_ms": 400.0})
    if own.keys() <= fields(name).keys()])
def test_clients_that_want_a_share_of_the_feed_cost_that_share(
    transport: str, own: dict[str, Any], sends: bool
) -> None:
    clients, symbols, options = 30, 6, options_of(transport, **own)
    costs, net = light(1e-4), NetworkDelays(0.01, 0.01)
    subscribed = np.zeros((clients, symbols), dtype=np.bool_)
    subscribed[np.arange(clients), np.arange(clients) % symbols] = True
    shard = shard_of(transport, options, costs, net, clients=clients, rate_per_s=12, measure_s=400,
                     symbols=symbols, subscribed=subscribed, sends=sends)
    found = seen(shard)
    due = forecast(transport, options, costs, net, clients, rate_per_s=2.0, feed_per_s=12.0, **sent(sends, 12.0))
    for name in ("latency_mean_s", "requests_per_s", "utilisation", "updates_per_s"):
        assert getattr(found, name) == pytest.approx(getattr(due, name), rel=0.05), name


@pytest.mark.parametrize(("costs", "net", "clients", "rate_per_s"), [
    pytest.param(light(1e-5), NetworkDelays(0.06, 0.05, hop_s=0.01), 4, 10.0, id="for-its-author's-own"),
    pytest.param(Costs(1e-5, 1e-6, 1e-6, message_s=8e-3), NetworkDelays(1e-3, 1e-3, hop_s=5e-3), 40, 50.0,
                 id="for-others'"),
    pytest.param(Costs(1e-5, 1e-6, 1e-6, update_s=1e-4, message_s=1e-3), NetworkDelays(1e-3, 1e-3, hop_s=0.02), 40,
                 50.0, id="for-fan-outs"),
])
@pytest.mark.parametrize(("transport", "own"), [
    (name, own) for name in transports.own_names() for own in ({"interval_s": 0.05}, {"flush_ms": 100.0}, {})
    if own.keys() <= fields(name).keys() and (own or "interval_s" not in fields(name))])
def test_a_message_waits_for_what_the_server_and_its_author_do_before(
    transport: str, own: dict[str, Any], costs: Costs, net: NetworkDelays, clients: int, rate_per_s: float
) -> None:
    found_s, due_s = message_ways_s(transport, options_of(transport, **own), costs, net, clients, rate_per_s)
    assert found_s == pytest.approx(due_s, rel=0.03)


def test_a_message_waits_for_one_read_at_most_since_it_takes_all_ticks_that_have_come() -> None:
    """In a server that takes ticks one by one it would wait for twice as long."""
    costs, net = Costs(2e-5, 2.5e-5, 5e-5, update_s=1e-5, message_s=1e-4), NetworkDelays(1e-3, 1e-3, hop_s=2e-4)
    found_s, due_s = message_ways_s("websocket", options_of("websocket"), costs, net, 40, 250.0)
    without_s = net.up_s + net.hop_s + costs.message_s
    assert found_s - without_s == pytest.approx(due_s - without_s, rel=0.15)


def message_ways_s(transport: str, options: Any, costs: Costs, net: NetworkDelays, clients: int, rate_per_s: float
                   ) -> tuple[float, float]:
    """Return the mean way of a message in seconds, without that of its tick: the engine's, and the closed form's."""
    shard = shard_of(transport, options, costs, net, clients=clients, rate_per_s=rate_per_s, measure_s=150, sends=True)
    outcome = simulate(shard, Gathered()).uplinks
    assert outcome is not None
    inside = (shard.ticks.due_s >= shard.t0_s) & (shard.ticks.due_s < shard.t1_s)
    found_s = float(np.mean((outcome.numbered_s - shard.ticks.due_s)[inside])) + net.hop_s / 2
    rate_per_s = np.count_nonzero(inside) / (shard.t1_s - shard.t0_s)
    due = forecast(transport, options, costs, net, clients, rate_per_s=rate_per_s, payload_bytes=100,
                   **sent(True, rate_per_s))._system
    counted_s = costs.message_s if shard.cycle.pushes or shard.cycle.parks else 0.0
    return found_s, due.lead_s(clients) + counted_s


@SLOW
@given(st.sampled_from(SUBJECTS), st.sampled_from([0.3, 0.6]), st.sampled_from([1.0, 4.0]))
def test_a_server_with_the_clients_that_it_can_have_is_as_busy_as_was_asked(
    subject: tuple[str, dict[str, Any]], target: float, rate_per_s: float
) -> None:
    transport, options = subject[0], options_of(subject[0], **subject[1])
    costs, net = light(1e-3), NetworkDelays(0.05, 0.05, 0.001)
    asked: dict[str, Any] = {"rate_per_s": rate_per_s, "payload_bytes": 100}
    most = analytic(transport, options, costs, net, Demand(**asked), sizes_of(transport, options), 1, target)
    clients = round(most.clients_max)
    found = seen(shard_of(transport, options, costs, net, clients=clients, rate_per_s=rate_per_s,
                          measure_s=300 / rate_per_s))
    busy = found.utilisation + costs.idle_s(1.0, clients)
    # What waits asks less, and shares answers: so a server is a little less busy than that, and never more.
    assert 0.75 * target < busy < 1.05 * target
    if "interval_s" in subject[1] and "pace" not in subject[1]:
        assert busy == pytest.approx(target, rel=0.05)


@SLOW
@given(st.sampled_from(SUBJECTS), st.sampled_from([20, 150]), st.sampled_from([0.5, 1.5]), st.booleans())
def test_a_load_client_is_a_queue_behind_the_servers(
    subject: tuple[str, dict[str, Any]], clients: int, slower: float, sends: bool
) -> None:
    transport, options = subject[0], options_of(subject[0], **subject[1])
    costs, net, rate_per_s = light(2e-4), NetworkDelays(0.0003, 0.0, hop_s=0.0002), 2.0
    load_client = LoadClient(1e-4, slower * 1.5e-4, slower * 2e-5, send_s=1e-3)
    shard = shard_of(transport, options, costs, net, clients=clients, rate_per_s=rate_per_s,
                     measure_s=300, load_client=load_client, sends=sends)
    due = analytic(transport, options, costs, net, Demand(rate_per_s, **sent(sends, rate_per_s)),
                   sizes_of(transport, options), clients, load_client=load_client)
    assert seen(shard).latency_mean_s == pytest.approx(due.latency_mean_s, rel=0.08)


@SLOW
@given(st.sampled_from(SUBJECTS), st.sampled_from([2.0, 20.0]), st.sampled_from([3, 60]), st.booleans())
def test_a_server_that_sleeps_works_longer(
    subject: tuple[str, dict[str, Any]], rate_per_s: float, clients: int, sends: bool
) -> None:
    transport, options = subject[0], options_of(subject[0], **subject[1])
    net = NetworkDelays(0.001, 0.001, hop_s=0.0002)
    costs = dataclasses.replace(light(4e-5), wake_s=2e-4, cold_share=0.8, message_cold_s=3e-4)
    found = seen(shard_of(transport, options, costs, net, clients=clients, rate_per_s=rate_per_s,
                          measure_s=1500 / rate_per_s, sends=sends))
    asked: dict[str, Any] = {"rate_per_s": rate_per_s, "payload_bytes": 100, **sent(sends, rate_per_s)}
    due, warm = (forecast(transport, options, each, net, clients, **asked) for each in (costs, light(4e-5)))
    # Clients who keep in step ask together, and wake it less often.
    near = 0.35 if {"pace", "hold_s"} & set(subject[1]) else 0.08
    assert found.utilisation == pytest.approx(due.utilisation, rel=near)
    assert found.latency_mean_s == pytest.approx(due.latency_mean_s, rel=0.08)
    assert due.utilisation > warm.utilisation
    assert due.clients_max <= warm.clients_max * 1.01


@pytest.mark.parametrize("cooling_s", [0.012, 0.1])
@pytest.mark.parametrize(("rate_per_s", "clients"), [(45.0, 600), (10.0, 3000), (1.0, 3000), (45.0, 4200)])
def test_a_flush_is_as_cold_as_the_time_since_clients_were_served(
    rate_per_s: float, clients: int, cooling_s: float
) -> None:
    """Few ticks leave turns out; hand-outs of half a period and more shorten the time between them."""
    options, net = options_of("websocket", flush_ms=100.0), NetworkDelays(0.001, 0.001)
    costs = Costs(tick_s=2e-5, answer_s=1e-5, wake_s=2e-3, cold_share=1.0, cooling_s=cooling_s)
    found = seen(shard_of("websocket", options, costs, net, clients=clients, rate_per_s=rate_per_s,
                          measure_s=1500 / rate_per_s))
    due = forecast("websocket", options, costs, net, clients, rate_per_s=rate_per_s, payload_bytes=100)
    assert due.utilisation == pytest.approx(found.utilisation, rel=0.03)


@pytest.mark.parametrize("answer_s", [5e-6, 5e-5, 8e-5])
def test_a_message_finds_a_busy_server_warm(answer_s: float) -> None:
    """The tick before has just woken it; so a fan-out is the less cold, the busier the server."""
    costs = Costs(tick_s=2e-5, answer_s=answer_s, wake_s=5e-4, cold_share=1.1, message_s=1e-4, message_cold_s=1e-3)
    options, net, rate_per_s = options_of("websocket"), NetworkDelays(0.001, 0.001, hop_s=0.0002), 20.0
    warm = Costs(tick_s=2e-5, answer_s=answer_s, message_s=1e-4)
    found, due = [], []
    for each in (costs, warm):
        found.append(seen(shard_of("websocket", options, each, net, clients=300, rate_per_s=rate_per_s, measure_s=75,
                                   sends=True)).utilisation)
        due.append(forecast("websocket", options, each, net, 300, rate_per_s=rate_per_s, payload_bytes=100,
                            **sent(True, rate_per_s)).utilisation)
    # The form lets more ticks share a message than the engine does, the more the longer a fan-out takes.
    assert due[0] / due[1] == pytest.approx(found[0] / found[1], rel=0.03)


def test_requests_find_a_server_as_cold_as_the_ticks_of_others_leave_it() -> None:
    """They come 80 ms after their fan-out, but the server has not slept since: ten rooms get ticks meanwhile."""
    clients, symbols, options, net = 30, 10, options_of("long_polling"), NetworkDelays(0.04, 0.04)
    subscribed = np.zeros((clients, symbols), dtype=np.bool_)
    subscribed[np.arange(clients), np.arange(clients) % symbols] = True
    costs = dataclasses.replace(light(2e-5), wake_s=2e-3)
    found = seen(shard_of("long_polling", options, costs, net, clients=clients, rate_per_s=200, measure_s=60,
                          symbols=symbols, subscribed=subscribed))
    due = forecast("long_polling", options, costs, net, clients, rate_per_s=20.0, feed_per_s=200.0, payload_bytes=100)
    assert due.utilisation == pytest.approx(found.utilisation, rel=0.2)


@pytest.mark.parametrize("timer_s", [0.0, 0.001])
@pytest.mark.parametrize("clients", [5, 100, 300, 460])
def test_polls_share_what_it_takes_to_wake_a_server(clients: int, timer_s: float) -> None:
    """The busier it is, and the more of them a load client sends together, the less it takes for each."""
    costs = Costs(tick_s=2e-5, request_s=7e-5, update_s=1e-6, wake_s=2e-4, cold_share=0.1, switch_s=1.2e-4)
    options, net = options_of("short_polling", interval_s=0.04), NetworkDelays(0.0001, 0.0)
    load_client = LoadClient(1e-4, 2e-5, timer_s=timer_s)
    seens = [seen(shard_of("short_polling", options, costs, net, clients=clients, rate_per_s=20, measure_s=4,
                           load_client=load_client, seed=seed)) for seed in range(6)]   # each has phases of its own
    due = analytic("short_polling", options, costs, net, Demand(20.0), sizes_of("short_polling", options), clients,
                   load_client=load_client)
    assert np.mean([each.utilisation for each in seens]) == pytest.approx(due.utilisation, rel=0.05)
    assert np.mean([each.latency_mean_s for each in seens]) == pytest.approx(due.latency_mean_s, rel=0.08)
