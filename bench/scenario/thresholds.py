"""The table `[thresholds]`: conditions that a run must meet, as a continuous integration asks for them.

    [thresholds]
    require = ["websocket.latency_p99_ms <= 50 at 500", "lost == 0"]

    [<subject>.]<condition> [at <clients>] [and …]       a condition as in an objective (`bench.scenario.objective`)

Without a subject a condition is for every subject, without `at` for every client count. Conditions that are joined
by `and` are thresholds of their own. They don't change what is measured, only how the command ends
(`bench.stats.run.thresholds`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import field_validator

from bench.scenario import objective
from bench.scenario.fields import Table
from bench.scenario.objective import Condition

THRESHOLD = re.compile(
    r"\s*(?:(?P<subject>\w+(?: \w+=[\w.+-]+)?)\.)?(?P<condition>.+?)(?:\s+at\s+(?P<clients>[1-9]\d{0,8}))?\s*")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A condition on one measure, and the cells that must meet it."""

    condition: Condition
    subject: str | None = None
    """Label of the subject; None covers all."""
    clients: int | None = None
    """Client count; None covers all."""

    def __str__(self) -> str:
        subject = f"{self.subject}." if self.subject else ""
        clients = f" at {self.clients}" if self.clients else ""
        return f"{subject}{self.condition}{clients}"


def parse(text: str) -> list[Threshold]:
    """Parse one or several thresholds, joined by `and`; raise `ValueError` with the allowed form where one can't be
    read."""
    return [_threshold(part) for part in re.split(r"\band\b", text)]


def _threshold(part: str) -> Threshold:
    found = THRESHOLD.fullmatch(part)
    try:
        condition, = objective.parse(found["condition"]).conditions if found else ()
    except ValueError:
        raise ValueError('thresholds such as "<label>.latency_p99_ms <= 50 at 500" or "lost == 0" (<=, <, >=, >, ==); '
                         f"{part.strip()!r} is none") from None
    assert found is not None
    return Threshold(condition, found["subject"], int(found["clients"]) if found["clients"] else None)


class Thresholds(Table):
    """Conditions that a run must meet. Each is decided on the 95 % interval of its value, and named on the report;
    where one is broken the command ends with status 3."""

    require: tuple[str, ...] = ()
    """Thresholds: `"websocket.latency_p99_ms <= 50 at 500"`, a comparison (`<=`, `<`, `>=`, `>`, `==`) on a column
    of trials.csv, for one subject and client count, or without them for all: `"lost == 0"`. `--require` adds to
    them."""
    open: Literal["fail", "pass"] = "fail"
    """The end of a run with a threshold that is open, because its interval holds the bound, or because there is none
    (fewer than two valid trials): `fail` ends the command as if it was broken, `pass` as if it was met."""

    @field_validator("require")
    @classmethod
    def _can_be_read(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(each) for text in texts for each in parse(text)))

    @property
    def thresholds(self) -> list[Threshold]:
        """Return the thresholds as they were written, in their order."""
        return [each for text in self.require for each in parse(text)]

    def with_more(self, more: Sequence[Threshold]) -> Thresholds:
        """Return the table with further thresholds, each once."""
        return self.model_copy(update={"require": tuple(dict.fromkeys((*self.require, *map(str, more))))})
