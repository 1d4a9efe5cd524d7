"""The judged cells of a validation."""

from __future__ import annotations

import math

from bench.stats.run.prediction import QUANTITIES, ValidationRow


def judged_rows(error: float = 0.02) -> list[ValidationRow]:
    """Return two cells, the second missed in p50 and without a goal for p99; and a capacity limit without a bracket."""
    found = []
    for clients, load in ((500, 0.3), (900, 0.75)):
        for quantity in QUANTITIES:
            off = 0.5 if (clients, quantity.name) == (500, "latency_p50_ms") else error
            none = quantity.goal is None or (quantity.of_latency and load > 0.7)
            goal = math.nan if none else float(quantity.goal or 0)
            met = "" if math.isnan(goal) else "no" if off > goal else "yes"
            found.append(ValidationRow("long_polling", clients, load, quantity.name, 10.0, 10 * (1 + off), off,
                                       off - 0.01, off + 0.01, goal, met))
    nan = math.nan
    return [*found, ValidationRow("websocket", 1900, 0.2, "knee_clients", nan, nan, nan, nan, nan, 0.1, "open")]
