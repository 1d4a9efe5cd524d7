"""The closed forms of a simulated run, as a table of its folder: `closed_forms.csv`.

    scenario, costs, drawn ticks ─► analytic ─┬─► one row per cell and quantity
                                              ├─► a worker's load at further client counts
                                              ├─► where it is full: clients, or ticks per second
                                              └─► latency with the workers of the capacity plan

A report is made from a run's files alone and may not call the simulator, so the values of the closed forms are
written once the trials exist. The fine lines of the report are these rows.

Workers have equal shares of the clients, so one worker with clients ÷ workers represents all. The rate is
that of the ticks that were drawn for the trials, so that chance in their number is no error of the forms.
Jitter is represented by its mean. A quantity that has no form for the feed's schedule has no row: for bursts and
replayed trades, forms for Poisson ticks are left out, and so is the latency of a push, which bursts delay.

A worker is full (`clients_max`) where its work, if no work waited, would take all of its core. Beyond
that polls come too late, and ticks share reads.

A capacity plan (`bench.stats.run.capacity_plan`) needs other numbers of workers than were simulated, and with
fewer of them updates are slower: the `planned_…` rows have the latency at the requested rate, which a plan is
for. Where the feed's rate moves, a plan is for its busiest stretch, and no form has its latency.

Known weakness: slow clients have no form, so a run with some has no table. Jitter costs more than its mean
where pushed messages must not overtake each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pandas as pd

from bench.experiment import plan
from bench.experiment.run_folder import RunFolder
from bench.output import plain
from bench.records.manifest import PlannedTrial
from bench.records.trial_record import whole_file
from bench.report.data.run import open_run
from bench.simulation import shards
from bench.simulation.analytic.demand import Demand
from bench.simulation.analytic.system import Forecast, analytic
from bench.simulation.calibration.cost_bounds import ends
from bench.simulation.engine.inputs import Costs, NetworkDelays
from bench.simulation.run import SimulationInputs
from bench.simulation.shards import Case
from bench.stats.run.capacity_plan import MOVING
from bench.wire.sizes import Sizes

COLUMNS = ("transport", "clients", "quantity", "value", "unit")
NAME = "closed_forms.csv"
OF_A_CELL = {
    "latency_mean_ms": "ms", "latency_worst_ms": "ms", "age_excess_mean_ms": "ms", "missed_share": "",
    "answers_empty_share": "", "requests_per_update": "", "bytes_up_per_update": "bytes",
    "bytes_down_per_update": "bytes", "server_cpu_us_per_update": "µs", "server_load": "cores",
    "server_load_low": "cores", "server_load_high": "cores", "sockets": "", "sockets_lingering": "",
}
"""The quantities of a cell, with their units."""
SATURATION = {"clients_max": "", "rate_max_per_s": "1/s"}
"""The quantities of a transport at any client count, with their units; the rate where a search raises it."""
OF_A_PLAN = {"planned_workers": "", "planned_latency_mean_ms": "ms", "planned_latency_worst_ms": "ms"}
"""The quantities of a cell with the workers that its capacity plan needs, with their units."""
STEPS = 24
"""Number of client counts at which a worker's load is computed."""


@dataclass(frozen=True, slots=True)
class ClosedFormSubject:
    """One transport of a run, in the form that its closed forms take."""

    case: Case
    """Any of its trials."""
    demand: Demand
    sizes: Sizes

    @classmethod
    def of(cls, cases: Sequence[Case]) -> ClosedFormSubject:
        """Return the subject of trials of one transport, each with ticks of its own."""
        drawn, size = (float(np.mean([of(case) for case in cases])) for of in (drawn_per_s, _payload_bytes))
        wanted = replace(demand(cases[0], drawn), payload_bytes=size)
        if cases[0].scenario.feed.schedule != "poisson":
            wanted = replace(wanted, regular=True)
        return cls(cases[0], wanted, shards.sizes(cases[0]))

    def forecast(self, clients: float, wanted: Demand | None = None) -> Forecast:
        """Return the closed forms of one worker with `clients` clients."""
        return self._forecast(self.case.calibrated.engine_costs, clients, wanted or self.demand)

    def _forecast(self, costs: Costs, clients: float, wanted: Demand) -> Forecast:
        case = self.case
        load_client = case.calibrated.engine_load_client if case.has_load_client else None
        with np.errstate(invalid="ignore"):   # what has no form for the feed, or no bound, is no number
            return analytic(case.planned.transport, case.options, costs, _mean_net(case.net), wanted, self.sizes,
                            clients, 1.0, load_client)

    def load_ends(self, clients: float, found: Forecast) -> tuple[float, float]:
        """Return the load of a worker, as a share of a core, with the costs at the low and at the high end of
        their intervals."""
        case = self.case
        costs, unshared = case.calibrated.engine_costs, 0.0
        if found.updates_per_s > 0:
            first = found.requests_per_s * (1 - found.empty_share) or found.updates_per_s
            unshared = max(0.0, 1 - first / found.updates_per_s)

        def load(one: Costs) -> float:
            return self._forecast(one, clients, self.demand).utilisation + one.idle_s(1.0, round(clients))

        low, high = ends(costs, case.calibrated.costs, load, unshared)
        return load(low), load(high)

    def load(self, clients: float, found: Forecast) -> float:
        """Return the share of a core that a worker with `clients` clients uses."""
        return found.utilisation + self.case.calibrated.engine_costs.idle_s(1.0, round(clients))

    @property
    def has_times(self) -> bool:
        """True if closed forms give the latency of an update.

        No form covers a push that waits because of bursts. Polls wait for their instants, whatever comes.
        """
        return not moves(self.case) or not shards.cycle(self.case).pushes

    @property
    def asked(self) -> Demand:
        """The demand of the clients at the requested rate; for a replayed feed, at the drawn rate."""
        feed, drawn = self.case.scenario.feed, self.demand.ticks_per_s
        scale = 1.0 if feed.schedule == "replay" else feed.rate_per_s / drawn
        return replace(self.demand, rate_per_s=scale * self.demand.rate_per_s, feed_per_s=scale * drawn,
                       messages_per_s=scale * self.demand.messages_per_s)

    @property
    def rate_max_per_s(self) -> float:
        """Return the ticks per second that fill a worker with the scenario's clients."""
        clients = self.case.planned.clients / self.case.workers
        low, high = 0.0, 1e6
        for _ in range(50):
            middle = (low + high) / 2
            share = self.demand.rate_per_s / self.demand.ticks_per_s
            asked = replace(self.demand, rate_per_s=middle * share, feed_per_s=middle)
            bears = self.forecast(clients, asked).clients_max > clients
            low, high = (middle, high) if bears else (low, middle)
        return low


def demand(case: Case, rate_per_s: float) -> Demand:
    """Return the demand of the clients on a feed of `rate_per_s` ticks per second."""
    scenario = case.scenario
    symbols = len(shards.schedule(case).symbols)
    of_each = min(scenario.load.symbols_per_client or symbols, symbols)
    sizes = shards.payload_bytes(case)
    return Demand(
        rate_per_s=rate_per_s * of_each / symbols, symbols=of_each, feed_per_s=rate_per_s,
        payload_bytes=float(sizes.mean()) if len(sizes) else math.nan,
        messages_per_s=rate_per_s if case.takes_messages else 0.0,
        message_bytes=shards.message_bytes(case) if case.takes_messages else 0.0,
        regular=scenario.feed.schedule == "constant", mode=scenario.load.mode)


def drawn_per_s(case: Case) -> float:
    """Return the ticks per second that were drawn for the measuring window."""
    windows = case.scenario.windows
    since_t0_s = shards.schedule(case).offset_ns / shards.NS - case.t0_s
    return int(((since_t0_s >= 0) & (since_t0_s < windows.measure_s)).sum()) / windows.measure_s


def moves(case: Case) -> bool:
    """Return whether the rate of the feed changes over time."""
    return case.scenario.feed.schedule in MOVING


def _payload_bytes(case: Case) -> float:
    """Return the mean length in bytes of the ticks of the measuring window."""
    windows, due_ns = case.windows, shards.schedule(case).offset_ns + case.windows.warmup_ns
    inside = shards.payload_bytes(case)[(due_ns >= windows.t0_ns) & (due_ns < windows.t1_ns)]
    return float(inside.mean()) if len(inside) else 0.0


def write(run: RunFolder) -> None:
    """Write the table of the trials that exist; for a search for the capacity limit, the level that fills a
    worker."""
    there = [(number, planned) for number, planned in enumerate(run.plan) if run.is_done(planned)]
    searches = run.scenario.capacity is not None
    plan_of = {} if searches or not there else {
        (need.transport, need.clients): need.workers for need in open_run(run.folder).fleet if need.workers}
    found = table(SimulationInputs.of(run), there, plan_of)
    if len(found):
        with whole_file(run.folder / NAME) as beside:
            plain.write_csv(beside, found)


def table(asked: SimulationInputs, planned: Sequence[tuple[int, PlannedTrial]],
          workers: Mapping[tuple[str, int], int] = MappingProxyType({})) -> pd.DataFrame:
    """Return `closed_forms.csv` of trials with their places in the plan, from 0; `workers` are the numbers of
    workers that the capacity plan needs, by transport and clients."""
    if asked.scenario.simulation.slow.share:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = [row for subject, counts in _subjects(asked, planned) if subject.demand.ticks_per_s
            for row in (*_rows(subject, counts), *_planned(subject, counts, workers))]
    found = pd.DataFrame(rows, columns=list(COLUMNS)).dropna(subset=["value"])
    return found.astype({"clients": "Int64"}).reset_index(drop=True)


def _subjects(asked: SimulationInputs, planned: Sequence[tuple[int, PlannedTrial]]
              ) -> Iterator[tuple[ClosedFormSubject, list[int]]]:
    """Yield each transport with the client counts that it was simulated with."""
    for label, subject in asked.scenario.transports.items():
        mine = [(number, each) for number, each in planned if each.subject == label]
        by_seed = {each.seed: (number, each) for number, each in mine} or {0: (0, PlannedTrial(
            label, 1, 1, label, subject.transport, max(asked.scenario.load.clients),
            plan.derive(asked.scenario.seed, "block", 1), subject.implementation))}
        yield (ClosedFormSubject.of([asked.case(each, number) for number, each in by_seed.values()]),
               sorted({each.clients for _, each in mine}))


def _rows(subject: ClosedFormSubject, counts: Sequence[int]) -> Iterator[tuple[object, ...]]:
    scenario, label = subject.case.scenario, subject.case.planned.subject
    workers, search = scenario.simulation.workers, scenario.capacity
    most = workers * subject.forecast(1).clients_max
    if search is not None and search.raised == "rate_per_s":
        yield label, None, "rate_max_per_s", subject.rate_max_per_s, SATURATION["rate_max_per_s"]
    else:
        yield label, None, "clients_max", most, SATURATION["clients_max"]
    for clients in counts:
        for quantity, value in _cell(subject, clients, min(workers, clients)).items():
            yield label, clients, quantity, value, OF_A_CELL[quantity]
    if counts and math.isfinite(most):
        span = max(counts[0] / 2, workers), max(counts[-1], most)
        further = {round(each) for each in np.geomspace(*span, STEPS)} - set(counts)
        for clients in sorted(further):
            load = subject.load(clients / workers, subject.forecast(clients / workers))
            yield label, clients, "server_load", load, OF_A_CELL["server_load"]


def _cell(subject: ClosedFormSubject, clients: int, workers: int) -> dict[str, float]:
    """Return the values of the closed forms for a cell, by the names of `OF_A_CELL`."""
    each = clients / workers
    found = subject.forecast(each)
    case = subject.case
    times = (found.latency_mean_s, found.latency_worst_s, found.age_excess_s)
    low, high = subject.load_ends(each, found)
    latency_s, worst_s, age_s = times if subject.has_times else (math.nan,) * 3
    return {
        "latency_mean_ms": 1000 * latency_s, "latency_worst_ms": 1000 * worst_s,
        "age_excess_mean_ms": 1000 * age_s, "missed_share": found.conflated_share,
        "answers_empty_share": math.nan if shards.cycle(case).pushes else found.empty_share,
        "requests_per_update": (found.requests_per_s + found.posts_per_s) / found.updates_per_s,
        "bytes_up_per_update": found.bytes_up, "bytes_down_per_update": found.bytes_down,
        "server_cpu_us_per_update": 1e6 * found.cpu_per_update_s,
        "server_load": subject.load(each, found), "server_load_low": low, "server_load_high": high,
        "sockets": workers * found.sockets, "sockets_lingering": workers * found.lingering,
    }


def _planned(subject: ClosedFormSubject, counts: Sequence[int], workers: Mapping[tuple[str, int], int]
             ) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the latency with the capacity plan's workers; none where no closed form holds."""
    label = subject.case.planned.subject
    for clients in counts:
        needed = workers.get((label, clients))
        if needed is None or moves(subject.case):
            continue
        asked = subject.asked   # each worker takes the messages of its own clients alone
        found = subject.forecast(clients / needed, replace(asked, messages_per_s=asked.messages_per_s / needed))
        values = needed, 1000 * found.latency_mean_s, 1000 * found.latency_worst_s
        for (quantity, unit), value in zip(OF_A_PLAN.items(), values, strict=True):
            yield label, clients, quantity, value, unit


def _mean_net(net: NetworkDelays) -> NetworkDelays:
    """Return the network without jitter, and with the mean of the jitter added to its delays."""
    return replace(net, up_s=net.up_s + net.mean_jitter_s, down_s=net.down_s + net.mean_jitter_s, jitter_s=0.0)
