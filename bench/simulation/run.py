"""A simulated run: the plan of a measured one, each trial simulated, on disk and judged.

    scenario ─► plan (blocks, cells, seeds) ─► for each trial that is not on disk:  shards ─► tables ─► judged

The folder, the manifest, the records and the verdicts are those of a measured run, so it can be resumed,
reported and read by notebooks in the same way; `source` says that it is simulated, in the manifest and in
each row. An INVALID trial is not repeated: the result would be the same. A search for the capacity limit
takes its steps from the same pure function as a measured search.

The costs are part of the run's input, so the manifest names their file, host and digest, and a run is only
resumed with the same costs.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.audit.detectors import judge
from bench.errors import RunError, ScenarioError
from bench.experiment import capacity_search, plan, requirements
from bench.experiment.progress import Reporter, TimeLeft
from bench.experiment.run import Ending
from bench.experiment.run_folder import RunFolder
from bench.lifeline import termination_as_interrupt
from bench.records.manifest import CostsEntry, CostsOfKind, PlannedTrial, WorkCosts
from bench.records.trial_record import TrialRecord
from bench.scenario.fields import Table
from bench.scenario.model import BROWSER, DEFAULT_CLIENT, Scenario
from bench.simulation import trial
from bench.simulation.calibration.costs import CostsFile, read_costs
from bench.simulation.engine.sink import chosen_below
from bench.simulation.pool import Pool, pool
from bench.simulation.shards import Case, ShardResults

SETTING_UP_S = 0.3
DELIVERIES_PER_S = 5_000_000
"""Rough speed of one process, for the estimate of the time left; corrected by the trials done so far."""


@dataclass(frozen=True, slots=True)
class SimulationInputs:
    """The inputs that all trials of a simulated run have in common."""

    scenario: Scenario
    options: Mapping[str, Table]
    costs: CostsFile

    @classmethod
    def of(cls, run: RunFolder) -> SimulationInputs:
        """Read the setting from a run's folder."""
        return cls(run.scenario, run.options, costs_of(run))

    def case(self, planned: PlannedTrial, number: int) -> Case:
        """Return the case of one trial, the `number`-th of its plan, from 0."""
        scenario, options = self.scenario, self.options[planned.subject]
        late_after_s = plan.late_after_s(scenario, self.options)
        windows = trial.windows_of(
            number, plan.warmup_s(scenario, self.options), scenario.windows.measure_s, late_after_s)
        return Case(
            scenario=scenario, options=options, planned=planned,
            calibrated=self.costs.of(planned.transport, options, planned.server, scenario.feed.source == "clients"),
            windows=windows,
            horizon_s=plan.horizon_s(scenario, self.options),
            kept_below=chosen_below(planned.seed, planned.clients, scenario.simulation.sample_clients),
        )

    def estimate_s(self, planned: PlannedTrial) -> float:
        """Estimate the seconds that one process needs to simulate a trial."""
        scenario = self.scenario
        size = scenario.load.symbols_per_client or scenario.feed.symbols
        rate = scenario.feed.rate_per_s * min(1.0, size / scenario.feed.symbols)
        interval_s = float(getattr(self.options[planned.subject], "interval_s", 0.0))
        per_s = rate + (1 / interval_s if interval_s else 0.0)
        horizon_s = plan.horizon_s(scenario, self.options)
        return SETTING_UP_S + planned.clients * per_s * horizon_s / DELIVERIES_PER_S


def costs_of(run: RunFolder) -> CostsFile:
    """Read a run's costs. Raises `RunError` if the file is missing or differs from the run's beginning."""
    said = run.manifest.costs
    assert said is not None, "a run that was simulated with costs"
    path = Path(said.file)
    if not path.is_file() or digest(path) != said.sha256:
        raise RunError(f"{path}: the costs file: found another content, or no such file; allowed is "
                       f"sha256 {said.sha256[:16]}…, as {run.folder.name} began")
    return read_costs(path)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def about_costs(path: Path, costs: CostsFile) -> CostsEntry:
    """Return a manifest's entry about the costs."""
    return CostsEntry(
        file=str(path.resolve()), sha256=digest(path), host_name=costs.host_name, made_at=costs.made_at,
        description=costs.description, commit=costs.commit,
        by_kind=tuple(
            CostsOfKind(**asdict(each.kind), costs=WorkCosts(
                **{name: found.value for name, found in each.costs.items()}))
            for each in costs.transports),
    )


def execute(run: RunFolder, make_reporter: Callable[[int, int], Reporter], processes: int | None = None) -> None:
    """Simulate all trials of the run that are not on disk yet."""
    inputs = SimulationInputs.of(run)
    left = [planned for planned in run.plan if not run.is_done(planned)]
    numbers = {planned.name: number for number, planned in enumerate(run.plan)}
    time_left = TimeLeft([inputs.estimate_s(planned) for planned in left])
    reporter = make_reporter(len(run.plan) - len(left), len(run.plan))
    ending = Ending(run)
    try:
        with termination_as_interrupt(), pool(processes) as workers:
            for together in _in_turns(inputs.scenario, left):
                if ending.before(together[0].block, reporter):
                    break
                cases = [inputs.case(planned, numbers[planned.name]) for planned in together]
                for case, record_s in _simulated(run, workers, cases, reporter, time_left):
                    figures, verdict = judge(run.folder / "trials" / case.planned.name)
                    time_left.passed(record_s)
                    reporter.trial_ends(case.planned, figures.row, verdict)
    finally:
        reporter.close()


def _in_turns(scenario: Scenario, left: Sequence[PlannedTrial]) -> Iterator[list[PlannedTrial]]:
    """Yield the trials simulated together: all, or block by block where a stop rule may end the run."""
    if scenario.trials.rule is None:
        if left:
            yield list(left)
        return
    for block in sorted({planned.block for planned in left}):
        yield [planned for planned in left if planned.block == block]


def _simulated(run: RunFolder, workers: Pool, cases: Sequence[Case], reporter: Reporter, time_left: TimeLeft
               ) -> Iterator[tuple[Case, float]]:
    """Yield each case once it is on disk, with the seconds it took; the next shards already run meanwhile."""
    parts = workers.simulate((case, worker) for case in cases for worker in range(case.workers))
    for case in cases:
        began_s = time.monotonic()
        time_left.begins(began_s)
        reporter.trial_begins(case.planned, lambda: time_left.at(time.monotonic()))
        whole = _whole(case, parts, reporter)
        store(run.folder / "trials" / case.planned.name, case, whole, time.monotonic() - began_s,
              run.attempt(case.planned))
        yield case, time.monotonic() - began_s


def _whole(case: Case, parts: Iterator[ShardResults], reporter: Reporter | None) -> ShardResults:
    """Return the sum of the parts of a case."""
    whole = next(parts)
    for number in range(1, case.workers):
        if reporter is not None:
            reporter.part_ends(number, case.workers)
        whole.add(next(parts))
    return whole


def store(folder: Path, case: Case, whole: ShardResults, took_s: float, attempt: int = 1) -> TrialRecord:
    """Write a trial to `folder`, replacing any files that an interrupted run left there."""
    if folder.exists():
        shutil.rmtree(folder)
    return trial.write(case, whole, folder, attempt, took_s)


def search(run: RunFolder, say: Callable[[str], None], processes: int | None = None) -> None:
    """Simulate the steps of a search for the capacity limits until all are found."""
    inputs = SimulationInputs.of(run)
    with termination_as_interrupt(), pool(processes) as workers:
        def make(step: Scenario, planned: PlannedTrial, folder: Path, attempt: int) -> TrialRecord:
            began_s = time.monotonic()
            at_step = SimulationInputs(step, inputs.options, inputs.costs)
            case = at_step.case(planned, planned.position)
            parts = workers.simulate((case, worker) for worker in range(case.workers))
            return store(folder, case, _whole(case, parts, None), time.monotonic() - began_s, attempt)

        capacity_search.search(run, make, say)


TICKS_MOST = 10_000_000
"""Limit of the ticks of one trial's feed; each is drawn and encoded before anything is simulated."""


def refuse_unless_simulable(scenario: Scenario, options: Mapping[str, Table], where: str,
                            replayed: int = 0) -> None:
    """Raise `ScenarioError` if the scenario has a server of the user's own, pages as clients, a feed with too many
    ticks, or clients that send messages to several workers."""
    if scenario.feed.source == "clients" and scenario.simulation.workers > 1:
        raise ScenarioError(where, "simulation.workers", str(scenario.simulation.workers),
                            "1 where feed.source is clients: a message that comes to one worker goes out by all, and "
                            "workers are simulated one after the other; decide counts several by closed forms")
    for label, subject in scenario.transports.items():
        if subject.external is not None:
            raise ScenarioError(where, f"transports.{label}.server", "a server of your own",
                                "none: only our own servers have been calibrated")
        if subject.client == BROWSER:
            raise ScenarioError(where, f"transports.{label}.client", repr(BROWSER),
                                f"{DEFAULT_CLIENT!r}: a browser is measured, not simulated")
    ticks = requirements.expected_ticks(scenario, plan.horizon_s(scenario, options))
    if replayed > TICKS_MOST:
        raise ScenarioError(where, "feed.replay.speed", f"a trial of {replayed:,} of the file's trades",
                            f"at most {TICKS_MOST:,} ticks a trial")
    if ticks > TICKS_MOST:
        raise ScenarioError(where, "feed.rate_per_s", f"a feed of {ticks:,} ticks",
                            f"at most {TICKS_MOST:,} ticks a trial")
