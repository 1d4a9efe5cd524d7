"""What the tables of a scenario are made of: their common base, and the kinds of their fields.

A table that is only needed by one part of the project has a module of its own in here, so that
`bench.scenario.model` stays one page; the others stand there.

Numbers are strict, since `true` is no number. Upper bounds are where a greater value can only be a slip;
what this machine can carry is checked in `bench.experiment.requirements`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=1)]
Whole = Annotated[int, Field(strict=True, ge=0)]


class Table(BaseModel):
    """Base of every table of a scenario: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
