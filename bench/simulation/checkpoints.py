"""Checkpoints of a run that has no trials: each result is computed once, and kept in the run's folder.

    name ─► task     checkpoints/<name>.json is there and whole: read     else: done in the pool, and written

A task is a storm, or a check of a map. Tables are made from the files when all are there, so an interrupted and
resumed run ends with the same bytes as any other. A result is plain data with its digest; one that does not match
its digest is computed again, and is the same.

Known weakness: the inputs of a task are recorded in the manifest alone; `--resume` requires the same commit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.errors import RunError
from bench.lifeline import termination_as_interrupt
from bench.measure import host
from bench.records.trial_record import SCHEMA_VERSION, read_json, write_json
from bench.simulation.pool import pool

Result = dict[str, Any]
"""The result of one task, as JSON."""
Tasks = Mapping[str, Callable[[], Result]]
"""Tasks by the name of their result, which is also its file's name."""


def missing(run: Path, tasks: Tasks) -> list[str]:
    """Return the names of the results that are still to be made."""
    found = []
    for name in tasks:
        try:
            _read(_file(run, name))
        except RunError:
            found.append(name)
    return found


def make(run: Path, tasks: Tasks, done: Callable[[], None] = lambda: None,
         processes: int | None = None) -> dict[str, Result]:
    """Return all results of the run in folder `run`, after making the missing ones.

    `done` is called after each result that had to be made.
    """
    left = missing(run, tasks)
    (run / "checkpoints").mkdir(exist_ok=True)
    count = min(processes or len(host.cores()), len(left))
    with termination_as_interrupt(), pool(count or 1) as workers:
        for name, result in zip(left, workers.do(tasks[name] for name in left), strict=True):
            write_json(_file(run, name), {
                "schema_version": SCHEMA_VERSION, "sha256": _digest(result), "result": result})
            done()
    return {name: _read(_file(run, name)) for name in tasks}


def _read(path: Path) -> Result:
    """Read a result. Raises `RunError` where it is missing or does not match its digest."""
    said = read_json(path)
    result = said.get("result")
    if not isinstance(result, dict) or said.get("sha256") != _digest(result):
        raise RunError(f"{path}: result: found another content than was written")
    return result


def _digest(result: Result) -> str:
    return hashlib.sha256(json.dumps(result).encode()).hexdigest()


def _file(run: Path, name: str) -> Path:
    return run / "checkpoints" / f"{name}.json"
