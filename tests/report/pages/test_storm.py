"""The report of a storm: its sentences say what the tables say, and never more."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import scaled
from documented import described
from manifests import changed, manifest_of, simulated

from bench.errors import RunError
from bench.records import manifest
from bench.report.data.table_files import write_tables
from bench.report.pages import storm
from bench.simulation.engine.inputs import Costs
from bench.simulation.storm import storm_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a small storm."""
    made = tmp_path_factory.mktemp("run")
    scenario = scaled.storm(
        made, "storm.horizon_s=30.0", "storm.refusal_share=0.5", "storm.map.policy=spread",
        "storm.policies={exponential={wait='exponential'}, spread={window_s=4.0}}").scenario
    given = storm_study.conditions(scenario, Costs())
    found = storm_study.tables(
        scenario, given, {name: task() for name, task in storm_study.tasks(scenario, given).items()})
    assert found.map is not None
    tables = (found.storms, found.timelines, found.map, found.assumptions)
    write_tables(made, dict(zip(storm.FILES, tables, strict=True)))
    manifest.write(made, manifest_of(scenario, source="simulated"))
    return made


def test_the_report_says_what_is_simulated_and_how_it_went(folder: Path) -> None:
    run = storm.build(folder)
    markdown = (folder / "report.md").read_text()
    assert "Simulated, not measured" in markdown
    assert "10 ms of CPU is the scenario's assumption" in markdown
    assert "its 300 (600 on 2 workers) can't all be back before 3.00 s: the floor" in markdown
    late = run.storms.groupby("policy")["recovered_s"].median()
    assert f"Spread: 99.9 % are back after {late['spread']:.1f} s" in markdown
    assert "Exponential: never within 30 s" in markdown
    assert "A backlog of 60 is" not in markdown
    assert "The backlog of 60 is shallow enough: a worker connects 100 clients within the timeout" in markdown
    for name in ("recovery", "connected", "pressure", "map"):
        assert (folder / "figures" / f"{name}.svg").is_file()


@pytest.mark.parametrize(("best", "told"), [
    (1.5, "spread over 1.5 × the floor are back within 1.25 × the floor, however deep the backlog; windows "
          "begin when the server goes away, 2 s before it is back."),
    (0.0, "made at once are back within 1.25 × the floor, however deep the backlog."),
])
def test_the_window_that_always_helps_is_named(folder: Path, best: float, told: str) -> None:
    """With when it begins, since times begin later: else a wide one would be back too soon."""
    run = storm.open_storm(folder)
    assert run.map is not None
    points = run.map.assign(recovered=1, recovered_s=[
        3.75 if window == best else 9.0 for window in run.map["window_share"]])
    assert f"First attempts {told}" in storm.findings(replace(run, map=points))


def test_what_is_assumed_is_said_with_what_else_would_be(folder: Path) -> None:
    """Beside each answer, in sentences and table."""
    run = storm.open_storm(folder)
    told = " ".join(storm.findings(run))
    assert "a refusal costs 0.5 × a connection, and refusals have priority over waiting connections" in told
    run = replace(run, assumptions=pd.DataFrame({
        "policy": ["exponential"] * 3 + ["spread"] * 3, "overflow": ["dropped", "refused", "refused"] * 2,
        "recovered_s": [4.0, 7.0, math.inf] * 2, "refusal_share": [0.0, 0.05, 0.1] * 2,
        "connected_share": [1.0, 1.0, 0.2] * 2}))
    told = next(each for each in storm.findings(run) if each.startswith("Exponential"))
    assert told.endswith("Dropped by the kernel: back after 4.00 s. Back where a refusal costs up to 0.05 × "
                         "a connection, never from 0.1 ×.")
    table = storm.policies_table(run.storms, run.assumptions)
    place = table.columns.index("if dropped (s)")
    assert table.rows[0][place : place + 2] == ("4.00", "0.05 to 0.1 ×")


def test_the_same_files_give_the_same_bytes(folder: Path) -> None:
    storm.build(folder)
    before = (folder / "report.html").read_bytes()
    storm.build(folder)
    assert (folder / "report.html").read_bytes() == before


def test_costs_from_a_file_are_named(folder: Path) -> None:
    run = storm.open_storm(folder)
    priced = changed(run.manifest, storm={"connection_ms": None})
    told = replace(run, manifest=priced.model_copy(update=simulated(description="costs measured on box")))
    assert "is from the costs measured on box" in storm.page(told).notice


def test_every_policy_is_in_the_table_the_quickest_first(folder: Path) -> None:
    run = storm.open_storm(folder)
    rows = storm.policies_table(run.storms, run.assumptions).rows
    assert [row[0] for row in rows] == ["spread", "exponential"]
    assert rows[1][1] == "never"


def test_a_missing_table_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes((folder / "manifest.json").read_bytes())
    with pytest.raises(RunError, match=r"storm\.csv: no such file"):
        storm.build(tmp_path)


@pytest.mark.parametrize("name", storm.FILES)
def test_a_table_has_every_column_and_the_document_has_them(folder: Path, name: str) -> None:
    written = pd.read_csv(folder / name).columns
    assert sorted(storm.FILES[name]) == sorted(described(name)) == sorted(written)
