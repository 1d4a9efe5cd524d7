"""Costs from counts: the CPU per tick, response and update, from the CPU of trials with many of them.

    CPU of a trial = base · T + exchange · responses + tick · ticks + connection · connections
                     + update · updates + byte · bytes + socket · clients · T
                     + switch · wake-ups + wake · κ · wake-ups
                     + crowd · responses · ln((clients + 100) / 200)                     all costs ≥ 0

solved over all trials of a kind by non-negative least squares (Lawson and Hanson 1974, chapter 23;
`scipy.optimize.nnls`). Each trial's equation is divided by its CPU, so that relative errors count: a trial
with little CPU says as much about a cost as one with much. It is divided by its fitted CPU, in a few rounds
that begin with the measured one: dividing by the measured CPU would favour trials that came out low.
`FLOOR_CORES` limits the weight of a stretch that used no CPU.

A neighbour on the same machine makes some trials cost a third or a half more, and no detector sees it. So errors
beyond `OUTLYING` count in proportion, not by their square (Huber 1964): with r a trial's relative error and
k = `OUTLYING`

    loss(r) = r²  up to k,  2k|r| − k²  beyond         by the weight min(1, k / |r|), renewed in each round

Terms whose counts can't be separated from those of the terms before them, in the order of `TERMS`, stay 0: where
every response has one update, the cost of the update is included in the response's.

An interval is that of the normal equations: with W the weights, σ² the weighted residuals' mean square and

    Var(costs) = σ² (AᵀWA)⁻¹        estimate ± t(n − k, 97.5 %) · √Var, cut off at 0

of the least squares without the bound at 0, which is wider than with it. σ² includes both the variation between
trials and the deviation from a straight line.

Known weakness: trials made one after the other share the machine's state at the time, so their errors are not
independent, and an interval from one short calibration is too narrow for a week.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from bench.simulation.calibration.costs import Estimate

Floats = npt.NDArray[np.float64]

TERMS = ("base", "exchange", "wake", "switch", "tick", "crowd", "connection", "update", "byte", "socket")
"""The terms that CPU is spent on. CPU that several terms could explain goes to the first of them."""
FLOOR_CORES = 0.005
"""CPU in cores that is added to a stretch's own where it determines the stretch's weight."""
ROUNDS = 8
OUTLYING = 0.1
"""The relative error of a trial from which it counts in proportion: what trials differ by on a quiet machine."""
APART = 0.1
"""The least part of a term's counts (as a share of their norm) that must not be a mixture of the counts
before it, for the term to be separable."""
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Measurement:
    """The CPU and the counts of a process over some seconds."""

    seconds: float
    cpu_s: float
    counts: Mapping[str, float]
    """Counts by the names of `TERMS`, without `base`; a missing one is 0. `socket` is in seconds: clients
    times the length of the stretch."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The costs that fit the stretches best."""

    costs: dict[str, Estimate]
    """CPU seconds by the names of `TERMS`; 0 with NaN bounds where a term could not be separated. The
    bounds of all that is fitted are NaN where there are no more stretches than costs."""
    fitted_cpu_s: tuple[float, ...]
    """Fitted CPU seconds of each stretch, in the order of the stretches."""
    residual_share: float
    """Root mean square of fitted ÷ measured − 1, of the stretches above the floor."""
    loss: float = math.nan
    """Mean loss of the stretches' errors, each divided by its measured CPU and the floor."""


def fit(stretches: Sequence[Measurement], terms: Sequence[str] = TERMS,
        known: Mapping[str, Estimate] | None = None) -> Fit:
    """Return the costs that fit the stretches' CPU best; `known` are those of further terms."""
    assert stretches, "nothing to fit to"
    known_s = np.array([
        sum(cost.value * (each.seconds if term == "base" else each.counts.get(term, 0.0))
            for term, cost in (known or {}).items()) for each in stretches
    ])
    counts = np.array([
        [each.seconds if term == "base" else each.counts.get(term, 0.0) for term in terms]
        for each in stretches
    ])
    cpu_s = np.array([each.cpu_s for each in stretches]) - known_s
    floor_s = FLOOR_CORES * np.array([each.seconds for each in stretches])
    found, fitted_s = np.zeros(len(terms)), np.maximum(cpu_s, 0)
    for _ in range(ROUNDS):
        weight = 1 / (fitted_s + floor_s)
        weight *= np.sqrt(OUTLYING / np.maximum(np.abs((fitted_s - cpu_s) * weight), OUTLYING))
        matrix, wanted = counts * weight[:, None], cpu_s * weight
        separable = apart(matrix)
        scale = np.linalg.norm(matrix[:, separable], axis=0)
        found = np.zeros(len(terms))
        found[separable] = scipy.optimize.nnls(matrix[:, separable] / scale, wanted)[0] / scale
        fitted_s = counts @ found
    reach = _reach(matrix[:, separable], wanted)
    costs = {term: Estimate(0.0) for term in terms} | dict(known or {})
    for place, half in zip(separable, reach, strict=True):
        value = float(found[place])
        costs[terms[place]] = Estimate(value, float(np.maximum(0.0, value - half)), value + half)   # NaN stays NaN
    measured_s, whole_s = cpu_s + known_s, fitted_s + known_s
    above = measured_s > floor_s
    errors = whole_s[above] / measured_s[above] - 1
    residual = math.sqrt(float(np.mean(errors**2))) if len(errors) else math.nan
    loss = float(np.mean(_loss((fitted_s - cpu_s) / (cpu_s + floor_s))))
    return Fit(costs, tuple(whole_s.tolist()), residual, loss)


def separable(stretches: Sequence[Measurement], terms: Sequence[str] = TERMS) -> list[str]:
    """Return the terms whose counts can be told from those of the terms before them, in their order."""
    counts = np.array([[each.seconds if term == "base" else each.counts.get(term, 0.0) for term in terms]
                       for each in stretches])
    weight = 1 / np.array([each.cpu_s + FLOOR_CORES * each.seconds for each in stretches])
    return [terms[place] for place in apart(counts * weight[:, None])]


def apart(matrix: Floats) -> list[int]:
    """Return the columns that are not a mixture of those before them, to within `APART`."""
    separable: list[int] = []
    for place in range(matrix.shape[1]):
        column = matrix[:, place]
        norm = float(np.linalg.norm(column))
        if norm == 0:
            continue
        rest = column
        if separable:
            mixture, *_ = np.linalg.lstsq(matrix[:, separable], column, rcond=None)
            rest = column - matrix[:, separable] @ mixture
        if float(np.linalg.norm(rest)) > APART * norm:
            separable.append(place)
    return separable


def _loss(error: Floats) -> Floats:
    """Return Huber's loss of relative errors: the square, and beyond `OUTLYING` its tangent."""
    beyond = np.abs(error)
    return np.asarray(np.where(beyond <= OUTLYING, error**2, OUTLYING * (2 * beyond - OUTLYING)))


def _reach(matrix: Floats, wanted: Floats) -> Floats:
    """Return half the width of each cost's interval; NaN where there are no more equations than costs."""
    freedom = len(wanted) - matrix.shape[1]
    if freedom < 1:
        return np.full(matrix.shape[1], math.nan)
    free, *_ = np.linalg.lstsq(matrix, wanted, rcond=None)
    variance = float(np.sum((wanted - matrix @ free) ** 2)) / freedom
    spread = np.sqrt(np.maximum(variance * np.diag(np.linalg.pinv(matrix.T @ matrix)), 0))
    return np.asarray(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * spread, dtype=np.float64)
