"""The decision of a scenario: its transports, one worker of each simulated, and the tables.

    scenario + costs file + validation ─► candidates ─► decision.csv            each transport at its best, and now
                                                   ├──► decision_turns.csv      what would change the answer
                                                   └──► decision_frontier.csv   cost against staleness
    one worker of each, by the engine ────────────────► percentiles in decision.csv

Closed forms give means and the longest latency; a median and a 99th percentile come from the engine, which
simulates one worker with its clients at the chosen setting, for at most `TICKS` ticks. Turns and frontier are tasks
beside these simulations, each a checkpoint of the run. Where clients send, that worker takes the messages of
its own, and those of the others come as ticks (`bench.simulation.engine.uplinks`). There are no percentiles where there
are as many rooms as a scenario can have, or too many clients and rooms.

Known weakness: the engine's worker has the costs' middle values, so the percentiles have no band.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from bench import transports
from bench.errors import ScenarioError
from bench.scenario.decision import Decision
from bench.scenario.fields import Table
from bench.scenario.model import DEFAULT_SERVER, Scenario
from bench.scenario.parsing import value_text
from bench.simulation import shards
from bench.simulation.calibration.costs import CostsFile
from bench.simulation.checkpoints import Result
from bench.simulation.crossover.crossover import Candidate, Offer
from bench.simulation.crossover.crossover_study import OF_A_VALIDATION, candidates, worker_case
from bench.simulation.decision import decision
from bench.simulation.decision.decision import Choice, Situation, Truth
from bench.simulation.shards import Case
from bench.stats.run import uncertainty
from bench.stats.run.prediction import ValidationRow
from bench.stats.trial.latency import bin_quantiles

TICKS = 400
TICKS_LEAST = 20
"""Ticks below which no percentile is given."""
JOBS_MOST = 3_000_000
"""Requests and deliveries of one worker that is simulated."""
MESSAGES_MOST = 50_000
"""Messages of clients of one worker that is simulated."""
SUBSCRIPTIONS_MOST = 100_000_000
"""Clients of one worker that is simulated, times the rooms; each pair takes two bytes of memory."""
ROOMS_MOST = 10_000
"""Rooms of one worker that is simulated: the symbols that a feed can have."""
FRONTIER = ["transport", "within_ms", "interval_s", "flush_ms", "workers", "cores", "price_month", "latency_mean_ms",
            "latency_worst_ms", "age_excess_ms"]
"""The columns of `decision_frontier.csv`."""
NOW = "now"
"""Role of the row for what is used now, and name of its simulation. The rows of transports at their best are `best`."""


@dataclass(frozen=True, slots=True)
class DecisionStudy:
    """A scenario's decision, ready to be made."""

    scenario: Scenario
    asked: Decision
    costs: CostsFile
    situation: Situation
    subjects: list[Candidate]
    now: Candidate | None
    """The setting that is used now; None: nothing is compared."""
    checked: Sequence[ValidationRow]
    memory: Mapping[str, float]
    """Server memory that each further client takes, in bytes, by label; only of what was measured."""

    @classmethod
    def of(cls, scenario: Scenario, options: Mapping[str, Table], costs: CostsFile,
           checked: Sequence[ValidationRow] = (), where: str = "the scenario",
           memory: Mapping[str, float] | None = None) -> DecisionStudy:
        """Return the decision of a scenario with `[decision]`.

        `checked` are the rows of a validation of the costs, `where` names the scenario in messages, `memory` has the
        bytes that each further client takes, by label, where that was measured. Raises `ScenarioError` where
        `decision.now` is no transport with options, and `RunError` for a kind of transport without costs.
        """
        asked = scenario.decision
        assert asked is not None, "a scenario without a decision"
        scenario = _in_rooms(scenario, asked)
        demand, subjects = candidates(scenario, options, costs, checked, asked.payload_bytes)
        rate = scenario.feed.rate_per_s
        situation = Situation(
            clients=scenario.load.clients[0],
            demand=replace(demand, rate_per_s=rate * demand.rate_per_s, feed_per_s=rate),
            rtt_s=(scenario.simulation.rtt_ms or 1.0) / 1000, within_s=asked.within_ms / 1000,
            full_at=scenario.simulation.full_at, prices=scenario.simulation.prices, margin=asked.margin,
            room_clients=asked.room_clients)
        return cls(scenario, asked, costs, situation, subjects, _now(asked.now, subjects, where), checked,
                   memory or {})

    def choice(self) -> tuple[Choice, dict[str, Truth]]:
        """Return the answer, and what is open of each transport's values."""
        offers = {each.label: decision.best(each, self.situation) for each in self.subjects}
        truths = {each.label: decision.truth(each, offers[each.label], self.situation, self._errors(each))
                  for each in self.subjects}
        return decision.choose(offers, truths, self.situation), truths

    def _cells(self, candidate: Candidate) -> list[ValidationRow]:
        """Return the rows of the validation that speak for a transport.

        Rows name the transport where they are about its default server, so they say nothing of another one.
        """
        name = candidate.transport if candidate.server == DEFAULT_SERVER else ""
        return [row for row in self.checked if row.transport == name]

    def _errors(self, candidate: Candidate) -> dict[str, list[uncertainty.Error]]:
        """Return the errors of a transport in the validation, by the names that `decision.truth` takes."""
        return {name: [(row.error, row.interval_low, row.interval_high) for row in self._cells(candidate)
                       if row.quantity == quantity]
                for name, quantity in OF_A_VALIDATION.items()}

    def tasks(self, choice: Choice) -> dict[str, Callable[[], Result]]:
        """Return the simulations of one worker of each transport at its setting, and of what is used now, by name."""
        offers = [(_task(each.label), each, choice.offers[each.label]) for each in self.subjects]
        found = {name: (each.as_offered(offer), offer) for name, each, offer in offers if offer.possible}
        if self.now is not None:
            found[NOW] = (self.now, decision.as_it_is(self.now, self.situation))
        return {name: partial(self.percentiles, *each) for name, each in found.items()
                if each[1].possible and self._measure_s(*each) > 0}

    def percentiles(self, candidate: Candidate, offer: Offer) -> Result:
        """Simulate one worker; return the median and the 99th percentile of its latencies in ms."""
        totals = shards.simulate(self.case(candidate, offer), 0).tallied
        numbers = np.nonzero(totals.app)[0]
        median, most = bin_quantiles(numbers, totals.app[numbers], round(totals.sums["lost"]), np.array([0.5, 0.99]))
        return {"latency_p50_ms": float(median) / 1e6, "latency_p99_ms": float(most) / 1e6}

    def case(self, candidate: Candidate, offer: Offer) -> Case:
        """Return one worker of an offer, with its clients, in the form that the simulator takes."""
        asked, workers = self.situation, 1 if self.situation.room_clients is None else offer.workers
        return worker_case(
            self.scenario, self.costs, candidate, math.ceil(workers * asked.clients / offer.workers),
            asked.served.ticks_per_s, asked.rtt_s * 1000, self._longest_s(candidate),
            self._measure_s(candidate, offer), workers)

    def _longest_s(self, candidate: Candidate) -> float:
        """Return a time within which every client has been served."""
        cycle = candidate.cycle
        return 2 * max(1.0, cycle.interval_s, cycle.flush_s, self.situation.within_s)

    def _measure_s(self, candidate: Candidate, offer: Offer) -> float:
        """Return the simulated seconds that are measured; 0 if that would be too much work or too few ticks."""
        asked = self.situation
        each, rate = math.ceil(asked.clients / offer.workers), asked.demand.rate_per_s
        work_per_s = each * rate + offer.requests_per_s / offer.workers
        left_s = JOBS_MOST / work_per_s - 3 * self._longest_s(candidate)
        if asked.room_clients is not None:
            rooms = self.scenario.feed.symbols
            if rooms == ROOMS_MOST or each * rooms > SUBSCRIPTIONS_MOST:
                return 0.0
            rate = asked.served.ticks_per_s   # other rooms' ticks are as good
            left_s = min(left_s, MESSAGES_MOST / rate - 3 * self._longest_s(candidate))
        measure_s = min(max(TICKS / rate, 2 * self._longest_s(candidate)), left_s, 80_000.0)
        return measure_s if measure_s * rate >= TICKS_LEAST else 0.0

    def table(self, choice: Choice, truths: Mapping[str, Truth], results: Mapping[str, Result]) -> pd.DataFrame:
        """Return `decision.csv`: a row for each transport at its best, and one for what is used now."""
        rows = [self._row("best", each, choice.offers[each.label], choice, truths[each.label],
                          results.get(_task(each.label), {})) for each in self.subjects]
        if self.now is not None:
            offer = decision.as_it_is(self.now, self.situation)
            rows.append(self._row(NOW, self.now, offer, choice, truths[self.now.label], results.get(NOW, {})))
        return pd.DataFrame(rows)

    def _row(self, role: str, candidate: Candidate, offer: Offer, choice: Choice, truth: Truth, result: Result
             ) -> dict[str, object]:
        label, best, cells = candidate.label, role == "best", self._cells(candidate)
        row: dict[str, object] = {
            "role": role, "transport": label, "possible": offer.possible, "why_not": offer.why_not,
            "chosen": best and label in choice.chosen, "cheapest": best and label in choice.cheapest,
            "least_share": choice.shares.get(label, math.nan) if best else math.nan,
            "interval_s": offer.interval_s, "flush_ms": 1000 * offer.flush_s,
            "workers": offer.workers, "clients_per_worker": self.situation.clients / max(offer.workers, 1),
            "cores": offer.cores, "bytes_down_per_s": offer.bytes_down_per_s, "bytes_up_per_s": offer.bytes_up_per_s,
            "requests_per_s": offer.requests_per_s, "messages_per_s": offer.messages_per_s,
            "sent_per_s": self.situation.sent_per_s, "message_cpu_known": candidate.knows_messages,
            "price_month": offer.price, "latency_mean_ms": 1000 * offer.latency_mean_s,
            "latency_p50_ms": result.get("latency_p50_ms", math.nan),
            "latency_p99_ms": result.get("latency_p99_ms", math.nan),
            "latency_worst_ms": 1000 * offer.latency_worst_s, "age_excess_ms": 1000 * offer.age_excess_s,
            "memory_bytes_per_client": self.memory.get(label, math.nan),
            "checked_clients_max": max((row.clients for row in cells), default=math.nan),
            "checked_load_max": max((row.load for row in cells), default=math.nan),
        }
        bands = dict.fromkeys(("workers", "cores", "bytes_down_per_s", "bytes_up_per_s", "price_month",
                               "age_excess_ms"), (math.nan, math.nan))
        if offer.possible:
            figures = decision.drawn(offer, truth, self.situation)
            bands = {
                "workers": uncertainty.band(figures.workers, offer.workers),
                "cores": uncertainty.band(figures.cores, offer.cores),
                "bytes_down_per_s": uncertainty.band(figures.bytes_down_per_s, offer.bytes_down_per_s),
                "bytes_up_per_s": uncertainty.band(figures.bytes_up_per_s, offer.bytes_up_per_s),
                "price_month": (math.nan, math.nan) if figures.price is None else uncertainty.band(
                    figures.price, offer.price),
                "age_excess_ms": uncertainty.band(1000 * figures.age_excess_s, 1000 * offer.age_excess_s),
            }
        for name, (low, high) in bands.items():
            row |= {f"{name}_low": low, f"{name}_high": high}
        return row

    def table_tasks(self, truths: Mapping[str, Truth]) -> dict[str, Callable[[], Result]]:
        """Return the tables that are to be computed beside the simulations, by the names of their results."""
        return {**{f"turns-{axis}": partial(self.turns_result, axis, truths) for axis in decision.AXES},
                "frontier": self.frontier_result}

    def turns_result(self, axis: str, truths: Mapping[str, Truth]) -> Result:
        """Return the rows of `decision_turns.csv` for one axis."""
        found = decision.turns_along(axis, self.subjects, truths, self.situation)
        return {"rows": [{"axis": each.axis, "transport": each.label, "value": each.value, "rising": each.rising,
                          "begins": each.begins} for each in found]}

    def turns(self, results: Mapping[str, Result]) -> pd.DataFrame:
        """Return `decision_turns.csv`: a row for each value of an axis at which the least expensive change."""
        rows = [row for axis in decision.AXES for row in results[f"turns-{axis}"]["rows"]]
        return pd.DataFrame(rows, columns=["axis", "transport", "value", "rising", "begins"])

    def frontier(self, results: Mapping[str, Result]) -> pd.DataFrame:
        """Return `decision_frontier.csv`: each transport at its best for a range of staleness."""
        return pd.DataFrame(results["frontier"]["rows"], columns=FRONTIER)

    def frontier_result(self) -> Result:
        """Return the rows of `decision_frontier.csv`."""
        return {"rows": [{
            "transport": label, "within_ms": 1000 * within_s, "interval_s": each.interval_s,
            "flush_ms": 1000 * each.flush_s, "workers": each.workers, "cores": each.cores,
            "price_month": each.price, "latency_mean_ms": 1000 * each.latency_mean_s,
            "latency_worst_ms": 1000 * each.latency_worst_s, "age_excess_ms": 1000 * each.age_excess_s,
        } for label, within_s, each in decision.frontier(self.subjects, self.situation)]}


def _task(label: str) -> str:
    """Return the name of the simulation of a transport at its best."""
    return f"worker-{label}"


def _in_rooms(scenario: Scenario, asked: Decision) -> Scenario:
    """Return the scenario whose clients send to rooms, each of at least as many as were asked for; the scenario itself
    where they only listen."""
    if asked.room_clients is None:
        return scenario
    rooms = min(max(scenario.load.clients[0] // asked.room_clients, 1), ROOMS_MOST)
    return scenario.model_copy(update={
        "feed": scenario.feed.model_copy(update={
            "source": "clients", "symbols": rooms, "rate_per_s": rooms * scenario.feed.rate_per_s}),
        "load": scenario.load.model_copy(update={"symbols_per_client": 1})})


def _now(text: str, subjects: Sequence[Candidate], where: str) -> Candidate | None:
    """Return the candidate that `decision.now` names, with its options; None for an empty text."""
    if not text.strip():
        return None
    label, *given = text.split()
    known = {each.label: each for each in subjects}
    if label not in known:
        raise ScenarioError(where, "decision.now", value_text(label), "one of " + ", ".join(known))
    table: dict[str, object] = dict(known[label].options.model_dump(exclude_unset=True))
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise ScenarioError(where, "decision.now", value_text(each), "an option with its value, as interval_s=5")
        table[name] = _value(value)
    options = transports.options_of(known[label].transport, table, where, "decision.now")
    return replace(known[label], options=options)


def _value(text: str) -> object:
    """Return an option's value: true, false, a number or a text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
