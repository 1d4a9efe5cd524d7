"""What a run shows: a line a trial with what matters of it, and how long the rest takes."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import pytest

from bench.audit import Reason, Verdict
from bench.experiment import progress
from bench.experiment.plan import PlannedTrial
from bench.experiment.progress import Bar, Lines, TimeLeft, told_outcome, told_standing
from bench.stats.stopping import Standing
from bench.until import Until

PLANNED = PlannedTrial("1-1-websocket-50", 1, 1, "websocket", "websocket", 50, 7)
ROW: dict[str, Any] = {
    "delivered": 1699, "updates_due": 1700, "latency_p50_ms": 0.6234, "latency_p99_ms": 4.381,
}


def test_a_valid_trial_is_one_line() -> None:
    assert told_outcome(PLANNED, ROW, Verdict("VALID")) == (
        "websocket, 50 clients: p50 0.623 ms, p99 4.38 ms, 1699 of 1700 delivered, VALID"
    )


def test_what_was_conflated_is_told() -> None:
    told = told_outcome(PLANNED, ROW | {"delivered": 200, "conflated": 1500}, Verdict("VALID"))
    assert "200 of 1700 delivered and 1500 conflated, VALID" in told
    assert "conflated" not in told_outcome(PLANNED, ROW | {"conflated": 0}, Verdict("VALID"))


def test_an_invalid_trial_says_why() -> None:
    reason = Reason("feed-late", "feed_lateness_p99_ms is 9", "give it a core")
    told = told_outcome(PLANNED, ROW, Verdict("INVALID", (reason,)))
    assert "INVALID\n    feed-late: feed_lateness_p99_ms is 9: give it a core" in told


def test_a_failed_trial_says_how() -> None:
    reason = Reason("server-died", "the trial failed", "the server ended by itself with status 1")
    told = told_outcome(PLANNED, {}, Verdict("ABORTED", (reason,)))
    assert told == "websocket, 50 clients: ABORTED, server-died: the server ended by itself with status 1"
    logged = told_outcome(PLANNED, {}, Verdict("ABORTED", (replace(reason, log=("one", "two")),)))
    assert logged == f"{told}\n    │ one\n    │ two"


@pytest.mark.parametrize(("value", "told"), [(math.nan, "too few"), (math.inf, "lost"), (None, "too few")])
def test_a_percentile_that_is_no_number(value: float | None, told: str) -> None:
    assert f"p99 {told}," in told_outcome(PLANNED, ROW | {"latency_p99_ms": value}, Verdict("VALID"))


def test_time_left_is_corrected_by_what_has_passed() -> None:
    left = TimeLeft([4.0, 4.0, 2.0, 2.0])
    assert left.s == 12.0
    left.passed(6.0)
    assert left.s == 8.0 * 1.5
    left.passed(2.0)
    assert left.s == 4.0


def test_lines_are_numbered_from_where_the_run_goes_on() -> None:
    stream = io.StringIO()
    lines = Lines(3, 9, stream)
    lines.trial_begins(PLANNED, 10.0)
    lines.trial_ends(PLANNED, ROW, Verdict("VALID"))
    lines.close()
    assert stream.getvalue().startswith("[4/9] websocket, 50 clients: p50")


def test_the_bar_shows_time_left_and_keeps_the_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar(0, 2)
    bar.trial_begins(PLANNED, 65.0)
    bar.trial_ends(PLANNED, ROW, Verdict("VALID"))
    bar.close()
    assert "p50 0.623 ms" in capsys.readouterr().err


def test_lines_where_there_is_no_terminal() -> None:
    assert isinstance(progress.reporter(0, 1), Lines)


@pytest.mark.parametrize(("reach", "told"), [
    (0.084, "p99 ± 10 % is reached after 7 blocks of at most 30"),
    (0.1849, "p99 ± 10 % is not reached after 7 blocks of at most 30: websocket, 50 clients: ± 18.5 %"),
    (math.inf, "p99 ± 10 % is not reached after 7 blocks of at most 30: "
               "websocket, 50 clients: no interval yet"),
])
def test_how_far_an_open_ended_run_has_come(reach: float, told: str) -> None:
    said = told_standing(7, 30, Standing("websocket", 50, reach, 0.1), Until("p99", 0.1))
    assert said == told
    stream = io.StringIO()
    Lines(0, 4, stream).note(said)
    assert stream.getvalue() == told + "\n"
