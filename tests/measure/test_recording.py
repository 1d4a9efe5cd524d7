from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.clock import NO_STAMP
from bench.measure import recording
from bench.measure.recording import BLOCK_ROWS, Recorder
from bench.records import trial_record

U32 = st.integers(0, 2**32 - 1)
I64 = st.integers(-(2**62), 2**62)
STAMPS = st.one_of(st.just(NO_STAMP), I64)
reads = st.lists(st.tuples(U32, I64, STAMPS, st.lists(U32, min_size=1, max_size=4)))


def client_row(number: int, **changes: Any) -> dict[str, Any]:
    unknown = dict.fromkeys(trial_record.CLIENTS.names)
    return {**unknown, "client": number, **dict.fromkeys(trial_record.COUNTED, 1), "errors": 0, **changes}


@settings(max_examples=25, deadline=None)
@given(reads)
def test_what_is_delivered_comes_out_as_a_table(
    tmp_path_factory: pytest.TempPathFactory, reads: list[tuple[int, int, int, list[int]]]
) -> None:
    folder = tmp_path_factory.mktemp("trial")
    recorder = Recorder()
    expected = []
    for number, (client, app_ns, kernel_ns, indices) in enumerate(reads):
        app_ns += number   # the clock moves between two reads of a client
        for index in indices:
            recorder.deliver(client, index, 17, kernel_ns, app_ns)
            stamp = None if kernel_ns == NO_STAMP else kernel_ns
            expected.append({"client": client, "index": index, "kernel_ns": stamp, "app_ns": app_ns})
    recorder.write(folder, [])
    recording.convert(folder)
    table = trial_record.read_table(folder, "deliveries")
    assert table.schema.equals(trial_record.DELIVERIES)
    assert table.select(["client", "index", "kernel_ns", "app_ns"]).to_pylist() == expected


def test_updates_are_counted_by_read() -> None:
    recorder = Recorder()
    for client, app_ns in [(0, 5), (0, 5), (1, 5), (0, 6), (0, 7), (0, 7), (0, 7)]:
        recorder.deliver(client, 9, 0, 0, app_ns)
    (rows,) = recorder.deliveries_since(0)
    assert recording.updates_in_read(rows).tolist() == [2, 2, 1, 1, 3, 3, 3]
    assert recording.updates_in_read(rows[:0]).tolist() == []


@pytest.mark.parametrize("count", [0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS + 5])
def test_blocks_follow_each_other(tmp_path: Path, count: int) -> None:
    recorder = Recorder()
    for index in range(count):
        recorder.deliver(0, index, 0, 0, index)
    assert recorder.delivered == count
    for first in (0, count // 2, max(0, count - 1), count):
        pieces = np.concatenate(list(recorder.deliveries_since(first)))
        assert pieces["index"].tolist() == list(range(first, count))
    recorder.write(tmp_path, [])
    recording.convert(tmp_path)
    assert trial_record.read_table(tmp_path, "deliveries")["index"].to_pylist() == list(range(count))


def test_a_recorder_that_forgets_still_counts() -> None:
    recorder = Recorder()
    for index in range(2 * BLOCK_ROWS + 10):
        recorder.deliver(0, index, 0, 0, index)
    recorder.forget()
    assert recorder.delivered == 2 * BLOCK_ROWS + 10
    rows = np.concatenate(list(recorder.deliveries_since(2 * BLOCK_ROWS + 4)))
    assert rows["index"].tolist() == list(range(2 * BLOCK_ROWS + 4, 2 * BLOCK_ROWS + 10))


def test_skips_and_clients_come_out_as_tables_and_nothing_raw_is_left(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.skip(1, "conflated", "AAA", 3, 41, 500)
    recorder.skip(2, "dropped", "B", 1, 42, 501)
    rows = [client_row(0), client_row(1, symbols=["A", "B"], subscribed_ns=7, bytes_up=100)]
    recorder.write(tmp_path, rows)
    recording.convert(tmp_path)
    skips = trial_record.read_table(tmp_path, "skips")
    assert skips.schema.equals(trial_record.SKIPS)
    assert skips.to_pylist() == [
        {"client": 1, "kind": "conflated", "symbol": "AAA", "count": 3, "index": 41, "app_ns": 500},
        {"client": 2, "kind": "dropped", "symbol": "B", "count": 1, "index": 42, "app_ns": 501},
    ]
    clients = trial_record.read_table(tmp_path, "clients")
    assert clients.schema.equals(trial_record.CLIENTS)
    assert clients.to_pylist() == rows
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "clients.parquet", "deliveries.parquet", "skips.parquet",
    ]


def test_what_several_workers_recorded_is_merged(tmp_path: Path) -> None:
    everything = []
    for worker in (0, 1):
        recorder = Recorder()
        for at_ns in range(10 - worker, 40, 3):
            for index in (at_ns, at_ns + 1):   # one read
                recorder.deliver(worker, index, 0, at_ns, at_ns)
                everything.append((at_ns, worker, index))
        recorder.skip(worker, "dropped", "AB"[worker], 1 + worker, 9, 100 - worker)
        folder = tmp_path / f"worker-{worker + 1}"
        folder.mkdir()
        recorder.write(folder, [client_row(2 * number + worker) for number in range(2)])
    recording.convert(tmp_path)
    rows = trial_record.read_table(tmp_path, "deliveries").to_pandas()
    assert list(zip(rows["app_ns"], rows["client"], rows["index"], strict=True)) == sorted(everything)
    assert set(rows["updates_in_read"]) == {2}
    skips = trial_record.read_table(tmp_path, "skips").to_pylist()
    assert [(skip["client"], skip["symbol"], skip["count"]) for skip in skips] == [(1, "B", 2), (0, "A", 1)]
    assert trial_record.read_table(tmp_path, "clients")["client"].to_pylist() == [0, 1, 2, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "clients.parquet", "deliveries.parquet", "skips.parquet",
    ]


def test_a_trial_without_a_single_row_converts(tmp_path: Path) -> None:
    Recorder().write(tmp_path, [])
    recording.convert(tmp_path)
    for name in ("deliveries", "skips", "clients"):
        assert isinstance(trial_record.read_table(tmp_path, name), pa.Table)
        assert trial_record.read_table(tmp_path, name).num_rows == 0
