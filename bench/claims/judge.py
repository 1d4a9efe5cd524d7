"""The verdict on a claim: our interval against the stated number and its tolerance.

    allowed        equals      stated × (1 − tolerance) … stated × (1 + tolerance)
                   at-most                            … stated × (1 + tolerance)
                   at-least    stated × (1 − tolerance) …

    our 95 % interval between trials      lies within it     reproduced
                                          lies outside       refuted
                                          reaches across     conditional: more trials would decide
                                          does not exist     conditional: fewer than two valid trials, or
                                                             our number is missing or lost in one

A claim may name a condition (`condition`): something that these records can't show, such as a network that
was not measured. Its verdict is then conditional instead of reproduced; refuted stays refuted. A verdict
follows only from the records and the claim's own numbers.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from bench.claims.formulas import FORMULAS, NEEDS, Evidence
from bench.errors import ScenarioError
from bench.scenario.model import Claim, Scenario
from bench.stats.run.intervals import Interval, interval, least_of
from bench.stats.trial.bytes import PARTS
from bench.stats.trial.row import NUMBERS

Verdict = Literal["reproduced", "refuted", "conditional"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One stated number of a claim, our number, and the verdict."""

    name: str
    """The claim's name, with the value that the number is stated for."""
    claim: Claim
    stated: float
    ours: Interval
    verdict: Verdict
    because: str
    """A sentence that explains the verdict."""


def allowed(claim: Claim, stated: float) -> tuple[float, float]:
    """Return the smallest and the largest number with which the claim holds."""
    room = abs(stated) * claim.tolerance
    low = -math.inf if claim.relation == "at-most" else stated - room
    high = math.inf if claim.relation == "at-least" else stated + room
    return low, high


def verdict_on(claim: Claim, stated: float, ours: Interval) -> tuple[Verdict, str]:
    """Return the verdict and a sentence that explains it."""
    low, high = allowed(claim, stated)
    bounds = _bounds_text(low, high)
    if math.isnan(ours.low) or math.isnan(ours.high):
        why = "fewer than two valid trials" if ours.count < 2 else "our number is missing or lost in a trial"
        return "conditional", f"{why}; the claim's range is {bounds}"
    mine = f"our interval, {ours.low:.3g} to {ours.high:.3g},"
    if ours.high < low or ours.low > high:
        return "refuted", f"{mine} is outside the claim's range: {bounds}"
    if ours.low < low or ours.high > high:
        return "conditional", f"{mine} is partly within the claim's range: {bounds}"
    if claim.condition:
        return "conditional", f"{mine} holds ({bounds}), but {claim.condition}"
    return "reproduced", f"{mine} is within the claim's range: {bounds}"


def _bounds_text(low: float, high: float) -> str:
    if math.isinf(low):
        return f"up to {high:.4g}"
    return f"from {low:.4g}" if math.isinf(high) else f"{low:.4g} to {high:.4g}"


def judged(scenario: Scenario, valid_trials: pd.DataFrame) -> list[Judgement]:
    """Return the verdicts on all claims of a run's scenario, in its order."""
    evidence = Evidence(scenario, valid_trials)
    found = []
    for label, claim in scenario.claims.items():
        for place, stated in enumerate(claim.stated):
            at = claim.at[place] if claim.at else math.nan
            numbers = FORMULAS[claim.formula](evidence, claim, at)
            is_difference = claim.formula == "difference" or "above_idle" in claim.column
            ours = interval(numbers, logarithm=False, least=least_of(numbers, is_difference))
            verdict, because = verdict_on(claim, stated, ours)
            name = label if math.isnan(at) else f"{label} at {at:,.15g} clients"
            found.append(Judgement(name, claim, stated, ours, verdict, because))
    return found


def table(verdicts: Sequence[Judgement]) -> pd.DataFrame:
    """Return `claims.csv`."""
    return pd.DataFrame(
        [
            (each.name, each.claim.source, each.stated, each.ours.estimate, each.claim.unit, each.verdict,
             each.ours.low, each.ours.high, each.because)
            for each in verdicts
        ],
        columns=["claim", "source", "stated", "ours", "unit", "verdict", "ours_low", "ours_high", "because"],
    )


def check(scenario: Scenario, where: str) -> None:
    """Refuse claims that can't be computed; `where` names the scenario's file."""
    cells = len(scenario.load.clients)
    if scenario.claims and (cells > 1 or scenario.capacity):
        several = "[capacity]" if scenario.capacity else f"{cells} client counts"
        raise ScenarioError(where, "claims", f"claims together with {several}",
                            "one count in load.clients: a claim is judged between trials that are alike")
    for label, claim in scenario.claims.items():
        for field, found, known in _mistakes(scenario, claim):
            raise ScenarioError(where, f"claims.{label}.{field}", repr(found), known)


def _mistakes(scenario: Scenario, claim: Claim) -> Iterator[tuple[str, object, str]]:
    """Return (field, value found, values allowed) for each mistake in a claim."""
    if claim.formula not in FORMULAS:
        yield "formula", claim.formula, ", ".join(FORMULAS)
        return
    for field in NEEDS[claim.formula]:
        if not getattr(claim, field):
            yield field, getattr(claim, field), f"a value: {claim.formula} needs it"
    if claim.at and len(claim.at) != len(claim.stated):
        yield "at", claim.at, f"{len(claim.stated)} numbers, one for each that is stated"
    if claim.formula == "traffic" and scenario.feed.schedule == "replay":
        yield "formula", claim.formula, "another formula: a replayed feed has no rate_per_s"
    load, symbols = scenario.load, scenario.feed.symbols
    if claim.formula == "traffic" and (load.mode != "every" or (load.symbols_per_client or symbols) < symbols):
        yield "formula", claim.formula, "another formula: here a client gets fewer updates per second than rate_per_s"
    words: Sequence[tuple[str, Sequence[str], Collection[str], str]] = (
        ("subject", [claim.subject], scenario.transports, ", ".join(scenario.transports)),
        ("against", [claim.against], scenario.transports, ", ".join(scenario.transports)),
        ("column", [claim.column], NUMBERS, "a column of trials.csv that holds numbers"),
        ("of", [claim.of], NUMBERS, "a column of trials.csv that holds numbers"),
        ("parts", claim.parts, PARTS, ", ".join(PARTS)),
    )
    for field, given, known, allowed_words in words:
        for word in given:
            if word and word not in known:
                yield field, word, allowed_words
