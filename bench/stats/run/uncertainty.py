"""Bands of predicted values: the costs' intervals and a validation's errors, drawn jointly.

    truth ÷ predicted = cost · 1 / (1 + e)

    cost   log-normal, so that 95 % of the draws lie between the value with the costs at both ends of their
           intervals (`bench.simulation.calibration.cost_bounds`), each side with its own spread
    e      an error of the validation: one of its cells by chance, and within that cell's own interval

Each of several values has draws of its own, and they are compared draw by draw (Efron and Tibshirani 1993,
chapter 13, for the quantiles): a transport that is the least in fewer than `NEVER` of the draws is excluded, and
where more than one remains there is a tie. The printed digits of a value end where its band begins.

Known weakness: that costs and errors of two transports are independent is an assumption; a machine that
is slow makes all of them more expensive, so a comparison is more certain than stated. Conditions that no
validation has covered (more clients, other rates, a real network) are in no band.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bench.stats.trial.arrays import Floats

DRAWS = 2000
SEED = 1
NEVER = 0.05
"""A transport that is the least in a smaller share of the draws is no candidate."""
SIGMAS = 1.96
LEAST_TRUTH = 0.05
"""A validation's error is limited to this factor and its inverse, so that 1 + e stays above 0."""

Error = tuple[float, float, float]
"""An error of a validation with its interval (NaN: none)."""


def generator(*words: str) -> np.random.Generator:
    """Return a generator that depends on the words alone, so that a report is the same each time."""
    return np.random.default_rng([SEED, *(byte for word in words for byte in word.encode())])


def of_costs(low: float, high: float, rng: np.random.Generator) -> Floats:
    """Draw truth ÷ predicted by the costs: 95 % from `low` to `high`, around 1."""
    normal = rng.standard_normal(DRAWS)
    down, up = (abs(math.log(end)) if math.isfinite(end) and end > 0 else 0.0
                for end in (min(low, 1.0), max(high, 1.0)))
    return np.exp(np.where(normal < 0, down, up) * normal / SIGMAS)


def of_model(errors: Sequence[Error], rng: np.random.Generator) -> Floats:
    """Draw truth ÷ predicted by a validation's errors; 1 where it has none."""
    known = [each for each in errors if math.isfinite(each[0])]
    if not known:
        return np.ones(DRAWS)
    table = np.array(known, dtype=np.float64)[rng.integers(0, len(known), DRAWS)]
    half = np.nan_to_num((table[:, 2] - table[:, 1]) / 2, nan=0.0, posinf=0.0) / SIGMAS
    drawn = table[:, 0] + half * rng.standard_normal(DRAWS)
    return np.asarray(1 / np.clip(1 + drawn, LEAST_TRUTH, 1 / LEAST_TRUTH), dtype=np.float64)


def band(draws: npt.ArrayLike, value: float = math.nan) -> tuple[float, float]:
    """Return the bounds of 95 % of the draws; they hold the predicted `value` itself, too."""
    low, high = np.quantile(np.asarray(draws, dtype=np.float64), [0.025, 0.975])
    return float(np.fmin(low, value)), float(np.fmax(high, value))


def least_shares(draws: Mapping[str, Floats]) -> dict[str, float]:
    """Return the share of the draws in which each has the least; those that are equal share it."""
    table = np.array(list(draws.values()))
    best = table <= table.min(axis=0) * (1 + 1e-9)
    return dict(zip(draws, (best / best.sum(axis=0)).mean(axis=1).tolist(), strict=True))


def candidates(shares: Mapping[str, float]) -> list[str]:
    """Return the candidates that no band excludes, the likeliest first; more than one: a tie."""
    ranked = sorted(shares, key=lambda name: -shares[name])
    return [name for place, name in enumerate(ranked) if not place or shares[name] >= NEVER]


def digits(value: float, low: float, high: float) -> int:
    """Return the power of ten at which a value's digits end: that of half its band."""
    half = (high - low) / 2
    if not math.isfinite(half) or half <= 0:
        return math.floor(math.log10(abs(value))) - 2 if value else 0
    return math.floor(math.log10(half))


def number(value: float, digits: int = 3) -> str:
    """Return a value with this number of significant digits, without an exponent; `lost` for +∞, an
    en dash for NaN."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "lost"
    if value == 0:
        return "0"
    rounded = f"{value:.{digits - 1}e}"
    places = max(0, digits - 1 - int(rounded.partition("e")[2]))
    return f"{float(rounded):,.{places}f}".replace("-", "−")


def brief(value: float, digits: int = 2) -> str:
    """Return a number with at most this number of significant digits, without an exponent: `0.2`, `62`, `9,600`."""
    return f"{float(f'{value:.{digits}g}'):,.10g}"
