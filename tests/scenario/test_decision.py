"""The tables `[decision]` and `[use_case]`: one situation, and what a use case measures of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import scaled

from bench.errors import ScenarioError
from bench.scenario import model


def test_a_decision_is_a_study_of_its_own(tmp_path: Path) -> None:
    asked = scaled.decision(tmp_path)
    assert asked.scenario.study == "decision"
    assert asked.scenario.decision is not None
    assert asked.scenario.decision.within_ms == 2000.0


@pytest.mark.parametrize(("override", "field"), [
    ("decision.within_ms=0.0", "decision.within_ms"),
    ("decision.payload_bytes=0", "decision.payload_bytes"),
    ("decision.margin=2.0", "decision.margin"), ("decision.margin=true", "decision.margin"),
    ("decision.whithin_ms=5.0", "decision.whithin_ms"),
])
def test_a_field_out_of_range_is_refused(tmp_path: Path, override: str, field: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scaled.decision(tmp_path, override)
    assert field in str(caught.value)


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "scenarios" / "use-cases").glob("*.toml")),
                         ids=lambda path: path.stem)
def test_a_use_case_measures_clients_with_the_rate_of_its_full_size(file: Path) -> None:
    scenario = model.load(file)
    assert scenario.use_case is not None
    feed, load = scenario.feed, scenario.load
    share = (load.symbols_per_client or feed.symbols) / feed.symbols
    assert feed.rate_per_s * share == pytest.approx(scenario.use_case.rate_per_s, rel=0.01)
    assert max(load.clients) <= scenario.use_case.clients
