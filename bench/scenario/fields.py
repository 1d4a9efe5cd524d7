"""The base class of a scenario's tables, and the number types of their fields.

A table that only one part of the project needs has its own module in this folder, so that
`bench.scenario.model` stays short. All other tables are in `bench.scenario.model`.

Number types are strict: `true` is refused where a number is expected. An upper bound excludes values that can
only be a slip; `bench.experiment.requirements` checks the limits of this machine.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=1)]
Whole = Annotated[int, Field(strict=True, ge=0)]


class Table(BaseModel):
    """Base class of every table of a scenario: frozen, and refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
