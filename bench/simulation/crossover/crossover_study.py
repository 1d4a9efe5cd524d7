"""The crossover map of a scenario: its subjects, its fields, and some of the fields simulated.

    scenario + costs file ─► subjects ─► crossover.csv             every field, by closed forms
                                    └──► crossover_checks.csv      some of them, by the engine

A field is checked with the clients that one worker has there, at the interval or flush that the map chose: the
engine's CPU, mean latency and bytes of that worker are listed with those of the closed forms. The fields are
spread over the map, among those whose simulation is small; the map itself needs no engine.

Known weakness: a field with more clients per worker than `checked_clients` is not checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from bench import transports
from bench.feed import schedule as schedules
from bench.feed.tick import ENCODERS
from bench.records.manifest import PlannedTrial
from bench.scenario.crossover import Crossover
from bench.scenario.fields import Table
from bench.scenario.model import DEFAULT_SERVER, Scenario, Windows
from bench.simulation import shards, trial
from bench.simulation.analytic.demand import Demand
from bench.simulation.calibration.costs import CostKind, CostsFile
from bench.simulation.checkpoints import Result
from bench.simulation.crossover import crossover
from bench.simulation.crossover.crossover import Candidate, Field, Offer, TicksPerPoll
from bench.simulation.shards import Case
from bench.stats.run import uncertainty
from bench.stats.run.prediction import ValidationRow
from bench.wire.contract import Subscription
from bench.wire.sizes import SEGMENT_BYTES, USUAL_MESSAGE, Conversation

LINES = 200
"""Number of ticks whose lengths represent all."""
BEFORE = 1000
"""Number of ticks before these: numbers and instants get longer as a feed goes on, and the first are the
shortest."""
TICKS = 1000
"""Number of ticks of a check, if that is not too much work."""
TICKS_LEAST = 100
LONGEST_S = 80_000.0
JOBS_MOST = 4_000_000
"""Limit of the requests and deliveries of one check."""


CHECKED = (
    "rate_per_s", "clients", "rtt_ms", "staleness_ms", "transport", "simulated_clients", "simulated_s",
    "interval_s", "flush_ms", "cores", "cores_simulated", "latency_mean_ms", "latency_mean_ms_simulated",
    "bytes_down_per_s", "bytes_down_per_s_simulated",
)
"""The columns of `crossover_checks.csv`."""


@dataclass(frozen=True, slots=True)
class CrossoverStudy:
    """The map of a scenario, ready to be computed."""

    scenario: Scenario
    asked: Crossover
    options: Mapping[str, Table]
    costs: CostsFile
    demand: Demand
    subjects: list[Candidate]

    @classmethod
    def of(cls, scenario: Scenario, options: Mapping[str, Table], costs: CostsFile,
           checked: Sequence[ValidationRow] = ()) -> CrossoverStudy:
        """Return the study of a scenario with `[crossover]`; `checked` are the rows of a validation of these costs.

        Raises `RunError` where a kind of transport has no costs.
        """
        assert scenario.crossover is not None, "a scenario without a map"
        demand, subjects = candidates(scenario, options, costs, checked)
        return cls(scenario, scenario.crossover, options, costs, demand, subjects)

    def fields(self) -> list[Field]:
        """Return the whole map."""
        table = self.scenario.simulation
        return list(crossover.fields(self.asked, self.demand, self.subjects, table.full_at, table.prices))

    def chosen(self, fields: Sequence[Field]) -> list[tuple[Field, Candidate]]:
        """Return the fields to check, spread over the map, each with every possible transport."""
        small = [each for each in fields if each.asked == "cheapest"
                 and all(self._is_small(each, offer) for offer in each.offers.values() if offer.possible)
                 and sum(offer.possible for offer in each.offers.values()) > 1]
        count = min(self.asked.checked, len(small))
        spread = [small[round((number + 0.5) * len(small) / count - 0.5)] for number in range(count)]
        return [(each, subject) for each in spread for subject in self.subjects
                if each.offers[subject.label].possible]

    def _is_small(self, field: Field, offer: Offer) -> bool:
        each = math.ceil(field.clients / offer.workers)
        return each <= self.asked.checked_clients and self._measure_s(field, offer) > 0

    def _measure_s(self, field: Field, offer: Offer) -> float:
        """Return the simulated seconds that a check measures; 0 if it would be too much work."""
        each = math.ceil(field.clients / offer.workers)
        asking = 0.0 if math.isnan(offer.interval_s) else 1 / offer.interval_s
        left_s = JOBS_MOST / each / (field.rate_per_s + asking) - 3 * _late_after_s(field)
        left_s = min(left_s, LONGEST_S)
        return min(TICKS / field.rate_per_s, left_s) if left_s * field.rate_per_s >= TICKS_LEAST else 0.0

    def table(self, fields: Sequence[Field]) -> pd.DataFrame:
        """Return `crossover.csv`."""
        return crossover.table(fields, self.asked.margin)

    def tasks(self, chosen: Sequence[tuple[Field, Candidate]]) -> dict[str, Callable[[], Result]]:
        """Return the checks to be made, by name."""
        return {f"check-{number}": partial(self.check, field, subject)
                for number, (field, subject) in enumerate(chosen, start=1)}

    def checks(self, results: Mapping[str, Result]) -> pd.DataFrame:
        """Return `crossover_checks.csv`, from the results of all checks."""
        return pd.DataFrame(list(results.values()), columns=CHECKED)

    def check(self, field: Field, subject: Candidate) -> Result:
        """Simulate one worker of a field; return its row of `crossover_checks.csv`."""
        offer = field.offers[subject.label]
        case = self.case(field, subject, offer)
        part = shards.simulate(case, 0)
        measure_s, sums = case.scenario.windows.measure_s, part.tallied.sums
        arrived, clients = sums["delivered"] + sums["late"], case.planned.clients
        # As many ticks as were drawn are no error of the forms.
        rate = sums["updates_due"] / clients / measure_s
        drawn = replace(self.demand, rate_per_s=rate,
                        feed_per_s=rate * self.demand.ticks_per_s / self.demand.rate_per_s)
        expected = crossover.offer(subject.as_offered(offer), drawn, field.rtt_ms / 1000, 1, clients, math.nan, None)
        wire = part.counters["bytes_down"] + SEGMENT_BYTES * part.counters["segments_down"]
        return {
            "rate_per_s": field.rate_per_s, "clients": field.clients, "rtt_ms": field.rtt_ms,
            "staleness_ms": field.staleness_ms, "transport": subject.label,
            "simulated_clients": clients, "simulated_s": measure_s, "interval_s": offer.interval_s,
            "flush_ms": 1000 * offer.flush_s,
            "cores": expected.cores,
            "cores_simulated": min(part.busy_s / measure_s + subject.costs.idle_s(1.0, clients), 1.0),
            "latency_mean_ms": 1000 * expected.latency_mean_s,
            "latency_mean_ms_simulated": sums["app_latency_ns"] / arrived / 1e6 if arrived else math.nan,
            "bytes_down_per_s": expected.bytes_down_per_s,
            "bytes_down_per_s_simulated": wire / measure_s,
        }

    def case(self, field: Field, subject: Candidate, offer: Offer) -> Case:
        """Return one worker of a field in the form that the simulator takes."""
        rate = field.rate_per_s * self.demand.ticks_per_s / self.demand.rate_per_s
        return worker_case(
            self.scenario, self.costs, subject.as_offered(offer), math.ceil(field.clients / offer.workers), rate,
            field.rtt_ms, _late_after_s(field), self._measure_s(field, offer))


def worker_case(scenario: Scenario, costs: CostsFile, subject: Candidate, clients: int, ticks_per_s: float,
                rtt_ms: float, longest_s: float, measure_s: float, workers: int = 1) -> Case:
    """Return one worker with its clients, or `workers` that share them, in the form that the simulator takes.

    `ticks_per_s` is the rate of the whole feed; warm-up lasts `longest_s`, after which an update is late.
    """
    windows = Windows(idle_s=0.0, warmup_s=longest_s, measure_s=measure_s, late_after_s=longest_s)
    here = scenario.model_copy(update={
        "feed": scenario.feed.model_copy(update={"rate_per_s": ticks_per_s}),
        "load": scenario.load.model_copy(update={"clients": (clients,)}),
        "simulation": scenario.simulation.model_copy(update={
            "workers": workers, "rtt_ms": rtt_ms, "up_ms": None, "down_ms": None}),
        "windows": windows,
    })
    return Case(
        scenario=here, options=subject.options,
        planned=PlannedTrial(f"check-{subject.label}", 1, 1, subject.label, subject.transport, clients,
                             scenario.seed, subject.server),
        calibrated=costs.of(subject.transport, subject.options, subject.server),
        windows=trial.windows_of(0, longest_s, windows.measure_s, longest_s),
        horizon_s=longest_s + windows.measure_s + 2 * longest_s, kept_below=0.0,
    )


def _late_after_s(field: Field) -> float:
    """Return ℓ of a check in seconds, long enough that nothing is lost."""
    return 2 * max(1.0, field.staleness_ms / 1000)


def candidates(scenario: Scenario, options: Mapping[str, Table], costs: CostsFile,
               checked: Sequence[ValidationRow] = (), payload_bytes: int | None = None
               ) -> tuple[Demand, list[Candidate]]:
    """Return the demand of a client at one tick per second of the feed, and the transports that can meet it.

    `checked` are the rows of a validation of these costs. `payload_bytes` replaces the size of an update, which is
    else that of the feed's own lines; a message of a client grows with it. Raises `RunError` for a kind of transport
    without costs.
    """
    feed, load = scenario.feed, scenario.load
    drawn = schedules.make(feed, scenario.seed, (BEFORE + LINES) / feed.rate_per_s + 1, 0.0)
    encode = ENCODERS[feed.encoding]
    lines = tuple(encode(drawn.tick(index, index + 1, int(drawn.offset_ns[index])))
                  for index in range(max(len(drawn) - LINES, 0), len(drawn)))
    message = USUAL_MESSAGE
    if payload_bytes is not None:
        message = _of_length(message, max(len(message) + payload_bytes - len(lines[-1]), 1))
        lines = tuple(_of_length(line, payload_bytes) for line in lines)
    of_each = min(load.symbols_per_client or feed.symbols, feed.symbols)
    wanted = None if of_each == feed.symbols else frozenset(drawn.symbols[:of_each])
    said = Conversation(lines, Subscription(wanted, load.mode), message=message)
    subjects = []
    for label, subject in scenario.transports.items():
        found = costs.of(subject.transport, options[label], subject.implementation)
        model = transports.model_of(subject.transport)
        subjects.append(Candidate(label, subject.transport, options[label], found.engine_costs,
                                  found.engine_net.feed_s, model.wire(options[label], said),
                                  TicksPerPoll.by(scenario.server, load.mode),
                                  {**found.costs, "feed_s": found.net["feed_s"]},
                                  _truths(found.kind, checked), subject.implementation, found.engine_net.hop_s))
    demand = Demand(of_each / feed.symbols, of_each, sum(map(len, lines)) / len(lines), 1.0,
                    mode=load.mode, message_bytes=len(message))
    return demand, subjects


def _of_length(line: bytes, length: int) -> bytes:
    """Return a text of `length` bytes made of a line, which is repeated or cut off."""
    return (line * -(-length // len(line)))[:length]


OF_A_VALIDATION = {
    "cpu": "server_cpu_us_per_update", "bytes": "bytes_per_update", "age": "age_excess_mean_ms"}


def _truths(kind: CostKind, checked: Sequence[ValidationRow]) -> dict[str, tuple[float, float]]:
    """Return the 95 % range of truth ÷ predicted for each checked quantity of a transport.

    A validation's rows name the transport, so they are about its default server alone.
    """
    transport = kind.transport if kind.server == DEFAULT_SERVER else ""
    found = {}
    for name, quantity in OF_A_VALIDATION.items():
        errors = [(row.error, row.interval_low, row.interval_high) for row in checked
                  if (row.transport, row.quantity) == (transport, quantity)]
        if errors:
            rng = uncertainty.generator(transport, quantity)
            low, high = uncertainty.band(uncertainty.of_model(errors, rng))
            found[name] = (min(low, 1.0), max(high, 1.0))
    return found
