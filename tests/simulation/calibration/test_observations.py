"""The parts of a measured run that a calibration reads."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from posed import posed
from priced import priced

from bench.errors import RunError
from bench.experiment import prepare
from bench.records.trial_record import seal
from bench.simulation.calibration.costs import CostKind
from bench.simulation.calibration.observations import Observation, observe

SMALL = ("trials.count=1", "load.clients=[30]", "windows.measure_s=1.0")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in small."""
    return posed(prepare.read("quick", SMALL), priced(), tmp_path_factory.mktemp("results"))


def by_transport(run: Path) -> dict[str, Observation]:
    return {each.kind.transport: each for each in observe(run)}


def test_counts_are_those_of_the_window(run: Path) -> None:
    """Thirty clients get every tick, in one message or answer each while little happens."""
    push, parked, polls = (by_transport(run)[name] for name in ("websocket", "long_polling", "short_polling"))
    assert push.kind == CostKind("websocket")
    assert push.seconds == pytest.approx(1.0)
    assert push.counts["updates"] == pytest.approx(30 * push.counts["ticks"], abs=60)
    assert push.counts["answers"] == push.counts["updates"]
    assert push.counts["requests"] == push.counts["connections"] == 0
    assert parked.counts["answers"] == parked.counts["requests"] > 0
    assert polls.counts["answers"] == pytest.approx(60, abs=2), "twice a second each"
    assert polls.counts["payload_bytes"] / polls.counts["updates"] == pytest.approx(80, abs=10)


def test_in_an_idle_stretch_only_polls_come(run: Path) -> None:
    """By their schedule, since nobody counted them."""
    found = by_transport(run)
    for transport, polls in (("websocket", 0.0), ("long_polling", 0.0), ("short_polling", 30.0)):
        window, idle = found[transport].stretches(0.1, 0.0)
        assert (window.seconds, idle.seconds) == (1.0, 0.5)
        assert (idle.counts["socket"], idle.counts.get("exchange", 0.0)) == (15.0, polls)


def test_a_cold_server_feels_its_work_as_more(run: Path) -> None:
    """By the share that it is slower then, times how cold it was; but what is open is open."""
    push = by_transport(run)["websocket"]
    warm, cold = (push.stretches(0.1, share)[0].counts for share in (0.0, 0.5))
    assert 0 < push.coldness(0.1) < 1
    for name, count in cold.items():
        more = 1.0 if name in ("socket", "wake") else 1 + 0.5 * push.coldness(0.1)
        assert count == pytest.approx(more * warm[name]), name
    assert warm["wake"] == pytest.approx(push.coldness(0.1) * push.wakeups)


def test_a_busy_server_is_warm_for_what_comes_late(run: Path) -> None:
    """All of a fan-out is as cold as it began; requests that come behind it are less."""
    found = by_transport(run)
    assert found["websocket"].kept == 1.0
    for transport, kept in (("long_polling", (1 + math.exp(-1.5)) / 2), ("short_polling", math.exp(-1.0))):
        rarely, longer = (replace(found[transport], wakeups=wakeups, server_cpu_s=1.0)
                          for wakeups in (1000.0, 10.0))   # busy for 1 ms, or 100 ms
        assert longer.kept == pytest.approx(kept)
        assert longer.kept < rarely.kept < 1.0


def test_only_valid_measured_trials_are_observed(run: Path, tmp_path: Path) -> None:
    """A simulated one would be fitted to itself."""
    simulated = Path(shutil.copytree(run, tmp_path / run.name))
    for path in simulated.glob("trials/*/trial.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "source": "simulated"}))
        seal(path.parent, path.read_bytes())
    with pytest.raises(RunError, match="found none that was measured"):
        observe(simulated)
