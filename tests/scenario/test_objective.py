"""Objectives: read as written, met only by what was measured."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scenario.objective import RELATIONS, Condition, Objective, parse


def test_all_conditions_must_be_met() -> None:
    objective = parse("latency_p99_ms <= 50 and lost == 0")
    assert objective.met({"latency_p99_ms": 50.0, "lost": 0})
    assert not objective.met({"latency_p99_ms": 50.1, "lost": 0})
    broken = objective.broken({"latency_p99_ms": math.inf, "lost": 3})
    assert [str(each) for each in broken] == ["latency_p99_ms <= 50", "lost == 0"]


@pytest.mark.parametrize("row", [{}, {"latency_p99_ms": math.nan}, {"latency_p99_ms": "fast"}])
def test_what_was_not_measured_was_not_held(row: dict[str, object]) -> None:
    assert not parse("latency_p99_ms <= 50").met(row)
    assert not parse("latency_p99_ms > 50").met(row)


@given(st.lists(st.builds(
    Condition, st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True).filter(lambda name: name != "and"),
    st.sampled_from(list(RELATIONS)), st.integers(-999, 999).map(float)), min_size=1, max_size=4))
def test_what_is_written_is_read_again(conditions: list[Condition]) -> None:
    objective = Objective(tuple(conditions))
    assert parse(str(objective)) == objective


@pytest.mark.parametrize("text", ["", "fast", "lost", "lost <= ", "a <= 1 or b <= 2", "a => 1"])
def test_what_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"conditions such as .* is none"):
        parse(text)


def test_where_no_kernel_instant_is_known_the_application_bounds_it() -> None:
    condition = parse("kernel_latency_p99_ms <= 50").conditions[0]
    assert condition.value({"kernel_latency_p99_ms": 20.0, "latency_p99_ms": 60.0}) == 20
    assert condition.value({"kernel_latency_p99_ms": math.nan, "latency_p99_ms": 40.0}) == 40
    assert math.isnan(condition.value({}))
