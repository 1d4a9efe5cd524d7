"""Simulations of a measured run under conditions that were not measured, in memory, as frames.

It is next to `predict.ipynb`, which it serves; `outlook_figures` draws what it returns.

    run, costs, changed tables ─► inputs ─┬─► its very trials, on the same ticks
                                          ├─► a decision for one situation, with its frontier
                                          ├─► one worker, with more and more clients
                                          └─► a fleet for N clients: workers, traffic, price

This is the verb `simulate` in small steps and without a run's folder: a simulated trial's files are written,
judged like a measured one's, and deleted.

A fleet is sized by the closed forms (`bench.simulation.crossover.crossover`) at the feed's nominal rate,
since the number of ticks in a window of some seconds is random, and so is the CPU. Where the rate varies,
the busiest stretch determines the workers (`bench.stats.run.capacity_plan`), and the mean the traffic. The
latencies are simulated for one of the workers, since workers share nothing.

Known weakness: the closed forms take the ticks as a Poisson process, or as regular where the feed is; for
bursts and replayed trades only the engine is right. Ticks that come together share responses, so a fleet for
these is too large rather than too small.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from bench import shipped
from bench.audit.detectors import judge
from bench.errors import RunError
from bench.experiment import plan
from bench.records.manifest import PlannedTrial
from bench.report.data.run import verdict_words
from bench.report.explore import Run
from bench.report.text import decision as words
from bench.scenario.model import DEFAULT_SERVER, Scenario
from bench.scenario.parsing import validated
from bench.scenario.simulation import MONTH_S
from bench.simulation import baseline, shards, trial
from bench.simulation.analytic.closed_forms import demand, drawn_per_s, moves
from bench.simulation.analytic.demand import Demand
from bench.simulation.analytic.system import Forecast, analytic
from bench.simulation.calibration.costs import CostsFile, default_costs, read_costs
from bench.simulation.crossover.crossover import Candidate, cores, most_clients, offer
from bench.simulation.decision.decision_study import DecisionStudy
from bench.simulation.pool import pool
from bench.simulation.run import SimulationInputs
from bench.simulation.shards import Case
from bench.stats.run import prediction, prediction_band
from bench.stats.run.prediction import ValidationRow
from bench.stats.trial.arrays import busiest_per_s

UNITS_OF_A_COST = {
    **dict.fromkeys(
        ("tick_s", "request_s", "answer_s", "update_s", "byte_s", "connection_s", "switch_s", "wake_s"), "µs"),
    "base_share": "µs/s", "socket_share": "µs/s", "cooling_s": "s",
}
"""The units in which those costs that are times are shown."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """The results of simulated trials, in the frames of a run."""

    trials: pd.DataFrame
    """Rows as in `trials.csv`, with their verdicts."""
    distributions: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Decided:
    """The response for one situation, in the frames of `tickertape decide`."""

    sentence: str
    table: pd.DataFrame
    """A row for each transport at its best, as in `decision.csv`, without percentiles."""
    frontier: pd.DataFrame
    """Each transport's least cost for a range of staleness, as in `decision_frontier.csv`."""
    within_ms: float


def results() -> Path:
    """Return the folder of runs and costs: that of the environment's `TICKERTAPE_RESULTS`, else the project's."""
    return Path(os.environ.get("TICKERTAPE_RESULTS") or shipped.PROJECT / "results")


def open_costs() -> CostsFile:
    """Return the costs of this machine where it was calibrated, else those that come with the project."""
    return read_costs(default_costs(results()))


def checked(costs: CostsFile) -> list[ValidationRow]:
    """Return the errors of the model with these costs, where it was validated; otherwise an empty list."""
    found = baseline.validation(results(), costs)
    return [] if found is None else prediction.from_table(found)


def errors_table(rows: Sequence[ValidationRow]) -> pd.DataFrame:
    """Return the errors of a validation as a frame, those with a goal alone."""
    found = prediction.table([row for row in rows if row.met])
    return found if found["run"].any() else found.drop(columns="run")


def measured(run: Run, planned: Sequence[PlannedTrial]) -> pd.DataFrame:
    """Return the run's own rows of these trials."""
    return run.valid[run.valid["trial"].isin([each.name for each in planned])]


def errors_of(run: Run, planned: Sequence[PlannedTrial], made: Simulated) -> pd.DataFrame:
    """Return the errors of simulated trials against the run's own: a row for each transport and quantity."""
    pairs = prediction.pairs(prediction.figures(measured(run, planned), run.distributions),
                             prediction.figures(made.trials, made.distributions))
    return prediction.table(prediction.compare(pairs))[
        ["transport", "quantity", "measured", "predicted", "error"]]


def inputs(run: Run, costs: CostsFile, **tables: dict[str, Any]) -> SimulationInputs:
    """Return the run's scenario with these costs, and with some fields of its tables changed.

    For example `load={"clients": [200_000]}`. Raises `ScenarioError` where a table is none of a
    scenario, or a field is invalid.
    """
    asked = run.data.scenario.canonical()
    for name, fields in tables.items():
        asked[name] = {**(asked.get(name) or {}), **fields}
    where = f"{run.folder.name}, changed"
    scenario = validated(Scenario, asked, where)
    return SimulationInputs(scenario, plan.options_of_all(scenario, where), costs)


def decided(run: Run, costs: CostsFile, checked: Sequence[ValidationRow] = (), *, clients: int, rate_per_s: float,
            within_ms: float, rtt_ms: float) -> Decided:
    """Return which of the run's transports to take for one situation.

    `clients` get `rate_per_s` updates per second each, within `within_ms`, `rtt_ms` away from the servers. Raises
    `RunError` for a transport without costs.
    """
    asked = inputs(run, costs, load={"clients": [clients]}, simulation={"rtt_ms": rtt_ms}, feed={
        "schedule": "poisson", "rate_per_s": rate_per_s, "symbols": 1}, decision={"within_ms": within_ms})
    study = DecisionStudy.of(asked.scenario, asked.options, costs, checked)
    choice, truths = study.choice()
    table = study.table(choice, truths, {})
    sentence = words.sentence(table, words.Asked(clients, rate_per_s, within_ms, rtt_ms))
    return Decided(sentence, table, study.frontier({"frontier": study.frontier_result()}), within_ms)


def costs_table(costs: CostsFile) -> pd.DataFrame:
    """Return a table of the cost of each kind of work, with its 95 % interval and unit.

    The cold and crowd shares are relative, and have no unit.
    """
    rows = []
    for each in costs.transports:
        for name, found in each.costs.items():
            unit = UNITS_OF_A_COST.get(name, "")
            scale = 1e6 if unit.startswith("µ") else 1.0
            rows.append({"transport": str(each.kind), "cost": name, "value": scale * found.value,
                         "low": scale * found.low, "high": scale * found.high, "unit": unit})
    return pd.DataFrame(rows)


def places(run: Run, clients: int) -> list[PlannedTrial]:
    """Return the first VALID trial of each transport with `clients` clients, to be simulated again.

    The same seed draws the same ticks, subscriptions and phases. Raises `RunError` if there is no such trial.
    """
    valid = run.valid[run.valid["clients"] == clients].drop_duplicates("transport")
    if valid.empty:
        raise RunError(f"{run.folder}: clients: found no VALID trial with {clients:,} of them")
    rows = {str(row["transport"]): row for row in valid.to_dict("records")}
    return [
        PlannedTrial(str(row["trial"]), int(row["block"]), int(row["position"]), label,
                     str(row["transport_kind"]), int(row["clients"]), int(row["seed"]),
                     str(row["server"] or DEFAULT_SERVER))
        for label, row in ((label, rows[label]) for label in run.data.transports if label in rows)
    ]


def simulate(asked: SimulationInputs, planned: Sequence[PlannedTrial], processes: int | None = None) -> Simulated:
    """Simulate trials, and judge them as if they had been measured."""
    cases = [asked.case(each, number) for number, each in enumerate(planned)]
    rows, distributions = [], []
    with pool(processes) as workers, TemporaryDirectory() as kept:
        parts = workers.simulate((case, worker) for case in cases for worker in range(case.workers))
        for number, case in enumerate(cases):
            whole = next(parts)
            for _ in range(1, case.workers):
                whole.add(next(parts))
            folder = Path(kept) / f"{number}-{case.planned.name}"
            trial.write(case, whole, folder, attempt=1, took_s=0.0)
            figures, verdict = judge(folder)
            rows.append({**figures.row, **verdict_words(verdict)})
            distributions.append(figures.distribution)
    return Simulated(pd.DataFrame(rows), pd.concat(distributions, ignore_index=True))


def forecast(asked: SimulationInputs, label: str, clients: int, full_at: float = 1.0) -> Forecast:
    """Return the closed forms of one worker with `clients` clients; `clients_max` is at a load of `full_at`."""
    return _forecast(_case(asked, label, 1), clients, full_at)


def _forecast(case: Case, clients: int, full_at: float = 1.0, *, as_drawn: bool = False) -> Forecast:
    return analytic(case.planned.transport, case.options, case.calibrated.engine_costs, case.net,
                    _demand(case, as_drawn=as_drawn), shards.sizes(case), clients, full_at)


def raised(asked: SimulationInputs, shares: Sequence[float], processes: int | None = None) -> pd.DataFrame:
    """Compare closed forms and engine for one worker per transport, at shares of the clients that fill it.

    The setting needs a network; else the load client is simulated as well, and saturates first.
    """
    assert asked.scenario.simulation.delays_s is not None, "the loopback holds the load client"
    alone = _with_workers(asked, 1)
    planned = [
        _planned(alone, label, max(1, round(share * forecast(alone, label, 1).clients_max)))
        for label in asked.scenario.transports for share in shares
    ]
    made = simulate(alone, planned, processes).trials
    forms = [_forecast(alone.case(each, 0), each.clients, as_drawn=True) for each in planned]
    return pd.DataFrame({
        "transport": made["transport"], "clients": made["clients"],
        "load_form": [cores(form, each.clients) for form, each in zip(forms, planned, strict=True)],
        "load_engine": made["server_cpu_cores"],
        "latency_mean_form_ms": [1000 * each.latency_mean_s for each in forms],
        "latency_mean_engine_ms": made["latency_mean_ms"], "latency_p99_engine_ms": made["latency_p99_ms"],
    })


def capacity_plan(asked: SimulationInputs, checked: Sequence[ValidationRow] = (), processes: int | None = None
                  ) -> pd.DataFrame:
    """Return the fleet that each transport needs for the setting's clients, a row per transport.

    The bounds (`_low`, `_high`) follow from the model's errors in a validation (`checked`), and are NaN where
    there was none. The latencies are those of one of the workers, by the engine. Raises `RunError` where the
    feed alone fills a worker.
    """
    scenario = asked.scenario
    clients = max(scenario.load.clients)
    plans = {label: _fleets(asked, label, clients, checked) for label in scenario.transports}
    alone = _with_workers(asked, 1)
    made = simulate(alone, [
        _planned(alone, label, math.ceil(clients / found["workers"])) for label, found in plans.items()
    ], processes).trials
    return pd.DataFrame([
        {"transport": label, "clients": clients, **found, "latency_p50_ms": row["latency_p50_ms"],
         "latency_p99_ms": row["latency_p99_ms"],
         "currency": scenario.simulation.prices.currency if scenario.simulation.prices else ""}
        for (label, found), row in zip(plans.items(), made.to_dict("records"), strict=True)
    ])


def _fleets(asked: SimulationInputs, label: str, clients: int, checked: Sequence[ValidationRow]) -> dict[str, float]:
    """Return one transport's fleet as predicted, and at both bounds of the model's errors."""
    rows = _fleet(asked, label, clients, 1.0, 1.0)
    cpu = prediction_band.truth(checked, label, "server_cpu_us_per_update")
    sent = prediction_band.truth(checked, label, "bytes_per_update")
    for place, side in enumerate(prediction_band.SIDES):
        bound = _fleet(asked, label, clients, cpu[place], sent[place]) if cpu and sent else {}
        rows |= {f"{name}_{side}": bound.get(name, math.nan) for name in FLEET}
    return rows


FLEET = ("workers", "cores", "gbit_out_per_s", "month")
"""The resources of a fleet; `month` is the monthly price in the currency of the scenario's prices."""


def _fleet(asked: SimulationInputs, label: str, clients: int, cpu: float, sent: float) -> dict[str, float]:
    """Return a fleet with CPU costs and bytes scaled by `cpu` and `sent`."""
    case, table = _case(asked, label, 1), asked.scenario.simulation
    subject, rtt_s, mean = _subject(case, cpu), _rtt_s(case), _demand(case)
    busiest = demand(case, _busiest_per_s(case)) if moves(case) else mean
    most = most_clients(subject, busiest, rtt_s, math.inf, table.full_at)
    if most < 1:
        raise RunError(f"{label}: the feed alone fills a worker up to {100 * table.full_at:.0f} %, so no "
                       "number of workers would do")
    found = offer(subject, mean, rtt_s, math.ceil(clients / most), clients, most, table.prices)
    further = (sent - 1) * found.bytes_down_per_s
    price = table.prices.gigabyte_out if table.prices else math.nan
    return {
        "workers": found.workers, "cores": found.cores,
        "gbit_out_per_s": (found.bytes_down_per_s + further) * 8 / 1e9,
        "month": found.price + further * MONTH_S / 1e9 * price,
    }


def _subject(case: Case, cpu: float = 1.0) -> Candidate:
    """Return the case in the form that a fleet's closed forms take, with its costs scaled by `cpu`."""
    costs = case.calibrated.engine_costs.times(cpu)
    return Candidate(case.planned.subject, case.planned.transport, case.options, costs, case.net.feed_s,
                     shards.sizes(case))


def _rtt_s(case: Case) -> float:
    return case.net.up_s + case.net.down_s


def _busiest_per_s(case: Case) -> float:
    """Return the ticks per second of the feed in the busiest stretch of the measuring window."""
    windows = case.scenario.windows
    since_t0_s = shards.schedule(case).offset_ns / shards.NS - case.t0_s
    inside = since_t0_s[(since_t0_s >= 0) & (since_t0_s < windows.measure_s)]
    return busiest_per_s(inside, min(case.windows.late_after_ns / shards.NS, windows.measure_s))


def _with_workers(asked: SimulationInputs, count: int) -> SimulationInputs:
    """Return the setting with `count` workers."""
    table = asked.scenario.simulation.model_copy(update={"workers": count})
    return replace(asked, scenario=asked.scenario.model_copy(update={"simulation": table}))


def _planned(asked: SimulationInputs, label: str, clients: int) -> PlannedTrial:
    scenario = asked.scenario
    subject = scenario.transports[label]
    return PlannedTrial(f"{label}-{clients}", 1, 1, label, subject.transport, clients,
                        plan.derive(scenario.seed, "block", 1), subject.implementation)


def _case(asked: SimulationInputs, label: str, clients: int) -> Case:
    return asked.case(_planned(asked, label, clients), 0)


def _demand(case: Case, *, as_drawn: bool = False) -> Demand:
    """Return the clients' demand at the feed's rate, or `as_drawn` at the rate drawn for the window.

    With the drawn rate, the random number of ticks in the window does not count as an error of the forms.
    """
    feed = case.scenario.feed
    return demand(case, drawn_per_s(case) if as_drawn or feed.schedule == "replay" else feed.rate_per_s)
