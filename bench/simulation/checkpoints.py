"""Pieces of a run that has no trials: each is made once, and stays in the run's folder from then on.

    name ─► task     pieces/<name>.json is there and whole: read     else: done in the pool, and written

A storm is such a piece, and a check of a map. Tables are made from the files when all are there, whether the
run was interrupted or not, so one that was gone on with ends with the same bytes. A piece is plain data with
the digest that it was written with; one that is not as it was written is made again, and is the same.

Known weakness: what a piece is made from stands in the manifest alone, which `--resume` holds to the commit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.errors import RunError
from bench.experiment.run import termination_as_interrupt
from bench.measure import host
from bench.records.trial_record import SCHEMA_VERSION, read_json, write_json
from bench.simulation.pool import pool

Piece = dict[str, Any]
"""JSON: what came of one task."""
Tasks = Mapping[str, Callable[[], Piece]]
"""By the piece's name, which is a file's, too."""


def missing(run: Path, tasks: Tasks) -> list[str]:
    """Names of the pieces that are still to be made."""
    found = []
    for name in tasks:
        try:
            _read(_file(run, name))
        except RunError:
            found.append(name)
    return found


def make(run: Path, tasks: Tasks, done: Callable[[], None] = lambda: None,
         processes: int | None = None) -> dict[str, Piece]:
    """All pieces of the run in that folder; `done` is called after each that had to be made."""
    left = missing(run, tasks)
    (run / "pieces").mkdir(exist_ok=True)
    count = min(processes or len(host.cores()), len(left))
    with termination_as_interrupt(), pool(count or 1) as workers:
        for name, piece in zip(left, workers.do(tasks[name] for name in left), strict=True):
            write_json(_file(run, name), {
                "schema_version": SCHEMA_VERSION, "sha256": _digest(piece), "piece": piece})
            done()
    return {name: _read(_file(run, name)) for name in tasks}


def _read(path: Path) -> Piece:
    """The piece as it was written; a `RunError` where it was not, or is no longer."""
    said = read_json(path)
    piece = said.get("piece")
    if not isinstance(piece, dict) or said.get("sha256") != _digest(piece):
        raise RunError(f"{path}: piece: found another content than was written")
    return piece


def _digest(piece: Piece) -> str:
    return hashlib.sha256(json.dumps(piece).encode()).hexdigest()


def _file(run: Path, name: str) -> Path:
    return run / "pieces" / f"{name}.json"
