"""Formulas on trials whose figures are round."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.claims.formulas import FORMULAS, NEEDS, Evidence
from bench.scenario import model as scenarios
from bench.scenario.model import Claim, Scenario

TRIALS = pd.DataFrame({
    "transport": ["poll", "poll", "push", "push", "push"], "block": [1, 2, 2, 1, 3], "clients": 10,
    "latency_mean_ms": [30.0, 50.0, 5.0, 3.0, 9.0], "conflated": [5, 6, 0, 0, 0], "updates_due": 10,
    "requests_per_update": [2.0, 1.0, 0.0, 0.0, 0.0],
    "bytes_up_per_update": [700.0, 600.0, 52.0, 52.0, 52.0],
    "bytes_down_per_update": [300.0, 400.0, 74.0, 74.0, 74.0],
    "header_bytes_up_per_update": [600.0, 500.0, 0.0, 0.0, 0.0],
    "header_bytes_down_per_update": [200.0, 300.0, 0.0, 0.0, 0.0],
    "framing_bytes_up_per_update": 0.0,
    "framing_bytes_down_per_update": [0.0, 0.0, 2.0, 2.0, 2.0],
})
EVIDENCE = Evidence(Scenario.model_validate(
    {"question": "?", "feed": {"rate_per_s": 4.0}, "transports": {"a": {}}}), TRIALS)


def ours(formula: str, at: float = 1.0, **fields: Any) -> list[float]:
    claim = Claim(says="", source="", stated=(1,), unit="", formula=formula, tolerance=0,
                  **({"subject": "poll"} | fields))
    return np.asarray(FORMULAS[formula](EVIDENCE, claim, at)).tolist()


def test_a_formula_of_one_subject_has_a_value_for_each_block() -> None:
    assert ours("value", column="latency_mean_ms") == [30, 50]
    assert ours("share", column="conflated", of="updates_due") == [0.5, 0.6]
    assert ours("share", column="updates_due", of="clients") == [1, 1]
    assert ours("bytes_per_request", parts=("header",)) == [400, 800]


def test_of_two_in_the_same_block() -> None:
    assert ours("difference", column="latency_mean_ms", against="push") == [27, 45]
    assert ours("ratio", column="latency_mean_ms", against="push") == [10, 10]
    assert ours("reduction", against="push", parts=("header", "framing")) == [400, 400]
    assert ours("reduction", against="push") == pytest.approx([1000 / 126, 1000 / 126])


def test_traffic_is_what_an_update_costs_times_clients_and_rate() -> None:
    assert ours("traffic", at=2**20 / 32, parts=("header",)) == [800, 800]
    assert ours("traffic", at=2**20 / 32, subject="push") == [126, 126, 126]


def test_every_formula_says_what_it_needs() -> None:
    assert set(FORMULAS) == set(NEEDS)


DATA = Path(__file__).parents[3] / "shared" / "data" / "lubbers_greco_2010_headers.json"


@pytest.mark.skipif(not DATA.is_file(), reason=f"{DATA} is not there")
def test_the_articles_scenario_carries_the_articles_lines() -> None:
    article = json.loads(DATA.read_text())
    file = Path(__file__).parents[2] / "scenarios" / "claims" / "lubbers-greco-2010.toml"
    scenario = scenarios.load(file)
    options = scenario.transports["short_polling"].options
    assert options["request_headers"] == article["request"][1:]
    kept = [line for line in article["response"][1:] if not line.startswith("Content-Length")]
    assert options["response_headers"] == kept
    assert scenario.claims["polling-as-counted"].stated == tuple(article["stated_polling_mbps"])
    assert scenario.claims["websocket-as-counted"].stated == tuple(article["stated_websocket_mbps"])
    assert scenario.claims["polling-as-counted"].at == tuple(article["clients"])
    # 871 are the characters of all lines; ours differ by the request line and Content-Length alone.
    assert sum(map(len, article["request"] + article["response"])) == scenario.claims[
        "header-bytes-of-a-poll"].stated[0]
