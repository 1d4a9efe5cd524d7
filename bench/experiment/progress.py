"""The progress of a run on stderr: a bar on a terminal, plain lines elsewhere.

    VALID   websocket, 100 clients: p50 1.21 ms, p99 3.40 ms, 3,500 of 3,500 delivered
    ━━━━━━━━━━━━━━╺━━━━━━━━━━  17/45   2 min 41 s left   websocket, 500 clients

The verdict comes first, so that it stays on its line on a narrow terminal. A thread on the runner's own cores
redraws the bar once a second, which takes about 1 ms.

The time left is the estimate for the remaining trials, corrected by the ratio of actual to estimated time of
the trials so far. The time shown never rises, except when a trial is repeated: where a correction increases
the estimate, the time shown falls more slowly, so that it reaches 0 together with the estimate.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from typing import Protocol, TextIO

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from bench.audit.detectors import Reason, Verdict
from bench.experiment.requirements import duration_text
from bench.output import terminal
from bench.records.manifest import PlannedTrial
from bench.scenario.stop_rule import StopRule
from bench.stats.run.stopping import IntervalWidths
from bench.stats.run.uncertainty import brief, number

Row = Mapping[str, object]
NEAR_THE_END = 0.1
"""Share of a trial's expected length, at its end, within which the remaining time is uncertain."""


class Reporter(Protocol):
    """An object that is informed of a run's progress."""

    def trial_begins(self, planned: PlannedTrial, left_s: Callable[[], float]) -> None:
        """Take note that a trial begins; `left_s` returns the seconds until the end of the run."""

    def part_ends(self, done: int, parts: int) -> None:
        """Take note that `done` of a trial's `parts` are complete."""

    def trial_ends(self, planned: PlannedTrial, row: Row, verdict: Verdict, *, again: bool = False) -> None:
        """Take note that a trial is on disk; `row` is its row of `trials.csv`, and `again` is True where another
        attempt follows."""

    def note(self, sentence: str) -> None:
        """Report a sentence about the run as a whole."""

    def close(self) -> None:
        """End the display."""


class TimeLeft:
    """Estimator of a run's remaining time, from the trials' estimated lengths and the time that has passed.

    The caller supplies all instants, in seconds of any one clock. Its methods may be called from several threads.
    """

    def __init__(self, estimates_s: Sequence[float]) -> None:
        self._left = list(estimates_s)
        self._estimated_s = 0.0
        self._took_s = 0.0
        self._began_s: float | None = None
        self._known_s: float | None = None   # the estimate at the time of the last display
        self._shown_s = 0.0
        self._alone = RLock()

    def begins(self, now_s: float) -> None:
        """Take note that a trial begins, or begins again."""
        with self._alone:
            self._began_s = now_s

    def again(self, now_s: float) -> None:
        """Take note that the trial under way begins again, and add the time that its last attempt took."""
        with self._alone:
            whole_s = self._left[0] * self._correction
            self.at(now_s)
            spent_s = whole_s - self._of_the_trial(now_s)
            self._shown_s += spent_s
            self._known_s = (self._known_s or 0.0) + spent_s
            self._began_s = now_s

    def passed(self, took_s: float) -> None:
        """Take note that the trial is over, and took `took_s` seconds with all its attempts."""
        with self._alone:
            self._estimated_s += self._left.pop(0)
            self._took_s += took_s
            self._began_s = None
            if self._known_s is not None:
                self._known_s = self._estimate(0.0)
                self._shown_s = min(self._shown_s, self._known_s)

    def at(self, now_s: float) -> float:
        """Return the seconds left at `now_s`; never more than were returned before, unless a trial is
        repeated."""
        with self._alone:
            estimate_s = self._estimate(now_s)
            if self._known_s is None:
                self._shown_s = estimate_s
            elif self._known_s > 0:
                self._shown_s *= min(1.0, estimate_s / self._known_s)
            self._shown_s = min(self._shown_s, estimate_s)
            self._known_s = estimate_s
            return self._shown_s

    @property
    def _correction(self) -> float:
        return self._took_s / self._estimated_s if self._estimated_s else 1.0

    def _estimate(self, now_s: float) -> float:
        """Return the seconds left by the current estimate."""
        if not self._left:
            return 0.0
        rest_s = sum(self._left if self._began_s is None else self._left[1:]) * self._correction
        return rest_s + (0.0 if self._began_s is None else self._of_the_trial(now_s))

    def _of_the_trial(self, now_s: float) -> float:
        """Return the seconds left of the current trial; near its expected end the value approaches 0 but
        stays above."""
        whole_s = self._left[0] * self._correction
        passed_s = now_s - (self._began_s if self._began_s is not None else now_s)
        left_s, last_s = whole_s - passed_s, NEAR_THE_END * whole_s
        if last_s <= 0 or left_s > last_s:
            return max(0.0, left_s)
        return last_s / (2 - left_s / last_s)


def cell_text(planned: PlannedTrial) -> str:
    """Return the cell of a trial in words."""
    return _cell(planned.subject, planned.clients)


def _cell(label: str, clients: int) -> str:
    return f"{label}, {clients:,} client{'' if clients == 1 else 's'}"


def outcome_text(planned: PlannedTrial, row: Row, verdict: Verdict, again: bool = False) -> str:
    """Return a trial's verdict and values in one line, with the reasons for a verdict other than VALID.

    `again` adds that another attempt follows.
    """
    if verdict.status == "ABORTED":
        reason = verdict.reasons[0]
        return f"ABORTED {cell_text(planned)}: {reason.name}: {reason.advice}{_log_text(reason)}"
    figures = f"p50 {_ms(row['latency_p50_ms'])}, p99 {_ms(row['latency_p99_ms'])}"
    figures += f", {row['delivered']:,} of {row['updates_due']:,} delivered"
    if row.get("conflated"):
        figures += f" and {row['conflated']:,} conflated"
    if row.get("status") == "failed":
        figures = "no values"
    reasons = "".join(f"\n    {reason.sentence}{_log_text(reason)}" for reason in verdict.reasons)
    return f"{verdict.status:7} {cell_text(planned)}: {figures}{', repeated' if again else ''}{reasons}"


def _log_text(reason: Reason) -> str:
    """Return the last lines of a failed process's log, each on a line of its own."""
    return "".join(f"\n    │ {line}" for line in reason.log)


def standing_text(block: int, blocks: int, found: IntervalWidths, rule: StopRule) -> str:
    """Return a sentence on how far a run with `trials.until` is from its rule."""
    if found.reached:
        return f"{rule} is reached after {block} blocks of at most {blocks}"
    cell = _cell(found.label, found.clients)
    worst = "no interval yet" if math.isinf(found.reach) else f"± {brief(100 * found.reach, 3)} %"
    return f"{rule} is not reached after {block} blocks of at most {blocks}: {cell}: {worst}"


def _ms(value: object) -> str:
    if not isinstance(value, float) or math.isnan(value):
        return "too few"
    return "lost" if math.isinf(value) else f"{number(value)} ms"


class Lines:
    """A reporter that prints one plain line per trial, for logs and pipes."""

    def __init__(self, done: int, total: int, stream: TextIO | None = None) -> None:
        self._done = done
        self._total = total
        self._stream = stream or sys.stderr

    def trial_begins(self, planned: PlannedTrial, left_s: Callable[[], float]) -> None:
        """Print nothing: one line per trial is enough."""

    def part_ends(self, done: int, parts: int) -> None:
        """Print nothing: one line per trial is enough."""

    def trial_ends(self, planned: PlannedTrial, row: Row, verdict: Verdict, *, again: bool = False) -> None:
        """Print a line with the trial's values."""
        self._done += not again
        outcome = outcome_text(planned, row, verdict, again)
        self._stream.write(f"[{self._done}/{self._total}] {outcome}\n")
        self._stream.flush()

    def note(self, sentence: str) -> None:
        """Print the sentence on a line of its own."""
        self._stream.write(f"{sentence}\n")
        self._stream.flush()

    def close(self) -> None:
        """Do nothing."""


class LeftColumn(ProgressColumn):
    """A column with the time left, computed each time that the bar is drawn; empty where it is unknown."""

    def __init__(self) -> None:
        super().__init__()
        self.left_s: Callable[[], float | None] = lambda: None

    def render(self, task: Task) -> Text:
        """Return the time left in words."""
        left_s = self.left_s()
        return Text("" if left_s is None else f"{duration_text(left_s)} left ")


class Bar:
    """A reporter with a progress bar and the time left, and the last trial's values above them."""

    def __init__(self, done: int, total: int) -> None:
        self._left = LeftColumn()
        self._progress = Progress(
            BarColumn(bar_width=30), MofNCompleteColumn(), self._left, TextColumn("{task.description}"),
            console=terminal.console(stderr=True, highlight=False), refresh_per_second=1, transient=True,
        )
        self._task = self._progress.add_task("", total=total, completed=done)
        self._text = ""
        self._progress.start()

    def trial_begins(self, planned: PlannedTrial, left_s: Callable[[], float]) -> None:
        """Show the current cell and the time left."""
        self._text, self._left.left_s = cell_text(planned), left_s
        self._progress.update(self._task, description=self._text, refresh=True)

    def part_ends(self, done: int, parts: int) -> None:
        """Show how many parts of the trial are done."""
        self._progress.update(self._task, description=f"{self._text}, {done} of {parts}", refresh=True)

    def trial_ends(self, planned: PlannedTrial, row: Row, verdict: Verdict, *, again: bool = False) -> None:
        """Advance the bar, and print the trial's values above it."""
        self._progress.console.print(outcome_text(planned, row, verdict, again), markup=False)
        self._progress.update(self._task, advance=not again, refresh=True)

    def note(self, sentence: str) -> None:
        """Print the sentence above the bar."""
        self._progress.console.print(sentence, markup=False)

    def close(self) -> None:
        """Remove the bar."""
        self._progress.stop()


def reporter(done: int, total: int) -> Reporter:
    """Return a `Bar` if stderr is a terminal, else `Lines`."""
    return Bar(done, total) if sys.stderr.isatty() else Lines(done, total)
