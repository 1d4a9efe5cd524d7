"""`capacity.csv`: the knee of each transport, and which side gave in first.

The knee is the highest level that held the objective (`bench.stats.knee`), with the figures of its own
trial. `limited_by` is read off the trials of the lowest level that broke (`bench.limits`); it is `limit`
where nothing broke up to `capacity.most`, and `time` where the search was cut off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bench import objective
from bench.limits import Row, is_void, limited_by, number
from bench.stats.knee import Search, Step, is_found, knee

COLUMNS = (
    "transport", "objective", "clients", "updates_per_s", "server_cpu", "limited_by",
    "rate_per_s", "clients_per_core", "updates_per_s_per_core", "broke_at", "found", "steps",
)

def knees(trials: pd.DataFrame, scenario: Mapping[str, Any]) -> pd.DataFrame | None:
    """`capacity.csv`, from `trials.csv` and the scenario; None where the run was no search."""
    capacity = scenario.get("capacity")
    if not capacity:
        return None
    rows = []
    for label in scenario["transports"]:
        mine = trials[trials["transport"] == label]
        rows.append(_knee(label, mine.to_dict("records"), capacity))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"clients": "Int64", "broke_at": "Int64", "steps": "Int64", "found": "boolean"})


def at_knees(trials: pd.DataFrame, scenario: Mapping[str, Any]) -> pd.DataFrame:
    """The trials of a search that held at their transport's knee; of any other run, all."""
    found = knees(trials, scenario)
    if found is None:
        return trials
    capacity = scenario["capacity"]
    best = {row["transport"]: level(row, capacity)
            for row in found.to_dict("records") if not pd.isna(row["clients"])}
    kept = [held(row, capacity) and best.get(row["transport"]) == level(row, capacity)
            for row in trials.to_dict("records")]
    return trials[kept]


def level(row: Row, capacity: Mapping[str, Any]) -> int:
    """What was raised, in a row of `trials.csv`."""
    return round(float(row[capacity["raised"]]))


def held(row: Row, capacity: Mapping[str, Any]) -> bool:
    """Whether a trial held the objective."""
    return bool(row["verdict"] == "VALID" and objective.parse(capacity["objective"]).met(row))


def _knee(label: str, rows: list[Row], capacity: Mapping[str, Any]) -> dict[str, object]:
    search = Search(capacity["start"], capacity["most"], capacity["factor"], capacity["precision"],
                    capacity["time_s"])
    steps = [Step(label, level(row, capacity), held(row, capacity), 0.0, is_void(row)) for row in rows]
    found, ended = knee(steps), is_found(steps, search)
    at_knee = [row for row in rows if level(row, capacity) == found.held and held(row, capacity)]
    broken = [row for row in rows if level(row, capacity) == found.broke]
    by = limited_by(broken) if broken else "limit" if ended else "time"
    row: dict[str, object] = {
        "transport": label, "objective": capacity["objective"], "limited_by": by,
        "broke_at": pd.NA if found.broke is None else found.broke, "found": ended, "steps": len(rows),
        "clients": pd.NA,
    }
    if not at_knee:
        return row
    best = at_knee[-1]
    updates, cores = float(best["arrivals"]) / float(best["measure_s"]), number(best["server_cpu_cores"])
    return row | {
        "clients": int(best["clients"]), "updates_per_s": updates, "server_cpu": cores,
        "rate_per_s": number(best["rate_per_s"]),
        "clients_per_core": best["clients"] / cores if cores else math.nan,
        "updates_per_s_per_core": updates / cores if cores else math.nan,
    }
