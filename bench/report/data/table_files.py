"""Tables of a run that has no trials (a storm, a map): written whole, and checked when they are read.

    tables ─► *.csv ─► read_csv refuses a table that lacks a column, or holds text where numbers belong

Known weakness: a number that was changed is not noticed; `tickertape simulate --resume` writes the tables again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bench.errors import RunError
from bench.output import plain
from bench.records.trial_record import whole_file
from bench.report.data.run import optional_table


def read_csv(path: Path, columns: Sequence[str], *, may_be_empty: bool = False) -> pd.DataFrame:
    """Read a table of the run.

    Raises `RunError` where the file is missing, can't be read, has no rows, lacks one of `columns`, or holds
    text where numbers belong.
    """
    writes = f"`tickertape simulate --resume {path.parent}` writes it"
    found = optional_table(path, columns, writes)
    if found is None:
        raise RunError(f"{path}: no such file; {writes}")
    if found.empty and not may_be_empty:
        raise RunError(f"{path}: found no rows, allowed is one or more; {writes}")
    return found


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write all tables of the run, by file name, each whole or not at all."""
    for name, frame in tables.items():
        with whole_file(folder / name) as beside:
            plain.write_csv(beside, frame)
