"""`capacity.csv`: the knee of each transport, and which side gave in first.

The knee is the highest level that held the objective (`bench.stats.knee`), with the figures of its own
trial. Who gave in is read off the trials of the lowest level that broke, from the figures and detectors of
the audit: the first of these that all of its trials show, or the last one, if they differ:

    feed         ticks came late or not at all
    generator    it used up its core: the figures are its own, and the server might have carried more
    server CPU   the server used up its core
    generator    it fell behind or stood still, with the server not at its limit
    memory       a process was killed, as the kernel does where memory runs out; or the host was swapping
    errors       clients failed or were refused; a process ended
    invalid      any other detector: the machine or the books were not fit to go by
    latency      nobody was at a limit; waiting itself broke the objective: for the next poll, or for one's
                 turn when a tick goes to all clients

`limit` stands where nothing broke up to `capacity.most`, `time` where the search was cut off.

Known weakness: figures of a window say who was busy, not who was waited for. A server that is busy for a
tenth of a second at each tick, and idle in between, shows as `latency`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bench import objective
from bench.audit import DETECTORS
from bench.stats.knee import Search, Step, is_found, knee

COLUMNS = (
    "transport", "objective", "clients", "updates_per_s", "server_cpu", "limited_by",
    "rate_per_s", "clients_per_core", "updates_per_s_per_core", "broke_at", "found", "steps",
)
FEED = {"unpublished", "feed-late"}
BUSY = {"generator-busy"}
BEHIND = {"generator-lag", "generator-stalled"}
MEMORY = {"host-swapping"}
ERRORS = {"errors", "clients-missing", "clients-vanished"}
KILLED = "status 137"
"""In the detail of a process that was killed, 128 + SIGKILL."""
SERVER_BUSY_CORES = 0.9
"""From so much of its core on, the server counts as used up: the same share as the generator's."""

Row = Mapping[Any, Any]


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


def limited_by(rows: list[Row]) -> str:
    """Which side gave in, from the trials of a level that broke (see this module's head)."""
    shown = [_sides(row) for row in rows]
    common = [side for side in shown[0] if all(side in others for others in shown[1:])]
    return common[0] if common else next(iter(shown[-1]), "latency")


def _sides(row: Row) -> list[str]:
    """The sides that a trial shows at their limit, the likeliest first."""
    fired = {
        each.name for each in DETECTORS
        if not math.isnan(value := _number(row.get(each.figure))) and each.fires(value)
    }
    server_busy = _number(row.get("server_cpu_cores")) >= SERVER_BUSY_CORES
    aborted = row["verdict"] == "ABORTED"
    killed = aborted and KILLED in str(row["reasons"])
    told = FEED | BUSY | BEHIND | MEMORY | ERRORS
    found = [
        ("feed", fired & FEED),
        ("generator", fired & BUSY),
        ("server CPU", server_busy),
        ("generator", fired & BEHIND),
        ("memory", killed or fired & MEMORY),
        ("errors", aborted or fired & ERRORS),
        ("invalid", row["verdict"] == "INVALID" and fired - told - {"polls-late"}),
    ]
    return [side for side, is_so in found if is_so]


def _knee(label: str, rows: list[Row], capacity: Mapping[str, Any]) -> dict[str, object]:
    search = Search(capacity["start"], capacity["most"], capacity["factor"], capacity["precision"],
                    capacity["time_s"])
    steps = [Step(label, level(row, capacity), held(row, capacity), 0.0) for row in rows]
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
    updates, cores = float(best["arrivals"]) / float(best["measure_s"]), _number(best["server_cpu_cores"])
    return row | {
        "clients": int(best["clients"]), "updates_per_s": updates, "server_cpu": cores,
        "rate_per_s": _number(best["rate_per_s"]),
        "clients_per_core": best["clients"] / cores if cores else math.nan,
        "updates_per_s_per_core": updates / cores if cores else math.nan,
    }


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
