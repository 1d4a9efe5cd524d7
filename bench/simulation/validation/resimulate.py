"""Measured cells, simulated again: with the same scenario, plan, seeds and ticks.

    measured run ─► its scenario and plan ─► a simulated run of the same cells ─► the same statistics of both

A cell that the costs were fitted to is refused: its error would show how well the costs fit, not how well they
predict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.errors import OverlapError
from bench.experiment import plan, run_folder
from bench.experiment.prepare import PreparedScenario
from bench.experiment.progress import Reporter
from bench.experiment.run_folder import RunFolder
from bench.feed import replay
from bench.records import manifest as manifests
from bench.simulation import run as runs
from bench.simulation.calibration.costs import Cell, CostsFile, read_costs


def cells_of(question: PreparedScenario) -> list[Cell]:
    """Return the cells that a scenario will measure."""
    feed = question.scenario.feed
    return [
        Cell(question.scenario.transports[label].transport,
             question.options[label].model_dump(mode="json"), clients,
             None if feed.schedule == "replay" else feed.rate_per_s, feed.book_levels, feed.encoding,
             question.scenario.transports[label].implementation, feed.source == "clients")
        for label, clients in plan.cells_of(question.scenario)
    ]


def refuse_overlap(held_out: Sequence[Cell], calibrated: Sequence[Cell], where: str) -> None:
    """Raise `OverlapError` where a held-out cell is one that costs were fitted to, or are about to be."""
    for cell in held_out:
        if cell in calibrated:
            raise OverlapError(
                f"{where}: load.clients: found {cell.kind} at {cell.clients} clients and "
                f"{cell.rate_text}, allowed is only what was not calibrated "
                "with: the costs were fitted to that very cell, so it can't show how well they predict")


def fitted_cells(costs: CostsFile) -> list[Cell]:
    """Return the cells that costs were fitted to."""
    return [fitted.cell for each in costs.transports for fitted in each.fitted]


def simulate(measured: Path, costs: Path, folder: Path, make_reporter: Callable[[int, int], Reporter],
             say: Callable[[str], None], command: Sequence[str]) -> RunFolder:
    """Simulate the run in `measured` again in `folder`, with the costs in that file."""
    manifest = manifests.read(measured)
    theirs = RunFolder(measured, manifest)
    resimulated = run_folder.create(
        folder, manifest.scenario, manifest.plan, name=manifest.scenario_name,
        scenario_file=Path(manifest.scenario_folder) / "scenario.toml", options=theirs.options, command=command,
        trades=replay.read(theirs.scenario.feed.replay) if manifest.trades else None,
        source="simulated", costs=runs.about_costs(costs, read_costs(costs)),
    )
    if theirs.scenario.capacity is None:
        runs.execute(resimulated, make_reporter)
    else:
        runs.search(resimulated, say)
    return resimulated
