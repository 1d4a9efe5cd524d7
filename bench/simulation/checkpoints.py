"""Checkpoints of a run that has no trials: each result is computed once, and kept in the run's folder.

    name ─► task     pieces/<name>.json is there and whole: read     else: done in the pool, and written

A piece is the result of one task: a storm, or a check of a map. Tables are made from the files when all are
there, so an interrupted and resumed run ends with the same bytes as any other. A piece is plain data with its
digest; one that does not match its digest is computed again, with the same result.

Known weakness: the inputs of a piece are recorded in the manifest alone; `--resume` requires the same commit.
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
"""The result of one task, as JSON."""
Tasks = Mapping[str, Callable[[], Piece]]
"""Tasks by the name of their piece, which is also its file's name."""


def missing(run: Path, tasks: Tasks) -> list[str]:
    """Return the names of the pieces that are still to be made."""
    found = []
    for name in tasks:
        try:
            _read(_file(run, name))
        except RunError:
            found.append(name)
    return found


def make(run: Path, tasks: Tasks, done: Callable[[], None] = lambda: None,
         processes: int | None = None) -> dict[str, Piece]:
    """Return all pieces of the run in folder `run`, after making the missing ones.

    `done` is called after each piece that had to be made.
    """
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
    """Read a piece. Raises `RunError` where it is missing or does not match its digest."""
    said = read_json(path)
    piece = said.get("piece")
    if not isinstance(piece, dict) or said.get("sha256") != _digest(piece):
        raise RunError(f"{path}: piece: found another content than was written")
    return piece


def _digest(piece: Piece) -> str:
    return hashlib.sha256(json.dumps(piece).encode()).hexdigest()


def _file(run: Path, name: str) -> Path:
    return run / "pieces" / f"{name}.json"
