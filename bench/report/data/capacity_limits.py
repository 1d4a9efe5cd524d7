"""`capacity.csv`: the capacity limit of each transport, and the side that failed first.

The limit and its interval are fitted to all steps that held or broke the objective
(`bench.stats.run.capacity_limit`). The other values of a row are from the trials that held at the highest
level not above the limit. `limited_by` is taken from the trials of the lowest level above it that broke, or
at which the load generator or the feed failed (`bench.audit.limited_by`). It is `limit` where nothing broke
up to `capacity.most`, and `time` where the search was cut off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from bench.audit.limited_by import Row, limited_by, number, outcome_of
from bench.scenario import objective
from bench.scenario.model import Capacity, Scenario
from bench.stats.run.limit_search import (
    EACH_LEAST,
    Outcome,
    SearchSettings,
    SearchState,
    SearchStep,
    is_found,
    search_state,
)

COLUMNS = (
    "transport", "objective", "limit", "limit_low", "limit_high", "clients", "updates_per_s", "server_cpu",
    "limited_by", "rate_per_s", "clients_per_core", "updates_per_s_per_core", "broke_at", "found", "steps",
)


def capacity_limits(trials: pd.DataFrame, scenario: Scenario) -> pd.DataFrame | None:
    """Return `capacity.csv`, one row per transport, from `trials.csv` and the scenario.

    Returns None where the run was no search for the capacity limit.
    """
    capacity = scenario.capacity
    if capacity is None:
        return None
    rows = []
    for label in scenario.transports:
        mine = trials[trials["transport"] == label]
        rows.append(_row(label, mine.to_dict("records"), capacity))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"clients": "Int64", "broke_at": "Int64", "steps": "Int64", "found": "boolean"})


def at_limits(trials: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Return the trials that held at the highest level below their transport's capacity limit.

    Of a run that was no search, returns all trials.
    """
    found, capacity = capacity_limits(trials, scenario), scenario.capacity
    if found is None or capacity is None:
        return trials
    best = {row["transport"]: level(row, capacity)
            for row in found.to_dict("records") if not pd.isna(row["clients"])}
    kept = [held(row, capacity) and best.get(row["transport"]) == level(row, capacity)
            for row in trials.to_dict("records")]
    return trials[kept]


def level(row: Row, capacity: Capacity) -> int:
    """Return the level of a trial (a row of `trials.csv`): its value of the column that the search raised."""
    return round(float(row[capacity.raised]))


def outcome(row: Row, capacity: Capacity) -> Outcome:
    """Return the outcome of a trial by the search's objective: held, broke, bound or void."""
    return outcome_of(row, objective.parse(capacity.objective))


def held(row: Row, capacity: Capacity) -> bool:
    """Return whether a trial held the objective."""
    return outcome(row, capacity) == "held"


def _row(label: str, rows: Sequence[Row], capacity: Capacity) -> dict[str, object]:
    search = SearchSettings.of(capacity)
    steps = [SearchStep(label, level(row, capacity), outcome(row, capacity), 0.0) for row in rows]
    found = search_state(steps)
    row: dict[str, object] = {
        "transport": label, "objective": capacity.objective, **_limit(found),
        "broke_at": pd.NA if found.broke is None else found.broke, "steps": len(rows), "clients": pd.NA,
        "found": is_found(steps, search) or _is_known(steps),
    }
    row["limited_by"] = _limited_by(rows, steps, found, ended=bool(row["found"]))
    at_limit = [each for each, step in zip(rows, steps, strict=True) if step.held and step.level == found.held]
    if not at_limit:
        return row
    updates = _mean([float(each["arrivals"]) / float(each["measure_s"]) for each in at_limit])
    cores, clients = _mean([number(each["server_cpu_cores"]) for each in at_limit]), int(at_limit[0]["clients"])
    return row | {
        "clients": clients, "updates_per_s": updates, "server_cpu": cores,
        "rate_per_s": number(at_limit[0]["rate_per_s"]),
        "clients_per_core": clients / cores if cores else math.nan,
        "updates_per_s_per_core": updates / cores if cores else math.nan,
    }


def _limit(found: SearchState) -> dict[str, float]:
    """Return the limit with its bounds: only the lower one where nothing broke, only the upper where nothing
    held."""
    if found.limit is not None:
        return {"limit": found.limit.estimate, "limit_low": found.limit.low, "limit_high": found.limit.high}
    return {"limit": math.nan, "limit_low": math.nan if found.held is None else float(found.held),
            "limit_high": math.nan if found.held is not None or found.broke is None else float(found.broke)}


def _is_known(steps: list[SearchStep]) -> bool:
    """Return whether enough steps held and broke for an interval, however wide.

    The time of the search may be over before the interval is narrow.
    """
    counts = [sum(step.outcome == way for step in steps) for way in ("held", "broke")]
    return min(counts) >= EACH_LEAST


def _limited_by(rows: Sequence[Row], steps: list[SearchStep], found: SearchState, *, ended: bool) -> str:
    """Return the side that failed first, or `limit` or `time` where none did."""
    for wanted, at in ((("broke",), found.broke), (("bound", "void"), found.bound)):
        there = [row for row, step in zip(rows, steps, strict=True)
                 if step.level == at and step.outcome in wanted]
        if there:
            return limited_by(there)
    return "limit" if ended else "time"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
