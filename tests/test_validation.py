"""Mistakes in a table are told in the words of its file."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import ScenarioError
from bench.scenario import Scenario
from bench.validation import table_of, validated

TABLE: dict[str, Any] = {"question": "?", "transports": {"websocket": {}}}


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"load": 3}, "x.toml: load: found 3, allowed is a table"),
    ({"load": {"clients": 3}}, "x.toml: load.clients: found 3, allowed is a list"),
    ({"load": {"clients": ["many"]}}, "x.toml: load.clients.0: found 'many', allowed is a whole number"),
    ({"feed": {"rate_per_s": "fast"}}, "x.toml: feed.rate_per_s: found 'fast', allowed is a number"),
    ({"question": 3}, "x.toml: question: found 3, allowed is a text"),
    ({"transports": []}, "x.toml: transports: found [], allowed is a table"),
    ({"transports": {"a": 1}}, "x.toml: transports.a: found 1, allowed is a table"),
    ({"laod": {}}, "x.toml: laod: found an unknown key, allowed is load (the nearest known name)"),
])
def test_a_mistake_is_told_without_a_word_of_python(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        validated(Scenario, TABLE | changes, "x.toml")
    assert str(caught.value) == sentence


def test_what_was_found_is_cut() -> None:
    with pytest.raises(ScenarioError) as caught:
        validated(Scenario, TABLE | {"seed": "x" * 1000}, "x.toml")
    assert len(str(caught.value)) < 150


def test_a_table_that_may_be_left_out_is_known_as_one() -> None:
    assert table_of(Scenario.model_fields["capacity"]) is not None
    assert table_of(Scenario.model_fields["seed"]) is None
