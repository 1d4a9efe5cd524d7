"""Archives around a trade file, and files that are none."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import os
import threading
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.errors import FeedFileError
from bench.feed import replay
from bench.scenario.model import Replay

CSV = b"timestamp,symbol,price,size\n1704067200,A,1.5,1\n1704067201,B,2.5,2\n"
COLUMNS: dict[str, Any] = {
    "timestamp": pa.array([1704067200, 1704067201]), "symbol": pa.array(["A", "B"]), "price": [1.5, 2.5],
    "size": [1, 2],
}
BROKEN_UTF8 = pa.Array.from_buffers(
    pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 3], dtype=np.int32)), pa.py_buffer(b"A\xff\xfe")])


def parquet(**columns: Any) -> bytes:
    to = io.BytesIO()
    pq.write_table(pa.table(COLUMNS | columns), to)
    return to.getvalue()


def zipped(*members: tuple[str, bytes]) -> bytes:
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return to.getvalue()


def locked() -> bytes:
    """Return an archive whose one member says that it needs a password."""
    content = bytearray(zipped(("a.csv", CSV)))
    content[6] |= 1
    content[content.find(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def read(path: Path) -> replay.Trades:
    return replay.read(Replay(file=str(path)))


WRAPPED: dict[str, bytes] = {
    "plain": CSV, "gz": gzip.compress(CSV), "two members of "
                                            "gz": gzip.compress(CSV[:40]) + gzip.compress(CSV[40:]),
    "zip": zipped(("a.csv", CSV)), "zip of a Mac": zipped(("d/", b""), ("d/a.csv", CSV),
        ("__MACOSX/._a.csv", b"x")),
    "gz in zip": zipped(("a.csv.gz", gzip.compress(CSV))), "Parquet": parquet(),
    "Parquet in gz": gzip.compress(parquet()), "Parquet in zip": zipped(("a", parquet())),
}


@pytest.mark.parametrize("through_a_pipe", [False, True])
@pytest.mark.parametrize("content", WRAPPED.values(), ids=WRAPPED.keys())
def test_a_file_is_read_as_it_was_downloaded(tmp_path: Path, content: bytes, through_a_pipe: bool) -> None:
    path = tmp_path / "noext"
    if through_a_pipe:
        os.mkfifo(path)
        writer = threading.Thread(target=path.write_bytes, args=(content,))
        writer.start()
    else:
        path.write_bytes(content)
    trades = read(path)
    assert trades.instant_ns.tolist() == [1_704_067_200 * replay.NS, 1_704_067_201 * replay.NS]
    assert (trades.symbols, trades.price.tolist(), trades.size.tolist()) == (("A", "B"), [1.5, 2.5], [1, 2])
    if through_a_pipe:
        writer.join()
        assert trades.sha256 == hashlib.sha256(content).hexdigest()


def in_seconds(unit: str, zone: str | None = None) -> pa.Array:
    return pa.array([1704067200, 1704067201]).cast(pa.timestamp("s", zone)).cast(pa.timestamp(unit, zone))


@pytest.mark.parametrize("columns", [
    *({"timestamp": in_seconds(unit, zone)} for unit in ("s", "ms", "us", "ns") for zone in (None,
     "Asia/Tokyo")),
    {"timestamp": [1704067200.0, 1704067201.0]}, {"timestamp": [1704067200e6, 1704067201e6]},
    {"timestamp": pa.array(["1704067200.0", "1704067201"]).cast(pa.decimal128(20, 6))},
    {"timestamp": pa.array([1704067200, 1704067201], pa.uint32())},
    {"timestamp": ["2024-01-01T00:00:00Z", "2024-01-01T09:00:01+09:00"]},
    {"symbol": pa.array(["A", "B"]).dictionary_encode()}, {"symbol": pa.array(["A", "B"], pa.string_view())},
    {"symbol": pa.array(["A", "B"], pa.large_string())},
    {"price": pa.array(["1.50", "2.50"]).cast(pa.decimal128(12, 4)), "size": pa.array([1, 2], pa.uint8())},
    {"price": ["1.5", "2.5"], "size": [1.0, 2.0]},
])
def test_a_parquet_column_may_be_of_many_types(tmp_path: Path, columns: dict[str, Any]) -> None:
    path = tmp_path / "a.pq"
    path.write_bytes(parquet(**columns))
    trades = read(path)
    assert trades.instant_ns.tolist() == [1_704_067_200 * replay.NS, 1_704_067_201 * replay.NS]
    assert (trades.symbols, trades.price.tolist(), trades.size.tolist()) == (("A", "B"), [1.5, 2.5], [1, 2])


@pytest.mark.parametrize(("place", "prices"), [(3, [9.0, 8.0]), (4, [1.5, 2.5])])
def test_of_two_parquet_columns_of_one_name_that_at_the_given_place_is_read(
    tmp_path: Path, place: int, prices: list[float]
) -> None:
    path = tmp_path / "a.pq"
    names = ["timestamp", "symbol", "price", "price", "size"]
    arrays = [COLUMNS["timestamp"], COLUMNS["symbol"], *map(pa.array, ([9.0, 8.0], [1.5, 2.5], [1, 2]))]
    pq.write_table(pa.table(arrays, names=names), path)
    found = replay.read(Replay.model_validate({"file": str(path), "columns": f"price={place}"}))
    assert (found.price.tolist(), found.size.tolist()) == (prices, [1, 2])


def test_doubles_are_taken_to_the_microsecond(tmp_path: Path) -> None:
    path = tmp_path / "a.pq"
    path.write_bytes(parquet(timestamp=[1704067200.123456, 1704067200.123457]))
    assert read(path).instant_ns.tolist() == [1704067200_123456_000, 1704067200_123457_000]


REFUSED: dict[str, tuple[bytes, str]] = {
    "two members": (zipped(("a.csv", CSV), ("b.csv", CSV)), r"zip archive of 2 files \(a.csv, b.csv\)"),
    "no member": (zipped(), "zip archive without a file"), "a password": (locked(), "needs a password"),
    "a spreadsheet": (zipped(("[Content_Types].xml", b""), ("a.xml", b"")), "a spreadsheet"),
    "cut zip": (WRAPPED["zip"][:90], "damaged"), "cut gz": (WRAPPED["gz"][:-9], "cut off"),
    "cut long gz": (gzip.compress(CSV + CSV[28:-1] + os.urandom(300_000).hex().encode())[:200_000],
                    "cut off|row"),
    "spoilt gz": (WRAPPED["gz"][:-8] + b"abcdefgh", "damaged"),
    "gz and more": (WRAPPED["gz"] + b"x", "damaged"),
    "too deep": (gzip.compress(gzip.compress(gzip.compress(gzip.compress(CSV)))), "more than 3 wrappings"),
    "empty": (b"", "empty first line"), "empty gz": (gzip.compress(b""), "empty first line"),
    "bz2": (bz2.compress(CSV), "bzip2"), "UTF-16": (CSV.decode().encode("utf-16"), "UTF-16"),
    "JSON": (b'[{"timestamp": 1}]', "JSON"), "HTML": (b"<!doctype html>", "HTML"),
    "NUL": (b"a,\0,c\n", "no text"),
    "latin-1": (CSV + b"1704067202,\xe9,1,1\n", "row 3, symbol: found bytes that are no UTF-8"),
    "a cut row": (CSV + b"1704067202,A\n", r"row 3, found 2 columns \('1704067202,A'\), allowed is 4"),
    "commas at the end": (CSV + b"1704067202,A,1,1,\n", "row 3, found 5 columns"),
    "an open quote": (CSV + b'1704067202,"A,1,1\n1704067203,A,1,1\n', "row 3"),
    "a header": (CSV[:27], "found no trades"), "a header and a line": (CSV[:28], "found no trades"),
    "cut Parquet": (parquet()[:-20], "damaged or cut off"),
    "spoilt Parquet": (b"PAR1" + b"x" * 99, "damaged"),
    "no rows": (parquet(**{name: column[:0] for name, column in COLUMNS.items()}), "found no trades"),
    "singles": (parquet(timestamp=pa.array([1.7e9, 1.7e9], pa.float32())),
                "column timestamp: found the type float"),
    "doubles of ns": (parquet(timestamp=[1.7040672e18, 1.7040672e18]),
                      "row 1, timestamp: .*a double can't hold"),
    "days": (parquet(timestamp=[date(2024, 1, 1)] * 2), r"found the type date32"),
    "numbers": (parquet(symbol=pa.array([1, 2]).dictionary_encode()), "column symbol: found the type"),
    "nulls": (parquet(symbol=["A", None]), "row 2, symbol: found nothing"),
    "no UTF-8": (parquet(symbol=BROKEN_UTF8), "row 2, symbol: found bytes that are no UTF-8"),
    "twice": (CSV.replace(b"size", b"Price"), "column price: found 'price' more than once"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_trade_file_is_refused_in_our_words(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "trades.csv"
    path.write_bytes(content)
    with pytest.raises(FeedFileError, match=said) as caught:
        read(path)
    assert "allowed is" in str(caught.value)
    assert "trades.csv: " in str(caught.value)
    assert "\n" not in str(caught.value).replace("\\n", "")


@pytest.mark.parametrize(("path", "said"), [
    (lambda folder: folder, "found a folder"), (lambda folder: folder / "none", "found no such file"),
    (lambda folder: Path("/dev/zero"), "found a device"),
    (lambda folder: Path("a\0b"), "a name that no file can have"),
    (lambda folder: Path("x" * 5000), "File name too long"),
])
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, path: Callable[[Path], Path], said: str) -> None:
    with pytest.raises(FeedFileError, match=said):
        read(path(tmp_path))
