"""Detection of scenario fields that a command ignores, so that a flag without any effect is refused.

    scenario, verb ─► fields without effect, each with what to ask for instead
    what was typed ─► the first without effect in every scenario that is asked for ─► ScenarioError

A scenario file may contain such fields, because the same file is run, served and simulated. A field that was
typed for one command but has no effect on it is a mistake: its result would look like the answer to a
different question.

Known weakness: a field set to the value that it already has is not detected, nor is one that another field
overrides within a server or a client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from bench.errors import ScenarioError
from bench.experiment.prepare import PreparedScenario
from bench.scenario.fields import Table
from bench.scenario.model import Scenario

Verb = Literal["run", "serve", "simulate", "calibrate", "validate"]
BY_HAND = ("feed.schedule", "feed.rate_per_s", "feed.bursty")
SIMULATED_ALONE = "`tickertape simulate`, which has it"
UNSERVED = ("windows", "trials", "capacity", "simulation", "claims", "thresholds", "storm", "crossover", "decision",
            "load.clients", "load.symbols_per_client", "load.spawn_rate_per_s")
NOT_IN_A_STORM = (
    "feed", "server", "windows", "claims", "load.mode", "load.symbols_per_client", "trials.repeats",
    "trials.until", "trials.count_max", "simulation.rtt_ms", "simulation.up_ms", "simulation.down_ms",
    "simulation.jitter", "simulation.jitter_ms", "simulation.sample_clients", "simulation.full_at",
    "simulation.slow", "simulation.prices",
)
NOT_IN_A_MAP = {
    "load.clients": "crossover.clients", "simulation.workers": "crossover.workers",
    "simulation.rtt_ms": "crossover.rtt_ms", "simulation.up_ms": "crossover.rtt_ms",
    "simulation.down_ms": "crossover.rtt_ms", "feed.rate_per_s": "crossover.rates_per_s",
    "feed.replay": "synthetic ticks: a map has its own rates", "windows": "crossover.staleness_ms",
    "trials": "crossover.checked", "claims": "none", "simulation.sample_clients": "crossover.checked",
}
NOT_IN_A_DECISION = {
    "simulation.workers": "none: the workers are found", "simulation.up_ms": "simulation.rtt_ms",
    "simulation.down_ms": "simulation.rtt_ms", "simulation.jitter": "none", "simulation.jitter_ms": "none",
    "simulation.slow": "none", "simulation.sample_clients": "none", "feed.replay": "synthetic ticks",
    "windows": "decision.within_ms", "trials": "none", "claims": "none",
}


def without_effect(scenario: Scenario, options: Mapping[str, Table], verb: Verb, *, locust: bool = False
                   ) -> dict[str, str]:
    """Return the fields, or whole tables, that `verb` ignores, each with what to ask for instead."""
    found = dict(_of_the_feed(scenario))
    found |= {name: f"sweep.{name}, which has its values" for name in scenario.sweep}
    found["use_case"] = "the options of `tickertape decide --use`"
    if verb in ("run", "calibrate"):
        found["simulation"] = SIMULATED_ALONE
    if verb in ("calibrate", "validate"):
        found["thresholds"] = "`tickertape run`, which has it"
    if verb == "simulate":
        found |= dict.fromkeys(("trials.repeats", "load.spawn_rate_per_s", "load.processes"),
                               "`tickertape run`, which has it")
    if verb == "serve":
        found |= dict.fromkeys(UNSERVED if locust else (*UNSERVED, "load"), "`tickertape run`, which has it")
        if scenario.feed.source == "clients":
            found |= dict.fromkeys(BY_HAND, "`tickertape run`, which has it: messages are sent by hand here")
    elif scenario.storm is not None:
        found |= dict.fromkeys(NOT_IN_A_STORM, "a field of [storm], or a scenario without it")
        if scenario.storm.connection_ms is not None:
            found["simulation.costs"] = "none together with storm.connection_ms, which sets the cost of a connection"
    elif scenario.crossover is not None:
        chosen = {f"transports.{label}.{name}": "crossover.staleness_ms: the map chooses the interval"
                  for label, table in options.items() for name in ("interval_s", "flush_ms") if hasattr(table, name)}
        found |= NOT_IN_A_MAP | chosen
    elif scenario.decision is not None:
        found |= NOT_IN_A_DECISION | {
            f"transports.{label}.{name}": "decision.within_ms: the interval is chosen; decision.now has one of its own"
            for label, table in options.items() for name in ("interval_s", "flush_ms") if hasattr(table, name)}
    elif scenario.capacity is not None:
        found["trials"] = "capacity.time_s: a search has steps in place of trials"
        raised = "load.clients" if scenario.capacity.raised == "clients" else "feed.rate_per_s"
        found[raised] = "capacity.start and capacity.most: it is what the search raises"
    return found


def _of_the_feed(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Yield the fields that the kind of feed ignores, each with what to ask for instead."""
    schedule = scenario.feed.schedule
    if schedule == "replay":
        yield "feed.rate_per_s", "feed.replay.speed: a file has rates of its own"
        yield "feed.symbols", "none: a file has symbols of its own"
    else:
        yield "feed.replay", f'--feed FILE, or feed.schedule = "replay" in place of "{schedule}"'
    if scenario.feed.source == "publisher":
        yield "server.messages", 'feed.source = "clients": these are limits of messages of clients'
    if schedule != "bursty":
        yield "feed.bursty", f'feed.schedule = "bursty" in place of "{schedule}"'


def refuse_without_effect(questions: Sequence[PreparedScenario], typed: Mapping[str, str], verb: Verb, *,
                          locust: bool = False) -> None:
    """Raise `ScenarioError` for the first field of `typed` that none of the questions uses.

    `typed` maps each field that a command sets to the flag that was typed for it.
    """
    known = [without_effect(each.scenario, each.options, verb, locust=locust) for each in questions]
    for field, flag in typed.items():
        others = [instead(field, each) for each in known]
        if all(others):
            raise ScenarioError(str(questions[0].file), flag, f"{field}, which has no effect here",
                                str(others[0]))


def instead(field: str, known: Mapping[str, str]) -> str | None:
    """Return what to ask for in place of a field that has no effect; None if it has an effect."""
    parts = field.split(".")
    names = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return next((known[name] for name in names if name in known), None)


def field_of(override: str) -> str:
    """Return the field's dotted name in `name=value`."""
    return ".".join(part.strip() for part in override.partition("=")[0].split("."))


def typed_fields(shorthands: Mapping[str, tuple[str, object]], overrides: Sequence[str]) -> dict[str, str]:
    """Return the fields that were typed, each with its flag.

    `shorthands` maps a flag to the field that it sets and the given value (None if it was not given). Raises
    `ScenarioError` where two flags set one field, since one of them would have no effect.
    """
    typed = {field: flag for flag, (field, given) in shorthands.items() if given is not None}
    for override in overrides:
        name = field_of(override)
        if not typed.get(name, "--set").startswith("--set"):
            raise ScenarioError("--set", name, f"{typed[name]} together with it", "one of the two")
        typed[name] = "--set"
    return typed
