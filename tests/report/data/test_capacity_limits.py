"""`capacity.csv`: the figures at the limit and the side that was at its limit, whatever the order of the trials."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.report.data.capacity_limits import COLUMNS, at_limits, capacity_limits
from bench.scenario.model import Scenario

CAPACITY = {"objective": "kernel_latency_p99_ms <= 50 and lost == 0", "raised": "clients", "start": 100,
            "most": 800, "factor": 2.0, "precision": 0.5, "time_s": 300.0}


def scenario(**tables: Any) -> Scenario:
    return Scenario.model_validate({"question": "?", "transports": {"a": {}, "b": {}}, **tables})


SCENARIO = scenario(capacity=CAPACITY)
GOOD = {"verdict": "VALID", "reasons": "", "kernel_latency_p99_ms": 20.0, "lost": 0, "arrivals": 4000,
        "measure_s": 2.0, "server_cpu_cores": 0.5, "load_cpu_cores": 0.3, "rate_per_s": 20.0}
SLOW = GOOD | {"kernel_latency_p99_ms": 90.0}
LAGGING = GOOD | {"verdict": "INVALID", "client_lag_p99_ms": 60.0, "kernel_latency_p99_ms": 70.0}


def frame(*steps: tuple[str, int, dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([
        {"transport": label, "clients": clients, "position": place} | row
        for place, (label, clients, row) in enumerate(steps, 1)
    ])


def test_a_run_that_was_no_search_has_none() -> None:
    trials = frame(("a", 100, GOOD))
    assert capacity_limits(trials, scenario()) is None
    assert at_limits(trials, scenario()) is trials


def test_the_figures_are_those_at_the_limit() -> None:
    busy = SLOW | {"server_cpu_cores": 0.98}
    trials = frame(
        ("a", 100, GOOD), ("b", 100, SLOW), ("a", 200, GOOD | {"arrivals": 8000, "server_cpu_cores": 0.8}),
        ("b", 100, SLOW), ("a", 400, busy), ("a", 400, busy), ("a", 283, busy), ("a", 283, busy),
    )
    table = capacity_limits(trials, SCENARIO)
    assert table is not None
    assert tuple(table.columns) == COLUMNS
    a, b = table.to_dict("records")
    assert (a["clients"], a["updates_per_s"], a["server_cpu"]) == (200, 4000, 0.8)
    assert 100 < a["limit_low"] < 200 < a["limit"] < 283 < a["limit_high"] < 400
    assert a["limited_by"] == "server CPU"
    assert (a["clients_per_core"], a["updates_per_s_per_core"]) == (250, 5000)
    assert (a["broke_at"], a["found"], a["steps"]) == (283, True, 6)
    assert pd.isna(b["clients"])
    assert pd.isna(b["updates_per_s"])
    assert (b["limited_by"], b["broke_at"]) == ("latency", 100)
    assert pd.isna(b["limit"])
    assert b["limit_high"] == 100
    assert at_limits(trials, SCENARIO)[["transport", "clients"]].to_numpy().tolist() == [["a", 200]]


def test_a_search_that_did_not_end_says_why() -> None:
    table = capacity_limits(frame(("a", 800, GOOD), ("b", 100, GOOD)), SCENARIO)
    assert table is not None
    assert table["limited_by"].tolist() == ["limit", "time"]
    assert table["found"].tolist() == [True, False]


def test_the_rate_can_be_what_was_raised() -> None:
    raised = scenario(capacity=CAPACITY | {"raised": "rate_per_s"})
    trials = frame(("a", 7, GOOD | {"rate_per_s": 100.0}), ("a", 7, SLOW | {"rate_per_s": 200.0}),
                   ("a", 7, SLOW | {"rate_per_s": 200.0}), ("b", 7, SLOW | {"rate_per_s": 100.0}))
    table = capacity_limits(trials, raised)
    assert table is not None
    assert table["clients"].tolist()[0] == 7
    assert table["rate_per_s"].tolist()[0] == 100
    assert table["broke_at"].tolist()[0] == 200
    assert len(at_limits(trials, raised)) == 1


def test_where_only_the_generator_gave_in_the_limit_is_a_bound() -> None:
    table = capacity_limits(frame(("a", 100, GOOD), ("a", 200, GOOD), ("a", 400, LAGGING), ("a", 283, LAGGING),
                        ("b", 100, SLOW | {"verdict": "INVALID", "others_share": 0.9})), SCENARIO)
    assert table is not None
    a, b = table.to_dict("records")
    assert (a["limit_low"], a["limited_by"], a["found"]) == (200, "generator", True)
    assert pd.isna(a["limit"])
    assert pd.isna(a["limit_high"])
    assert pd.isna(a["broke_at"])
    assert pd.isna(b["limit_low"])
