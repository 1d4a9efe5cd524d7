"""A run with a real browser, from the command line to its report: pages beside our own clients."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from marked import Mark

from bench.browser import chromium
from bench.browser.chromium import ABSENT

pytestmark = [pytest.mark.real, pytest.mark.process, pytest.mark.timeout(300)]

SETTINGS = ("load.clients=[2]", "windows.measure_s=1", "windows.warmup_s=1", "trials.count=1", "trials.repeats=0")


def test_a_run_compares_pages_with_our_own_clients(tmp_path: Path, mark: Mark) -> None:
    if chromium.found() is None:
        pytest.skip(ABSENT)
    sets = [word for each in SETTINGS for word in ("--set", each)]
    done = subprocess.run(
        [sys.executable, "-c", "from bench.cli import main; main()", "run", "browser", "--wait", "--results",
         str(tmp_path), *sets], capture_output=True, text=True, env={**os.environ, **mark.environment})
    assert done.returncode in (0, 1), done.stderr   # 1: on a busy machine some place has no VALID trial
    trials = pd.read_csv(tmp_path / "latest" / "trials.csv")
    assert sorted(trials["client"]) == ["browser"] * 4 + ["locust"] * 4
    assert (trials["status"] == "finished").all(), trials["reasons"]
    assert (trials["delivered"] + trials["late"] == trials["updates_due"]).all()
    pages = trials["client"] == "browser"
    assert pages.equals(trials["not_assessed"].str.contains("generator-lag"))
    assert trials.loc[pages, "bytes_down_per_update"].isna().all()
    assert trials.loc[~pages, "bytes_down_per_update"].notna().all()
    assert (tmp_path / "latest" / "report.md").is_file(), done.stdout + done.stderr
    report = (tmp_path / "latest" / "report.md").read_text(encoding="utf-8")
    assert "code in a browser's page sees none" in report
    assert mark.left_after() == []
