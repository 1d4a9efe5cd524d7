"""The report of a run, from its files: `report.html`, `report.md`, tables, and figures for notebooks.

    open_run(folder) ─► RunData ─► findings · figures · forms ─► page ─► report.html  report.md  figures/*.svg

Everything comes from the run's files alone, and the same files give the same bytes.

Modules, in reading order:

    data     a run read for judging, and what figures need of it
    style    colours, numbers, units
    figures  the figures, one module per subject
    text     sentences that are computed from the figures
    tables   the tables of a report
    pages    the pages: which figure, table and sentence goes where
    explore  a run opened for exploring, behind one import
"""

from __future__ import annotations

from pathlib import Path

from bench.report.data.run import RunData, open_run

__all__ = ["RunData", "build", "open_run"]


def build(folder: Path) -> RunData:
    """Write the tables and the report of a run into its folder, and return the run.

    Raises `RunError` where the folder holds no run, or one whose files can't be read.
    """
    # Drawing takes a second to import, which a command that draws nothing should not pay.
    from bench.report.pages.run import write

    run = open_run(folder)
    write(run)
    return run
