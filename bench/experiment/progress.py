"""What a run shows while it is under way: a bar on a terminal, plain lines elsewhere, on stderr.

    ━━━━━━━━━━━━━━╺━━━━━━━━━━  17/45   2 min 41 s left   websocket, 500 clients
    websocket, 100 clients: p50 1.21 ms, p99 3.40 ms, 3500 of 3500 delivered   VALID

The display changes only between trials: a thread that redraws ten times a second would be noise on
the cores that measure. Time left is the estimate of what is left, corrected by how the trials so far
compared with theirs.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bench.audit import Reason, Verdict
from bench.experiment.needs import told_time
from bench.experiment.plan import PlannedTrial
from bench.stats.stopping import Standing
from bench.until import Until

Row = Mapping[str, object]


class Reporter(Protocol):
    """Who is told how a run goes."""

    def trial_begins(self, planned: PlannedTrial, left_s: float) -> None:
        """A trial begins; `left_s` is until the end of the run."""

    def part_ends(self, done: int, parts: int) -> None:
        """Of a trial in parts, so many are done."""

    def trial_ends(self, planned: PlannedTrial, row: Row, verdict: Verdict, *, again: bool = False) -> None:
        """A trial is on disk; `row` is its row of `trials.csv`. `again`: it will be made once more."""

    def note(self, sentence: str) -> None:
        """Something that is about the run and not about one trial."""

    def close(self) -> None:
        """Nothing more will come."""


class TimeLeft:
    """How long the rest of a run takes, from estimates and from what has passed."""

    def __init__(self, estimates_s: Sequence[float]) -> None:
        self._left = list(estimates_s)
        self._estimated_s = 0.0
        self._took_s = 0.0

    def passed(self, took_s: float) -> None:
        """The next trial is over, and took so long."""
        self._estimated_s += self._left.pop(0)
        self._took_s += took_s

    @property
    def s(self) -> float:
        """Seconds left."""
        correction = self._took_s / self._estimated_s if self._estimated_s else 1.0
        return sum(self._left) * correction


def told_cell(planned: PlannedTrial) -> str:
    """The cell of a trial in words."""
    return _cell(planned.subject, planned.clients)


def _cell(label: str, clients: int) -> str:
    return f"{label}, {clients:,} client{'' if clients == 1 else 's'}"


def told_outcome(planned: PlannedTrial, row: Row, verdict: Verdict, again: bool = False) -> str:
    """A trial's figures and verdict in one line; why, where it is not valid, and if it is made `again`."""
    if verdict.status == "ABORTED":
        reason = verdict.reasons[0]
        return f"{told_cell(planned)}: ABORTED, {reason.name}: {reason.advice}{_told_log(reason)}"
    figures = f"p50 {_ms(row['latency_p50_ms'])}, p99 {_ms(row['latency_p99_ms'])}"
    figures += f", {row['delivered']} of {row['updates_due']} delivered"
    if row.get("conflated"):
        figures += f" and {row['conflated']} conflated"
    if row.get("status") == "failed":
        figures = "no figures"
    reasons = "".join(f"\n    {reason.sentence}{_told_log(reason)}" for reason in verdict.reasons)
    word = f"{verdict.status}, and made again" if again else verdict.status
    return f"{told_cell(planned)}: {figures}, {word}{reasons}"


def _told_log(reason: Reason) -> str:
    """The end of the log of a process that failed, a line each."""
    return "".join(f"\n    │ {line}" for line in reason.log)


def told_standing(block: int, blocks: int, found: Standing, rule: Until) -> str:
    """How far a run has come that goes on until its intervals are narrow."""
    if found.reached:
        return f"{rule} is reached after {block} blocks of at most {blocks}"
    cell = _cell(found.label, found.clients)
    worst = "no interval yet" if math.isinf(found.reach) else f"± {100 * found.reach:.3g} %"
    return f"{rule} is not reached after {block} blocks of at most {blocks}: {cell}: {worst}"


def _ms(value: object) -> str:
    if not isinstance(value, float) or math.isnan(value):
        return "too few"
    return "lost" if math.isinf(value) else f"{value:.3g} ms"


class Lines:
    """Plain lines, one a trial: for logs and pipes."""

    def __init__(self, done: int, total: int, stream: TextIO | None = None) -> None:
        self._done = done
        self._total = total
        self._stream = stream or sys.stderr
        self._left_s = 0.0

    def trial_begins(self, planned: PlannedTrial, left_s: float) -> None:
        """Remembered for the line at the trial's end."""
        self._left_s = left_s

    def part_ends(self, done: int, parts: int) -> None:
        """Nothing: a line a trial is enough."""

    def trial_ends(self, planned: PlannedTrial, row: Row, verdict: Verdict, *, again: bool = False) -> None:
        """A line with the trial's figures."""
        self._done += not again
        outcome = told_outcome(planned, row, verdict, again)
        self._stream.write(f"[{self._done}/{self._total}] {outcome}\n")
        self._stream.flush()

    def note(self, sentence: str) -> None:
        """A line of its own."""
        self._stream.write(f"{sentence}\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing to do."""


class Bar:
    """A progress bar with time left, and the last trial's figures above it."""

    def __init__(self, done: int, total: int) -> None:
        self._progress = Progress(
            BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("{task.description}"),
            console=Console(stderr=True, highlight=False), auto_refresh=False, transient=True,
        )
        self._task = self._progress.add_task("", total=total, completed=done)
        self._text = ""
        self._progress.start()

    def trial_begins(self, planned: PlannedTrial, left_s: float) -> None:
        """Show what is measured now, and the time left."""
        self._text = f"{told_time(left_s)} left   {told_cell(planned)}"
        self._progress.update(self._task, description=self._text, refresh=True)

    def part_ends(self, done: int, parts: int) -> None:
        """Say how far the trial is."""
        self._progress.update(self._task, description=f"{self._text}, {done} of {parts}", refresh=True)

    def trial_ends(self, planned: PlannedTrial, row: Row, verdict: Verdict, *, again: bool = False) -> None:
        """Move the bar, and leave the trial's figures above it."""
        self._progress.console.print(told_outcome(planned, row, verdict, again), markup=False)
        self._progress.update(self._task, advance=not again, refresh=True)

    def note(self, sentence: str) -> None:
        """A line above the bar."""
        self._progress.console.print(sentence, markup=False)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def reporter(done: int, total: int) -> Reporter:
    """A bar where stderr is a terminal, else lines."""
    return Bar(done, total) if sys.stderr.isatty() else Lines(done, total)
