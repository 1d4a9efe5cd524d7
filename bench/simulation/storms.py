"""A scenario's storm: every policy with every seed, and the map, as tables.

    [storm] × policies × seeds ─► storm.csv            a row a storm
                                  storm_timeline.csv   the first seed of each policy, second by second
    [storm.map]                ─► storm_map.csv        a row a point: backlog/(C·timeout) × window/(N/C)

Workers share nothing and each client comes back to the one that it had, so one worker with its share of the
clients is simulated; what differs from worker to worker is luck, and that is what the seeds show.

Known weakness: the slowest of many workers is later than the one that is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.scenario import Scenario
from bench.simulation.storm import Conditions, Outcome, simulate
from bench.simulation.world import Costs
from bench.tables.storm import Backoff, StormMap


@dataclass(frozen=True, slots=True)
class Storms:
    """The tables; their columns are described in `docs/results.md`."""

    storms: pd.DataFrame
    timelines: pd.DataFrame
    map: pd.DataFrame | None


def conditions(scenario: Scenario, costs: Costs) -> Conditions:
    """One worker of the scenario's storm. A reconnection that the scenario doesn't price is a connection with
    a request and its answer."""
    storm = scenario.storm
    assert storm is not None, "a scenario without a storm"
    connection_s = costs.connection_s + costs.request_s + costs.answer_s
    return Conditions(
        clients=math.ceil(max(scenario.load.clients) / scenario.simulation.workers),
        connection_s=storm.connection_ms / 1000 if storm.connection_ms else connection_s,
        backlog=storm.backlog, refusal_share=storm.refusal_share, timeout_s=storm.timeout_s,
        down_s=storm.down_s, horizon_s=storm.horizon_s,
    )


def count(scenario: Scenario) -> int:
    """How many storms are to be simulated."""
    storm = scenario.storm
    assert storm is not None, "a scenario without a storm"
    points = len(storm.map.backlogs) * len(storm.map.windows) * storm.map.seeds if storm.map else 0
    return len(storm.policies) * scenario.trials.count + points


def run(scenario: Scenario, given: Conditions, done: Callable[[], None] = lambda: None) -> Storms:
    """All of them; `done` is called after each."""
    storm = scenario.storm
    assert storm is not None, "a scenario without a storm"
    rows, timelines = [], []
    for policy, backoff in storm.policies.items():
        for number in range(scenario.trials.count):
            seed = scenario.seed + number
            outcome = simulate(given, backoff, seed)
            rows.append({"policy": policy, "seed": seed, **row(outcome)})
            if number == 0:
                timelines.append(timeline(outcome).assign(policy=policy))
            done()
    whole = pd.concat(timelines, ignore_index=True)
    mapped = None
    if storm.map is not None:
        mapped = _map(given, storm.policies[storm.map.policy], storm.map, scenario.seed, done)
    return Storms(pd.DataFrame(rows), whole[["policy", *whole.columns.drop("policy")]], mapped)


def row(outcome: Outcome) -> dict[str, float]:
    """A storm in one row of `storm.csv`."""
    given = outcome.conditions
    median, most = outcome.attempts_by_client
    cpu_s = given.connection_s * (outcome.connected + outcome.stale + given.refusal_share * outcome.refused)
    return {
        "clients": given.clients, "connection_ms": 1000 * given.connection_s, "backlog": given.backlog,
        "backlog_share": given.backlog / given.safe_backlog, "refusal_share": given.refusal_share,
        "timeout_s": given.timeout_s, "down_s": given.down_s, "horizon_s": given.horizon_s,
        "floor_s": given.floor_s, "recovered_s": outcome.recovered_s, "connected": outcome.connected,
        "connected_share": outcome.connected / given.clients, "attempts": outcome.attempts,
        "attempts_per_client": outcome.attempts / given.clients, "attempts_median": median,
        "attempts_max": most, "failed_down": outcome.failed_down, "refused": outcome.refused,
        "stale": outcome.stale, "wasted_share": outcome.wasted_share, "cpu_s": cpu_s,
        "ended_s": outcome.ended_s,
    }


def timeline(outcome: Outcome) -> pd.DataFrame:
    """A storm second by second, up to its end."""
    table = outcome.timeline.table()
    seconds = min(math.ceil(outcome.ended_s) + 1, len(table["attempts"]))
    columns = {name: values[:seconds] for name, values in table.items()}
    given, through = outcome.conditions, columns["connected"] + columns["stale"]
    waited_s = columns.pop("waited_s")
    frame = pd.DataFrame({name: values.astype(np.int64) for name, values in columns.items()})
    frame.insert(0, "at_s", np.arange(seconds) - given.down_s)
    frame["connected_share"] = frame["connected"].cumsum() / given.clients
    # What waits longer than the timeout is stale; where nothing is through, nobody knows.
    frame["wait_mean_s"] = np.divide(waited_s, through, out=np.full(seconds, np.nan), where=through > 0)
    frame["refusing_share"] = np.minimum(1, frame["refused"] * given.refusal_share * given.connection_s)
    return frame


def _map(given: Conditions, backoff: Backoff, asked: StormMap, seed: int,
         done: Callable[[], None]) -> pd.DataFrame:
    """Every point of the map."""
    rows = []
    for backlog_share in asked.backlogs:
        for window_share in asked.windows:
            backlog = max(1, round(backlog_share * given.safe_backlog))
            here = Conditions(given.clients, given.connection_s, backlog, given.refusal_share,
                              given.timeout_s, given.down_s, given.horizon_s)
            spread = backoff.model_copy(update={"window_s": window_share * given.floor_s})
            found = []
            for number in range(asked.seeds):
                found.append(simulate(here, spread, seed + number))
                done()
            rows.append({
                "backlog_share": backlog_share, "window_share": window_share, "backlog": backlog,
                "window_s": spread.window_s, "floor_s": given.floor_s, "seeds": asked.seeds,
                "recovered": sum(math.isfinite(each.recovered_s) for each in found),
                "recovered_s": float(np.median([each.recovered_s for each in found])),
                "connected_share": float(np.mean([each.connected for each in found])) / given.clients,
                "attempts_per_client": float(np.mean([each.attempts for each in found])) / given.clients,
                "wasted_share": float(np.mean([each.wasted_share for each in found])),
            })
    return pd.DataFrame(rows)
