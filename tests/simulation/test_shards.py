"""A trial is cut into shards that share its ticks and luck, and adds up however it is cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from priced import case

from bench.experiment import plan
from bench.feed.tick import encode
from bench.simulation import shards
from bench.simulation.calibration.costs import Estimate
from bench.simulation.engine.inputs import COUNTED
from bench.simulation.shards import Case
from bench.wire.sizes import SEGMENT_BYTES, columns, traffic


def test_every_client_is_served_by_one_worker() -> None:
    wanted = case("websocket", "simulation.workers=4", "simulation.rtt_ms=10.0")
    numbers = [shards.build(wanted, worker).clients for worker in range(wanted.workers)]
    assert sorted(np.concatenate(numbers).tolist()) == list(range(30))
    assert max(map(len, numbers)) - min(map(len, numbers)) <= 1
    assert case("websocket", "simulation.workers=400").workers == 30


@pytest.mark.parametrize(("rooms", "workers"), [(5, 2), (6, 3), (3, 4), (5, 6)])
def test_the_members_of_a_room_are_dealt_out_to_all_workers(rooms: int, workers: int) -> None:
    """Each room has more members than there are workers."""
    wanted = case("websocket", f"simulation.workers={workers}", "simulation.rtt_ms=10.0", f"feed.symbols={rooms}",
                  "feed.source=clients", "load.symbols_per_client=1", "load.clients=[48]")
    served = [shards.clients_of(wanted, worker) for worker in range(workers)]
    assert sorted(np.concatenate(served).tolist()) == list(range(48))
    assert all(len(set((mine % rooms).tolist())) == rooms for mine in served)
    assert max(map(len, served)) - min(map(len, served)) <= rooms


def test_a_worker_has_the_costs_of_its_own_crowd() -> None:
    wanted = case("websocket", "simulation.workers=3", "simulation.rtt_ms=1.0")
    wanted = replace(wanted, calibrated=replace(wanted.calibrated, costs={
        **wanted.calibrated.costs, "crowd_share": Estimate(0.4)}))
    costs = shards.build(wanted, 0).costs
    assert costs == wanted.calibrated.engine_costs.crowded(10)
    assert costs.answer_s < wanted.calibrated.engine_costs.answer_s


def test_the_ticks_are_those_of_the_measured_run() -> None:
    wanted = case("websocket")
    shard, drawn = shards.build(wanted, 0), shards.schedule(wanted)
    assert np.array_equal(np.rint(shard.ticks.due_s * 1e9), drawn.offset_ns)
    line = encode(drawn.tick(5, 6, wanted.windows.warmup_ns + int(drawn.offset_ns[5])))
    assert shard.ticks.payload_bytes[5] == len(line)


def test_subscriptions_are_those_of_the_measured_run_whoever_serves() -> None:
    wanted = case("websocket", "load.symbols_per_client=2", "simulation.workers=3", "simulation.rtt_ms=1.0")
    names = shards.schedule(wanted).symbols
    measured = plan.subscriptions(wanted.scenario.load, names, 30, wanted.planned.seed)
    assert measured is not None
    for worker in range(3):
        shard = shards.build(wanted, worker)
        assert shard.subscribed is not None
        for row, client in enumerate(shard.clients.tolist()):
            mine = [names[place] for place in np.flatnonzero(shard.subscribed[row])]
            assert mine == sorted(measured[client])


@pytest.mark.parametrize(("overrides", "queues"), [
    ((), True), (("simulation.rtt_ms=80.0",), False), (("simulation.workers=2",), False),
    (("simulation.jitter_ms=1.0",), False), (("simulation.slow.share=0.1",), False),
])
def test_the_load_client_is_a_queue_only_where_a_measured_trial_has_it(
    overrides: tuple[str, ...], queues: bool
) -> None:
    assert (shards.build(case("websocket", *overrides), 0).load_client is not None) == queues


def test_the_network_is_the_scenarios_or_the_loopback() -> None:
    loopback = case("long_polling").net
    assert (loopback.up_s, loopback.down_s, loopback.feed_s) == (50e-6, 60e-6, 150e-6)
    far = case("long_polling", "simulation.rtt_ms=80.0", "simulation.jitter_ms=2.0").net
    assert (far.up_s, far.down_s, far.feed_s, far.jitter_s) == (0.04, 0.04, 150e-6, 0.002)


@pytest.mark.parametrize(("jitter", "mean_s"), [("exponential", 0.03), ("uniform", 0.015)])
def test_the_time_for_which_a_request_is_held_has_no_delay_of_the_network_in_it(jitter: str, mean_s: float) -> None:
    """It decides which requests are acknowledged; jitter delays both ways."""
    def counted(wanted: Case, duration_s: float) -> dict[str, np.ndarray]:
        counts = {name: np.zeros(30) for name in COUNTED} | {
            "requests": np.full(30, 10.0), "responses": np.full(30, 10.0), "updates": np.full(30, 10.0),
            "payload_bytes": np.full(30, 800.0), "request_duration_s": np.full(30, 10 * duration_s)}
        return shards.client_counters(shards.sizes(wanted), shards.build(wanted, 0), counts)

    steady = counted(case("long_polling", "simulation.rtt_ms=20.0"), 0.02 + 0.02)
    moved = counted(case("long_polling", "simulation.rtt_ms=20.0", "simulation.jitter_ms=30.0",
                         f"simulation.jitter={jitter}"), 0.02 + 0.02 + 2 * mean_s)
    for name in steady.keys() - {"request_duration_ns"}:
        np.testing.assert_allclose(moved[name], steady[name], err_msg=name)


@pytest.mark.parametrize("label", ["short_polling", "long_polling", "websocket"])
def test_parts_add_up_to_the_totals(label: str) -> None:
    wanted = case(label, "simulation.workers=3", "simulation.rtt_ms=20.0")
    whole = shards.simulate(wanted, 0)
    for worker in (1, 2):
        whole.add(shards.simulate(wanted, worker))
    sums = whole.tallied.sums
    assert whole.server_counts["deliveries"] == sums["received"]
    assert sums["delivered"] == sums["updates_due"]
    assert whole.counters["updates"] == sums["arrivals"]
    assert whole.counters["bytes_down"] > sums["payload_bytes"]
    assert len(np.concatenate([part["client"] for part in whole.clients])) == 30


@pytest.mark.parametrize("label", ["short_polling", "long_polling", "sse", "websocket"])
def test_a_message_takes_on_a_slow_link_what_it_takes_on_the_wire(label: str) -> None:
    """But for a digit or two of the lengths that are announced."""
    wanted = case(label, "simulation.rtt_ms=1.0", "simulation.slow.share=1.0")
    links, said = shards.build(wanted, 0).slow_links, shards.sizes(wanted)
    asked = [0.0 if said.pushes else 1.0]
    found = columns(said, traffic(said, {
        "updates": [1.0], "payload_bytes": [90.0], "requests": asked, "responses": asked}))
    whole = float(found["bytes_down"][0] + SEGMENT_BYTES * found["data_segments_down"][0])
    assert links is not None
    assert links.overhead_bytes == pytest.approx(whole - 90.0, abs=3.0)


def test_a_slow_link_delays_a_polls_answer(tmp_path: Path) -> None:
    quick = shards.simulate(case("short_polling", "simulation.rtt_ms=1.0"), 0).tallied.sums
    slow = shards.simulate(case("short_polling", "simulation.rtt_ms=1.0", "simulation.slow.share=1.0",
                                "simulation.slow.bytes_per_s=20000.0"), 0).tallied.sums
    assert slow["app_latency_ns"] > quick["app_latency_ns"]


@given(st.lists(st.floats(0, 1e9), max_size=50))
def test_whole_counts_have_the_sum_of_what_they_are_made_of(values: list[float]) -> None:
    found = shards.whole_counts(np.array(values))
    assert abs(found.sum() - sum(values)) <= 0.5 + 1e-3
    assert all(abs(found - values) <= 1 + 1e-3)
