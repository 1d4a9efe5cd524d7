"""The report of a run, from its files: `report.html`, `report.md`, tables, and figures for notebooks.

    open_run(folder) ─► RunData ─► findings · figures · forms ─► page ─► report.html  report.md  figures/*.svg

Everything comes from the run's files alone, and the same files give the same bytes.

Modules, in reading order:

    data     a run read for judging, and what figures need of it
    style    colours, numbers, units
    figures  the figures, one module per subject
    text     sentences that are computed from the values
    tables   the tables of a report
    pages    the pages: which figure, table and sentence goes where
    explore  a run opened for exploring, behind one import
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.report.data.run import RunData, open_run
from bench.stats.run import thresholds

__all__ = ["RunData", "build", "open_run"]


def build(folder: Path, require: Sequence[str] = ()) -> RunData:
    """Write the tables and the report of a run into its folder, and return the run.

    `require` are thresholds that are added to those that the run began with. Raises `RunError` where the folder holds
    no run, or one whose files can't be read, and `ScenarioError` for a threshold that the run can't decide.
    """
    # Drawing takes a second to import, which a command that draws nothing should not pay.
    from bench.report.pages.run import write

    run = open_run(folder)
    if require:
        scenario = thresholds.required(run.scenario, require)
        run = replace(run, manifest=run.manifest.model_copy(update={"scenario": scenario}))
    write(run)
    return run
