"""An objective: what a trial must hold, written as one would say it.

    kernel_latency_p99_ms <= 50 and lost == 0

Conditions on columns of `trials.csv`, all of which must be met. A column that a trial does not have (too
few updates for the percentile) meets no condition: what was not measured was not held. Where a system has no
kernel instants, the application's latency stands for the kernel's, which it bounds from above.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RELATIONS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq}
CONDITION = re.compile(r"\s*([a-z][a-z0-9_]*)\s*(<=|>=|==|<|>)\s*(-?[0-9]+(?:\.[0-9]+)?)\s*")


KERNEL = "kernel_"
CLIENTS = ("latency_", "age_", "client_lag_", "delivered", "late")
"""How columns begin that hold the client's own queue."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One figure and its bound."""

    column: str
    relation: str
    bound: float

    def met(self, row: Mapping[Any, object]) -> bool:
        """Whether a row of `trials.csv` meets it."""
        value = self.value(row)
        return not math.isnan(value) and bool(RELATIONS[self.relation](value, self.bound))

    def value(self, row: Mapping[Any, object]) -> float:
        """The figure; NaN where the row has none."""
        value = _figure(row, self.column)
        if math.isnan(value) and self.by_kernel:
            return _figure(row, self.column.removeprefix(KERNEL))
        return value

    @property
    def by_kernel(self) -> bool:
        """Whether it is about what the client's kernel saw, without the client's own queue."""
        return self.column.startswith(KERNEL)

    @property
    def by_client(self) -> bool:
        """Whether the client's own queue is in the figure."""
        return self.column.startswith(CLIENTS)

    def __str__(self) -> str:
        return f"{self.column} {self.relation} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Objective:
    """All of its conditions must be met."""

    conditions: tuple[Condition, ...]

    def met(self, row: Mapping[Any, object]) -> bool:
        """Whether a row of `trials.csv` meets the objective."""
        return not self.broken(row)

    def broken(self, row: Mapping[Any, object]) -> tuple[Condition, ...]:
        """The conditions that the row does not meet."""
        return tuple(condition for condition in self.conditions if not condition.met(row))

    def __str__(self) -> str:
        return " and ".join(str(condition) for condition in self.conditions)


def _figure(row: Mapping[Any, object], column: str) -> float:
    value = row.get(column)
    return float(value) if isinstance(value, int | float) else math.nan


def parse(text: str) -> Objective:
    """The objective that is written so; `ValueError` says what of it can't be read."""
    conditions = []
    for part in re.split(r"\band\b", text):
        found = CONDITION.fullmatch(part)
        if found is None:
            raise ValueError('conditions such as "kernel_latency_p99_ms <= 50 and lost == 0" '
                             f"(<=, <, >=, >, ==); {part.strip()!r} is none")
        column, relation, bound = found.groups()
        conditions.append(Condition(column, relation, float(bound)))
    return Objective(tuple(conditions))
