"""Records: what is written is read back, whole or not at all, and another schema is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic import Plan, make_run, trial_record

from bench.errors import RunError
from bench.records import trial_record as records
from bench.records.digests import SUMS
from bench.records.trial_record import SCHEMA_VERSION, TABLES, TrialRecord, Usage, WindowInstants

RECORD = TrialRecord(
    trial="1-1-websocket-10", block=1, position=1, subject="websocket", transport="websocket", clients=10,
    seed=7, windows=WindowInstants(0, 10, 20, 5), usage={"server": Usage(cpu_ns=5), "load": Usage()},
    server_counts={"deliveries": 3}, load={"errors": {"reset": 1}},
)


@pytest.mark.parametrize("record", [
    RECORD, TrialRecord("a", 1, 1, "x", "websocket", 1, 1, status="failed", reason="r", detail="d"),
])
def test_a_trial_is_read_as_it_was_written(tmp_path: Path, record: TrialRecord) -> None:
    records.write_trial(tmp_path, record)
    assert records.read_trial(tmp_path) == record
    assert {path.name for path in tmp_path.iterdir()} == {"trial.json", SUMS}


def test_the_end_of_the_drain_is_two_late_after_the_window() -> None:
    assert WindowInstants(0, 10, 20, 5).end_ns == 30


@pytest.mark.parametrize(("version", "sentence"), [
    (SCHEMA_VERSION + 1, f"found {SCHEMA_VERSION + 1}, allowed is {SCHEMA_VERSION}: .*by a newer Tickertape"),
    (SCHEMA_VERSION - 1, f"found {SCHEMA_VERSION - 1}, allowed is {SCHEMA_VERSION}: .*by an older Tickertape"),
    ("1", "found '1', .*no file of a run"), (None, "found nothing, .*no file of a run"),
])
def test_another_schema_is_refused(tmp_path: Path, version: object, sentence: str) -> None:
    (tmp_path / "trial.json").write_text(json.dumps({"schema_version": version}))
    with pytest.raises(RunError, match=f"schema_version: {sentence}"):
        records.read_trial(tmp_path)


@pytest.mark.parametrize(("metadata", "sentence"), [
    ({records.VERSION_KEY: b"99"}, "found 99, .*by a newer Tickertape"),
    ({records.VERSION_KEY: b"x"}, "found 'x', .*no file of a run"), ({}, "found nothing, .*no file of a run"),
])
def test_a_table_of_another_schema_is_refused(
    tmp_path: Path, metadata: dict[bytes, bytes], sentence: str
) -> None:
    table = TABLES["feed"].empty_table().replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "feed.parquet")
    with pytest.raises(RunError, match=rf"feed\.parquet: schema_version: {sentence}"):
        records.read_table(tmp_path, "feed")


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_column_is_null_where_it_may_be(tmp_path: Path, name: str) -> None:
    _, tables = trial_record(Plan(), "a", next(iter(Plan().subjects.values())), 3, 1, 1)
    records.write_table(tmp_path, name, tables[name])
    whole = pq.read_table(tmp_path / f"{name}.parquet")
    for column in TABLES[name]:
        pq.write_table(whole.drop_columns([column.name]), tmp_path / f"{name}.parquet")
        if column.nullable:
            read = records.read_table(tmp_path, name)
            assert read.schema == TABLES[name]
            assert read[column.name].null_count == read.num_rows
        else:
            with pytest.raises(RunError, match=f"column {column.name}: found none"):
                records.read_table(tmp_path, name)


def test_a_further_column_is_left_out(tmp_path: Path) -> None:
    versioned = TABLES["samples"].empty_table().replace_schema_metadata(
        {records.VERSION_KEY: str(SCHEMA_VERSION)})
    pq.write_table(versioned.append_column("z", pa.array([], pa.int8())), tmp_path / "samples.parquet")
    assert records.read_table(tmp_path, "samples").schema == TABLES["samples"]


def test_what_is_not_there_or_not_json_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such file"):
        records.read_json(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(RunError, match="not JSON"):
        records.read_json(tmp_path / "manifest.json")
    with pytest.raises(RunError, match="without its raw records"):
        records.read_table(tmp_path, "deliveries")


def test_tables_are_read_as_they_were_written(tmp_path: Path) -> None:
    _, tables = trial_record(Plan(), "a", next(iter(Plan().subjects.values())), 3, 1, 1)
    for name, table in tables.items():
        records.write_table(tmp_path, name, table)
        assert records.read_table(tmp_path, name).equals(table.cast(TABLES[name]))


def test_a_table_that_does_not_fit_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises((pa.ArrowInvalid, ValueError)):
        records.write_table(tmp_path, "samples", pa.table({"process": ["server"]}))
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with records.whole_file(path) as beside:
            beside.write_text("half of the n")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_without_its_last_file_is_no_trial(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Plan(clients=(2,), trials=1))
    folders = records.trial_folders(run)
    assert len(folders) == 3
    (folders[0] / "trial.json").unlink()
    assert records.trial_folders(run) == folders[1:]


@pytest.mark.parametrize(("content", "sentence"), [
    (b"[]", r"found \[\], allowed is a JSON object"), (b"3", "found 3, allowed is a JSON"),
    (b"{}", "schema_version: found nothing.*no file of a run"), (b"\xff\xfe", "not JSON"),
    (b'{"schema_version": 2}', "trial: found nothing"),
])
def test_a_document_that_no_run_wrote_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "trial.json").write_bytes(content)
    with pytest.raises(RunError, match=rf"trial\.json: {sentence}"):
        records.read_trial(tmp_path)


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"clients": "many"}, "clients: found 'many'"), ({"usage": []}, r"usage: found \[\]"),
    ({"usage": {"server": {"cpu_ns": "x"}}}, r"usage\.server\.cpu_ns: found 'x'"),
    ({"windows": {}}, r"windows\.warmup_ns: found nothing"),
    ({"status": "fine"}, "status: found 'fine'"), ({"clients": -1}, "clients: found -1"),
    ({"windows": {"warmup_ns": 0, "t0_ns": 9, "t1_ns": 9, "late_after_ns": 1}}, "windows: found t0_ns = 9"),
    ({"sample": 1.5}, r"sample: found 1\.5"), ({"sample": 0}, "sample: found 0"),
    ({"load": {"errors": "none"}}, "load.errors: found 'none', allowed is a table of whole numbers"),
    ({"sample": 0.5, "totals": {}}, "totals: found none, allowed are the sums over all clients"),
])
def test_a_wrong_field_of_a_trial_is_named(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    records.write_trial(tmp_path, RECORD)
    path = tmp_path / "trial.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    (tmp_path / SUMS).unlink()
    with pytest.raises(RunError, match=rf"trial\.json: {sentence}"):
        records.read_trial(tmp_path)


def test_a_file_is_no_runs_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is this a run's folder"):
        records.read_json(tmp_path / "file" / "manifest.json")


def test_nulls_where_none_may_be_are_refused(tmp_path: Path) -> None:
    columns = {field.name: pa.nulls(1, field.type) for field in TABLES["deliveries"]}
    versioned = pa.table(columns).replace_schema_metadata({records.VERSION_KEY: str(SCHEMA_VERSION)})
    pq.write_table(versioned, tmp_path / "deliveries.parquet")
    with pytest.raises(RunError, match=r"deliveries\.parquet: column client: found nulls"):
        records.read_table(tmp_path, "deliveries")


def test_a_table_that_is_garbage_cut_or_another_is_refused(tmp_path: Path) -> None:
    _, tables = trial_record(Plan(), "a", next(iter(Plan().subjects.values())), 3, 1, 1)
    for name, table in tables.items():
        records.write_table(tmp_path, name, table)
    whole = (tmp_path / "deliveries.parquet").read_bytes()
    for content in (b"", b"garbage", whole[: len(whole) // 2], whole[:100] + bytes(400) + whole[500:],
                    (tmp_path / "samples.parquet").read_bytes()):
        (tmp_path / "deliveries.parquet").write_bytes(content)
        with pytest.raises(RunError, match=r"deliveries\.parquet: "):
            records.read_table(tmp_path, "deliveries")
