"""Files of real trades: what is read, and how a file that can't be replayed is refused."""

from __future__ import annotations

import re
import subprocess
import sys
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
from bench.feed.trade_store import Trades
from bench.scenario.model import Feed, Replay
from bench.scenario.parsing import WrittenFloat

TRADING_DAY = Path(__file__).parents[3] / "shared" / "data" / "trades_2014-09-17.csv"
CASES = Path(__file__).parents[3] / "shared" / "cases" / "trades"

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
        ("1,2,3\n", "found a first row without names"),
        ("timestamp,symbol,price,size\n1709285400,A,1,1\n2024-03-01T00:00:00,A,1,1\n", "row 2, timestamp"),
        (BINANCE.format("170928540").replace("4000", "x"), "timestamp"),
        (BINANCE_HEADER.replace("transact_time", "when") + "1,2,3,4,5,6,true\n", "column timestamp"),
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
    assert len(read(written(tmp_path, CSV, "trades.parquet")).price) == 4   # nothing goes by a file's ending
    (tmp_path / "bytes.csv").write_bytes(b"timestamp,symbol,price,size\n1709285400,\xff\xfe,1,1\n")
    with pytest.raises(FeedFileError, match="UTF"):
        read(str(tmp_path / "bytes.csv"))
    with pytest.raises(FeedFileError, match=r"feed\.replay\.symbol"):
        read(written(tmp_path, BINANCE.format("170928540")), symbol="BTC,USDT")


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
    assert schedule.offset_ns.tolist() == [0, 0, 500_001_000, NS, NS, 2 * NS + NS // 2]
    assert [schedule.tick(index, 1, 0).price for index in range(6)] == [10.0, 23.82, 23.82, 10.0, 23.83, 10.5]
    short = make(feed, 1, horizon_s=2.5, t0_s=0.25)  # the first trade is before warm-up
    assert short.offset_ns.tolist() == [0, 0, NS // 4, NS // 4, NS + 3 * NS // 4]
    assert short.price[:2].tolist() == [10.0, 23.82]   # AAA has none before, ETF's last is that one
    assert short.symbols == ("AAA", "ETF")
    numbers = "timestamp,symbol,price,size\n1709285400,A,1,1\n1709285404,A,2,2\n"
    feed = Feed(schedule="replay", replay=Replay(file=written(tmp_path, numbers), start="1709285402.5"))
    assert make(feed, 1, 3.0, 1.0).offset_ns.tolist() == [0, 2 * NS + NS // 2]


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
    assert schedule.size.tolist() == [0, *range(len(instants))]   # the opening has no trade before
    expected = [2 * NS + int((instant - instants[0]) * 1000 / speed) for instant in instants]
    assert schedule.offset_ns.tolist() == [0, *expected]


HEADER = "timestamp,symbol,price,size\n"


@pytest.mark.parametrize("text", [
    HEADER + "1704067200,A,1.5,1\n1704067201,A,1.5,1\n",
    "\ufeff" + HEADER + "1704067200,A,1.5,1\r\n\r\n1704067201,A,1.5,1\r\n\r\n",
    '"timestamp","symbol","price","size"\n"1704067200","A","1.5","1"\n"1704067201","A","1.5","1"\n',
    "timestamp;symbol;price;size\n1704067200;A;1.5;1\n1704067201;A;1.5;1",
    "Timestamp\tSymbol\tPrice\tSize\n1704067200 \t A\t1.5\t1.0\n1704067201.\tA\t15e-1\t1\n",
    "timestamp,symbol,price,size,\n1704067200,A,1.5,1,\n1704067201.000,A,1.50,1,\n",
])
def test_the_same_trades_are_read_however_they_are_written(tmp_path: Path, text: str) -> None:
    trades = read(written(tmp_path, text))
    assert trades.instant_ns.tolist() == [1_704_067_200 * NS, 1_704_067_201 * NS]
    assert (trades.symbols, trades.price.tolist(), trades.size.tolist()) == (("A",), [1.5, 1.5], [1, 1])


@pytest.mark.parametrize("stamp", [
    "45292.000012", "0", "86400", "34200.01", "20240101", "20240101093000", "638396640000000000",
    "133485408000000000", "1.7040672e9", "1.70407E+12", "2024-01-01", "1970-01-01T09:30:00", "09:30:00",
    "NaT",
])
def test_what_cannot_be_the_instant_of_a_trade_is_refused(tmp_path: Path, stamp: str) -> None:
    with pytest.raises(FeedFileError, match=r"row 1, timestamp: found .* of the years 19[79]1 to 2199"):
        read(written(tmp_path, f"{HEADER}{stamp},A,1,1\n{stamp},A,1,1\n"))


def test_a_year_without_a_trade_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedFileError, match="2024-01-01T00:00:00 and then 2025-01-01T00:00:00, allowed is "
                                            "at most 300"):
        read(written(tmp_path, HEADER + "1704067200,A,1,1\n1735689600,A,1,1\n"))


@pytest.mark.parametrize("value", ["-1", "0", "nan", "inf", "", "$1", "0x10", "1_0", "1e400", "5e-324",
                                   "1,5"])
def test_a_price_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(FeedFileError, match="row 1, price: found"):
        read(written(tmp_path, f'{HEADER}1704067200,A,"{value}",1\n'))


@pytest.mark.parametrize(("rows", "start", "at_ns"), [
    (["1735689600010866", "1735689600110866"], 1735689600010866, 1735689600010866_000),
    (["1735689600010866", "1735689600110866"], "1735689600010866.5", 1735689600010866_500),
    (["1704067224.200001", "1704067225"], WrittenFloat("1704067224.200001"), 1704067224_200001_000),
    (["1704067224.200000001", "1704067225"], "1704067224.200000001", 1704067224_200000001),
    (["2024-01-01T00:00:00.123456789", "2024-01-01T00:00:01"], "2024-01-01T00:00:00.123456789", None),
    (["2024-01-01T00:00:00.5", "2024-01-01T00:00:01"], datetime(2024, 1, 1, 0, 0, 0, 500_000), None),
])
def test_a_start_is_read_exactly_as_the_files_own_timestamps(
    tmp_path: Path, rows: list[str], start: object, at_ns: int | None
) -> None:
    file = written(tmp_path, HEADER + "".join(f"{row},A,1,1\n" for row in rows))
    trades = read(file, start=start)
    assert trades.start_ns == (at_ns or trades.instant_ns[0])


@pytest.mark.parametrize(("rows", "bounds"), [
    (["1735689600010866", "1735689600110866"], "1735689600010866 to 1735689600110866"),
    (["1704067224.2000001", "1704067225"], "1704067224.2000001 to 1704067225"),
])
def test_the_bounds_of_a_start_are_told_exactly(tmp_path: Path, rows: list[str], bounds: str) -> None:
    with pytest.raises(FeedFileError, match=f"allowed is {bounds}$"):
        read(written(tmp_path, HEADER + "".join(f"{row},A,1,1\n" for row in rows)), start="1")


def test_a_file_out_of_order_is_read_where_that_is_asked_for(tmp_path: Path) -> None:
    file = written(tmp_path,
                   HEADER + "1704067202,B,3,1\n1704067200,A,1,1\n1704067202,A,4,1\n1704067201,A/B,2,1\n")
    with pytest.raises(FeedFileError, match=r"row 2, timestamp: .*the row before.*feed\.replay\.sort = true"):
        read(file)
    trades = read(file, sort=True)
    assert trades.price.tolist() == [1, 2, 3, 4]
    assert [trades.symbols[place] for place in trades.symbol] == ["A", "A/B", "B", "A"]


def test_symbols_and_order_hold_across_batches(tmp_path: Path) -> None:
    """Rows and symbols of later batches count on from those of the first."""
    rows = [f"{1704067200 + row // 100},{'AB' if row < 60_000 else 'CAD'}{row % 7},{row + 1},{row}\n"
            for row in range(90_000)]
    trades = read(written(tmp_path, HEADER + "".join(rows)))
    assert trades.size.tolist() == list(range(90_000))
    assert trades.symbols == tuple(f"{name}{digit}" for name in ("AB", "CAD") for digit in range(7))
    assert [trades.symbols[place] for place in trades.symbol[59_999:60_001]] == ["AB2", "CAD3"]
    rows[80_000] = "1704067200,A,1,1\n"
    with pytest.raises(FeedFileError, match="row 80001, timestamp: found '1704067200', allowed is "
                                            "1704067999"):
        read(written(tmp_path, HEADER + "".join(rows)))
    with pytest.raises(FeedFileError, match="more than 70,000 trades"):
        replay.read(Replay(file=written(tmp_path, HEADER + "".join(rows[:80_000]))), most=70_000)


@pytest.mark.process
def test_reading_takes_at_most_150_bytes_a_trade(tmp_path: Path) -> None:
    """Measured over half a million trades, all that reading takes among it."""
    file = tmp_path / "trades.csv"
    file.write_text(HEADER + "".join(f"{1704067200_000000 + 100 * row},AAA,{1 + row % 97},{row % 500}\n"
                                     for row in range(500_000)))
    code = (
        "import resource, sys\nfrom bench.errors import FeedFileError\n"
        "from bench.feed import replay\nfrom bench.scenario.model import Replay\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\nbefore = peak()\n"
        "trades = replay.read(Replay(file=sys.argv[1]))\nprint((peak() - before) / trades.rows)\n"
        # A file that is refused early leaves nothing behind that would abort the process at its end.
        "try: replay.read(Replay(file=sys.argv[1], columns='price=size,size=price'))\n"
        "except FeedFileError as error: kept = error\n")
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert float(done.stdout) <= 150


def test_what_a_run_keeps_is_its_window_and_its_opening(tmp_path: Path) -> None:
    rows = [(0, "A"), (1, "B"), (2, "A"), (3, "C"), (4, "A"), (9, "D")]
    file = written(tmp_path, HEADER + "".join(f"{1704067200 + at},{name},{at + 1},{at}\n" for at,
                                              name in rows))
    trades = replay.read(Replay(file=file, start="1704067203.5"))
    kept = replay.during(trades, speed=1.0, horizon_s=3.0, t0_s=1.0)
    assert kept.size.tolist() == [1, 2, 3, 4, 9]   # B and A before warm-up, what is within, and D's first


@pytest.mark.skipif(not CASES.exists(), reason="the files as people have them are not here")
@pytest.mark.parametrize(("name", "fields", "right"), [
    ("quantity-with-symbol.csv", {}, (2, ("AAA", "BBB"))), ("XBTUSD_1-kraken-ohlcvt.csv", {},
                                                            "a bar is no trade"),
    ("ts-excel.csv", {}, "row 1, timestamp: found '45292.000000'"),
    ("BTCUSDT-aggTrades-2025-01-01.csv", {"start": 1735689600010866}, (100, ("SYMBOL",))),
    ("BTCUSDT-aggTrades-2025-01-01.zip", {"start": "1735689600010866"}, (100, ("SYMBOL",))),
    ("BTCUSDT-trades-2025-01-01.csv", {"symbol": "BTCUSDT"}, (100, ("BTCUSDT",))),
    ("XBTUSD-kraken-headerless.csv", {"symbol": "XBT/USD"}, (100, ("XBT/USD",))),
    ("2024-01-01-polygon.csv", {}, (100, ("AAPL",))),
    ("2024-01-01-polygon.csv", {"columns": "timestamp=sip_timestamp,price=price,size=size,symbol=ticker"},
     (100, ("AAPL",))),
    ("ours-ns.csv", {}, (100, ("AAPL",))), ("ours-ns.csv.gz", {}, (100, ("AAPL",))),
    ("agg-interleaved-2023-10.csv", {}, "row 3, timestamp"),
    ("agg-interleaved-2023-10.csv", {"sort": True}, (3, ("SYMBOL",))), ("symbol-slash.csv", {}, (2,
                                                                                                 ("BTC/USD",))),
    ("ps-header-only-nonl.csv", {}, "found no trades"), ("ps-header-case.csv", {}, (1, ("A",))),
    ("trades (1).csv", {}, (100, ("AAPL",))), ("bursts-with-gaps.csv", {}, (2000, ("AAA", "BBB"))),
    *((name, {}, (5, ("AAPL", "MSFT")))
      for name in ("upper.PARQUET", "short.pq", "noext", "pa-stringview.parquet", "float-us.parquet")),
])
def test_a_file_as_people_have_it_gives_what_is_right(
    name: str, fields: dict[str, object], right: str | tuple[int, tuple[str, ...]]
) -> None:
    if isinstance(right, str):
        with pytest.raises(FeedFileError, match=re.escape(right)):
            read(str(CASES / name), **fields)
        return
    trades = read(str(CASES / name), **fields)
    assert (trades.rows, trades.symbols) == right
    assert np.all(np.diff(trades.instant_ns) >= 0)


@given(st.integers(1, 6), st.data())
@settings(deadline=None)
def test_it_opens_with_each_symbols_last_trade_before(symbols: int, data: st.DataObject) -> None:
    extra = data.draw(st.lists(st.integers(0, symbols - 1), max_size=12))
    symbol = data.draw(st.permutations([*range(symbols), *extra]))
    begin = data.draw(st.integers(0, len(symbol)))
    count = len(symbol)
    trades = Trades(np.arange(count) * NS, np.array(symbol, dtype=np.int32), tuple("ABCDEF"[:symbols]),
                    np.ones(count), np.arange(count), 0, count)
    for number, place in enumerate(replay.opening(trades, begin).tolist()):
        before = [each for each in range(begin) if symbol[each] == number]
        assert place == (before[-1] if before else symbol.index(number))
    feed = Feed(schedule="replay", replay=Replay(file="there.csv"))
    whole, part = (make(feed, 1, 3.0, 1.0 - begin, each)
                   for each in (trades, replay.during(trades, 1.0, 3.0, 1.0 - begin)))
    assert whole.size.tolist() == part.size.tolist()
    assert whole.offset_ns.tolist() == part.offset_ns.tolist()


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
