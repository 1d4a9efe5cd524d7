"""Every transport's model has the protocol's functions, with the protocol's parameters."""

from __future__ import annotations

import inspect
import math
from types import ModuleType
from typing import Any

import pytest

from bench import transports
from bench.transports import ServerPart
from bench.transports.cycle import Cycle
from bench.transports.model import Conditions, Model, age_mean_s, for_poisson_ticks
from bench.transports.queueing import Jobs, ServerLoad


def unlike(part: Any, protocol: type) -> list[str]:
    """Return the protocol's functions that a module lacks, or has with other parameters."""
    found = []
    for name, function in inspect.getmembers(protocol, inspect.isfunction):
        if name.startswith("_"):
            continue
        expected = list(inspect.signature(function).parameters)[1:]   # without self
        own = getattr(part, name, None)
        if own is None or list(inspect.signature(own).parameters) != expected:
            found.append(name)
    return found


@pytest.mark.parametrize("name", transports.names())
def test_a_folder_has_every_function_with_its_parameters(name: str) -> None:
    assert unlike(transports.model_of(name), Model) == []
    for implementation in transports.servers(name):
        assert unlike(transports.server(name, implementation), ServerPart) == []


def test_a_module_without_them_is_noticed() -> None:
    made = ModuleType("made")
    made.cycle = lambda options: Cycle(parks=True)   # type: ignore[attr-defined]
    made.wire = lambda options: None   # type: ignore[attr-defined]
    lacking = unlike(made, Model)
    assert "cycle" not in lacking
    assert {"wire", "latency_mean_s", "messages"} <= set(lacking)


@pytest.mark.parametrize("name", transports.names())
@pytest.mark.parametrize("poisson", [True, False])
@pytest.mark.parametrize("mode", ["every", "latest"])
def test_a_form_is_a_number_or_does_not_hold(name: str, poisson: bool, mode: Any) -> None:
    """A share is one, a time is not negative; for Poisson ticks every form holds."""
    model, options = transports.model_of(name), transports.options_of(name, {}, "a test", "transports")
    at = Conditions(2.0, 0.01, 0.005, 3, mode, poisson)
    found = [form(options, at) for form in (
        model.latency_mean_s, model.latency_worst_s, model.age_excess_mean_s, model.requests_per_s)]
    shares = [form(options, at) for form in (model.conflated_share, model.empty_share)]
    found += [model.server_s(options, ServerLoad(10, 2.0, 2.0), Jobs(1e-5, 1e-4, 1e-5, 1e-6), 0.02)]
    assert all(each >= 0 or (math.isnan(each) and not poisson) for each in (*found, *shares))
    assert all(each <= 1 or (math.isnan(each) and not poisson) for each in shares)
    assert mode == "latest" or shares[0] == 0
    if poisson:
        assert found[0] <= found[1] + 1e-12
        assert age_mean_s(model, options, at) == found[2] + 1.5
    assert model.messages(options, ServerLoad(10, 2.0, 2.0), Jobs(), 0.02).per_tick == 1
    assert isinstance(model.cycle(options), Cycle)


def test_a_form_for_poisson_ticks_is_not_a_number_elsewhere() -> None:
    form = for_poisson_ticks(lambda options, conditions: conditions.rate_per_s)
    assert form(None, Conditions(3.0)) == 3.0
    assert math.isnan(form(None, Conditions(3.0, poisson=False)))


@pytest.mark.parametrize("name", transports.names())
def test_another_interval_is_one_of_the_cycle(name: str) -> None:
    model, options = transports.model_of(name), transports.options_of(name, {}, "a test", "transports")
    cycle = model.cycle(model.at_interval(options, 0.75))
    assert cycle.interval_s + cycle.flush_s == (0 if cycle.parks else 0.75)
