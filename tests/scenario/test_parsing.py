"""Mistakes in a table are told in the words of its file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from bench.errors import ScenarioError
from bench.scenario.decision import UseCase
from bench.scenario.model import Claim, External, Scenario
from bench.scenario.parsing import table_of, validated, value_text
from bench.scenario.simulation import Prices
from bench.scenario.storm import Backoff, StormMap

TABLE: dict[str, Any] = {"question": "?", "transports": {"websocket": {}}}


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"load": 3}, "x.toml: load: found 3, allowed is a table"),
    ({"load": {"clients": 3}}, "x.toml: load.clients: found 3, allowed is a list"),
    ({"load": {"clients": ["many"]}}, "x.toml: load.clients.0: found 'many', allowed is a whole number"),
    ({"feed": {"rate_per_s": "fast"}}, "x.toml: feed.rate_per_s: found 'fast', allowed is a number"),
    ({"question": 3}, "x.toml: question: found 3, allowed is a text"),
    ({"transports": []}, "x.toml: transports: found [], allowed is a table"),
    ({"transports": {}}, "x.toml: transports: found {}, allowed is at least 1 of them"),
    ({"transports": {"a": 1}}, "x.toml: transports.a: found 1, allowed is a table"),
    ({"laod": {}}, "x.toml: laod: found an unknown key, allowed is load (the nearest known name)"),
])
def test_a_mistake_is_told_without_a_word_of_python(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        validated(Scenario, TABLE | changes, "x.toml")
    assert str(caught.value) == sentence


def fields(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Yield the dotted names of all fields of the tables that a table holds."""
    for name, field in model.model_fields.items():
        yield f"{path}{name}"
        inner = table_of(field)
        if inner is not None:
            yield from fields(inner, f"{path}{name}.")


ANYTHING = (True, -1, 0.5, 1e99, float("nan"), "x", "", [], [{}], [[True]], {}, {"x": None}, date(2026, 1, 2))
PYTHON = re.compile(
    r"True|False|None|[Tt]uple|[Dd]ict|[Ss]tring|Input|datetime|\b(int|float|str|bool|valid)\b|[{]'")


USE_CASE = {"clients": 1, "rate_per_s": 1.0, "within_ms": 1000.0, "rtt_ms": 1.0, "payload_bytes": 100}
CLAIM = {"says": "?", "source": "?", "stated": [1], "unit": "?", "formula": "value", "subject": "a",
         "tolerance": 0.1}


@pytest.mark.parametrize(("model", "place", "whole"), [
    (Scenario, "", {}), (Claim, "claims.a.", CLAIM), (Prices, "simulation.prices.", {"worker_month": 1.0}),
    (External, "transports.a.server.", {"command": ["serve"], "ready": "http://127.0.0.1:{port}/"}),
    (Backoff, "storm.policies.a.", {}), (StormMap, "storm.map.", {}), (UseCase, "use_case.", USE_CASE),
])
def test_no_field_is_refused_in_the_words_of_python(
    model: type[BaseModel], place: str, whole: dict[str, Any]
) -> None:
    """Any value, in a table that is `whole` but for it."""
    sentences = set()
    for name in fields(model):
        for value in ANYTHING:
            first, _, rest = name.partition(".")
            table: Any = {**whole, first: nested(rest, value)}
            try:
                validated(Scenario, TABLE | nested(place.rstrip("."), table), "x.toml")
            except ScenarioError as mistake:
                sentences.add((mistake.field, str(mistake)))
    refused = {field for field, _ in sentences}
    # Fields that a table can't do without are tried in a whole one.
    assert {f"{place}{name}" for name in fields(model) if not name.startswith("use_case.")} <= refused
    assert [sentence for _, sentence in sentences if PYTHON.search(sentence)] == []


def nested(path: str, value: Any) -> Any:
    """Return the value at a dotted place."""
    for part in reversed(path.split(".") if path else []):
        value = {part: value}
    return value


@pytest.mark.parametrize(("found", "text"), [
    (None, "nothing"), (True, "true"), (3, "3"), (0.5, "0.5"), ("x", "'x'"), ("it's\n", '"it\'s\\n"'),
    ([True, "x"], "[true, 'x']"), ({"a": {"b": []}}, "{a = {b = []}}"), (date(2026, 1, 2), "2026-01-02"),
])
def test_what_was_found_is_told_as_it_would_stand_in_the_file(found: object, text: str) -> None:
    assert value_text(found) == text


def test_fields_that_do_not_go_together_are_told_by_the_one_to_change() -> None:
    with pytest.raises(ScenarioError) as caught:
        validated(Scenario, TABLE | {"feed": {"schedule": "replay"}}, "x.toml")
    assert str(caught.value).startswith(
        'x.toml: feed.replay.file: found nothing, allowed is a file of trades together with schedule = "replay"')


def test_what_was_found_is_cut() -> None:
    with pytest.raises(ScenarioError) as caught:
        validated(Scenario, TABLE | {"seed": "x" * 1000}, "x.toml")
    assert len(str(caught.value)) < 150


def test_a_table_that_may_be_left_out_is_known_as_one() -> None:
    assert table_of(Scenario.model_fields["capacity"]) is not None
    assert table_of(Scenario.model_fields["seed"]) is None
