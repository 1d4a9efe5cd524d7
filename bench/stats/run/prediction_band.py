"""The range of a prediction's error: the worst errors of a validation, as a band.

A model was off by e = predicted / measured − 1 in each cell that was checked, so its other predictions may be off
as much, from the worst error in one direction to the worst in the other:

    error               min(0, e) to max(0, e)
    truth / predicted   1 / (1 + max(0, e)) to 1 / (1 + min(0, e))        the inverse, for a plan

The band always includes the prediction itself. Quantities that were not checked have none.

Known weakness: it is not an interval with a probability. A validation covers client counts and rates up to a
limit; the model's error beyond it is unknown. The errors' own intervals are not included: those of a p99
between few trials say more of the machine than of the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bench.stats.run.prediction import ValidationRow

SIDES = ("low", "high")
"""The two bounds that `truth` gives."""


def worst(errors: Iterable[float]) -> tuple[float, float] | None:
    """Return the smallest and the largest error of predictions, as shares; None: not checked."""
    known = [error for error in errors if math.isfinite(error)]
    return (min(0.0, *known), max(0.0, *known)) if known else None


def truth(rows: Sequence[ValidationRow], transport: str, quantity: str) -> tuple[float, float] | None:
    """Return the smallest and the largest truth, as shares of the prediction; None: not checked."""
    band = worst(row.error for row in rows if (row.transport, row.quantity) == (transport, quantity))
    return None if band is None else (1 / (1 + band[1]), 1 / (1 + band[0]))
