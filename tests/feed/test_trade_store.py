"""Trades that a run keeps: they come back as they were, and give the same schedule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.errors import FeedFileError
from bench.feed import replay, trade_store
from bench.feed.schedule import make
from bench.scenario.model import Feed
from bench.scenario.replay import Replay

NS = 1_000_000_000
ROWS = [(0, "A"), (1, "B"), (2, "A"), (3, "C"), (4, "A"), (9, "D/E")]


@pytest.fixture
def source(tmp_path: Path) -> Replay:
    path = tmp_path / "trades.csv"
    path.write_text("timestamp,symbol,price,size\n" + "".join(
        f"{1704067200 + at},{name},{at + 1},{at}\n" for at, name in ROWS))
    return Replay(file=str(path), start="1704067203.5")


def test_what_is_kept_gives_the_same_schedule(tmp_path: Path, source: Replay) -> None:
    kept = tmp_path / trade_store.NAME
    trade_store.store(kept, replay.during(replay.read(source), speed=1.0, horizon_s=3.0, t0_s=1.0))
    stored = Replay(file=str(kept))
    first, second = (make(Feed(schedule="replay", replay=each), 1, horizon_s=3.0, t0_s=1.0)
                     for each in (source, stored))
    for name in ("offset_ns", "price", "size"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
        assert getattr(first, name).dtype == getattr(second, name).dtype
    assert np.array_equal(first.symbol, second.symbol)
    assert first.symbols == second.symbols == ("A", "B", "C", "D/E")
    assert replay.read(stored).rows == len(ROWS)
    assert replay.read(Replay(file=str(kept), start="1704067204")).start_ns == 1_704_067_204 * NS
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_of_a_window_without_a_trade_the_opening_is_kept(tmp_path: Path, source: Replay) -> None:
    trades = replay.read(source)
    none = replay.during(trades, speed=1.0, horizon_s=0.0, t0_s=9.0)
    trade_store.store(tmp_path / "a", none)
    assert trade_store.load(tmp_path / "a").size.tolist() == [0, 1, 3, 9]   # each symbol's first
    assert trade_store.load(tmp_path / "a").symbols == trades.symbols


@pytest.mark.parametrize("cut", [40, 400])
def test_what_was_spoilt_is_refused(tmp_path: Path, source: Replay, cut: int) -> None:
    kept = tmp_path / trade_store.NAME
    trade_store.store(kept, replay.read(source))
    kept.write_bytes(kept.read_bytes()[:-cut])
    with pytest.raises(FeedFileError, match="stored trades that can't be read"):
        replay.read(Replay(file=str(kept)))


def test_another_file_is_not_taken_for_one(tmp_path: Path, source: Replay) -> None:
    assert not trade_store.is_one(Path(source.file))
    assert not trade_store.is_one(tmp_path)
    assert not trade_store.is_one(tmp_path / "none")
