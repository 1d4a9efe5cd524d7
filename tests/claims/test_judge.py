"""Verdicts follow from the records and the claim's numbers, and from nothing else."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.claims import check, judged, table
from bench.claims.judge import allowed, verdict_on
from bench.errors import ScenarioError
from bench.scenario import model as scenarios
from bench.scenario.model import Claim, Scenario
from bench.stats.run.intervals import Interval

CLAIM: dict[str, Any] = {
    "says": "A number.", "source": "Somebody", "stated": (100.0,), "unit": "ms", "formula": "value",
    "subject": "polling", "column": "latency_mean_ms", "tolerance": 0.1,
}


def claim(**fields: Any) -> Claim:
    return Claim(**(CLAIM | fields))


def ours(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high, 5)


@pytest.mark.parametrize(("relation", "low", "high", "verdict"), [
    ("equals", 95, 105, "reproduced"), ("equals", 85, 95, "conditional"), ("equals", 105, 115, "conditional"),
    ("equals", 50, 60, "refuted"), ("equals", 120, 130, "refuted"), ("equals", 50, 200, "conditional"),
    ("at-most", 50, 60, "reproduced"), ("at-most", 105, 115, "conditional"), ("at-most", 111, 115, "refuted"),
    ("at-least", 120, 130, "reproduced"), ("at-least", 85, 95, "conditional"), ("at-least", 8, 9, "refuted"),
    ("equals", math.nan, math.nan, "conditional"),
])
def test_the_verdict_is_the_intervals_place(relation: str, low: float, high: float, verdict: str) -> None:
    assert verdict_on(claim(relation=relation), 100.0, ours(low, high))[0] == verdict


@pytest.mark.parametrize(("found", "why"), [
    (Interval(7.0, math.nan, math.nan, 1), "fewer than two valid trials"),
    (Interval(math.inf, math.nan, math.nan, 3), "our number is missing or lost in a trial"),
])
def test_why_there_is_no_interval_is_told(found: Interval, why: str) -> None:
    assert verdict_on(claim(), 100.0, found) == ("conditional", f"{why}; the claim's range is 90 to 110")


def test_a_condition_softens_only_what_holds() -> None:
    softened = claim(condition="there is no network here")
    verdict, because = verdict_on(softened, 100.0, ours(95, 105))
    assert verdict == "conditional"
    assert "there is no network here" in because
    assert verdict_on(softened, 100.0, ours(50, 60))[0] == "refuted"


@given(st.floats(-1e6, 1e6), st.floats(0, 1), st.sampled_from(["equals", "at-most", "at-least"]))
def test_what_was_stated_is_always_allowed(stated: float, tolerance: float, relation: str) -> None:
    low, high = allowed(claim(relation=relation, tolerance=tolerance), stated)
    assert low <= stated <= high


def trials(latency_ms: float) -> pd.DataFrame:
    return pd.DataFrame({"transport": "polling", "block": [1, 2, 3], "clients": 10,
                         "latency_mean_ms": [latency_ms - 1, latency_ms, latency_ms + 1]})


def scenario_of(**fields: Any) -> Scenario:
    return asked({"a-claim": CLAIM | fields})


def asked(claims: dict[str, Any]) -> Scenario:
    return Scenario.model_validate({"question": "?", "transports": {"polling": {}}, "claims": claims})


def test_other_records_have_another_verdict() -> None:
    (held,) = judged(scenario_of(), trials(100))
    (broken,) = judged(scenario_of(), trials(150))
    assert (held.verdict, broken.verdict) == ("reproduced", "refuted")
    assert held.ours.estimate == 100
    found = table([held, broken])
    assert list(found.columns[:6]) == ["claim", "source", "stated", "ours", "unit", "verdict"]
    assert list(found["ours"]) == [100, 150]


@pytest.mark.parametrize(("column", "low"), [("latency_mean_ms", 0.0), ("server_cpu_above_idle_us", -1.48)])
def test_what_can_not_be_negative_has_no_negative_bound(column: str, low: float) -> None:
    (found,) = judged(scenario_of(column=column), trials(1).assign(server_cpu_above_idle_us=[0.0, 1.0, 2.0]))
    assert found.ours.low == pytest.approx(low, abs=0.01)
    assert found.ours.high == pytest.approx(3.48, abs=0.01)


def test_each_stated_number_is_judged_by_itself() -> None:
    first, second = judged(scenario_of(stated=(100.0, 200.0), at=(10, 1_000_000)), trials(100))
    assert (first.name, first.verdict) == ("a-claim at 10 clients", "reproduced")
    assert (second.name, second.verdict) == ("a-claim at 1,000,000 clients", "refuted")


def test_a_scenario_without_claims_has_no_verdicts() -> None:
    assert judged(asked({}), trials(100)) == []


BASE = """
question = "?"
[transports.short_polling]
[transports.websocket]
[claims.it]
says = "x"
source = "y"
stated = [1]
unit = "z"
tolerance = 0.1
subject = "short_polling"
"""


@pytest.mark.parametrize(("lines", "field"), [
    ('formula = "guess"', "claims.it.formula"),
    ('formula = "value"', "claims.it.column"),
    ('formula = "value"\ncolumn = "latency"', "claims.it.column"),
    ('formula = "value"\ncolumn = "status"', "claims.it.column"),
    ('formula = "share"\ncolumn = "lost"\nof = "server"', "claims.it.of"),
    ('formula = "ratio"\ncolumn = "latency_mean_ms"\nagainst = "sse"', "claims.it.against"),
    ('formula = "traffic"\nat = [1, 2]', "claims.it.at"),
    ('formula = "traffic"\nat = [1]\n[load]\nmode = "latest"', "claims.it.formula"),
    ('formula = "traffic"\nat = [1]\n[load]\nsymbols_per_client = 2\n[feed]\nsymbols = 4', "claims.it.formula"),
    ('formula = "reduction"\nagainst = "websocket"\nparts = ["hedaer"]', "claims.it.parts"),
])
def test_a_claim_that_cannot_be_computed_is_refused(lines: str, field: str, tmp_path: Path) -> None:
    file = tmp_path / "it.toml"
    file.write_text(BASE + lines)
    with pytest.raises(ScenarioError, match=field):
        check(scenarios.load(file), str(file))


@pytest.mark.parametrize("cells", ["[load]\nclients = [10, 100]", "[capacity]"])
def test_claims_are_about_one_cell(cells: str, tmp_path: Path) -> None:
    """An interval between trials of several cells would be none of either."""
    file = tmp_path / "it.toml"
    file.write_text(f'{BASE}formula = "value"\ncolumn = "latency_mean_ms"\n{cells}')
    with pytest.raises(ScenarioError, match=r"claims: found .*, allowed is one count in load\.clients"):
        check(scenarios.load(file), str(file))


FOLDER = Path(__file__).parents[2] / "scenarios" / "claims"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_the_projects_own_claims_can_be_computed(file: Path) -> None:
    scenario = scenarios.load(file)
    assert scenario.claims
    check(scenario, str(file))
