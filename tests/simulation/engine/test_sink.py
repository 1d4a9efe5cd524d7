"""The results of a shard: sums and histograms over all clients are those of every row."""

from __future__ import annotations

import numpy as np
import pytest

from bench.records.trial_record import WindowInstants
from bench.simulation.engine.engine import simulate
from bench.simulation.engine.inputs import (
    Costs,
    Deliveries,
    FeedTicks,
    NetworkDelays,
    Shard,
    ShardOutcome,
    SkipBlock,
    UplinkOutcome,
    Uplinks,
)
from bench.simulation.engine.sink import ShardSink, ShardTotals, chosen, chosen_below, joined
from bench.stats.trial.latency import bins
from bench.transports.cycle import Cycle

NS = 1_000_000_000
SECOND_WINDOWS = WindowInstants(5 * NS, 6 * NS, 9 * NS, NS)


def shard(clients: int = 30, mode: str = "every", late_after_s: float = 1.0) -> Shard:
    rng = np.random.default_rng(3)
    count = 60
    ticks = FeedTicks(np.arange(count), np.sort(rng.uniform(0, 6, count)), rng.integers(0, 3, count),
                      np.full(count, 90))
    return Shard(
        seed=7, clients=np.arange(clients) * 2, ticks=ticks, cycle=Cycle(interval_s=0.7, pace="rate"),
        costs=Costs(request_s=1e-4, answer_s=1e-4, update_s=1e-5), net=NetworkDelays(0.01, 0.02), t0_s=1.0, t1_s=4.0,
        late_after_s=late_after_s, mode=mode,  # type: ignore[arg-type]
    )


def tallied(of: Shard, wanted: int, windows: WindowInstants = SECOND_WINDOWS) -> ShardTotals:
    kept = chosen(of.seed, of.clients, chosen_below(of.seed, 60, wanted))
    sink = ShardSink(of, kept, windows)
    return sink.end(simulate(of, sink))


def test_what_is_of_all_is_what_all_rows_say() -> None:
    everything = shard()
    found = tallied(everything, 60)
    rows = joined(found.deliveries, ("client", "index", "kernel_ns", "app_ns", "updates_in_read"))
    due_ns = np.rint(everything.ticks.due_s[rows["index"]] * NS).astype(np.int64) + SECOND_WINDOWS.warmup_ns
    in_window = (due_ns >= SECOND_WINDOWS.t0_ns) & (due_ns < SECOND_WINDOWS.t1_ns)
    latency_ns = (rows["app_ns"] - due_ns)[in_window]
    assert found.sums["received"] == len(due_ns)
    assert found.sums["delivered"] == np.count_nonzero(latency_ns <= NS)
    assert 0 < found.sums["shared"] == np.count_nonzero(rows["updates_in_read"][in_window] > 1)
    assert found.sums["app_latency_ns"] == pytest.approx(latency_ns.sum(), rel=1e-9)
    assert found.sums["latency_max_ns"] == pytest.approx(latency_ns.max(), abs=1)
    numbers, counts = bins(np.sort(latency_ns))
    assert np.abs(np.bincount(numbers, counts, len(found.app)) - found.app).sum() <= 2   # at a bin's edge
    assert found.app.sum() == found.kernel.sum() == len(latency_ns)
    steps = (rows["app_ns"] - SECOND_WINDOWS.warmup_ns) // (NS // 10)
    assert np.array_equal(np.bincount(steps[steps < len(found.arrived)], minlength=len(found.arrived)),
                          found.arrived)


def test_rows_are_kept_of_whole_clients_and_change_nothing_else() -> None:
    everything, few = tallied(shard(), 60), tallied(shard(), 9)
    assert few.sums == everything.sums
    assert np.array_equal(few.app, everything.app)
    all_rows, some = (joined(each.deliveries, ("client", "index", "app_ns")) for each in (everything, few))
    kept = set(some["client"].tolist())
    assert 0 < len(kept) < 30
    mine = np.isin(all_rows["client"], list(kept))
    for name in some:
        assert np.array_equal(np.sort(all_rows[name][mine]), np.sort(some[name]))


@pytest.mark.parametrize("mode", ["every", "latest"])
def test_the_fates_add_up(mode: str) -> None:
    sums = tallied(shard(mode=mode, late_after_s=0.3), 60).sums
    assert sums["updates_due"] == sum(sums[name] for name in ("delivered", "late", "conflated", "lost"))
    assert (sums["conflated"] > 0) == (mode == "latest")
    assert sums["late"] > 0


def test_two_halves_add_up_to_the_whole() -> None:
    whole = tallied(shard(40), 60)
    one = shard(40)
    halves = [
        tallied(Shard(**{**_fields(one), "clients": one.clients[part], "costs": Costs()}), 60)
        for part in (slice(0, 20), slice(20, 40))
    ]
    free = tallied(Shard(**{**_fields(one), "costs": Costs()}), 60)
    halves[0].add(halves[1])
    assert halves[0].sums == pytest.approx(free.sums)
    assert np.array_equal(halves[0].app, free.app)
    assert np.array_equal(halves[0].subscribed, free.subscribed)
    assert whole.sums["updates_due"] == free.sums["updates_due"]


def _fields(of: Shard) -> dict[str, object]:
    return {name: getattr(of, name) for name in Shard.__dataclass_fields__}


@pytest.mark.parametrize("chunk", [7, 300, 1 << 20])
@pytest.mark.parametrize("wanted", [1, 10, 999, 1000, 5000])
def test_as_many_clients_are_chosen_as_are_wanted(
    wanted: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.simulation.engine.sink.CHUNK", chunk)
    below = chosen_below(4, 1000, wanted)
    assert chosen(4, np.arange(1000), below).sum() == min(wanted, 1000)
    odd = chosen(4, np.arange(1, 1000, 2), below).sum()
    assert odd + chosen(4, np.arange(0, 1000, 2), below).sum() == min(wanted, 1000)


@pytest.mark.parametrize(("numbered_s", "delivered", "due"), [
    ([0.95, np.inf, 1.15], 2, 1),   # the second was refused: what the third replaces was due before the window
    ([0.95, 1.3, 1.15], 1, 2),      # the third overtook the second, which replaces it
])
def test_a_skip_is_of_messages_in_the_order_of_their_numbers(
    numbered_s: list[float], delivered: int, due: int
) -> None:
    due_s, one = np.array([0.9, 1.05, 1.1]), np.array([1])
    of = Shard(**{**_fields(shard(1, "latest")), "uplinks": Uplinks(np.zeros(3, dtype=np.int64), np.full(3, 70)),
                  "ticks": FeedTicks(np.arange(3), due_s, np.zeros(3, dtype=np.int64), np.full(3, 90))})
    sink = ShardSink(of, np.ones(1, dtype=np.bool_), SECOND_WINDOWS)
    client, tick, seen_s = np.array([0]), np.array([delivered]), np.array([1.4])
    sink.deliver(Deliveries(client, tick, seen_s, seen_s, one))
    sink.skip(SkipBlock("conflated", client, tick, one, seen_s))
    sums = sink.end(ShardOutcome(
        counted={"updates": one, "payload_bytes": np.array([90])}, jobs=0, busy_s=0.0, wait_max_s=0.0, server_counts={},
        end_s=1.4, uplinks=UplinkOutcome(due_s, np.array(numbered_s), np.full(3, 1.5), np.isinf(numbered_s)))).sums
    assert (sums["updates_due"], sums["delivered"], sums["lost"]) == (due, 1, 0)
    assert sums["conflated"] == due - 1
