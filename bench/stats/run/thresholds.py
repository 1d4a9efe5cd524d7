"""The verdict on a threshold, from the interval of its value between trials.

    interval wholly within the bound   met
    wholly beyond it                   broken
    on both sides, or none             open: more trials, or valid ones, would decide

The interval is that of a cell (`bench.stats.run.summary`), for a percentile however wide it is: one that is too
little known to be printed may still lie far beyond a bound. A percentile that falls among lost updates is infinite,
so it is beyond any upper bound. A count, such as `lost`, is not an estimate: it is met where each valid trial meets it,
and broken where one does not. Without kernel instants the application's latency is used, which is an upper bound.

Known weakness: an interval holds the true value in 95 % of runs, so of many thresholds that are barely met some are
reported as broken by chance. A simulated run's interval is that between its trials alone, and does not include the
uncertainty of its costs.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from bench.errors import ScenarioError
from bench.scenario.model import Scenario
from bench.scenario.objective import KERNEL, RELATIONS, Condition
from bench.scenario.thresholds import Threshold, parse
from bench.stats.run.intervals import Interval
from bench.stats.run.summary import cell_interval
from bench.stats.trial.row import COLUMNS, WHOLE

MEASURES = COLUMNS[COLUMNS.index("updates_due"):]
"""The columns of `trials.csv` that are measured; those before are settings."""
COUNTED = frozenset(WHOLE) & frozenset(MEASURES)
Verdict = Literal["met", "broken", "open"]


@dataclass(frozen=True, slots=True)
class ThresholdVerdict:
    """A threshold of one cell, the value that was found, and the verdict."""

    threshold: Threshold
    """The threshold with its subject and client count filled in."""
    asked: Threshold
    """The threshold as it was written, which may cover several cells."""
    found: Interval
    """The value with the interval that decides; of a count, its range over the trials."""
    verdict: Verdict
    failed: bool
    """True where the verdict ends the command with a status of its own."""


def judged(scenario: Scenario, valid_trials: pd.DataFrame) -> list[ThresholdVerdict]:
    """Return the verdict on each threshold of a scenario and each cell that it covers, in the scenario's order."""
    verdicts = []
    for threshold, asked in _by_cell(scenario).items():
        good = valid_trials[(valid_trials["transport"] == threshold.subject)
                            & (valid_trials["clients"] == threshold.clients)]
        found = figure(good, threshold.condition)
        verdict = decided(threshold.condition, found)
        failed = verdict == "broken" or (verdict == "open" and scenario.thresholds.open == "fail")
        verdicts.append(ThresholdVerdict(threshold, asked, found, verdict, failed))
    return verdicts


def _by_cell(scenario: Scenario) -> dict[Threshold, Threshold]:
    """Return a threshold for each cell that the scenario's thresholds cover, each once, with the one as written."""
    found: dict[Threshold, Threshold] = {}
    for each in scenario.thresholds.thresholds:
        for subject in [each.subject] if each.subject else scenario.transports:
            for clients in [each.clients] if each.clients else scenario.load.clients:
                found.setdefault(replace(each, subject=subject, clients=clients), each)
    return found


def figure(good: pd.DataFrame, condition: Condition) -> Interval:
    """Return the value of a cell that decides a condition, from its valid trials."""
    column = condition.column
    if condition.by_kernel and len(good) and good[column].isna().all():
        column = column.removeprefix(KERNEL)
    if column not in COUNTED or not len(good):
        return cell_interval(good, column, reach_most=math.inf)
    values = good[column].to_numpy(dtype=np.float64)
    return Interval(float(values.mean()), float(values.min()), float(values.max()), len(values))


def decided(condition: Condition, found: Interval) -> Verdict:
    """Return the verdict of an interval on a condition."""
    low, high = (found.estimate,) * 2 if math.isinf(found.estimate) else (found.low, found.high)
    if math.isnan(low) or math.isnan(high):
        return "open"
    ends = [bool(RELATIONS[condition.relation](end, condition.bound)) for end in (low, high)]
    if all(ends):
        return "met"
    if condition.column in COUNTED:
        return "broken"
    across = condition.relation == "==" and low <= condition.bound <= high
    return "open" if across or any(ends) else "broken"


def check(scenario: Scenario, where: str) -> None:
    """Raise `ScenarioError` for a threshold of the scenario that no run of it can decide; `where` names the file."""
    _check(scenario, scenario.thresholds.thresholds, where, "thresholds.require")


def required(scenario: Scenario, texts: Sequence[str]) -> Scenario:
    """Return the scenario with the thresholds of `--require` added to its own.

    Raises `ScenarioError` for one that can't be read, or that no run of the scenario can decide.
    """
    more: list[Threshold] = []
    for text in texts:
        try:
            found = parse(text)
        except ValueError as error:
            raise ScenarioError("--require", repr(text), "no threshold", str(error)) from None
        _check(scenario, found, "--require", repr(text))
        more += found
    return scenario.model_copy(update={"thresholds": scenario.thresholds.with_more(more)})


def _check(scenario: Scenario, thresholds: Sequence[Threshold], where: str, field: str) -> None:
    if thresholds and (scenario.study or scenario.capacity):
        raise ScenarioError(where, field, f"a threshold together with [{scenario.study or 'capacity'}]",
                            "a scenario of trials: a threshold is decided between trials that are alike")
    for each in thresholds:
        counts, labels = list(scenario.load.clients), ", ".join(scenario.transports)
        if each.subject not in (None, *scenario.transports):
            raise ScenarioError(where, field, f"the subject {each.subject!r}", f"one of {labels}")
        if each.condition.column not in MEASURES:
            near = difflib.get_close_matches(each.condition.column, MEASURES, n=1)
            nearest = f", such as {near[0]}" if near else ""
            raise ScenarioError(where, field, f"the measure {each.condition.column!r}",
                                f"a measured column of trials.csv{nearest} (see docs/results.md)")
        if each.clients not in (None, *counts):
            raise ScenarioError(where, field, f"{each.clients} clients", f"one of load.clients = {counts}")
