"""Intervals between trials, and differences between two subjects.

The unit is the trial: everything within one shares a host, a schedule and a moment, so its updates
are not independent, and pooling them makes intervals several times too narrow. With x₁…xₙ the value
of each trial (a percentile, a cost), all positive, the estimate is the geometric mean, and

    exp( mean(ln x) ± t(n−1, 97.5 %) · s(ln x) / √n )

holds the true mean in 95 % of runs if ln x is about normal. Where a value may be zero or negative
the same is done without the logarithm.

Two subjects are compared within blocks, since what disturbs a block disturbs both: for each block the
ratio x/y, whose logarithms get a t interval as above (`ratio`), or the difference (`difference`).
Two runs share no blocks; theirs are compared by Welch's t interval, which lets both have a spread of
their own (`unpaired`).
Several comparisons at once are corrected by Holm's method, and two subjects are **separable** when
the corrected probability of an effect this large by chance is below 5 %, or when their ratio is **clear**: above
`CLEAR` (or below 1/`CLEAR`) in each of two blocks or more, and with all of its own 95 % interval. Holm's correction
grows with the number of subjects, so that with few blocks it hides a factor of five; but no chance among equals makes
one: of pairs of equal subjects whose ratio spreads by a standard deviation of 20 % between blocks fewer than one in
10,000 is clear with two blocks, of 30 % about one in 800. Otherwise nothing is claimed.

An effect is printed with the interval by which it was decided (`Effect.printed`). Of probabilities p₁ ≤ … ≤ p_m Holm's
method asks at step k whether p_k < 5 %/(m − k + 1), and ends at the first that is not. So the t interval of the k-th
has the confidence 1 − 5 %/(m − k + 1), and those that come after the end have that of the last step. It excludes no
effect (a ratio of 1, a difference of 0) exactly where the two are separable, and is never narrower than the effect's
own 95 % interval. A ratio that is only clear has its own, since that decided.

Known weakness: the intervals of a value do not all hold the truth at once in 95 % of runs, as those of Bonferroni's
method would: Holm's spends the 5 % again on what is left. That a tie is called a difference, or a difference has the
wrong direction, happens in at most 5 % of runs all the same.
With three trials the interval is 2.5 standard deviations wide each way, with two 9 of them,
and with one there is none. So up to `FEW` trials are printed as they are, in place of their interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr, stdtrit

from bench.stats.trial.arrays import Floats

FEW = 3
"""With at most this number of trials, the values themselves are printed in place of an interval."""
CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
WIDEST = 10.0
"""The factor between the bounds of a tie's ratio above which they are not printed, since they say nothing: about a
third to three times."""
CLEAR = 1.5
"""A ratio is clear where that of each block, and its whole interval, is above this factor, or below its inverse."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the interval that holds the true value with 95 % confidence.

    `low` and `high` are NaN where there are too few trials (fewer than two), or one trial's value is infinite or NaN.
    """

    estimate: float
    low: float
    high: float
    count: int
    """Number of trials behind the interval."""
    values: tuple[float, ...] = ()
    """The trials' own values, where there are at most `FEW`, since they say more than the interval."""
    bounds_only: bool = False
    """True for a tie: of few trials, too, its bounds are printed (up to `WIDEST` apart), since the trials' own values
    may all be on one side."""

    @property
    def inverse(self) -> Interval:
        """Return the interval of the inverse ratio."""
        return replace(self, estimate=1 / self.estimate, low=1 / self.high, high=1 / self.low,
                       values=tuple(1 / value for value in self.values))


@dataclass(frozen=True, slots=True)
class Effect:
    """The difference of one subject from another: a ratio or a difference, with its interval."""

    kind: str
    """`ratio` or `difference`; `lost` where either value falls among lost updates: then there is neither,
    and `interval` and `p` are NaN."""
    interval: Interval
    p: float
    """Probability of an effect at least this large by chance; NaN below two blocks."""
    p_holm: float = math.nan
    """`p`, corrected for all comparisons made together."""
    level: float = ALPHA
    """Level of significance at the step of Holm's method that decided."""
    freedom: float = math.nan
    """Degrees of freedom of its t interval."""
    clear: bool = False
    """True for a ratio that is beyond `CLEAR` in every block and with its whole interval, in one direction."""

    @property
    def separable(self) -> bool:
        """Return True where the two subjects are separable."""
        return bool(self.p_holm < ALPHA) or self.clear

    @property
    def assessed(self) -> bool:
        """Return True where there were enough blocks to assess the effect."""
        return not math.isnan(self.p_holm)

    @property
    def printed(self) -> Interval:
        """Return the interval by which the two were decided to be separable or not; without a decision, its own.

        The bounds of a tie are NaN where they are more than a factor of `WIDEST` apart.
        """
        own = self.interval
        if not self.assessed:
            return own
        if self.separable:
            return own if self.p_holm >= ALPHA else self._at(self.level)
        found = replace(self._at(self.level), values=(), bounds_only=True)
        if self.kind == "ratio" and not found.high <= WIDEST * found.low:
            return replace(found, low=math.nan, high=math.nan)
        return found

    def _at(self, level: float) -> Interval:
        """Return the interval with the confidence 1 − `level`."""
        own = self.interval
        if level == ALPHA:
            return own
        wider = float(stdtrit(self.freedom, 1 - level / 2) / stdtrit(self.freedom, 1 - ALPHA / 2))
        if self.kind == "ratio":
            low, high = (own.estimate * _power(bound / own.estimate, wider) for bound in (own.low, own.high))
        else:
            low, high = (own.estimate + wider * (bound - own.estimate) for bound in (own.low, own.high))
        return replace(own, low=low, high=high)


def _power(ratio: float, exponent: float) -> float:
    """Return a ratio to a power, infinite where it is too large for a number."""
    try:
        return float(ratio**exponent)
    except OverflowError:
        return math.inf


LOST = Effect("lost", Interval(math.nan, math.nan, math.nan, 0), math.nan)
"""The effect where a value is infinite: no ratio or difference exists."""


def _t_interval(values: Floats) -> Interval:
    """Return the mean of `values` with its 95 % interval by Student's t."""
    count = len(values)
    if count == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(values.mean())
    if count < 2:
        return Interval(mean, math.nan, math.nan, count)
    half = float(stdtrit(count - 1, 1 - ALPHA / 2)) * float(values.std(ddof=1)) / math.sqrt(count)
    few = tuple(map(float, values)) if count <= FEW else ()
    return Interval(mean, mean - half, mean + half, count, few)


def interval(values: Sequence[float] | Floats, logarithm: bool = True, least: float = -math.inf) -> Interval:
    """Return the value of a cell, with its interval, from the values of its trials.

    It is computed on logarithms where all values are positive, otherwise (or where `logarithm` is
    False, for parts that must add up to their whole) on the values themselves. No bound lies below
    `least`, the smallest possible value.

    A value that is infinite (lost) in one trial is infinite in the cell: leaving that trial out
    would make the subject look better for losing updates. Otherwise a NaN (too few updates in a
    trial) makes the result NaN.
    """
    array = np.asarray(values, dtype=np.float64)
    if np.isinf(array).any():
        return Interval(math.inf, math.nan, math.nan, len(array))
    if np.isnan(array).any():
        return Interval(math.nan, math.nan, math.nan, len(array))
    if not logarithm or len(array) == 0 or not bool((array > 0).all()):
        found = _t_interval(array)
        return replace(found, low=max(found.low, least)) if found.low < least else found
    found = _exp(_t_interval(np.log(array)))
    return replace(found, values=tuple(map(float, array)) if found.values else ())


def least_of(values: Floats, is_difference: bool) -> float:
    """Return the smallest possible value, given those of the trials: 0 where none of them is below, unless it is a
    difference, which may be."""
    return 0.0 if not is_difference and bool((values >= 0).all()) else -math.inf


def _exp(inner: Interval) -> Interval:
    return Interval(math.exp(inner.estimate), math.exp(inner.low), math.exp(inner.high), inner.count,
                    tuple(map(math.exp, inner.values)))


def effect(mine: Sequence[float] | Floats, theirs: Sequence[float] | Floats) -> Effect:
    """Return the effect between paired values (one pair per block): `mine` ÷ `theirs` where all are
    positive, otherwise `mine` − `theirs`.

    It is `LOST` where a value is infinite; pairs with a NaN are left out.
    """
    pairs = np.column_stack((np.asarray(mine, dtype=np.float64), np.asarray(theirs, dtype=np.float64)))
    if np.isinf(pairs).any():
        return LOST
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    as_ratio = bool((pairs > 0).all())
    values = np.log(pairs[:, 0] / pairs[:, 1]) if as_ratio else pairs[:, 0] - pairs[:, 1]
    inner = _t_interval(values)
    found = _exp(inner) if as_ratio else inner
    return Effect("ratio" if as_ratio else "difference", found, _p_value(values), freedom=len(values) - 1.0,
                  clear=as_ratio and _is_clear(values, inner))


def _is_clear(logarithms: Floats, inner: Interval) -> bool:
    """Return whether the ratios of all blocks, and their interval, are beyond `CLEAR` in one direction."""
    least = math.log(CLEAR)
    return bool(min(logarithms.min(initial=math.inf), inner.low) > least
                or max(logarithms.max(initial=-math.inf), inner.high) < -least) and len(logarithms) > 1


def unpaired(mine: Sequence[float] | Floats, theirs: Sequence[float] | Floats) -> Effect:
    """Return the effect between the trials of two runs, by Welch's t.

    It is the ratio of the geometric means where all values are positive, otherwise the difference of
    the means. Values that are not finite are left out.
    """
    pair = [np.asarray(values, dtype=np.float64) for values in (mine, theirs)]
    one, other = (values[np.isfinite(values)] for values in pair)
    as_ratio = bool((one > 0).all() and (other > 0).all())
    if as_ratio:
        one, other = np.log(one), np.log(other)
    inner, p, freedom = _welch(one, other)
    found = _exp(inner) if as_ratio else inner
    return Effect("ratio" if as_ratio else "difference", found, p, freedom=freedom)


def _welch(one: Floats, other: Floats) -> tuple[Interval, float, float]:
    """Return the difference of two means with its interval, its probability by chance, and its degrees of freedom."""
    count = len(one) + len(other)
    if not len(one) or not len(other):
        return Interval(math.nan, math.nan, math.nan, count), math.nan, math.nan
    difference = float(one.mean() - other.mean())
    if len(one) < 2 or len(other) < 2:
        return Interval(difference, math.nan, math.nan, count), math.nan, math.nan
    errors = [float(values.var(ddof=1)) / len(values) for values in (one, other)]
    error = math.sqrt(sum(errors))
    if error == 0:
        return Interval(difference, difference, difference, count), 1.0 if difference == 0 else 0.0, 1.0
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / (len(one) - 1) + errors[1] ** 2 / (len(other) - 1))
    half = float(stdtrit(freedom, 1 - ALPHA / 2)) * error
    p = float(2 * stdtr(freedom, -abs(difference) / error))
    return Interval(difference, difference - half, difference + half, count), p, freedom


def within_blocks(table: Floats) -> list[Interval]:
    """Return the mean of each subject with the interval of what differs within blocks.

    `table` has a row for each block and a column for each subject. The level that a block gives to all of its
    subjects is taken out: from each value the mean of its block is subtracted and the mean of all is added, on
    logarithms where all are positive. The t interval of these is widened by √(k/(k − 1)) for k subjects, since
    subtracting a mean of k takes away that share of the spread (Morey, 2008, after Cousineau, 2005). Two subjects
    whose intervals are far apart differ within blocks, though their levels between blocks may overlap.

    Blocks that lack a subject are left out. The interval of a subject is NaN with one subject, or fewer than two
    whole blocks.
    """
    subjects = table.shape[1]
    whole = table[np.isfinite(table).all(axis=1)]
    as_logarithms = bool((whole > 0).all())
    values = np.log(whole) if as_logarithms else whole
    if subjects < 2 or len(values) < 2:
        return [Interval(math.nan, math.nan, math.nan, len(values)) for _ in range(subjects)]
    centred = values - values.mean(axis=1, keepdims=True) + values.mean()
    found = []
    for column in centred.T:
        inner = _t_interval(column)
        half = (inner.high - inner.estimate) * math.sqrt(subjects / (subjects - 1))
        widened = Interval(inner.estimate, inner.estimate - half, inner.estimate + half, inner.count)
        found.append(_exp(widened) if as_logarithms else widened)
    return found


def _p_value(values: Floats) -> float:
    """Return the two-sided probability, by Student's t, of a mean at least this far from zero."""
    if len(values) < 2:
        return math.nan
    spread = float(values.std(ddof=1))
    mean = float(values.mean())
    if spread == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stdtr(len(values) - 1, -abs(mean) / (spread / math.sqrt(len(values)))))


def holm(probabilities: Sequence[float]) -> list[float]:
    """Return p-values with Holm's correction: sorted, the k-th smallest of m times (m − k + 1), made
    non-decreasing, at most 1.

    A NaN (not assessed) stays NaN and does not count.
    """
    corrected = [math.nan] * len(probabilities)
    assessed = sorted((p, place) for place, p in enumerate(probabilities) if not math.isnan(p))
    worst = 0.0
    for step, (p, place) in enumerate(assessed):
        worst = max(worst, min(1.0, p * (len(assessed) - step)))
        corrected[place] = worst
    return corrected


def corrected(effects: Sequence[Effect]) -> list[Effect]:
    """Return the effects of one set of comparisons, each with its corrected probability and the level of its
    decision, by Holm's method.

    One that is not assessed stays so and does not count.
    """
    probabilities = holm([each.p for each in effects])
    assessed = sorted((place for place, each in enumerate(effects) if not math.isnan(each.p)),
                      key=lambda place: effects[place].p)
    levels = [ALPHA] * len(effects)
    steps = 0
    for place in assessed:
        levels[place] = ALPHA / (len(assessed) - steps)
        steps += probabilities[place] < ALPHA
    return [replace(each, p_holm=p, level=level)
            for each, p, level in zip(effects, probabilities, levels, strict=True)]
