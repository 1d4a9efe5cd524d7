"""The closed forms of a push: the delay and nothing else; and they are where every transport has them."""

from __future__ import annotations

import inspect

import pytest
from cycles import play

from bench import transports
from bench.transports.websocket import model
from bench.transports.websocket.protocol import Options


def test_it_is_what_a_push_does() -> None:
    played = play(10.0, 2, 0.0, park=True, delay_s=0.03)
    assert model.latency_mean_s(Options(), 10.0, 0.03) == pytest.approx(played.latency_mean_s)
    assert model.age_mean_s(Options(), 10.0, 0.03, symbols=2) == pytest.approx(played.age_mean_s, rel=0.02)
    assert model.age_excess_mean_s(Options(), 10.0, 0.03, symbols=2) == pytest.approx(
        played.age_excess_mean_s, rel=0.02)
    assert model.conflated_share(Options(), 10.0, 0.03) == played.conflated_share == 0


def test_every_transport_has_the_same_functions_with_the_same_arguments() -> None:
    def functions(name: str) -> dict[str, list[str]]:
        model = transports.part(name, "model")
        return {
            key: list(inspect.signature(value).parameters)
            for key, value in inspect.getmembers(model, inspect.isfunction)
            if key[0] != "_" and value.__module__ == model.__name__
        }
    assert len({str(functions(name)) for name in transports.own_names()}) == 1
