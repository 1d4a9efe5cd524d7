"""The tables of bytes say what the summary says, and their parts add up."""

from __future__ import annotations

import pytest

from bench.report import RunData
from bench.report.tables.bytes import bytes_table, connections_table


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_the_parts_of_each_row_add_up(run: RunData) -> None:
    table = bytes_table(run)
    whole = table.columns.index("all bytes")
    assert len(table.rows) == 2 * len(run.summary)
    for row in table.rows:
        parts = [number(text) for text in row[3:whole] if text != "–"]
        assert sum(parts) == pytest.approx(number(row[whole]), rel=0.002)


def test_only_parts_that_there_are_have_a_column(run: RunData) -> None:
    columns = bytes_table(run).columns
    assert "HTTP headers" in columns
    assert "TLS" not in columns


def test_a_connection_has_its_own_figures(run: RunData) -> None:
    table = connections_table(run)
    place = table.columns.index("opening bytes up")
    assert {row[place] for row in table.rows} == {"112.0"}
    assert len(table.rows) == len(run.summary)
