"""The formulas of our numbers for a claim: one function for each kind, by the name that claims use.

    value               column                                   of the claim's subject
    share               column / of                              of the claim's subject
    difference          column (subject) − column (against)      in the same block
    ratio               column (subject) / column (against)      in the same block
    bytes_per_request   bytes for each request, both ways
    traffic             bytes for each update, both ways, × updates per second × clients × 8 / 2²⁰
    reduction           bytes for each update (subject) / the same (against), in the same block

A formula gives one number for each trial (or block), so that the claim is judged by an interval between
trials like everything else here. Columns are those of `trials.csv`. `traffic` extrapolates: it multiplies
the measured cost per update by the number of clients in the claim (`at`), each of which gets every tick, and does
not ask whether a server could serve that many. `parts` names the kinds of bytes that are counted; if it is
empty, all bytes on the wire count.

Known weakness: a trial whose value is missing (NaN) makes the result unknown; it is not left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.scenario.model import Claim, Scenario
from bench.stats.trial.arrays import Floats
from bench.stats.trial.bytes import DIRECTIONS

MEGABIT = 2**20
"""Bits per megabit in the convention of Lubbers and Greco."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The trials by which claims are judged."""

    scenario: Scenario
    trials: pd.DataFrame
    """The valid trials, with the columns of `trials.csv`."""

    def of(self, label: str) -> pd.DataFrame:
        """Return the trials of one subject, by (block, clients)."""
        mine = self.trials[self.trials["transport"] == label]
        return mine.set_index(["block", "clients"], drop=False).sort_index()

    def paired(self, claim: Claim, figure: Callable[[pd.DataFrame], Floats]) -> tuple[Floats, Floats]:
        """Return a value of `subject` and of `against`, for each (block, clients) where both have a
        trial."""
        mine, theirs = self.of(claim.subject), self.of(claim.against)
        both = mine.index.intersection(theirs.index)
        return figure(mine.loc[both]), figure(theirs.loc[both])


Formula = Callable[[Evidence, Claim, float], Floats]
"""(evidence, claim, the value that the number is stated for) ─► one number per trial."""


def _numbers(trials: pd.DataFrame, column: str) -> Floats:
    return np.asarray(trials[column], dtype=np.float64)


def _bytes(trials: pd.DataFrame, claim: Claim) -> Floats:
    """Return the bytes per update of the claim's parts, in both directions together."""
    kinds = [f"{part}_" for part in claim.parts] or [""]
    names = [f"{kind}bytes_{direction}_per_update" for kind in kinds for direction in DIRECTIONS]
    return np.asarray(sum(_numbers(trials, name) for name in names), dtype=np.float64)


def value(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """Return a column."""
    return _numbers(evidence.of(claim.subject), claim.column)


def share(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """Return a column divided by another."""
    mine = evidence.of(claim.subject)
    return _numbers(mine, claim.column) / _numbers(mine, claim.of)


def difference(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """Return the subject's value minus the other subject's."""
    mine, theirs = evidence.paired(claim, lambda trials: _numbers(trials, claim.column))
    return mine - theirs


def ratio(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """Return the subject's value divided by the other subject's."""
    mine, theirs = evidence.paired(claim, lambda trials: _numbers(trials, claim.column))
    return mine / theirs


def bytes_per_request(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """Return the bytes per request, in both directions together."""
    mine = evidence.of(claim.subject)
    return _bytes(mine, claim) / _numbers(mine, "requests_per_update")


def traffic(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """Return the traffic of `at` clients, in 2²⁰ bit/s, at the scenario's rate."""
    a_second = evidence.scenario.feed.rate_per_s
    return _bytes(evidence.of(claim.subject), claim) * a_second * at * 8 / MEGABIT


def reduction(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """Return the subject's bytes per update divided by the other subject's."""
    mine, theirs = evidence.paired(claim, lambda trials: _bytes(trials, claim))
    return mine / theirs


FORMULAS: Mapping[str, Formula] = {
    function.__name__: function
    for function in (value, share, difference, ratio, bytes_per_request, traffic, reduction)
}
NEEDS: Mapping[str, tuple[str, ...]] = {
    "value": ("column",), "share": ("column", "of"), "difference": ("column", "against"),
    "ratio": ("column", "against"), "bytes_per_request": (), "traffic": ("at",), "reduction": ("against",),
}
"""The fields of a claim that each formula requires."""
