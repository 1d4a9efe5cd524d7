"""Tables of a run without trials: read as they were written, and refused where they were changed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bench.errors import RunError
from bench.report.data import table_files
from bench.report.data.table_files import read_csv, write_tables


def test_tables_are_read_as_they_were_written(tmp_path: Path) -> None:
    frame = pd.DataFrame({"policy": ["a"], "recovered_s": [float("inf")], "seed": [3]})
    write_tables(tmp_path, {"t.csv": frame})
    assert read_csv(tmp_path / "t.csv").equals(frame)
    with pytest.raises(RunError, match="no such file"):
        read_csv(tmp_path / "other.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(RunError, match="can't be read"):
        read_csv(tmp_path / "empty.csv")


def test_a_table_that_was_changed_is_refused(tmp_path: Path) -> None:
    """Whatever is wrong with it; older runs have nothing to hold theirs to."""
    path = tmp_path / "t.csv"
    write_tables(tmp_path, {
        "t.csv": pd.DataFrame({"policy": ["a"], "seed": [3]}), "other.csv": pd.DataFrame({"n": [1]})})
    path.write_text("policy\n")
    with pytest.raises(RunError, match=r"t\.csv: found another content than was written; .*--resume"):
        read_csv(path)
    assert read_csv(tmp_path / "other.csv")["n"].tolist() == [1]
    (tmp_path / table_files.DIGESTS).write_text('{"schema_version": 1, "sha256": 3}')
    with pytest.raises(RunError, match=r"tables\.json: sha256: found 3"):
        read_csv(path)
    (tmp_path / table_files.DIGESTS).unlink()
    assert read_csv(path).columns.tolist() == ["policy"]
