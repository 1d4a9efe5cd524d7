"""Files of real trades: what is read, and how a file that can't be replayed is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import FeedFileError
from bench.feed import replay
from bench.feed.schedule import NS, make
from bench.feed.tick import decode, encode
from bench.scenario import Feed, Replay

TRADING_DAY = Path(__file__).parents[3] / "shared" / "data" / "trades_2014-09-17.csv"

CSV = """timestamp,symbol,price,size
2024-03-01T09:30:00.000001,ETF,23.82,3
2024-03-01T09:30:00.500000,AAA,10,100
2024-03-01T09:30:00.500000,ETF,23.83,7
2024-03-01T09:30:02,AAA,10.5,50
"""
BINANCE = (
    "26129,0.01633102,4.70443515,27781,27781,{0}4000,true,true\n"
    "26130,0.01633103,1,27782,27790,{0}4500,false,true\n"
)
BINANCE_HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"


def written(folder: Path, text: str, name: str = "trades.csv") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def read(file: str, **fields: object) -> replay.Trades:
    return replay.read(Replay.model_validate({"file": file, **fields}))


def since_first(trades: replay.Trades) -> list[int]:
    return (trades.instant_ns - trades.instant_ns[0]).tolist()


def test_a_csv_file_is_read_in_its_order(tmp_path: Path) -> None:
    trades = read(written(tmp_path, CSV))
    assert since_first(trades) == [0, 499_999_000, 499_999_000, 1_999_999_000]
    assert [trades.symbols[place] for place in trades.symbol] == ["ETF", "AAA", "ETF", "AAA"]
    assert trades.price.tolist() == [23.82, 10.0, 23.83, 10.5]
    assert trades.size.tolist() == [3, 100, 7, 50]
    assert trades.size.dtype == np.int64
    assert trades.start_ns == trades.instant_ns[0]


def test_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    text = "venue,size,price,symbol,timestamp\nX,3,1.5,A,2024-03-01T00:00:00+01:00\n"
    trades = read(written(tmp_path, text))
    assert trades.instant_ns.tolist() == [int(datetime(2024, 2, 29, 23, tzinfo=UTC).timestamp()) * NS]


@pytest.mark.parametrize(
    ("first", "second", "gap_ns"),
    [
        ("1709285400", "1709285401.25", 1_250_000_000),
        ("1709285400.531656", "1709285400.531657", 1_000),
        ("1709285400000", "1709285400001", 1_000_000),
        ("1709285400000000", "1709285400000001", 1_000),
        ("1709285400000000000", "1709285400000000001", 1),
    ],
)
def test_epoch_numbers_are_read_exactly_in_the_unit_of_their_size(
    tmp_path: Path, first: str, second: str, gap_ns: int
) -> None:
    trades = read(written(tmp_path, f"timestamp,symbol,price,size\n{first},A,1,1\n{second},A,1,1\n"))
    assert since_first(trades) == [0, gap_ns]
    assert int(trades.instant_ns[0]) // NS == 1_709_285_400


@pytest.mark.parametrize(("unit", "scale"), [("170928540", 1_000_000), ("170928540000", 1_000)])
def test_binance_dumps_in_milliseconds_and_microseconds(tmp_path: Path, unit: str, scale: int) -> None:
    bare = read(written(tmp_path, BINANCE.format(unit)), symbol="BTCUSDT")
    assert since_first(bare) == [0, 500 * scale]
    assert bare.symbols == ("BTCUSDT",)
    assert bare.size.tolist() == [4.70443515, 1.0]
    headed = read(written(tmp_path, BINANCE_HEADER + BINANCE.format(unit).replace(",true\n", "\n")))
    assert since_first(headed) == since_first(bare)
    assert headed.price.tolist() == bare.price.tolist() == [0.01633102, 0.01633103]


def test_fractional_sizes_and_small_prices_survive_to_the_line(tmp_path: Path) -> None:
    file = written(tmp_path, "timestamp,symbol,price,size\n1709285400,A,0.00012345,0.0031\n")
    feed = Feed(schedule="replay", replay=Replay(file=file), book_levels=200)
    tick = make(feed, 1, 1.0, 0.5).tick(0, 1, 0)
    assert decode(encode(tick)) == tick
    assert (tick.price, tick.size) == (0.00012345, 0.0031)
    assert all(0 < bid < tick.price for bid, _ in tick.bids)


@pytest.mark.parametrize("zone", [None, UTC, timezone(timedelta(hours=-5))])
def test_parquet_with_timestamps_dictionaries_and_decimals(tmp_path: Path, zone: timezone | None) -> None:
    begin = datetime(2024, 3, 1, 9, 30, tzinfo=zone)
    instants = [begin, begin + timedelta(microseconds=7)]
    table = pa.table({
        "timestamp": pa.array(instants, pa.timestamp("us", tz=zone and "UTC")),
        "symbol": pa.array(["B", "A"]).dictionary_encode(),
        "price": pa.array(["1.25", "2.50"]).cast(pa.decimal128(10, 2)),
        "size": pa.array([1, 2], pa.int16()),
        "venue": ["X", "Y"],
    })
    pq.write_table(table, tmp_path / "trades.parquet")
    trades = read(str(tmp_path / "trades.parquet"))
    assert since_first(trades) == [0, 7_000]
    assert int(trades.instant_ns[0]) == pd.Timestamp(begin).value
    assert [trades.symbols[place] for place in trades.symbol] == ["B", "A"]
    assert trades.price.tolist() == [1.25, 2.5]


def test_parquet_with_epoch_numbers(tmp_path: Path) -> None:
    instants = [1_709_285_400_000, 1_709_285_400_250]
    table = pa.table({"timestamp": instants, "symbol": ["A", "A"], "price": [1.0, 2.0], "size": [1, 2]})
    pq.write_table(table, tmp_path / "trades.parquet")
    assert since_first(read(str(tmp_path / "trades.parquet"))) == [0, 250_000_000]


def spoilt(row: int, column: int, value: str) -> str:
    lines = [line.split(",") for line in CSV.splitlines()]
    lines[row][column] = value
    return "\n".join(",".join(line) for line in lines) + "\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (spoilt(2, 2, "ten"), "row 2, price: found 'ten', allowed is a number above 0"),
        (spoilt(2, 2, "nan"), "row 2, price: found 'nan'"),
        (spoilt(2, 2, "inf"), "row 2, price: found 'inf'"),
        (spoilt(2, 2, ""), "row 2, price: found"),
        (spoilt(3, 2, "-1"), "row 3, price: found '-1'"),
        (spoilt(3, 2, "0"), "row 3, price: found '0'"),
        (spoilt(4, 3, "-1"), "row 4, size: found '-1', allowed is a number of 0 or more"),
        (spoilt(2, 0, "2024-03-01T09:29:59"), "row 2, timestamp: found '2024-03-01T09:29:59', allowed is"),
        (spoilt(2, 0, "soon"), "row 2, timestamp: found 'soon', allowed is a date and time"),
        (spoilt(1, 0, "soon"), "row 1, timestamp: found 'soon'"),
        (spoilt(2, 0, "1709285400"), "row 2, timestamp: found '1709285400'"),
        (spoilt(2, 1, "A B"), r"row 2, symbol: found 'A B', allowed is a name"),
        (spoilt(2, 1, ""), r"row 2, symbol: found ''"),
        (spoilt(0, 2, "cost"), "column price: found none among 'timestamp,symbol,cost,size'"),
        (CSV + "2024-03-01T09:30:03,AAA,10.5\n", "4 columns"),
        (CSV.splitlines()[0] + "\n", "found no trades"),
        ("", "found an empty first line"),
        ("\n\n", "found an empty first line"),
        ("1,2,3\n", "column timestamp: found none"),
        ("timestamp,symbol,price,size\n1709285400,A,1,1\n2024-03-01T00:00:00,A,1,1\n", "row 2, timestamp"),
        (BINANCE.format("170928540").replace("4000", "x"), "timestamp"),
        (BINANCE_HEADER.replace("transact_time", "time") + "1,2,3,4,5,6,true\n", "column timestamp"),
    ],
)
def test_a_file_that_cannot_be_replayed_is_refused_by_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FeedFileError) as caught:
        read(written(tmp_path, text))
    assert said in str(caught.value)
    assert "trades.csv" in str(caught.value)
    assert "allowed" in str(caught.value)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedFileError, match="no such file"):
        read(str(tmp_path / "nowhere.csv"))
    with pytest.raises(FeedFileError, match="Parquet"):
        read(written(tmp_path, CSV, "trades.parquet"))
    (tmp_path / "bytes.csv").write_bytes(b"timestamp,symbol,price,size\n1709285400,\xff\xfe,1,1\n")
    with pytest.raises(FeedFileError, match="UTF"):
        read(str(tmp_path / "bytes.csv"))
    with pytest.raises(FeedFileError, match=r"feed\.replay\.symbol"):
        read(written(tmp_path, BINANCE.format("170928540")), symbol="BTC/USDT")


@pytest.mark.parametrize(
    "start", ["2024-03-01T09:29:59", "2024-03-01T09:30:02.000001", "09:30", "1709285400"]
)
def test_a_start_outside_the_file_is_refused(tmp_path: Path, start: str) -> None:
    with pytest.raises(FeedFileError, match=r"2024-03-01T09:30:00\.000001 to 2024-03-01T09:30:02"):
        read(written(tmp_path, CSV), start=start)


def test_start_falls_on_t0_and_what_was_before_on_warm_up(tmp_path: Path) -> None:
    file = written(tmp_path, CSV)
    start = "2024-03-01T09:30:00.5"
    feed = Feed(schedule="replay", replay=Replay(file=file, start=start))
    schedule = make(feed, 1, horizon_s=3.0, t0_s=1.0)
    assert schedule.offset_ns.tolist() == [500_001_000, NS, NS, 2 * NS + NS // 2]
    assert [schedule.tick(index, 1, 0).price for index in range(4)] == [23.82, 10.0, 23.83, 10.5]
    short = make(feed, 1, horizon_s=2.5, t0_s=0.25)  # the first trade is before warm-up
    assert short.offset_ns.tolist() == [NS // 4, NS // 4, NS + 3 * NS // 4]
    assert short.symbols == ("AAA", "ETF")
    numbers = "timestamp,symbol,price,size\n1709285400,A,1,1\n1709285404,A,2,2\n"
    feed = Feed(schedule="replay", replay=Replay(file=written(tmp_path, numbers), start="1709285402.5"))
    assert make(feed, 1, 3.0, 1.0).offset_ns.tolist() == [2 * NS + NS // 2]


@given(
    st.lists(st.integers(0, 3_000_000), min_size=1, max_size=30),
    st.sampled_from([0.25, 0.5, 1.0, 2.0, 8.0]),
)
@settings(deadline=None)
def test_gaps_are_the_files_over_the_speed(
    tmp_path_factory: pytest.TempPathFactory, gaps_us: list[int], speed: float
) -> None:
    instants = np.cumsum([1_709_285_400_000_000, *gaps_us]).tolist()
    rows = "".join(f"{instant},S,{1 + row},{row}\n" for row, instant in enumerate(instants))
    file = written(tmp_path_factory.mktemp("replay"), "timestamp,symbol,price,size\n" + rows)
    feed = Feed(schedule="replay", replay=Replay(file=file, speed=speed))
    schedule = make(feed, 1, horizon_s=1000.0, t0_s=2.0)
    assert schedule.size.tolist() == list(range(len(instants)))
    expected = [2 * NS + int((instant - instants[0]) * 1000 / speed) for instant in instants]
    assert schedule.offset_ns.tolist() == expected


@pytest.mark.skipif(not TRADING_DAY.exists(), reason="the file of a trading day is not here")
def test_a_trading_day_is_read_whole() -> None:
    trades = read(str(TRADING_DAY))
    assert len(trades.price) == 43_581
    assert trades.symbols == ("AAA", "BBB", "ETF")
    frame = pd.read_csv(TRADING_DAY, parse_dates=["timestamp"])
    assert trades.instant_ns.tolist() == frame["timestamp"].astype("datetime64[ns]").astype("int64").tolist()
    assert [trades.symbols[place] for place in trades.symbol] == frame["symbol"].tolist()
    assert trades.price.tolist() == frame["price"].tolist()
    assert trades.size.tolist() == frame["size"].tolist()
    # Real trading is bursty, which is why it is replayed.
    counts = np.bincount((trades.instant_ns - trades.instant_ns[0]) // NS)
    assert counts.var() / counts.mean() > 2


@pytest.mark.parametrize("stamp", [
    "9999999999999999999", "99999999999999999999999", "1e400", "2500-01-01T00:00:00", "9999-12-31",
    "0001-01-01", "1709285400123456789123", "-5",
])
def test_a_time_beyond_what_can_be_kept_is_refused(tmp_path: Path, stamp: str) -> None:
    with pytest.raises(FeedFileError, match="timestamp"):
        read(written(tmp_path, f"timestamp,symbol,price,size\n{stamp},A,1,1\n"))


@pytest.mark.parametrize("second", ["9999999999999999999", "99999999999"])
def test_a_later_time_beyond_it_is_refused_with_its_row(tmp_path: Path, second: str) -> None:
    with pytest.raises(FeedFileError, match="row 2, timestamp"):
        read(written(tmp_path, f"timestamp,symbol,price,size\n1709285400,A,1,1\n{second},A,1,1\n"))


@pytest.mark.parametrize("column", ["timestamp", "symbol", "price", "size"])
@pytest.mark.parametrize("wrong", [[[1]], [{"a": 1}], [b"\xff"], [True]])
def test_a_parquet_column_of_a_wrong_type_is_refused(tmp_path: Path, column: str, wrong: list[Any]) -> None:
    row = {"timestamp": [1709285400], "symbol": ["A"], "price": [1.0], "size": [1]} | {column: wrong}
    pq.write_table(pa.table(row), tmp_path / "trades.parquet")
    with pytest.raises(FeedFileError, match=column):
        read(str(tmp_path / "trades.parquet"))
