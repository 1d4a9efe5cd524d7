"""A run's manifest, read back: what was asked, checked before anything is made of it.

    manifest.json ─► records.read_json (migrated) ─► its fields have their types ─► its scenario is valid

The report needs little of it; going on with a run needs all that `run` froze. Either says which field of
which file is wrong, so that nothing behind it has to ask again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.errors import RunError, ScenarioError
from bench.records import read_json, refuse_invalid
from bench.scenario import Scenario
from bench.validation import validated

NAME = "manifest.json"


class Reported(BaseModel):
    """What a report is made from."""

    model_config = ConfigDict(extra="allow")

    scenario: dict[str, Any]
    plan: list[dict[str, Any]] = []
    subjects: dict[str, dict[str, Any]] = {}
    host: dict[str, Any] = {}
    versions: dict[str, Any] = {}
    resumed: list[dict[str, Any]] = []


class Place(BaseModel):
    """One trial of the plan."""

    model_config = ConfigDict(extra="forbid")

    name: str
    block: int
    position: int
    subject: str
    transport: str
    clients: int
    seed: int


class Resumable(Reported):
    """What a run goes on from."""

    question: str
    scenario_folder: str
    clock_origin_ns: int
    commit: str | None
    dirty: bool | None
    feed_file: dict[str, str] | None
    plan: list[Place]  # type: ignore[assignment]
    resumed: list[dict[str, Any]]


def read(folder: Path, shape: type[Reported] = Reported) -> dict[str, Any]:
    """The manifest of the run in `folder`; one that no run wrote is a `RunError` that names the field."""
    path = folder / NAME
    manifest = read_json(path)
    try:
        shape.model_validate(manifest)
        validated(Scenario, manifest["scenario"], str(path), "scenario")
    except ValidationError as error:
        refuse_invalid(path, error)
    except ScenarioError as error:
        raise RunError(str(error)) from error
    return manifest
