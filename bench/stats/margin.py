"""How far off a plan may be: the errors of a validation, turned round.

A model was off by e = predicted / measured − 1 in each cell that was checked, so what it says of another
may be off as much:

    truth / predicted = 1 / (1 + e)        from the cell where it was worst one way to the worst other way

The band always holds the prediction itself. A transport that was not checked has none.

Known weakness: it is no interval with a probability. A validation goes up to so many clients and so high a
rate; how far off the model is beyond nobody has seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.stats.prediction import Compared

SIDES = ("low", "high")
"""The two that `truth` gives."""


def truth(rows: Sequence[Compared], transport: str, quantity: str) -> tuple[float, float] | None:
    """The least and the most that the truth was, as shares of what was predicted; None: not checked."""
    errors = [row.error for row in rows
              if (row.transport, row.quantity) == (transport, quantity) and math.isfinite(row.error)]
    if not errors:
        return None
    return 1 / (1 + max(0.0, *errors)), 1 / (1 + min(0.0, *errors))
