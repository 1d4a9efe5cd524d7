"""What a run shows while it is under way: a bar on a terminal, plain lines elsewhere, on stderr.

    VALID   websocket, 100 clients: p50 1.21 ms, p99 3.40 ms, 3500 of 3500 delivered
    ━━━━━━━━━━━━━━╺━━━━━━━━━━  17/45   2 min 41 s left   websocket, 500 clients

The verdict comes first, so that it stands on its line however narrow the terminal is. The bar is drawn anew
once a second, by a thread on the cores that the runner is pinned to: that takes about 1 ms.

Time left is the estimate of what is left, corrected by how the trials so far compared with theirs. What is
shown never rises but where a trial is made again: where a correction says that more is left, it goes
down the more slowly, so that it comes to 0 when the estimate does.
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
from bench.experiment.plan import PlannedTrial
from bench.experiment.requirements import told_time
from bench.output import terminal
from bench.scenario.stop_rule import Until
from bench.stats.run.stopping import Standing
from bench.stats.run.uncertainty import number

Row = Mapping[str, object]
NEAR_THE_END = 0.1
"""Share of a trial's expected length from which on nobody knows when it ends."""


class Reporter(Protocol):
    """Who is told how a run goes."""

    def trial_begins(self, planned: PlannedTrial, left_s: Callable[[], float]) -> None:
        """A trial begins; `left_s` says how long it is until the end of the run."""

    def part_ends(self, done: int, parts: int) -> None:
        """Of a trial in parts, so many are done."""

    def trial_ends(self, planned: PlannedTrial, row: Row, verdict: Verdict, *, again: bool = False) -> None:
        """A trial is on disk; `row` is its row of `trials.csv`. `again`: it will be made once more."""

    def note(self, sentence: str) -> None:
        """Something that is about the run and not about one trial."""

    def close(self) -> None:
        """Nothing more will come."""


class TimeLeft:
    """How long the rest of a run takes, from estimates and from what has passed. Instants are the caller's;
    a bar's thread may ask while the run goes on."""

    def __init__(self, estimates_s: Sequence[float]) -> None:
        self._left = list(estimates_s)
        self._estimated_s = 0.0
        self._took_s = 0.0
        self._began_s: float | None = None
        self._known_s: float | None = None   # the estimate that the time shown was last held against
        self._shown_s = 0.0
        self._alone = RLock()

    def begins(self, now_s: float) -> None:
        """A trial begins, or is begun again."""
        with self._alone:
            self._began_s = now_s

    def again(self, now_s: float) -> None:
        """The trial under way is to be made once more: as long as it takes is added."""
        with self._alone:
            whole_s = self._left[0] * self._correction
            self.at(now_s)
            spent_s = whole_s - self._of_the_trial(now_s)
            self._shown_s += spent_s
            self._known_s = (self._known_s or 0.0) + spent_s
            self._began_s = now_s

    def passed(self, took_s: float) -> None:
        """The next trial is over, and took so long."""
        with self._alone:
            self._estimated_s += self._left.pop(0)
            self._took_s += took_s
            self._began_s = None
            if self._known_s is not None:
                self._known_s = self._estimate(0.0)
                self._shown_s = min(self._shown_s, self._known_s)

    def at(self, now_s: float) -> float:
        """Seconds left now: never more than were shown before."""
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
        """Seconds left by all that is known."""
        if not self._left:
            return 0.0
        rest_s = sum(self._left if self._began_s is None else self._left[1:]) * self._correction
        return rest_s + (0.0 if self._began_s is None else self._of_the_trial(now_s))

    def _of_the_trial(self, now_s: float) -> float:
        """Seconds left of the trial under way; near its expected end it nears 0 without reaching it."""
        whole_s = self._left[0] * self._correction
        passed_s = now_s - (self._began_s if self._began_s is not None else now_s)
        left_s, last_s = whole_s - passed_s, NEAR_THE_END * whole_s
        if last_s <= 0 or left_s > last_s:
            return max(0.0, left_s)
        return last_s / (2 - left_s / last_s)


def told_cell(planned: PlannedTrial) -> str:
    """The cell of a trial in words."""
    return _cell(planned.subject, planned.clients)


def _cell(label: str, clients: int) -> str:
    return f"{label}, {clients:,} client{'' if clients == 1 else 's'}"


def told_outcome(planned: PlannedTrial, row: Row, verdict: Verdict, again: bool = False) -> str:
    """A trial's verdict and figures in one line; why, where it is not valid, and if it is made `again`."""
    if verdict.status == "ABORTED":
        reason = verdict.reasons[0]
        return f"ABORTED {told_cell(planned)}: {reason.name}: {reason.advice}{_told_log(reason)}"
    figures = f"p50 {_ms(row['latency_p50_ms'])}, p99 {_ms(row['latency_p99_ms'])}"
    figures += f", {row['delivered']} of {row['updates_due']} delivered"
    if row.get("conflated"):
        figures += f" and {row['conflated']} conflated"
    if row.get("status") == "failed":
        figures = "no figures"
    reasons = "".join(f"\n    {reason.sentence}{_told_log(reason)}" for reason in verdict.reasons)
    return f"{verdict.status:7} {told_cell(planned)}: {figures}{', made again' if again else ''}{reasons}"


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
    return "lost" if math.isinf(value) else f"{number(value)} ms"


class Lines:
    """Plain lines, one a trial: for logs and pipes."""

    def __init__(self, done: int, total: int, stream: TextIO | None = None) -> None:
        self._done = done
        self._total = total
        self._stream = stream or sys.stderr

    def trial_begins(self, planned: PlannedTrial, left_s: Callable[[], float]) -> None:
        """Nothing: a line a trial is enough."""

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


class LeftColumn(ProgressColumn):
    """The time left, asked for each time that a bar is drawn; nothing where nobody knows."""

    def __init__(self) -> None:
        super().__init__()
        self.left_s: Callable[[], float | None] = lambda: None

    def render(self, task: Task) -> Text:
        """The time in words."""
        left_s = self.left_s()
        return Text("" if left_s is None else f"{told_time(left_s)} left ")


class Bar:
    """A progress bar with time left, and the last trial's figures above it."""

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
        """Show what is measured now, and the time left."""
        self._text, self._left.left_s = told_cell(planned), left_s
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
