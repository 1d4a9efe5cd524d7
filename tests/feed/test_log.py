"""The publisher's log, and the table that the lives of a trial make together."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.feed.log import RECORD, FeedLog, to_table
from bench.feed.schedule import make
from bench.records.trial_record import FEED, read_table, write_table
from bench.scenario.model import Feed

SCHEDULE = make(Feed(schedule="constant", rate_per_s=10), 1, 2.0, 0.0)
WARMUP_NS = 5_000


@given(st.sets(st.integers(1, 19), max_size=4), st.sets(st.integers(0, 19)))
@settings(deadline=None)
def test_lives_are_merged_and_gaps_are_null(
    tmp_path_factory: pytest.TempPathFactory, begins: set[int], skipped: set[int]
) -> None:
    """Each life publishes up to where the next begins, apart from what was skipped."""
    folder = tmp_path_factory.mktemp("log")
    edges = [0, *sorted(begins), 20]
    expected: dict[int, tuple[str, int]] = {}
    for life, (begin, end) in enumerate(pairwise(edges)):
        log = FeedLog(folder, f"e{life}", len(SCHEDULE))
        for seq, index in enumerate((index for index in range(begin, end) if index not in skipped), 1):
            log.record(index, seq, 1_000 + index, 90 + index)
            expected[index] = (f"e{life}", seq)
        log.close()
    table = to_table(folder, SCHEDULE, WARMUP_NS)
    assert table.schema == FEED
    rows = table.to_pylist()
    for index, row in enumerate(rows):
        assert row["index"] == index
        assert row["symbol"] == SCHEDULE.symbols[SCHEDULE.symbol[index]]
        assert row["due_ns"] == WARMUP_NS + SCHEDULE.offset_ns[index]
        published = (row["epoch"], row["seq"], row["sent_ns"], row["payload_bytes"])
        if index in expected:
            assert published == (*expected[index], 1_000 + index, 90 + index)
        else:
            assert published == (None, None, None, None)
    write_table(folder, "feed", table)
    assert read_table(folder, "feed").to_pylist() == rows


def test_a_folder_without_a_log_is_a_feed_that_never_was(tmp_path: Path) -> None:
    table = to_table(tmp_path, SCHEDULE, WARMUP_NS)
    assert table.num_rows == len(SCHEDULE)
    assert table["sent_ns"].null_count == len(SCHEDULE)


def test_a_record_that_was_cut_off_does_not_count(tmp_path: Path) -> None:
    log = FeedLog(tmp_path, "e1", len(SCHEDULE))
    log.record(0, 1, 77, 90)
    log.record(1, 2, 78, 90)
    log.close()
    path = tmp_path / "feed.e1.log"
    data = bytearray(path.read_bytes())
    data[RECORD.size + 12 : 2 * RECORD.size] = bytes(4)  # all but the last field
    path.write_bytes(data)
    assert to_table(tmp_path, SCHEDULE, WARMUP_NS)["sent_ns"].to_pylist()[:3] == [77, None, None]


def test_an_epoch_is_used_once(tmp_path: Path) -> None:
    FeedLog(tmp_path, "e1", 1).close()
    with pytest.raises(FileExistsError):
        FeedLog(tmp_path, "e1", 1)


def test_an_index_of_two_lives_is_a_bug(tmp_path: Path) -> None:
    for epoch in ("e1", "e2"):
        log = FeedLog(tmp_path, epoch, len(SCHEDULE))
        log.record(3, 1, 77, 90)
        log.close()
    with pytest.raises(AssertionError, match="two lives"):
        to_table(tmp_path, SCHEDULE, WARMUP_NS)
