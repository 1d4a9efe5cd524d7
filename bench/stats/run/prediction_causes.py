"""Causes of a prediction's miss or open verdict, from other values of the same cell.

    bytes      the part of them that is furthest off
    CPU        how much trials of the same cell differ; how far the calibration's own trials lie from its fit
    latency    service times that are off (CPU); what comes after the kernel's stamp is the load client's

Each sentence states values of the same cell. None is a proof; they say where to look first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.stats.run.intervals import interval
from bench.stats.run.prediction import ValidationRow
from bench.stats.trial.arrays import Floats
from bench.stats.trial.bytes import DIRECTIONS, PARTS

WORDS = {
    "payload": "payload", "header": "HTTP headers", "framing": "framing", "tls": "TLS",
    "tcpip": "TCP/IP headers", "ack": "acknowledgements", "connection": "connections",
    "retransmitted": "retransmissions",
}


@dataclass(frozen=True, slots=True)
class FitQuality:
    """The quality of the fit of the costs to the calibration, where it concerns a cell."""

    residual_share: float
    """Root mean square of the relative errors of the calibration's trials."""
    alike_error: float
    """Fitted ÷ measured − 1 over the calibration's cells with the same feed and payload; NaN: none has."""


def why(row: ValidationRow, cell: pd.DataFrame, quality: FitQuality) -> str:
    """Return sentences on the causes of a row whose goal was not shown to be met; `cell` holds the
    cell's pairs."""
    said = [_width(row, cell)] if row.met == "open" else []
    if row.quantity == "bytes_per_update":
        said.append(_bytes(cell))
    elif row.quantity == "server_cpu_us_per_update":
        said.append(_cpu(cell, quality))
    elif row.quantity.startswith("latency"):
        said += _latency(row, cell)
    return " ".join(filter(None, said))


def furthest_apart(levels: Sequence[float], values: Sequence[float]) -> tuple[float, float, float] | None:
    """Return the level of a search whose tries differ most in a value, with its least and greatest
    value; None where no level was tried twice."""
    tries: dict[float, list[float]] = {}
    for level, value in zip(levels, values, strict=True):
        if value > 0 and math.isfinite(value):
            tries.setdefault(level, []).append(value)
    twice = [(level, min(found), max(found)) for level, found in tries.items() if len(found) > 1]
    return max(twice, key=lambda each: each[2] / each[1], default=None)


def _width(row: ValidationRow, cell: pd.DataFrame) -> str:
    """Return a sentence on the width of the interval of an open verdict, or on why there is none."""
    mine, theirs = _pairs(cell, row.quantity)
    if np.isinf([*mine, *theirs]).any():
        return "In a pair of trials the value is lost, so there is no error."
    if math.isnan(row.interval_low):
        return f"Pairs of trials that have the value: {len(mine)} of {len(cell)}, too few for an interval."
    spread = _spread(cell, row.quantity)
    half = (row.interval_high - row.interval_low) / 2
    return (f"{len(mine)} pairs leave an interval of ± {_percent(half)}: from trial to trial the error "
            f"differs by {_percent(spread)} (standard deviation).")


def _spread(cell: pd.DataFrame, quantity: str) -> float:
    """Return the standard deviation of ln(predicted ÷ measured) between the pairs of a cell; 0 with
    fewer than two pairs."""
    mine, theirs = _pairs(cell, quantity)
    return float(np.log(theirs / mine).std(ddof=1)) if len(mine) > 1 else 0.0


def _bytes(cell: pd.DataFrame) -> str:
    """Return a sentence on the part of the bytes that differs most."""
    worst, much = "", 0.0
    for direction in DIRECTIONS:
        for part in PARTS:
            mine, theirs = (_mean(cell, f"{part}_bytes_{direction}_per_update_{side}")
                            for side in ("measured", "predicted"))
            if abs(theirs - mine) > much:
                much = abs(theirs - mine)
                worst = (f"Mostly {WORDS.get(part, part)} {direction}: {theirs:.1f} bytes per update "
                         f"predicted, {mine:.1f} measured.")
    return worst


def _cpu(cell: pd.DataFrame, quality: FitQuality) -> str:
    spread = _spread(cell, "server_cpu_us_per_update")
    return (f"From trial to trial of the cell the server's CPU differs by {_percent(spread)} (standard "
            f"deviation), and the calibration's own trials lie {_percent(quality.residual_share)} from the "
            f"fit (root mean square){_alike(quality)}.")


def _alike(quality: FitQuality) -> str:
    if math.isnan(quality.alike_error):
        return ""
    return f"; those with the same feed by {_signed(quality.alike_error)}"


def _latency(row: ValidationRow, cell: pd.DataFrame) -> list[str]:
    said = []
    cpu = _error(cell, "server_cpu_us_per_update")
    if abs(cpu) > 0.05 and cpu * row.error > 0:
        said.append(f"Waiting follows service, and the server's CPU per update is off by {_signed(cpu)} too.")
    kernel = _error(cell, row.quantity.replace("latency", "kernel_latency"))
    mine, theirs = (_mean(cell, f"client_lag_p99_ms_{side}") for side in ("measured", "predicted"))
    if not math.isnan(kernel):
        queue = "" if math.isnan(mine) or math.isnan(theirs) else (
            f"; after it, the load client's own queue was {mine:.2f} ms long (99th percentile), {theirs:.2f} ms "
            "predicted")
        said.append(f"Up to the clients' kernel the error is {_signed(kernel)}{queue}.")
    batches = _error(cell, "requests_per_update")
    if abs(batches) > 0.02:
        said.append(f"Requests per update are off by {_signed(batches)}: the number of ticks that shared an answer "
                    "differs from the prediction.")
    return said


def _error(cell: pd.DataFrame, column: str) -> float:
    """Return the error of a column over the pairs of a cell; NaN where no pair has it, or it is lost in one."""
    if f"{column}_measured" not in cell:
        return math.nan
    mine, theirs = _pairs(cell, column)
    return math.nan if np.isinf([*mine, *theirs]).any() else interval(theirs / mine).estimate - 1


def _pairs(cell: pd.DataFrame, column: str) -> tuple[Floats, Floats]:
    """Return the measured and the predicted values of a column, of the pairs in which both are positive."""
    mine, theirs = (cell[f"{column}_{side}"].to_numpy(dtype=np.float64) for side in ("measured", "predicted"))
    both = (mine > 0) & (theirs > 0)
    return mine[both], theirs[both]


def _mean(cell: pd.DataFrame, column: str) -> float:
    return float(cell[column].mean()) if column in cell else math.nan


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f} %".replace("-", "−")

