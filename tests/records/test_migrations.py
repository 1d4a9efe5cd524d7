"""Older runs are read as if they were of today: step by step, and a whole run of each older schema."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.errors import RunError
from bench.records import migrations, trial_record
from bench.records.migrations import STEPS, Step, completed
from bench.records.trial_record import SCHEMA_VERSION, TABLES
from bench.report import build, open_run
from bench.scenario.model import Scenario

OLD = Path(__file__).parents[1] / "data" / "run-of-schema-1"
"""Made by version 1 of the program: two transports, two blocks, half a second each."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def test_there_is_a_step_from_every_older_version() -> None:
    assert sorted(STEPS) == list(range(1, SCHEMA_VERSION))


def test_the_fixture_is_really_old() -> None:
    for path in OLD.rglob("*.json"):
        assert json.loads(path.read_text())["schema_version"] == 1
    for path in OLD.rglob("feed.parquet"):
        assert trial_record.VERSION_KEY not in (pq.read_schema(path).metadata or {})


def test_an_old_run_gives_the_figures_that_it_gave(old: Path) -> None:
    then = pd.read_csv(old / "trials.csv").set_index("trial")
    now = open_run(old).trials.set_index("trial")
    assert list(now.index) == list(then.index)
    assert set(then.columns) <= set(now.columns)
    for name in ("updates_due", "delivered", "latency_p50_ms", "age_mean_ms",
                 "bytes_down_per_update", "server_cpu_us_per_update", "server_rss_bytes_per_client"):
        assert now[name].tolist() == pytest.approx(then[name].tolist(), rel=1e-9), name


def test_what_an_old_run_did_not_measure_is_missing(old: Path) -> None:
    trials = open_run(old).trials
    assert set(trials["verdict"]) == {"VALID"}
    for name in ("server_idle_cpu_cores", "server_wakeups_per_update", "opening_bytes_up", "answers_empty",
                 "ack_bytes_down_per_update", "probe_gap_share", "request_mean_ms"):
        assert trials[name].isna().all(), name
        assert trials["not_assessed"].str.contains("host-jitter").all()


def test_an_old_run_is_reported(old: Path) -> None:
    build(old)
    assert (old / "report.html").stat().st_size > 10_000
    build(old)   # from the manifest as it was: nothing on disk was migrated
    assert json.loads((old / "manifest.json").read_text())["schema_version"] == 1


def test_so_is_an_old_run_without_its_raw_records(old: Path) -> None:
    for path in old.glob("trials/*/*.parquet"):
        path.unlink()
    assert len(open_run(old).trials) == 4


def test_an_old_manifest_says_where_it_came_from_and_what_was_not_done() -> None:
    manifest = trial_record.read_json(OLD / "manifest.json")
    scenario = Scenario.model_validate(manifest["scenario"])
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert manifest["migrated_from"] == 1
    assert scenario.windows.idle_s == 0
    assert scenario.trials.repeats == 0
    assert scenario.trials.until is None


def test_the_steps_are_taken_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(word: str) -> Step:
        return Step(
            documents={"trial": lambda data: {**data, "words": [*data.get("words", []), word]}},
            tables={"feed": lambda table: table.append_column(word, pa.array([word] * table.num_rows))},
        )

    monkeypatch.setattr(migrations, "STEPS", {1: step("a"), 2: step("b"), 3: step("c")})
    data = {"schema_version": 2}
    assert migrations.document("trial", data, 4)["words"] == ["b", "c"]
    assert data == {"schema_version": 2}
    assert migrations.document("manifest", data, 4) == {"schema_version": 4, "migrated_from": 2}
    assert migrations.document("trial", {"schema_version": 4}, 4) == {"schema_version": 4}
    schema = pa.schema([("b", pa.string()), ("c", pa.string())])
    table = migrations.table("feed", pa.table({"x": [1, 2]}), schema, 2, 4)
    assert table.to_pydict() == {"b": ["b", "b"], "c": ["c", "c"]}


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_column_is_null_where_it_may_be(name: str, old: Path) -> None:
    folder = trial_record.trial_folders(old)[0]
    whole = trial_record.read_table(folder, name)
    for column in TABLES[name]:
        pq.write_table(whole.drop_columns([column.name]), folder / f"{name}.parquet")
        if column.nullable:
            read = trial_record.read_table(folder, name)
            assert read.schema == TABLES[name]
            assert read[column.name].null_count == read.num_rows
        else:
            with pytest.raises(RunError, match=f"column {column.name}: found none"):
                trial_record.read_table(folder, name)


def test_a_column_that_is_gone_is_left_out() -> None:
    schema: Any = pa.schema([("a", pa.int64())])
    assert completed(pa.table({"z": [1], "a": pa.array([2], pa.int32())}), schema).to_pydict() == {"a": [2]}


def test_a_newer_table_is_refused(old: Path) -> None:
    folder = trial_record.trial_folders(old)[0]
    newer = trial_record.read_table(folder, "feed").replace_schema_metadata({trial_record.VERSION_KEY: "99"})
    pq.write_table(newer, folder / "feed.parquet")
    with pytest.raises(RunError, match="made by a newer Tickertape"):
        trial_record.read_table(folder, "feed")
