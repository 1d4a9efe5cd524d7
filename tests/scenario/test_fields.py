"""The base of all tables: strict numbers, frozen values, no unknown keys."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bench.scenario.fields import Count, Finite, NotNegative, Positive, Table, Whole


class Example(Table):
    """A table with a field of each kind."""

    finite: Finite = -1.0
    positive: Positive = 1.0
    not_negative: NotNegative = 0.0
    count: Count = 1
    whole: Whole = 0


@pytest.mark.parametrize("given", [
    {"finite": float("nan")}, {"finite": float("-inf")}, {"finite": True},
    {"positive": 0.0}, {"positive": float("inf")}, {"positive": True}, {"not_negative": -0.1},
    {"count": 0}, {"count": 1.0}, {"count": True}, {"whole": -1}, {"unknown": 1},
])
def test_a_value_outside_of_its_kind_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Example.model_validate(given)


def test_a_table_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Example().count = 2   # type: ignore[misc]
