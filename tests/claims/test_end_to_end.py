"""A published claim on a real run: the article's headers, counted to the byte."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from bench.stats.trial.bytes import DIRECTIONS, PARTS

pytestmark = [pytest.mark.process, pytest.mark.skipif(sys.platform != "linux", reason="counts are Linux's")]

SMALL = (
    "trials.count=1", "trials.repeats=0", "load.clients=[5]", "windows.measure_s=1.5", "windows.idle_s=0",
)


def test_the_articles_table_comes_out_of_a_run(tmp_path: Path) -> None:
    overrides = [part for override in SMALL for part in ("--set", override)]
    ended = subprocess.run(
        [sys.executable, "-c", "from bench.cli import main; main()", "run", "claims/lubbers-greco-2010",
         "--wait", "--results", str(tmp_path), *overrides],
        capture_output=True, text=True, timeout=110, check=False)
    assert ended.returncode in (0, 1), ended.stderr   # a busy machine makes trials INVALID
    (folder,) = (path for path in tmp_path.iterdir() if not path.is_symlink())
    assert "stated" in ended.stdout   # the table, on the terminal
    with (folder / "claims.csv").open() as file:
        claimed = {row["claim"]: row for row in csv.DictReader(file)}
    assert claimed["websocket-on-the-wire at 1,000 clients"]["stated"] == "0.015"
    trials = pd.read_csv(folder / "trials.csv").set_index("transport")
    for _, row in trials.iterrows():
        for direction in DIRECTIONS:
            parts = [row[f"{part}_bytes_{direction}_per_update"] for part in PARTS]
            assert sum(part for part in parts if part == part) == pytest.approx(
                row[f"bytes_{direction}_per_update"], rel=1e-12)
        assert (row["opening_segments_up"], row["opening_segments_down"]) == (2, 1)
        assert row["closing_segments_up"] >= 1
    # One trial has no interval.
    assert {row["verdict"] for row in claimed.values()} == {"conditional"}
    polls, pushes = trials.loc["short_polling"], trials.loc["websocket"]
    # 871 characters and their line ends, but for another request line and another Content-Length. Of the few
    # polls here one may have its request within the window and its answer behind it, so each way has its own.
    down = polls["header_bytes_down_per_update"] * polls["requests"] / polls["responses"]
    headers = polls["header_bytes_up_per_update"] + down
    assert headers / polls["requests_per_update"] == pytest.approx(909, abs=15)
    assert pushes["framing_bytes_down_per_update"] == 2
    assert pushes["tls_bytes_down_per_update"] == 0
    assert 18 <= pushes["payload_bytes_down_per_update"] <= 24
