"""The table of formats: an example of each, and what is taken for none of them."""

from __future__ import annotations

import pytest

from bench.scenario.trade_formats import (
    FORMAT_NAMES,
    FORMATS,
    OURS,
    Layout,
    RequestedFormat,
    Unrecognised,
    named,
    of_rows,
)

EXAMPLES: list[tuple[str, str, tuple[int, int, int], int | None]] = [
    ("binance-aggtrades", "337480000,93548.80000000,0.00100000,5000,5000,1735689600010866,True,True",
     (5, 1, 2), None),
    ("binance-aggtrades", "1862715434,26951.0,0.003,4130731517,4130731517,1696118404732,false",
     (5, 1, 2), None),
    ("binance-aggtrades",
     "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
     (5, 1, 2), None),
    ("binance-aggtrades",
     "aggTradeId,price,quantity,firstTradeId,lastTradeId,timestamp,isBuyerMaker,isBestMatch",
     (5, 1, 2), None),
    ("binance-trades", "4359000000,93548.80000000,0.00100000,94.00000000,1735689600010866,True,True",
     (4, 1, 2), None),
    ("binance-trades", "4289000000,42283.5,0.003,126.85,1704067200015,false", (4, 1, 2), None),
    ("binance-trades", "id,price,qty,quote_qty,time,is_buyer_maker", (4, 1, 2), None),
    ("kraken", "1559347203,8552.9,0.03190270", (0, 1, 2), None),
    ("kraken", "1559347203.1234,8552.9,0.03190270", (0, 1, 2), None),
    ("bitcoincharts", "unixtime,price,amount", (0, 1, 2), None),
    ("polygon",
     "ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,"
     "size,tape,trf_id,trf_timestamp", (8, 6, 9), 0),
    ("polygon", "ticker,conditions,exchange,id,participant_timestamp,price,size", (4, 5, 6), 0),
    (OURS, "venue,size,price,symbol,timestamp", (4, 2, 1), 3),
    (OURS, "Timestamp,Symbol,Price,Size", (0, 2, 3), 1),
    (OURS, "timestamp,symbol,price,quantity", (0, 2, 3), 1),
    (OURS, "exchange,symbol,timestamp,local_timestamp,id,side,price,amount", (2, 6, 7), 1),
]


def layout(text: str, **asked: object) -> Layout:
    return of_rows([line.split(",") for line in text.split("\n")], RequestedFormat(**asked))  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "line", "places", "symbol"), EXAMPLES)
def test_a_format_is_recognised_and_can_be_asked_for(
    name: str, line: str, places: tuple[int, int, int], symbol: int | None
) -> None:
    expected = dict(zip(("timestamp", "price", "size"), places, strict=True))
    expected |= {} if symbol is None else {"symbol": symbol}
    for asked in (None, name):
        found = layout(line, format=asked)
        assert (found.format, found.places) == (name, expected)
        assert found.header == (not line[0].isdigit())


def test_each_format_has_an_example() -> None:
    assert {name for name, *_ in EXAMPLES} == set(FORMAT_NAMES) == {OURS, *(each.name for each in FORMATS)}


def test_bitcoincharts_without_a_header_looks_like_kraken_and_is_read_alike() -> None:
    line = "1315922016,5.800000000000,1.000000000000"
    assert layout(line).places == layout(line, format="bitcoincharts").places


@pytest.mark.parametrize(("text", "said"), [
    ("1381095240,122.0,122.0,122.0,122.0,0.1,1\n1381095300,122.0,123.0,122.0,123.0,5.2,3", "look like bars"),
    ("1735689600000000,93576.0,93610.93,93537.5,93609.93,8.2,1735689659999999,7.6,26,3.9,3.7,0",
     "look like bars"),
    ("timestamp,symbol,open,high,low,close,volume", "found bars"),
    ("1559347203,1.1234,1.1236\n1559347204,1.1235,1.1237", "as an ask follows a bid"),
    ("1559347203123456,8552.9,0.0319", "without names"), ("45292.5,8552.9,0.0319", "without names"),
    ("1559347203,8552.9,0.0319\n1559347204,oops,1", "without names"),
    ("1,2,3,4,5,1735689600010866,True\n2,2,3,4,5,1735689600010866,maybe", "without names"),
    ("1,2,3.5,4,5,17356896000,True", "without names"),
    ("1,2.5,3,4,5,1735689600010866,True,True,1", "without names"), ("1559347203,8552.9", "without names"),
    ("2024-03-01T09:30:00,AAA,10.0,100", "without names"),
    ("timestamp,price,size", "column symbol: found none"),
    ("timestamp,coin,price,size", "column symbol: found none among 'timestamp,coin,price,size'"),
    ("id,price,qty,quote_qty,time,is_buyer_maker,coin", "column symbol: found none"),
    ("time,datetime,symbol,price,size", "column timestamp: found 'time,datetime', allowed is one"),
    ("timestamp,symbol,price,amount,quantity", "column size: found 'amount,quantity', allowed is one"),
    ("timestamp,symbol,price,price,size", "found 'price' more than once"),
    ("timestamp,symbol,prices,size", r"column price: found none .*\(is it prices\?\)"),
])
def test_what_could_be_misread_is_refused(text: str, said: str) -> None:
    with pytest.raises(Unrecognised, match=said):
        layout(text)


@pytest.mark.parametrize(("text", "asked", "said"), [
    ("1559347203,8552.9,0.0319", {"format": "binance-trades"}, "allowed is Binance trades"),
    ("timestamp,symbol,price,size", {"format": "polygon"}, "allowed is Polygon"),
    ("timestamp,symbol,price,size", {"symbol": "A"}, r"feed\.replay\.symbol: found 'A', allowed is none"),
    ("timestamp,symbol,price,size", {"columns": {"price": "prize"}},
     r"no 'prize' .*price \(the nearest name\)"),
    ("timestamp,symbol,price,size", {"columns": {"price": "size"}}, "which has another role as well"),
    ("timestamp,symbol,price,size", {"columns": {"price": "9"}}, "no '9'"),
])
def test_what_is_asked_for_has_to_fit(text: str, asked: dict[str, object], said: str) -> None:
    with pytest.raises(Unrecognised, match=said):
        layout(text, **asked)


def test_columns_are_named_by_their_names_or_places() -> None:
    names = {"timestamp": "sip_timestamp", "price": "price", "size": "size", "symbol": "ticker"}
    assert layout("ticker,sip_timestamp,price,size,x", columns=names).places == {
        "timestamp": 1, "price": 2, "size": 3, "symbol": 0}
    assert layout("timestamp,coin,price,size", columns={"symbol": "coin"}).places["symbol"] == 1
    assert layout("a,a,b,c", columns={"timestamp": "1", "symbol": "2", "price": "b",
                                      "size": "c"}).places["symbol"] == 1
    places = {"timestamp": "1", "symbol": "2", "price": "3", "size": "4"}
    assert layout("2024-03-01T09:30:00,AAA,10.0,100", columns=places) == Layout(
        {"timestamp": 0, "symbol": 1, "price": 2, "size": 3}, header=False, format=OURS)


def test_one_symbol_may_be_named_in_place_of_a_column() -> None:
    assert "symbol" not in layout("timestamp,price,size", symbol="BTC/USD").places


def test_a_format_may_be_spelt_otherwise() -> None:
    assert named("Binance aggTrades") == named("binance_aggtrades") == "binance-aggtrades"
    assert named("nyse") is None
