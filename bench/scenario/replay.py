"""The table `[feed.replay]`: the file of real trades to replay, its start time, and its columns.

The values are checked against the file's contents when it is read (`bench.feed.replay`).
"""

from __future__ import annotations

from datetime import date

from pydantic import field_validator, model_validator

from bench.scenario import trade_formats
from bench.scenario.fields import Positive, Table
from bench.scenario.parsing import FieldConflict, WrittenFloat

SYMBOL_PATTERN = r"^[A-Za-z0-9._^$-][A-Za-z0-9._^$:/=-]{0,39}$"
"""Pattern of a symbol's name. It excludes the comma, which separates symbols in a request, and all
characters that have a meaning in HTML or in a query string."""


class Columns(Table):
    """Columns of a replayed file by role, for a file whose column names don't say. On the command line,
    `--columns timestamp=sip_timestamp,price=price,size=size,symbol=ticker`."""

    timestamp: str | None = None
    """The column of the instants: its name, or its position counted from 1."""
    symbol: str | None = None
    """The column of the symbols."""
    price: str | None = None
    """The column of the prices."""
    size: str | None = None
    """The column of the sizes."""

    @property
    def given(self) -> dict[str, str]:
        """Return the named columns by role."""
        return {role: name for role, name in self.model_dump().items() if name is not None}


class Replay(Table):
    """`schedule = "replay"`: a file of real trades, replayed with its own gaps."""

    file: str = ""
    """CSV or Parquet, plain or in `.gz` or `.zip`, or a pipe: with a header that names
    `timestamp,symbol,price,size`, or in one of the formats of `format`."""
    speed: Positive = 1.0
    """Seconds of the file that pass in one second of the run."""
    start: str | None = None
    """The file's time at which measuring begins, written as in the file, with or without quotes; by
    default the time of its first trade. A date and time with nanoseconds needs the quotes."""
    symbol: str | None = None
    """The symbol of a file that has no column of symbols; by default `SYMBOL`."""
    format: str | None = None
    """`tickertape` (columns by their names), `binance-aggtrades`, `binance-trades`, `kraken`,
    `bitcoincharts` or `polygon`; by default the format that all columns of the file match."""
    columns: Columns = Columns()
    sort: bool = False
    """Sort the rows of a file that are not in order of time; by default such a file is refused."""

    @field_validator("start", mode="before")
    @classmethod
    def _may_be_unquoted(cls, start: object) -> object:
        """Accept a number, a date, or a date and time without quotes."""
        if isinstance(start, WrittenFloat):
            return start.written
        if isinstance(start, date):   # a date and time is one, too
            return start.isoformat()
        return str(start) if type(start) in (int, float) else start

    @field_validator("format")
    @classmethod
    def _is_a_format(cls, name: str | None) -> str | None:
        found = None if name is None else trade_formats.named(name)
        if name is not None and found is None:
            raise ValueError("one of " + ", ".join(trade_formats.FORMAT_NAMES))
        return found

    @field_validator("columns", mode="before")
    @classmethod
    def _may_be_a_list(cls, columns: object) -> object:
        """Convert a list such as `timestamp=a,price=b` into a table."""
        if not isinstance(columns, str):
            return columns
        pairs = [pair.partition("=") for pair in columns.split(",")]
        if not all(equals and role.strip() and name.strip() for role, equals, name in pairs):
            raise ValueError("a table, or a list such as "
                             "timestamp=sip_timestamp,price=price,size=size,symbol=ticker")
        return {role.strip(): name.strip() for role, _, name in pairs}

    @model_validator(mode="after")
    def _goes_together(self) -> Replay:
        if self.format is not None and self.columns.given:
            raise FieldConflict("format", self.format, "no format together with named columns")
        return self
