"""Small scenarios of the studies that are only simulated: a reconnect storm, a crossover map and a decision."""

from __future__ import annotations

from pathlib import Path

from bench.experiment import prepare
from bench.experiment.prepare import PreparedScenario

STORM = """
question = "Who is back?"
seed = 5
[load]
clients = [600]
[simulation]
workers = 2
[trials]
count = 2
[storm]
connection_ms = 10.0
backlog = 60
timeout_s = 1.0
down_s = 2.0
[storm.map]
backlogs = [0.5, 2.0]
windows = [0.0, 1.5]
seeds = 1
[transports.websocket]
"""
CROSSOVER = """
question = "Which?"
[crossover]
rtt_ms = [40.0]
[transports.short_polling]
[transports.long_polling]
[transports.websocket]
"""

DECISION = """
question = "Which for these?"
[feed]
rate_per_s = 1.0
symbols = 1
[load]
clients = [300]
[simulation]
rtt_ms = 40.0
[decision]
within_ms = 2000.0
[transports.short_polling]
[transports.long_polling]
[transports.websocket]
"""


def storm(folder: Path, *overrides: str) -> PreparedScenario:
    """Return a storm of 600 clients and two workers; the overrides set the policies and the map."""
    return _read(folder, STORM, overrides)


def crossover(folder: Path, *overrides: str) -> PreparedScenario:
    """Return a map with all transports 40 ms away; the overrides set the other axes."""
    return _read(folder, CROSSOVER, overrides)


def decision(folder: Path, *overrides: str) -> PreparedScenario:
    """Return a decision for 300 clients 40 ms away; the overrides set the rest."""
    return _read(folder, DECISION, overrides)


def _read(folder: Path, text: str, overrides: tuple[str, ...]) -> PreparedScenario:
    path = folder / "small.toml"
    path.write_text(text)
    return prepare.read(str(path), overrides)
