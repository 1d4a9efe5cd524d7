"""`[crossover]`: its axes rise, and a scenario takes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.errors import ScenarioError
from bench.scenario import model
from bench.scenario.crossover import Crossover
from bench.scenario.parsing import validated

HEAD = 'question = "?"\n[transports.websocket]\n'


def test_a_scenario_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(HEAD + "[crossover]\nrtt_ms = [1.0, 50.0]\n")
    assert model.load(path).crossover == Crossover(rtt_ms=(1.0, 50.0))
    path.write_text(HEAD)
    assert model.load(path).crossover is None


def test_axes_rise(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(HEAD + "[crossover]\nclients = [100, 10]\n")
    told = "crossover.clients: found [100, 10], allowed is numbers in rising order, each once"
    with pytest.raises(ScenarioError, match=re.escape(told)):
        model.load(path)


@pytest.mark.parametrize(("axis", "value", "bound"), [
    ("rates_per_s", 1e-300, "least 0.001"), ("rates_per_s", 1e300, "most 1000000"),
    ("rtt_ms", 1e-300, "least 0.001"), ("rtt_ms", 1e300, "most 120000"),
    ("staleness_ms", 1e-300, "least 0.1"), ("clients", 10**30, "most 100000000"),
])
def test_what_can_only_be_a_slip_is_refused(axis: str, value: float, bound: str) -> None:
    told = f"crossover.{axis}.0: found {value}, allowed is a number of at {bound}"
    with pytest.raises(ScenarioError, match=re.escape(told)):
        validated(Crossover, {axis: [value]}, "map.toml", "crossover")
