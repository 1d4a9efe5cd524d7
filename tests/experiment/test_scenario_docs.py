"""The document of the scenario is current, complete, and says what it should of a field."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import transports
from bench.experiment import scenario_docs
from bench.experiment.scenario_docs import text

DOCUMENT = Path(__file__).parents[2] / "docs" / "scenario.md"


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == text(), (
        "run: python -m bench.experiment.scenario_docs > docs/scenario.md"
    )


def test_every_field_says_what_it_means() -> None:
    rows = [line for line in text().splitlines() if line.startswith("| `")]
    assert len(rows) > 25
    assert [row for row in rows if row.endswith("|  |")] == []


@pytest.mark.parametrize("row", [
    "| `question` | text | required |",
    "| `schedule` | `\"constant\"`, `\"poisson\"`, `\"bursty\"`, `\"replay\"` | `\"poisson\"` |",
    "| `branching_ratio` | number ≥ 0, < 1 | `0.8` |",
    "| `clients` | a list: whole number ≥ 1, ≤ 100000000 | `[50]` |",
    "| `late_after_s` | number > 0, ≤ 3600 | – |",
    "| `entity_tags` | `true`, `false` | `true` |",
])
def test_what_a_field_may_be_and_is_by_default(row: str) -> None:
    assert row in text()


def test_every_transport_has_its_options() -> None:
    for name in transports.own_names():
        assert f"### Options of `{name}`" in text()


def test_the_document_of_scenarios_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    scenario_docs.main()
    assert capsys.readouterr().out == text()
