"""The table `[decision]`: one situation, and nothing else beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import scaled

from bench.errors import ScenarioError


def test_a_decision_is_a_study_of_its_own(tmp_path: Path) -> None:
    asked = scaled.decision(tmp_path)
    assert asked.scenario.study == "decision"
    assert asked.scenario.decision is not None
    assert asked.scenario.decision.within_ms == 2000.0


@pytest.mark.parametrize(("override", "field"), [
    ("decision.within_ms=0.0", "decision.within_ms"),
    ("decision.payload_bytes=0", "decision.payload_bytes"),
    ("decision.margin=2.0", "decision.margin"),
    ("decision.whithin_ms=5.0", "decision.whithin_ms"),
])
def test_a_field_out_of_range_is_refused(tmp_path: Path, override: str, field: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scaled.decision(tmp_path, override)
    assert field in str(caught.value)
