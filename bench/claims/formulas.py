"""How our numbers for a claim are computed: one function for each kind, by the name that claims use.

    value               column                                   of the claim's subject
    share               column / of                              of the claim's subject
    difference          column (subject) − column (against)      in the same block
    ratio               column (subject) / column (against)      in the same block
    bytes_per_request   bytes for each request, both ways
    traffic             bytes for each update, both ways, × updates a second × clients × 8 / 2²⁰
    reduction           bytes for each update (subject) / the same (against), in the same block

A formula gives one number for each trial (or block), so that the claim is judged by an interval between
trials like everything else here. Columns are those of `trials.csv`. `traffic` extrapolates: it takes
what an update costs as measured, for as many clients as the claim speaks of (`at`); what would happen to
a server with so many is not its question. `parts` names the kinds of bytes that are counted; none named
means all that was on the wire.

Known weakness: a trial whose figure is missing (NaN) makes the whole unknown, and is not left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.scenario.model import Claim
from bench.stats.trial.arrays import Floats
from bench.stats.trial.bytes import DIRECTIONS

MEGABIT = 2**20
"""The bits in a megabit as Lubbers and Greco count them."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What claims are judged by."""

    scenario: Mapping[str, Any]
    trials: pd.DataFrame
    """The valid trials, with the columns of `trials.csv`."""

    def of(self, label: str) -> pd.DataFrame:
        """The trials of one subject, by (block, clients)."""
        mine = self.trials[self.trials["transport"] == label]
        return mine.set_index(["block", "clients"]).sort_index()

    def paired(self, claim: Claim, figure: Callable[[pd.DataFrame], Floats]) -> tuple[Floats, Floats]:
        """A figure of subject and against, for each (block, clients) that both have a trial of."""
        mine, theirs = self.of(claim.subject), self.of(claim.against)
        both = mine.index.intersection(theirs.index)
        return figure(mine.loc[both]), figure(theirs.loc[both])


Formula = Callable[[Evidence, Claim, float], Floats]
"""(evidence, claim, what the number is stated for) ─► one number a trial."""


def _numbers(trials: pd.DataFrame, column: str) -> Floats:
    return np.asarray(trials[column], dtype=np.float64)


def _bytes(trials: pd.DataFrame, claim: Claim) -> Floats:
    """Bytes for each update, both ways, of the claim's parts."""
    kinds = [f"{part}_" for part in claim.parts] or [""]
    names = [f"{kind}bytes_{direction}_per_update" for kind in kinds for direction in DIRECTIONS]
    return np.asarray(sum(_numbers(trials, name) for name in names), dtype=np.float64)


def value(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """A column."""
    return _numbers(evidence.of(claim.subject), claim.column)


def share(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """A column divided by another."""
    mine = evidence.of(claim.subject)
    return _numbers(mine, claim.column) / _numbers(mine, claim.of)


def difference(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """What the subject has more than the other."""
    mine, theirs = evidence.paired(claim, lambda trials: _numbers(trials, claim.column))
    return mine - theirs


def ratio(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """How many times the other's the subject's is."""
    mine, theirs = evidence.paired(claim, lambda trials: _numbers(trials, claim.column))
    return mine / theirs


def bytes_per_request(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """Bytes for each request, both ways."""
    mine = evidence.of(claim.subject)
    return _bytes(mine, claim) / _numbers(mine, "requests_per_update")


def traffic(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """Traffic of `at` clients, in 2²⁰ bit/s, at the scenario's rate."""
    a_second = float(evidence.scenario["feed"]["rate_per_s"])
    return _bytes(evidence.of(claim.subject), claim) * a_second * at * 8 / MEGABIT


def reduction(evidence: Evidence, claim: Claim, at: float) -> Floats:
    """How many times as many bytes the subject needs for an update."""
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
"""Which fields of a claim each formula can't do without."""
