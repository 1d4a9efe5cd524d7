"""`[simulation]`: one network, and what it means in seconds."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import ScenarioError
from bench.scenario.parsing import validated
from bench.scenario.simulation import Simulation


@pytest.mark.parametrize(("table", "delays_s"), [
    ({}, None),
    ({"rtt_ms": 80}, (0.04, 0.04)),
    ({"up_ms": 10.0, "down_ms": 30.0}, (0.01, 0.03)),
])
def test_the_network_in_seconds(table: dict[str, Any], delays_s: tuple[float, float] | None) -> None:
    assert Simulation.model_validate(table).delays_s == delays_s


@pytest.mark.parametrize(("table", "sentence"), [
    ({"rtt_ms": 80.0, "up_ms": 1.0, "down_ms": 1.0}, "rtt_ms, or up_ms and down_ms"),
    ({"up_ms": 1.0}, "simulation.down_ms: found nothing, allowed is up_ms and down_ms together"),
    ({"up_ms": 0.0, "down_ms": 0.0}, "not both 0"),
    ({"worker": 3}, "workers (the nearest known name)"),
    ({"workers": 0}, "simulation.workers: found 0"),
    ({"full_at": 1.2}, "full_at"),
    ({"full_at": True}, "simulation.full_at: found true, allowed is a number"),
    ({"slow": {"share": True}}, "simulation.slow.share: found true, allowed is a number"),
    ({"full_at": 1e-300}, "simulation.full_at: found 1e-300, allowed is a number of at least 0.01"),
    ({"rtt_ms": 1e20}, "simulation.rtt_ms: found 1e+20, allowed is a number of at most 120000"),
    ({"jitter_ms": 1e300}, "simulation.jitter_ms"),
    ({"slow": {"bytes_per_s": 1e-300}}, "simulation.slow.bytes_per_s"),
    ({"slow": {"share": 2.0}}, "simulation.slow.share"),
    ({"prices": {"gigabyte_out": -0.05}}, "simulation.prices.gigabyte_out: found -0.05"),
        ({"prices": {"currency": "EUR"}}, "simulation.prices.worker_month: found 0.0, allowed is a price above 0"),
    ({"prices": {"gigabyte_second": 1e-5}}, "simulation.prices.memory_gb: found 0.0, allowed is memory above 0"),
])
def test_a_mistake_is_named(table: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        validated(Simulation, table, "my.toml", "simulation")
    assert sentence in str(caught.value)
