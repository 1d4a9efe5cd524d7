"""Thresholds in words: the figure that decided, and one last line for those that fail."""

from __future__ import annotations

import math
from pathlib import Path

import manifests
import pytest
from synthetic import Plan, make_run

from bench.report import open_run
from bench.report.text import thresholds
from bench.scenario.thresholds import parse
from bench.stats.run.intervals import Interval
from bench.stats.run.thresholds import ThresholdVerdict, Verdict

NOTHING = Interval(math.nan, math.nan, math.nan, 0)


def verdict_on(text: str, found: Interval, verdict: Verdict = "met", failed: bool = False) -> ThresholdVerdict:
    return ThresholdVerdict(parse(text)[0], parse(text)[0], found, verdict, failed)


@pytest.mark.parametrize(("text", "found", "words"), [
    ("a.age_mean_ms <= 50 at 5", Interval(61.23, 58.0, 64.1, 5), "found 61.2 (95 % interval 58.0–64.1)"),
    ("a.age_mean_ms <= 50 at 5", Interval(1.0, -1.0, 3.0, 2), "found 1.00 (95 % interval −1.00 to 3.00)"),
    ("a.age_mean_ms <= 50 at 5", Interval(0.0, 0.0, 0.0, 4), "found 0"),
    ("a.age_mean_ms <= 50 at 5", Interval(7.0, math.nan, math.nan, 1), "found 7.00 in one valid trial, which has no "
                                                                       "interval"),
    ("a.latency_p99_ms <= 50 at 5", Interval(math.inf, math.nan, math.nan, 3), "found among lost updates"),
    ("a.latency_p99_ms <= 50 at 5", Interval(math.nan, math.nan, math.nan, 3),
     "not measured, or too few updates to say"),
    ("a.lost == 0 at 5", Interval(0.0, 0.0, 0.0, 3), "found 0 in each trial"),
    ("a.lost == 0 at 5", Interval(1.0, 0.0, 3.0, 3), "found 0 to 3 in a trial"),
    ("a.lost == 0 at 5", NOTHING, "without a valid trial"),
])
def test_a_threshold_is_named_with_the_figure_that_decided(text: str, found: Interval, words: str) -> None:
    assert thresholds.text(verdict_on(text, found)) == f"{text}, {words}"


def test_the_last_line_counts_those_that_fail_and_is_left_out_where_none_does() -> None:
    met = verdict_on("lost == 0", Interval(0.0, 0.0, 0.0, 3))
    passes = verdict_on("late == 0", NOTHING, "open")
    assert thresholds.failure([]) is None
    assert thresholds.failure([met, passes]) is None
    broken = verdict_on("lost == 0 at 5", Interval(2.0, 1.0, 3.0, 3), "broken", failed=True)
    failing = verdict_on("late == 0 at 5", NOTHING, "open", failed=True)
    assert thresholds.failure([met, broken, failing]) == (
        "Status 3, 1 broken and 1 open of 3 thresholds: lost == 0 at 5, found 1 to 3 in a trial; late == 0 at 5, "
        "without a valid trial")


def test_the_cells_that_meet_a_threshold_share_a_line(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", Plan(clients=(3, 5), trials=1, measure_s=0.5))
    asked = {"require": ["lost == 0", "websocket.latency_mean_ms <= 50", "websocket.late == 0 at 5"]}
    lines = thresholds.lines(manifests.asking(open_run(folder), thresholds=asked))
    assert lines[0] == ("met", "lost == 0, in each of 6 cells")
    assert [verdict for verdict, _ in lines[1:]] == ["open, which fails"] * 2 + ["met"]
    assert lines[3][1] == "websocket.late == 0 at 5, found 0 in each trial"
