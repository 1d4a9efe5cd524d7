"""A run that searches for the capacity limit of each transport, instead of making the trials of a plan.

    finished steps on disk ─► next_step (pure) ─► one trial of fresh processes ─► judged ─► again

A step is an ordinary trial of the scenario with one number raised: `load.clients` or `feed.rate_per_s`. A
step holds if it is VALID and meets the objective. If only the load generator reached its limit, before the
server did, the step is not a failure of the server but only a bound. A step during which the machine was busy
with something else is void (`bench.audit.limited_by`). The search algorithm is in
`bench.stats.run.limit_search`.

A step is finished when it has a `trial.json`, so an interrupted search continues where it stopped. Attempts
at the same level have different seeds; at the same attempt, all transports receive the same ticks.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.audit import limited_by
from bench.audit.detectors import Verdict, judge
from bench.errors import ScenarioError
from bench.experiment import plan
from bench.experiment.progress import Row, outcome_text
from bench.experiment.run import pinned_to, settings_of
from bench.experiment.run_folder import RunFolder
from bench.experiment.trial import trial
from bench.lifeline import termination_as_interrupt
from bench.measure import host
from bench.records import trial_record
from bench.records.manifest import PlannedTrial
from bench.records.trial_record import TrialRecord
from bench.scenario import objective
from bench.scenario.fields import Table
from bench.scenario.model import Capacity, Scenario
from bench.stats.run.limit_search import SearchSettings, SearchStep, is_found, is_over, next_step, search_state
from bench.stats.run.uncertainty import number as figure
from bench.stats.trial.latency import is_bound
from bench.stats.trial.row import NUMBERS


def at_level(scenario: Scenario, level: int) -> Scenario:
    """Return the scenario of one step: the level replaces the client count or the tick rate."""
    assert scenario.capacity is not None, "not a search"
    if scenario.capacity.raised == "clients":
        changed: dict[str, object] = {"load": scenario.load.model_copy(update={"clients": (level,)})}
    else:
        changed = {"feed": scenario.feed.model_copy(update={"rate_per_s": float(level)})}
    return scenario.model_copy(update=changed)


def at_most(scenario: Scenario) -> Scenario:
    """Return the most expensive step of a search as a scenario of its own; any other scenario unchanged."""
    if scenario.capacity is None:
        return scenario
    return at_level(scenario, scenario.capacity.most).model_copy(update={"capacity": None})


def check(scenario: Scenario, options: Mapping[str, Table], where: str) -> None:
    """Raise `ScenarioError` for a search that can't give an answer; do nothing for any other scenario."""
    capacity = scenario.capacity
    if capacity is None:
        return
    if capacity.most < capacity.start:
        raise ScenarioError(where, "capacity.most", str(capacity.most),
                            f"at least capacity.start = {capacity.start}")
    for condition in objective.parse(capacity.objective).conditions:
        if condition.column not in NUMBERS:
            raise ScenarioError(where, "capacity.objective", condition.column,
                                "a column of trials.csv that holds numbers")
    if capacity.raised == "rate_per_s":
        if scenario.feed.schedule == "replay":
            raise ScenarioError(where, "capacity.raised", "rate_per_s", "clients, where a file is replayed")
        if len(scenario.load.clients) != 1:
            raise ScenarioError(where, "load.clients", str(list(scenario.load.clients)),
                                "one count, where capacity.raised is rate_per_s")
    plan.check(at_most(scenario), options, where)


Maker = Callable[[Scenario, PlannedTrial, Path, int], TrialRecord]
"""A function that makes the trial of a step from its scenario, its planned trial, the folder for its
files, and the number of the attempt at its level."""


def execute(run: RunFolder, say: Callable[[str], None]) -> None:
    """Make steps until all limits are found or the time is over; `say` receives one line per step."""
    def make(step: Scenario, planned: PlannedTrial, place: Path, attempt: int) -> TrialRecord:
        settings = settings_of(run, step)
        with pinned_to(settings.other_cores):
            return trial.make(settings, planned, place, attempt)

    host.raise_open_files()
    with termination_as_interrupt():
        search(run, make, say)


def search(run: RunFolder, make: Maker, say: Callable[[str], None]) -> None:
    """Make the steps of a search with `make`, which measures or simulates a trial, until it is over."""
    scenario = run.scenario
    assert scenario.capacity is not None, "not a search"
    wanted_search = SearchSettings.of(scenario.capacity)
    steps = finished(run)
    while (wanted := next_step(steps, tuple(scenario.transports), wanted_search)) is not None:
        planned, attempt = _planned(scenario, steps, *wanted)
        place = run.folder / "trials" / planned.name
        if place.exists():
            shutil.rmtree(place)   # left by an interruption; finished trials are in `steps`
        record = make(at_level(scenario, wanted[1]), planned, place, attempt)
        figures, verdict = judge(place)
        step = _step(record, figures.row, verdict, scenario.capacity)
        steps.append(step)
        say(_step_text(len(steps), planned, step, figures.row, verdict, scenario.capacity))
        mine = [each for each in steps if each.subject == step.subject]
        if is_found(mine, wanted_search) and not is_over(steps, wanted_search):
            say(f"{step.subject}: {limit_text(mine, scenario.capacity)}")
    if is_over(steps, wanted_search):
        for subject in scenario.transports:
            mine = [each for each in steps if each.subject == subject]
            say(f"{subject}: {limit_text(mine, scenario.capacity)}")


def finished(run: RunFolder) -> list[SearchStep]:
    """Return the steps that are on disk, in the order in which they were made."""
    capacity = run.scenario.capacity
    assert capacity is not None, "not a search"
    steps = []
    for folder in trial_record.trial_folders(run.folder):
        figures, verdict = judge(folder)
        steps.append(_step(trial_record.read_trial(folder), figures.row, verdict, capacity))
    return steps


def limit_text(steps: list[SearchStep], capacity: Capacity) -> str:
    """Return the result of one transport's search in words."""
    if not steps:
        return "was not tried: the time of the search was over before"
    found, what = search_state(steps), raised_text(capacity)
    if found.limit is not None:
        limit, fitted = found.limit, sum(step.outcome in ("held", "broke") for step in steps)
        return (f"carries {limit.estimate:,.0f} {what} ({limit.low:,.0f} to {limit.high:,.0f}), by "
                f"{fitted} steps")
    if found.held is None:
        tried = min(step.level for step in steps)
        if found.broke is None:
            return f"no step counted, at {tried:,} {what}: the measuring side or the machine reached its limit"
        return f"broke at the start, {found.broke:,} {what}"
    if found.bound is not None:
        return f"carries at least {found.held:,} {what}: at {found.bound:,} the measuring side reached its limit"
    return f"carries at least {found.held:,} {what}; more was not tried"


def raised_text(capacity: Capacity) -> str:
    """Return the unit of a level."""
    return "clients" if capacity.raised == "clients" else "ticks per second"


def _planned(scenario: Scenario, steps: list[SearchStep], subject: str, level: int) -> tuple[PlannedTrial, int]:
    """Return the planned trial of the next step, and the number of the attempt at its level, from 1."""
    attempt = 1 + sum((step.subject, step.level) == (subject, level) for step in steps)
    position = len(steps) + 1
    step = at_level(scenario, level)
    return PlannedTrial(
        name=f"{position:03}-{plan.in_a_name(subject)}-{level}", block=1, position=position, subject=subject,
        transport=scenario.transports[subject].transport, clients=step.load.clients[0],
        seed=plan.derive(scenario.seed, "block", attempt), server=scenario.transports[subject].implementation,
        client=scenario.transports[subject].client,
    ), attempt


def _step(record: TrialRecord, row: Row, verdict: Verdict, capacity: Capacity) -> SearchStep:
    judged = {**row, "verdict": verdict.status, "reasons": "; ".join(map(str, verdict.reasons))}
    outcome = limited_by.outcome_of(judged, objective.parse(capacity.objective))
    level = record.clients if capacity.raised == "clients" else round(record.rate_per_s or 0)
    return SearchStep(record.subject, level, outcome, record.took_s or 0.0)


def _step_text(number: int, planned: PlannedTrial, step: SearchStep, row: Row, verdict: Verdict,
               capacity: Capacity) -> str:
    """Return one line about a step: its level, its outcome and its values."""
    rate = f" at {step.level:,} ticks per second" if capacity.raised == "rate_per_s" else ""
    figures = "".join(f", {condition_text(condition, row)}"
                      for condition in objective.parse(capacity.objective).conditions if condition.by_kernel)
    return f"[step {number}{rate}: {step.outcome}{figures}] {outcome_text(planned, row, verdict)}"


def condition_text(condition: objective.Condition, row: Row) -> str:
    """Return a condition's column with its value in the step, marked `≤` where the value is only a bound.

    It is a bound where reads held several updates or had no kernel timestamp.
    """
    value = condition.value(row)
    if math.isnan(value):
        return f"{condition.column} unknown"
    return f"{condition.column} {'≤ ' * is_bound(row)}{figure(value)}"
