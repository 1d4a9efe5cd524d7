"""An objective: the conditions that a trial must meet.

    kernel_latency_p99_ms <= 50 and lost == 0

The conditions are comparisons on columns of `trials.csv`, and all must be met. If a trial lacks a column (for
example, too few updates for the percentile), it does not meet the condition: a value that was not measured
does not count as met. On a system without kernel instants, the application's latency is used in place of the
kernel's; it is an upper bound of it.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

RELATIONS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq}
CONDITION = re.compile(r"\s*([a-z][a-z0-9_]*)\s*(<=|>=|==|<|>)\s*(-?[0-9]+(?:\.[0-9]+)?)\s*")


KERNEL = "kernel_"
CLIENTS = ("latency_", "age_", "client_lag_", "delivered", "late")
"""Prefixes of the columns that include the client's own queue."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One column of `trials.csv` and its bound."""

    column: str
    relation: str
    bound: float

    def met(self, row: Mapping[Any, object]) -> bool:
        """Return whether a row of `trials.csv` meets the condition; a missing value does not."""
        value = self.value(row)
        return not math.isnan(value) and bool(RELATIONS[self.relation](value, self.bound))

    def value(self, row: Mapping[Any, object]) -> float:
        """Return the value in the row; NaN if the row has none."""
        value = _figure(row, self.column)
        if math.isnan(value) and self.by_kernel:
            return _figure(row, self.column.removeprefix(KERNEL))
        return value

    @property
    def by_kernel(self) -> bool:
        """Tell whether the column is timed by the client's kernel, which excludes the client's own queue."""
        return self.column.startswith(KERNEL)

    @property
    def by_client(self) -> bool:
        """Tell whether the column includes the client's own queue."""
        return self.column.startswith(CLIENTS)

    def __str__(self) -> str:
        bound = f"{Decimal(repr(self.bound)):f}".removesuffix(".0")   # without an exponent, so that it is read again
        return f"{self.column} {self.relation} {bound}"


@dataclass(frozen=True, slots=True)
class Objective:
    """Conditions that must all be met."""

    conditions: tuple[Condition, ...]

    def met(self, row: Mapping[Any, object]) -> bool:
        """Return whether a row of `trials.csv` meets every condition."""
        return not self.broken(row)

    def broken(self, row: Mapping[Any, object]) -> tuple[Condition, ...]:
        """Return the conditions that the row does not meet."""
        return tuple(condition for condition in self.conditions if not condition.met(row))

    def __str__(self) -> str:
        return " and ".join(str(condition) for condition in self.conditions)


def _figure(row: Mapping[Any, object], column: str) -> float:
    value = row.get(column)
    return float(value) if isinstance(value, int | float) else math.nan


def parse(text: str) -> Objective:
    """Parse an objective; raise `ValueError` with the allowed form where a condition can't be read."""
    conditions = []
    for part in re.split(r"\band\b", text):
        found = CONDITION.fullmatch(part)
        if found is None:
            raise ValueError('conditions such as "kernel_latency_p99_ms <= 50 and lost == 0" '
                             f"(<=, <, >=, >, ==); {part.strip()!r} is none")
        column, relation, bound = found.groups()
        conditions.append(Condition(column, relation, float(bound)))
    return Objective(tuple(conditions))
