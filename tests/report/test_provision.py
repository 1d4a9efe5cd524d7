"""What a capacity plan takes from a run's manifest."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated_runs import made

from bench.report import provision


def test_the_plan_is_the_scenarios(tmp_path: Path) -> None:
    prices = {"currency": "EUR", "worker_month": 10.0, "gigabyte_out": 0.1}
    run = made(tmp_path, {"workers": 3, "full_at": 0.5, "prices": prices})
    plan = provision.needs_of(run.trials, run.manifest)
    assert [(need.clients, need.transport) for need in plan] == [
        (clients, label) for clients in (20, 60) for label in ("short_polling", "long_polling", "websocket")]
    assert {need.full_at for need in plan} == {0.5}
    assert {need.workers_simulated for need in plan} == {3}
    push = plan[2]
    assert push.currency == "EUR"
    assert push.memory_gb == 30_000 * 20 / 1e9
    # A thousandth of a core for each tick of 40 a second, and a hundredth, are each worker's own.
    feed = float((run.trials["feed_due"] / run.trials["measure_s"]).mean())
    shared = max(0.0, push.cpu_cores - 3 * (1e-3 * feed + 0.01))
    assert push.workers == max(1, -(-shared // (0.5 - 1e-3 * feed - 0.01)))


@pytest.mark.parametrize(("network", "tls", "seconds"), [
    ({}, True, 0.0), ({"rtt_ms": 80.0}, False, 0.0), ({"rtt_ms": 80.0, "up_ms": None}, True, 0.08),
    ({"up_ms": 10.0, "down_ms": 30.0}, True, 0.04),
])
def test_a_server_has_a_connection_for_a_round_trip_more_with_tls(
    network: dict[str, float], tls: bool, seconds: float
) -> None:
    assert provision._further_s(network, {"tls": tls}) == pytest.approx(seconds)
