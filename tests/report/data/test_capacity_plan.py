"""The input of a capacity plan from a run's manifest."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from simulated_runs import made

from bench.report.data import capacity_plan
from bench.scenario.simulation import Simulation


def test_the_plan_is_the_scenarios(tmp_path: Path) -> None:
    prices = {"currency": "EUR", "worker_month": 10.0, "gigabyte_out": 0.1}
    run = made(tmp_path, {"workers": 3, "full_at": 0.5, "prices": prices})
    plan = capacity_plan.needs_of(run.trials, run.manifest)
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
    assert capacity_plan._further_s(Simulation.model_validate(network), {"tls": tls}) == pytest.approx(seconds)


def test_latencies_of_a_plan_are_those_of_its_workers_or_none(tmp_path: Path) -> None:
    run = made(tmp_path)
    plain = capacity_plan.needs_of(run.trials, run.manifest)
    assert all(math.isnan(need.latency_mean_ms) for need in plain)
    push = next(need for need in plain if need.transport == "websocket")
    for workers, found_ms in ((push.workers, 512.0), (int(push.workers or 0) + 1, math.nan)):
        forms = pd.DataFrame(
            [(push.transport, push.clients, f"planned_{name}", value) for name, value in (
                ("workers", workers), ("latency_mean_ms", 512.0), ("latency_worst_ms", 800.0))],
            columns=["transport", "clients", "quantity", "value"])
        known = next(need for need in capacity_plan.needs_of(run.trials, run.manifest, forms)
                     if (need.transport, need.clients) == (push.transport, push.clients))
        assert known.latency_mean_ms == pytest.approx(found_ms, nan_ok=True)


def test_a_plan_carries_the_band_of_its_costs_and_of_the_validations_errors(tmp_path: Path) -> None:
    """Drawn together; without either there is none."""
    run = made(tmp_path, {"prices": {"currency": "EUR", "worker_month": 30.0, "gigabyte_out": 0.05}})
    assert all(math.isnan(need.workers_low) for need in capacity_plan.needs_of(run.trials, run.manifest))
    forms = pd.DataFrame([
        (need.transport, need.clients, f"server_load{end}", value) for need in run.fleet
        for end, value in (("", 0.2), ("_low", 0.16), ("_high", 0.3))],
        columns=["transport", "clients", "quantity", "value"])
    errors = pd.DataFrame([("websocket", "server_cpu_us_per_update", -0.5, -0.6, -0.4)],
                          columns=["transport", "quantity", "error", "interval_low", "interval_high"])
    run.trials["server_cpu_cores"] *= 400
    costs, both = (capacity_plan.needs_of(run.trials, run.manifest, forms, checked)
                   for checked in (None, errors))
    for plain, checked in zip(costs, both, strict=True):
        assert plain.workers_low <= (plain.workers or 0) <= plain.workers_high
        assert plain.month_low <= plain.month <= plain.month_high
        if plain.transport == "websocket":   # the model said half as much as was measured
            assert checked.workers_high > 1.5 * plain.workers_high
        else:
            assert checked.workers_high == plain.workers_high
    shares = [need.least_share for need in costs if need.clients == 60 and not need.short]
    assert all(math.isnan(share) for share in shares) or sum(shares) == pytest.approx(1.0)
