"""The display of a run: a line per trial with what matters of it, and how long the rest takes."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import pytest

from bench.audit.detectors import Reason, Verdict
from bench.experiment import progress
from bench.experiment.progress import Bar, Lines, TimeLeft, outcome_text, standing_text
from bench.records.manifest import PlannedTrial
from bench.scenario.stop_rule import StopRule
from bench.stats.run.stopping import IntervalWidths

PLANNED = PlannedTrial("1-1-websocket-50", 1, 1, "websocket", "websocket", 50, 7)
ROW: dict[str, Any] = {
    "delivered": 1699, "updates_due": 1700, "latency_p50_ms": 0.6234, "latency_p99_ms": 4.381,
}


def test_a_valid_trial_is_one_line() -> None:
    assert outcome_text(PLANNED, ROW, Verdict("VALID")) == (
        "VALID   websocket, 50 clients: p50 0.623 ms, p99 4.38 ms, 1,699 of 1,700 delivered"
    )


def test_what_was_conflated_is_told() -> None:
    told = outcome_text(PLANNED, ROW | {"delivered": 200, "conflated": 1500}, Verdict("VALID"))
    assert told.endswith("200 of 1,700 delivered and 1,500 conflated")
    assert "conflated" not in outcome_text(PLANNED, ROW | {"conflated": 0}, Verdict("VALID"))


def test_an_invalid_trial_says_why() -> None:
    reason = Reason("feed-late", "feed_lateness_p99_ms is 9", "give it a core")
    told = outcome_text(PLANNED, ROW, Verdict("INVALID", (reason,)))
    assert told.startswith("INVALID websocket")
    assert "delivered\n    feed-late: feed_lateness_p99_ms is 9: give it a core" in told


def test_a_failed_trial_says_how() -> None:
    reason = Reason("server-died", "the trial failed", "the server ended by itself with status 1")
    told = outcome_text(PLANNED, {}, Verdict("ABORTED", (reason,)))
    assert told == "ABORTED websocket, 50 clients: server-died: the server ended by itself with status 1"
    logged = outcome_text(PLANNED, {}, Verdict("ABORTED", (replace(reason, log=("one", "two")),)))
    assert logged == f"{told}\n    │ one\n    │ two"


@pytest.mark.parametrize(("value", "told"), [(math.nan, "too few"), (math.inf, "lost"), (None, "too few")])
def test_a_percentile_that_is_no_number(value: float | None, told: str) -> None:
    assert f"p99 {told}, " in outcome_text(PLANNED, ROW | {"latency_p99_ms": value}, Verdict("VALID"))


def test_time_left_is_corrected_by_what_has_passed() -> None:
    left = TimeLeft([4.0, 4.0, 2.0, 2.0])
    assert left.at(0.0) == 12.0
    left.begins(0.0)
    left.passed(2.0)
    assert left.at(2.0) == 8.0 * 0.5
    left.begins(2.0)
    assert left.at(3.0) == 3.0   # within a trial


@pytest.mark.parametrize("took_s", [[4.0] * 8, [1.0] * 8, [9.0] * 8, [1, 9, 2, 8, 30, 1, 1, 5],
                                    [8, 8, 8, 8, 1, 1, 1, 1]])
def test_time_left_never_rises_moves_within_a_trial_and_ends_at_0(took_s: list[float]) -> None:
    left, now_s, shown = TimeLeft([4.0] * 8), 0.0, [math.inf]
    for took in took_s:
        left.begins(now_s)
        for tenth in range(11):
            shown.append(left.at(now_s + took * tenth / 10))
        assert shown[-1] < shown[-6] < shown[-11]
        now_s += took
        left.passed(took)
        shown.append(left.at(now_s))
    assert shown == sorted(shown, reverse=True)
    assert shown[-2] > 0
    assert shown[-1] == 0
    left.begins(now_s)   # a bar may ask once more
    assert left.at(now_s) == 0


def test_a_trial_that_is_made_again_takes_its_time() -> None:
    left = TimeLeft([4.0, 4.0])
    left.begins(0.0)
    assert left.at(3.0) == 5.0
    left.again(3.0)
    left.begins(3.0)
    assert left.at(3.0) == 8.0
    assert left.at(5.0) == 6.0


def test_lines_are_numbered_from_where_the_run_goes_on() -> None:
    stream = io.StringIO()
    lines = Lines(3, 9, stream)
    lines.trial_begins(PLANNED, lambda: 10.0)
    lines.trial_ends(PLANNED, ROW, Verdict("VALID"))
    lines.close()
    assert stream.getvalue().startswith("[4/9] VALID   websocket, 50 clients: p50")


def test_the_bar_asks_for_the_time_left_and_the_verdict_stays_on_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    long = replace(PLANNED, subject="short_polling", clients=100_000)
    row = ROW | {"delivered": 123_456_789, "updates_due": 123_456_789, "conflated": 1_000_000}
    asked = iter([65.0, 5.0])
    bar = Bar(0, 2)
    bar.trial_begins(long, lambda: next(asked, 0.0))
    bar.trial_ends(long, row, Verdict("INVALID"), again=True)
    bar.close()
    shown = capsys.readouterr().err
    assert "1 min 5 s left" in shown
    assert "5 s left" in shown
    line = next(line for line in shown.splitlines() if "short_polling, 100,000 clients: p50" in line)
    assert "INVALID short_polling" in line


def test_lines_where_there_is_no_terminal() -> None:
    assert isinstance(progress.reporter(0, 1), Lines)


@pytest.mark.parametrize(("reach", "told"), [
    (0.084, "p99 ± 10 % is reached after 7 blocks of at most 30"),
    (0.1849, "p99 ± 10 % is not reached after 7 blocks of at most 30: websocket, 50 clients: ± 18.5 %"),
    (13.86, "p99 ± 10 % is not reached after 7 blocks of at most 30: websocket, 50 clients: ± 1,390 %"),
    (math.inf, "p99 ± 10 % is not reached after 7 blocks of at most 30: "
               "websocket, 50 clients: no interval yet"),
])
def test_how_far_an_open_ended_run_has_come(reach: float, told: str) -> None:
    said = standing_text(7, 30, IntervalWidths("websocket", 50, reach, 0.1), StopRule("p99", 0.1))
    assert said == told
    stream = io.StringIO()
    Lines(0, 4, stream).note(said)
    assert stream.getvalue() == told + "\n"


def test_a_percentile_of_seconds_has_no_exponent() -> None:
    assert "p50 2,530 ms, " in outcome_text(PLANNED, ROW | {"latency_p50_ms": 2530.4}, Verdict("VALID"))
