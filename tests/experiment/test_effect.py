"""Fields that a verb takes no notice of: each kind of scenario has fields without effect, and they are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.errors import ScenarioError
from bench.experiment import effect, prepare
from bench.experiment.effect import Verb, refuse_without_effect, typed_fields
from bench.experiment.prepare import PreparedScenario
from bench.scenario.model import Scenario

MAP, STORM = "scale/crossover", "scale/storm"
REPLAY = ("feed.schedule=replay", "feed.replay.file=x.csv")


def asked(name: str, *overrides: str) -> PreparedScenario:
    return prepare.read(name, overrides)


@pytest.mark.parametrize(("verb", "name", "override", "allowed"), [
    ("run", "quick", "simulation.rtt_ms=80.0", "tickertape simulate"),
    ("calibrate", "quick", "simulation.workers=3", "tickertape simulate"),
    ("run", "quick", "feed.replay.speed=2.0", "--feed FILE"),
    ("simulate", "quick", "feed.bursty.decay_s=2.0", 'feed.schedule = "bursty"'),
    ("run", "use-cases/ticker", "use_case.clients=9", "decide --use"),
    ("run", "capacity", "load.clients=[50]", "capacity.start and capacity.most"),
    ("simulate", "capacity", "load.clients=[50]", "capacity.start and capacity.most"),
    ("run", "capacity", "trials.count=9", "capacity.time_s"),
    ("serve", "quick", "load.clients=[50]", "tickertape run"),
    ("serve", "quick", "windows.measure_s=9.0", "tickertape run"),
    ("serve", "quick", "load.mode=latest", "tickertape run"),
    ("serve", "use-cases/chat", "feed.rate_per_s=9.0", "messages are sent by hand"),
    ("simulate", MAP, "load.clients=[20000]", "crossover.clients"),
    ("simulate", MAP, "simulation.workers=9", "crossover.workers"),
    ("simulate", MAP, "simulation.rtt_ms=80.0", "crossover.rtt_ms"),
    ("simulate", MAP, "feed.rate_per_s=3.0", "crossover.rates_per_s"),
    ("simulate", MAP, "transports.short_polling.interval_s=5.0", "crossover.staleness_ms"),
    ("simulate", MAP, "transports.websocket.flush_ms=5.0", "crossover.staleness_ms"),
    ("run", "batched", "transports.websocket.flush_ms=5.0", "sweep.transports.websocket.flush_ms"),
    ("simulate", STORM, "feed.rate_per_s=3.0", "a field of [storm]"),
    ("simulate", STORM, "simulation.rtt_ms=80.0", "a field of [storm]"),
    ("simulate", STORM, "windows.measure_s=1.0", "a field of [storm]"),
    ("simulate", "quick", "trials.repeats=0", "tickertape run"),
])
def test_a_field_without_effect_is_refused(verb: Verb, name: str, override: str, allowed: str) -> None:
    field = override.partition("=")[0]
    with pytest.raises(ScenarioError, match="which has no effect here") as caught:
        refuse_without_effect([asked(name, override)], typed_fields({}, [override]), verb)
    assert f"--set: found {field}, " in str(caught.value)
    assert allowed in str(caught.value)


@pytest.mark.parametrize(("verb", "name", "overrides"), [
    ("run", "quick", ("feed.schedule=bursty", "feed.bursty.decay_s=2.0")),
    ("run", "quick", (*REPLAY, "feed.replay.speed=2.0")),
    ("run", "capacity", ("capacity.most=50", "capacity.start=10")),
    ("simulate", "quick", ("simulation.rtt_ms=80.0", "load.clients=[7]", "trials.count=2")),
    ("simulate", MAP, ("crossover.clients=[20000]", "seed=3", "simulation.full_at=0.5")),
    ("simulate", STORM, ("load.clients=[20000]", "simulation.workers=9", "seed=3", "trials.count=2")),
    ("validate", "quick", ("simulation.rtt_ms=80.0",)),
])
def test_a_field_with_an_effect_is_let_pass(verb: Verb, name: str, overrides: tuple[str, ...]) -> None:
    prepared, typed = asked(name, *overrides), typed_fields({}, overrides)
    refuse_without_effect([prepared], typed, verb)
    known = effect.without_effect(prepared.scenario, prepared.options, verb)
    assert len(typed) == len(overrides)
    assert [field for field in typed if effect.instead(field, known)] == []


def test_a_flag_is_named_in_place_of_its_field() -> None:
    typed = typed_fields({"--clients": ("load.clients", [20_000]), "--seed": ("seed", None)}, [])
    assert typed == {"load.clients": "--clients"}
    with pytest.raises(ScenarioError, match=r"crossover.toml: --clients: found load.clients, .*"
                                            r"allowed is crossover.clients"):
        refuse_without_effect([asked(MAP)], typed, "simulate")


def test_one_field_by_two_flags_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"load\.clients: found --clients together with it, allowed is one"):
        typed_fields({"--clients": ("load.clients", [3])}, ["load . clients=[4]"])


def test_of_several_scenarios_one_is_enough() -> None:
    questions = [asked("quick"), asked("capacity")]
    refuse_without_effect(questions, {"trials.count": "--set"}, "run")
    with pytest.raises(ScenarioError, match=r"feed\.bursty"):
        refuse_without_effect(questions, {"feed.bursty": "--set"}, "run")


def _fields(table: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, value in table.items():
        found.add(f"{prefix}{name}")
        if isinstance(value, dict):
            found |= _fields(value, f"{prefix}{name}.")
    return found


@pytest.mark.parametrize("name", ["quick", "capacity", MAP, STORM])
@pytest.mark.parametrize("verb", ["run", "simulate", "serve"])
def test_what_is_called_without_effect_is_a_field(name: str, verb: Verb) -> None:
    """So a field that gets another name does not pass for one that has an effect."""
    prepared = asked(name)
    known = _fields(Scenario.model_validate(prepared.scenario).canonical())
    known |= {f"transports.{label}.{each}" for label, options in prepared.options.items()
              for each in type(options).model_fields}
    missing = set(effect.without_effect(prepared.scenario, prepared.options, verb)) - known
    assert missing == set(), Path(prepared.file)
