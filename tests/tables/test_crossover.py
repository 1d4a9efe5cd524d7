"""`[crossover]`: its axes rise, and a scenario takes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import scenario
from bench.errors import ScenarioError
from bench.tables.crossover import Crossover

HEAD = 'question = "?"\n[transports.websocket]\n'


def test_a_scenario_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(HEAD + "[crossover]\nrtt_ms = [1.0, 50.0]\n")
    assert scenario.load(path).crossover == Crossover(rtt_ms=(1.0, 50.0))
    path.write_text(HEAD)
    assert scenario.load(path).crossover is None


def test_axes_rise(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(HEAD + "[crossover]\nclients = [100, 10]\n")
    told = "crossover.clients: found [100, 10], allowed is numbers in rising order, each once"
    with pytest.raises(ScenarioError, match=re.escape(told)):
        scenario.load(path)
