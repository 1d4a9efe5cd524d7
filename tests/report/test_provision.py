"""What a capacity plan takes from a run's manifest."""

from __future__ import annotations

from pathlib import Path

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
