"""The storms of a scenario: every policy with every seed, and the map, as tasks; their results as tables.

    [storm] × policies × seeds ─► storm.csv            a row per storm
                                  storm_timeline.csv   the first seed of each policy, second by second
                                  storm_assumptions.csv   the same under other assumptions: an attempt at a
                                                       full backlog is dropped, or refused at another price
    [storm.map] × seeds        ─► storm_map.csv        a row per point: backlog/(C·timeout) × window/(N/C)

Workers share nothing and each client returns to its own worker, so one worker with its share of the clients
is simulated. Workers differ only by chance, and the seeds show this spread.

The price of a refusal at which the result changes is found by bisection over `REFUSAL_SHARES`, with the first
seed: the most expensive refusal with which the policy's clients are back, and the cheapest with which they
are not.

Known weakness: the slowest of many workers recovers later than the one that is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
import pandas as pd

from bench.scenario.model import Scenario
from bench.scenario.storm import Backoff, Storm, StormMap
from bench.simulation.checkpoints import Result
from bench.simulation.engine.inputs import Costs
from bench.simulation.storm.storm import Outcome, Overflow, StormConditions, simulate

REFUSAL_SHARES = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""CPU of a refusal, as shares of a connection's, between which the result may change."""


@dataclass(frozen=True, slots=True)
class StormStudy:
    """The tables; their columns are described in `docs/results.md`."""

    storms: pd.DataFrame
    timelines: pd.DataFrame
    map: pd.DataFrame | None
    assumptions: pd.DataFrame


def conditions(scenario: Scenario, costs: Costs) -> StormConditions:
    """Return one worker of the scenario's storm.

    Where the scenario gives no cost of a reconnection, it costs a connection, a request and its answer.
    """
    storm = _storm(scenario)
    clients = math.ceil(max(scenario.load.clients) / scenario.simulation.workers)
    costs = costs.crowded(clients)
    connection_s = costs.connection_s + costs.request_s + costs.answer_s
    return StormConditions(
        clients=clients,
        connection_s=storm.connection_ms / 1000 if storm.connection_ms else connection_s,
        backlog=storm.backlog, refusal_share=storm.refusal_share, timeout_s=storm.timeout_s,
        down_s=storm.down_s, horizon_s=storm.horizon_s,
    )


def tasks(scenario: Scenario, given: StormConditions) -> dict[str, Callable[[], Result]]:
    """Return all storms to be simulated, by name."""
    storm = _storm(scenario)
    found: dict[str, Callable[[], Result]] = {
        _named(policy, seed): partial(result, given, backoff, scenario.seed + seed, with_timeline=seed == 0)
        for policy, backoff in enumerate(storm.policies.values()) for seed in range(scenario.trials.count)
    }
    for policy, backoff in enumerate(storm.policies.values()):
        found[_flip(policy)] = partial(flip, given, backoff, scenario.seed)
        for seed in range(scenario.trials.count):
            dropped = replace(given, overflow="dropped")
            found[_named(policy, seed, "dropped")] = partial(result, dropped, backoff, scenario.seed + seed)
    if storm.map is not None:
        backoff = storm.policies[storm.map.policy]
        for point in _points(storm.map):
            here, spread = _at(point, given, backoff)
            for seed in range(storm.map.seeds):
                found[point.named(seed)] = partial(result, here, spread, scenario.seed + seed)
    return found


def result(given: StormConditions, backoff: Backoff, seed: int, *, with_timeline: bool = False) -> Result:
    """Simulate one storm; return its row, and its timeline's columns if `with_timeline`."""
    outcome = simulate(given, backoff, seed)
    found: Result = {"row": row(outcome)}
    if with_timeline:
        found["timeline"] = timeline(outcome).to_dict("list")
    return found


def flip(given: StormConditions, backoff: Backoff, seed: int) -> Result:
    """Return the rows of the two storms between whose refusal prices the result changes."""
    rows: dict[float, dict[str, float]] = {}

    def is_over(share: float) -> bool:
        rows[share] = row(simulate(replace(given, refusal_share=share), backoff, seed))
        return math.isfinite(rows[share]["recovered_s"])

    low, high = -1, len(REFUSAL_SHARES)   # recovers at `low`, doesn't at `high`
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_over(REFUSAL_SHARES[middle]) else (low, middle)
    shares = [REFUSAL_SHARES[place] for place in (low, high) if 0 <= place < len(REFUSAL_SHARES)]
    return {"rows": [rows[share] for share in shares]}


def tables(scenario: Scenario, given: StormConditions, results: Mapping[str, Result]) -> StormStudy:
    """Return the tables, made from the results of all storms."""
    storm = _storm(scenario)
    rows, timelines = [], []
    for number, policy in enumerate(storm.policies):
        for seed in range(scenario.trials.count):
            rows.append({"policy": policy, "seed": scenario.seed + seed,
                         **results[_named(number, seed)]["row"]})
        line = pd.DataFrame(results[_named(number, 0)]["timeline"])
        line.insert(0, "policy", policy)
        timelines.append(line)
    mapped = None if storm.map is None else _map(given, storm.map, results)
    return StormStudy(pd.DataFrame(rows), pd.concat(timelines, ignore_index=True), mapped,
                      _assumptions(scenario, results))


ASSUMED = ("refusal_share", "recovered_s", "connected_share", "attempts_per_client", "wasted_share")


def _assumptions(scenario: Scenario, results: Mapping[str, Result]) -> pd.DataFrame:
    """Return each policy's results under other assumptions than the scenario's."""
    rows = []
    for number, policy in enumerate(_storm(scenario).policies):
        for seed in range(scenario.trials.count):
            found = results[_named(number, seed, "dropped")]["row"]
            rows.append({"policy": policy, "seed": scenario.seed + seed, "overflow": "dropped",
                         **{name: found[name] for name in ASSUMED}})
        for found in results[_flip(number)]["rows"]:
            rows.append({"policy": policy, "seed": scenario.seed, "overflow": "refused",
                         **{name: found[name] for name in ASSUMED}})
    return pd.DataFrame(rows)


def _storm(scenario: Scenario) -> Storm:
    assert scenario.storm is not None, "a scenario without a storm"
    return scenario.storm


def _named(policy: int, seed: int, overflow: Overflow = "refused") -> str:
    """Return a storm's name by numbers, since a policy's own name may not be a valid file name."""
    return f"{'policy' if overflow == 'refused' else overflow}-{policy + 1}-{seed + 1}"


def _flip(policy: int) -> str:
    """Return the name of the search for the price of a refusal at which a policy's result changes."""
    return f"flip-{policy + 1}"


def row(outcome: Outcome) -> dict[str, float]:
    """Return a storm as one row of `storm.csv`."""
    given = outcome.conditions
    median, most = outcome.attempts_by_client
    cpu_s = given.connection_s * (outcome.connected + outcome.stale) + given.full_s * outcome.refused
    return {
        "clients": given.clients, "connection_ms": 1000 * given.connection_s, "backlog": given.backlog,
        "backlog_share": given.backlog / given.safe_backlog,
        "refusal_share": given.full_s / given.connection_s,
        "timeout_s": given.timeout_s, "down_s": given.down_s, "horizon_s": given.horizon_s,
        "floor_s": given.floor_s, "recovered_s": outcome.recovered_s, "connected": outcome.connected,
        "connected_share": outcome.connected / given.clients, "attempts": outcome.attempts,
        "attempts_per_client": outcome.attempts / given.clients, "attempts_median": median,
        "attempts_max": most, "failed_down": outcome.failed_down, "refused": outcome.refused,
        "stale": outcome.stale, "wasted_share": outcome.wasted_share, "cpu_s": cpu_s,
        "ended_s": outcome.ended_s,
    }


def timeline(outcome: Outcome) -> pd.DataFrame:
    """Return a storm second by second, up to its end."""
    table = outcome.timeline.table()
    seconds = min(math.ceil(outcome.ended_s) + 1, len(table["attempts"]))
    columns = {name: values[:seconds] for name, values in table.items()}
    given, through = outcome.conditions, columns["connected"] + columns["stale"]
    waited_s = columns.pop("waited_s")
    frame = pd.DataFrame({name: values.astype(np.int64) for name, values in columns.items()})
    frame.insert(0, "at_s", np.arange(seconds) - given.down_s)
    frame["connected_share"] = frame["connected"].cumsum() / given.clients
    # Attempts that wait longer than the timeout are stale; where none is completed, the wait is unknown.
    frame["wait_mean_s"] = np.divide(waited_s, through, out=np.full(seconds, np.nan), where=through > 0)
    frame["refusing_share"] = np.minimum(1, frame["refused"] * given.full_s)
    return frame


@dataclass(frozen=True, slots=True)
class _Point:
    """A point of the map."""

    number: int
    backlog_share: float
    window_share: float

    def named(self, seed: int) -> str:
        return f"map-{self.number}-{seed + 1}"


def _points(asked: StormMap) -> Iterator[_Point]:
    for number, (backlog_share, window_share) in enumerate(product(asked.backlogs, asked.windows), start=1):
        yield _Point(number, backlog_share, window_share)


def _at(point: _Point, given: StormConditions, backoff: Backoff) -> tuple[StormConditions, Backoff]:
    """Return the conditions and the policy at a point of the map."""
    here = replace(given, backlog=max(1, round(point.backlog_share * given.safe_backlog)))
    return here, backoff.model_copy(update={"window_s": point.window_share * given.floor_s})


def _map(given: StormConditions, asked: StormMap, results: Mapping[str, Result]) -> pd.DataFrame:
    """Return the map, one row per point."""
    rows = []
    for point in _points(asked):
        found = pd.DataFrame([results[point.named(seed)]["row"] for seed in range(asked.seeds)])
        rows.append({
            "backlog_share": point.backlog_share, "window_share": point.window_share,
            "backlog": int(found["backlog"].iloc[0]), "window_s": point.window_share * given.floor_s,
            "floor_s": given.floor_s, "seeds": asked.seeds,
            "recovered": int(np.isfinite(found["recovered_s"]).sum()),
            "recovered_s": float(np.median(found["recovered_s"])),
            "connected_share": float(np.mean(found["connected_share"])),
            "attempts_per_client": float(np.mean(found["attempts_per_client"])),
            "wasted_share": float(np.mean(found["wasted_share"])),
        })
    return pd.DataFrame(rows)
