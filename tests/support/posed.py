"""Simulated runs with the records of measured ones, for tests of code that reads measurements, with known
costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from priced import LOAD_CLIENT, priced

from bench.experiment import plan, run_folder
from bench.experiment.prepare import PreparedScenario
from bench.experiment.progress import Lines
from bench.experiment.run_folder import RunFolder
from bench.experiment.trial.trial import TrialSettings
from bench.records import manifest, trial_record
from bench.records.manifest import PlannedTrial
from bench.records.trial_record import TrialRecord
from bench.simulation import run as runs
from bench.simulation import shards
from bench.simulation.calibration.costs import CostsFile, read_costs, write_costs

LOAD_BASE = 0.01
"""CPU seconds per second of the load process, in addition to its load client's."""


def posed(question: PreparedScenario, costs: CostsFile, results: Path) -> Path:
    """Return a run of the scenario with these costs, recorded as measured."""
    path = results / "true-costs.json"
    write_costs(path, costs)
    run = run_folder.create(
        results, question.scenario, plan.trials(question.scenario), name=question.name,
        scenario_file=question.file, options=question.options, command=[],
        source="simulated", costs=runs.about_costs(path, read_costs(path)),
    )
    if question.scenario.capacity is None:
        runs.execute(run, Lines, processes=1)
    else:
        runs.search(run, lambda _: None, processes=1)
    pose(run)
    return run.folder


def make(setting: TrialSettings, planned: PlannedTrial, folder: Path, attempt: int) -> TrialRecord:
    """Replace `experiment.trial.make`: simulate a trial with the costs of `priced`."""
    case = runs.SimulationInputs(setting.scenario, setting.options, priced()).case(planned, 0)
    runs.store(folder, case, shards.simulate(case, 0), 1.0, attempt)
    pose_trial(folder)
    return trial_record.read_trial(folder)


def pose_trial(folder: Path) -> None:
    """Mark a trial's record as measured."""
    data = json.loads((folder / "trial.json").read_text())
    sums = dict(trial_record.read_table(folder, "clients").to_pandas().sum(numeric_only=True))
    answers = sums["responses"] or sums["updates"]
    seconds = (data["windows"]["t1_ns"] - data["windows"]["t0_ns"]) / 1e9
    cpu_s = LOAD_BASE * seconds + LOAD_CLIENT["answer_s"] * answers + LOAD_CLIENT["update_s"] * sums["updates"]
    data["usage"]["load"] = {**dict.fromkeys(data["usage"]["server"]), "cpu_ns": round(cpu_s * 1e9)}
    said = json.dumps({**data, "source": "measured"}).encode()
    (folder / "trial.json").write_bytes(said)
    trial_record.seal(folder, said)


def pose(run: RunFolder) -> None:
    """Mark the run's records as measured."""
    for folder in trial_record.trial_folders(run.folder):
        pose_trial(folder)
    manifest.write(run.folder, run.manifest.model_copy(update={"source": "measured", "costs": None}))


def all_posed(questions: Sequence[PreparedScenario], costs: CostsFile, results: Path) -> list[Path]:
    """Return a run of each scenario with these costs, recorded as measured."""
    return [posed(each, costs, results) for each in questions]
