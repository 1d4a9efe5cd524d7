"""Pieces of a run that has no trials: each is made once, and stays in the run's folder from then on.

    name ─► task     pieces/<name>.json is there: read     else: done in the pool, written as it ends

A storm is such a piece, and a check of a map. Tables are made from the files when all are there, whether the
run was interrupted or not, so one that was gone on with ends with the same bytes. A piece is plain data, and
like a trial's record whole or not there at all.

Known weakness: what a piece is made from stands in the manifest alone, which `--resume` holds to the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.experiment.run import termination_as_interrupt
from bench.measure import host
from bench.records import SCHEMA_VERSION, read_json, write_json
from bench.simulation.pool import pool

Piece = dict[str, Any]
"""JSON: what came of one task."""
Tasks = Mapping[str, Callable[[], Piece]]
"""By the piece's name, which is a file's, too."""


def missing(run: Path, tasks: Tasks) -> list[str]:
    """Names of the pieces that are still to be made."""
    return [name for name in tasks if not _file(run, name).is_file()]


def make(run: Path, tasks: Tasks, done: Callable[[], None] = lambda: None,
         processes: int | None = None) -> dict[str, Piece]:
    """All pieces of the run in that folder; `done` is called after each that had to be made."""
    left = missing(run, tasks)
    (run / "pieces").mkdir(exist_ok=True)
    count = min(processes or len(host.cores()), len(left))
    with termination_as_interrupt(), pool(count or 1) as workers:
        for name, piece in zip(left, workers.do(tasks[name] for name in left), strict=True):
            write_json(_file(run, name), {"schema_version": SCHEMA_VERSION, **piece})
            done()
    return {name: read_json(_file(run, name)) for name in tasks}


def _file(run: Path, name: str) -> Path:
    return run / "pieces" / f"{name}.json"
