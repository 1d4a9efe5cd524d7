"""`[feed.replay]`: its allowed fields and values."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import ScenarioError
from bench.scenario import model
from bench.scenario.replay import Replay

HEAD = 'question = "?"\nfeed.schedule = "replay"\n[transports.websocket]\n[feed.replay]\nfile = "x"\n'


def read(tmp_path: Path, text: str, *overrides: str) -> Replay:
    """Return the table with these lines."""
    path = tmp_path / "replay.toml"
    path.write_text(HEAD + text)
    return model.load(path, overrides).feed.replay


@pytest.mark.parametrize(("written", "start"), [
    ("1735689600010866", "1735689600010866"), ("1704067224.200000", "1704067224.200000"),
    ("1704067224.123456789", "1704067224.123456789"), ('"1704067224.2"', "1704067224.2"),
    ("2024-01-01T00:00:00.5", "2024-01-01T00:00:00.500000"),
    ("2024-01-01 00:00:00Z", "2024-01-01T00:00:00+00:00"), ("2024-01-01", "2024-01-01"),
])
def test_a_start_needs_no_quotes(tmp_path: Path, written: str, start: str) -> None:
    assert read(tmp_path, f"start = {written}\n").start == start
    if written[4] != "-":   # a date is taken from there as it is written
        assert read(tmp_path, "", f"feed.replay.start={written}").start == start


def test_nanoseconds_of_a_date_are_kept_from_the_command_line(tmp_path: Path) -> None:
    start = "2024-01-01T00:00:00.123456789"
    assert read(tmp_path, "", f"feed.replay.start={start}").start == start
    assert read(tmp_path, "", "feed.replay.start=2024-01-01").start == "2024-01-01"


def test_columns_are_a_table_or_a_list(tmp_path: Path) -> None:
    expected = {"timestamp": "t", "price": "p", "size": "q"}
    assert read(tmp_path, 'columns = {timestamp = "t", price = "p", size = "q"}\n').columns.given == expected
    assert read(tmp_path, "", "feed.replay.columns=timestamp=t, price=p,size=q").columns.given == expected
    assert read(tmp_path, "").columns.given == {}


def test_a_format_may_be_spelt_as_its_owner_does(tmp_path: Path) -> None:
    assert read(tmp_path, 'format = "Binance aggTrades"\n').format == "binance-aggtrades"


@pytest.mark.parametrize(("text", "said"), [
    ('format = "nyse"\n', r"feed\.replay\.format: found 'nyse', allowed is one of tickertape, b"),
    ('format = "kraken"\ncolumns = {price = "p"}\n', "found 'kraken', allowed is no format"),
    ('columns = "price"\n', r"feed\.replay\.columns: found 'price', allowed is a table, or a list such as"),
    ('columns = {prize = "p"}\n', r"feed\.replay\.columns\.prize: found an unknown key, allowed is price"),
    ("start = 09:30:00\n", r"feed\.replay\.start: found 09:30:00, allowed is a text"),
    ("start = true\n", r"feed\.replay\.start: found true"),
])
def test_what_does_not_fit_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        read(tmp_path, text)
