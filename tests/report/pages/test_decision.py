"""The page of a decision: its sentence, its tables and its figure are made from the run's files alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import scaled
from manifests import MEASURED, manifest_of
from priced import priced, priced_file

from bench.errors import RunError
from bench.records import manifest
from bench.records.manifest import MeasuredEntry
from bench.report.data.table_files import write_tables
from bench.report.pages import decision
from bench.simulation.decision.decision_study import DecisionStudy
from bench.simulation.run import about_costs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a small decision, with prices and what is used now."""
    made = tmp_path_factory.mktemp("run")
    asked = scaled.decision(
        made, "simulation.prices={currency='EUR', worker_month=20.0, gigabyte_out=0.01}",
        'decision.now="short_polling interval_s=5"')
    study = DecisionStudy.of(asked.scenario, asked.options, priced(), memory=MEASURED["memory_bytes_per_client"])
    choice, truths = study.choice()
    pieces = {name: task() for name, task in study.table_tasks(truths).items()}
    write_tables(made, {"decision.csv": study.table(choice, truths, {}), "decision_turns.csv": study.turns(pieces),
                        "decision_frontier.csv": study.frontier(pieces)})
    manifest.write(made, manifest_of(
        asked.scenario, source="simulated", costs=about_costs(priced_file(made), priced()),
        measured=MeasuredEntry.model_validate(MEASURED)))
    return made


def test_the_page_opens_with_the_answer(folder: Path) -> None:
    run = decision.build(folder)
    html, markdown = ((folder / name).read_text() for name in ("report.html", "report.md"))
    answer = decision.findings(run)[0]
    assert answer.startswith("From short polling every 5 s to ")
    assert "EUR per month" in answer
    assert answer in markdown
    assert html.index(answer.split(":")[0]) < html.index("Each transport at its best")
    for heading in ("What no number tells", "How far to believe it", "What does freshness cost 300 clients?"):
        assert heading in markdown
    assert (folder / "figures" / "frontier.svg").is_file()
    assert "measured in the run reference" in markdown
    assert ("30.0 kB" in markdown, "not known" in markdown) == (True, True), "only WebSocket was measured there"


def test_swapped_records_swap_the_answer(folder: Path, tmp_path: Path) -> None:
    run = decision.open_decision(folder)
    swapped = run.table.copy()
    best = swapped["role"] == "best"
    swapped.loc[best, "chosen"] = swapped.loc[best, "transport"] == "long_polling"
    write_tables(tmp_path, {"decision.csv": swapped, "decision_turns.csv": run.turns,
                            "decision_frontier.csv": run.frontier})
    manifest.write(tmp_path, run.manifest)
    other = decision.findings(decision.open_decision(tmp_path))[0]
    assert "to long polling" in other
    assert other != decision.findings(run)[0]


def test_a_table_without_a_column_is_refused(folder: Path, tmp_path: Path) -> None:
    run = decision.open_decision(folder)
    write_tables(tmp_path, {"decision.csv": run.table.drop(columns=["cores"])})
    with pytest.raises(RunError, match=r"decision\.csv.*cores"):
        decision.open_decision(tmp_path)


def test_an_answer_without_any_turn_is_whole(folder: Path) -> None:
    run = decision.open_decision(folder)
    assert decision.options_table(run).rows
    assert [row[0] for row in decision.beyond_table(run).rows] == [
        row[0] for row in decision.options_table(run).rows]
    assert isinstance(run.table, pd.DataFrame)
