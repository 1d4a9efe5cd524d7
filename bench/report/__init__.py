"""A run's files to what a person reads: `report.html`, `report.md`, the tables, and figures for notebooks.

    open_run(folder) ─► Run ─► findings · figures · theory ─► page ─► report.html  report.md  figures/*.svg

Everything comes from the run's files alone, and the same files give the same bytes.
"""

from __future__ import annotations

from pathlib import Path

from bench.report.run import Run, open_run

__all__ = ["Run", "build", "open_run"]


def build(folder: Path) -> Run:
    """Write the tables and the report of a run into its folder; a folder that is no run raises `RunError`."""
    # Drawing takes a second to import, which a command that draws nothing should not pay.
    from bench.report.page import write

    run = open_run(folder)
    write(run)
    return run
