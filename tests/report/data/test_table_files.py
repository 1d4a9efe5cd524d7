"""Tables of a run without trials: read as they were written, and refused where they can't be reported."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bench.errors import RunError
from bench.report.data.table_files import read_csv, write_tables


def test_tables_are_read_as_they_were_written(tmp_path: Path) -> None:
    frame = pd.DataFrame({"policy": ["a"], "recovered_s": [float("inf")], "seed": [3]})
    write_tables(tmp_path, {"t.csv": frame, "none.csv": frame.head(0)})
    assert read_csv(tmp_path / "t.csv", tuple(frame.columns)).equals(frame)
    assert read_csv(tmp_path / "none.csv", tuple(frame.columns), may_be_empty=True).empty


@pytest.mark.parametrize(("content", "sentence"), [
    (None, "no such file"), ("", "can't be read"), ("policy,seed\n", "found no rows"),
    ("policy\na\n", "column seed: found none"), ("policy,seed\na,x\n", "column seed: found 'x', allowed are numbers"),
])
def test_a_table_that_was_changed_is_refused(tmp_path: Path, content: str | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / "t.csv").write_text(content)
    with pytest.raises(RunError, match=rf"t\.csv: {sentence}.*; `tickertape simulate --resume .* writes it"):
        read_csv(tmp_path / "t.csv", ("policy", "seed"))
