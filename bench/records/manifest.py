"""A run's manifest, read back and checked before it is used.

    manifest.json ─► records.read_json (migrated) ─► its fields have their types ─► its scenario is valid

A report needs little of it; resuming a run needs all that `run` froze. Both checks name the file and field
that are wrong, so that later code need not check again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.errors import RunError, ScenarioError
from bench.records.trial_record import read_json, refuse_invalid
from bench.scenario.model import DEFAULT_SERVER, Scenario
from bench.scenario.parsing import validated

NAME = "manifest.json"


class CostsOfKind(BaseModel):
    """The costs of one kind of server."""

    model_config = ConfigDict(extra="allow")

    transport: str
    server: str = DEFAULT_SERVER
    tls: bool
    compression: str
    costs: dict[str, float]


class CostsUsed(BaseModel):
    """The costs with which a run was simulated."""

    model_config = ConfigDict(extra="allow")

    told: str
    by_kind: list[CostsOfKind] = []


class FrozenCosts(CostsUsed):
    """The costs, with the file with which a run is resumed."""

    file: str
    sha256: str


class MeasuredRun(BaseModel):
    """The measured run that a simulated run is compared with."""

    model_config = ConfigDict(extra="allow")

    memory_bytes_per_client: dict[str, float] = {}


class SubjectEntry(BaseModel):
    """A subject of the comparison."""

    model_config = ConfigDict(extra="allow")

    transport: str = ""
    server: str = DEFAULT_SERVER
    options: dict[str, Any] = {}


class Reported(BaseModel):
    """The part of the manifest from which a report is made."""

    model_config = ConfigDict(extra="allow")

    source: Literal["measured", "simulated"] = "measured"
    scenario: dict[str, Any]
    plan: list[dict[str, Any]] = []
    subjects: dict[str, SubjectEntry] = {}
    costs: CostsUsed = CostsUsed(told="")
    measured: MeasuredRun = MeasuredRun()
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
    server: str = DEFAULT_SERVER


class Resumable(Reported):
    """The manifest from which a run is resumed."""

    costs: FrozenCosts = FrozenCosts(told="", file="", sha256="")
    question: str
    scenario_folder: str
    clock_origin_ns: int
    commit: str | None
    dirty: bool | None
    feed_file: dict[str, str] | None
    plan: list[Place]  # type: ignore[assignment]
    resumed: list[dict[str, Any]]


def read(folder: Path, shape: type[Reported] = Reported) -> dict[str, Any]:
    """Return the manifest of the run in `folder`.

    Raises `RunError`, naming the field, for a manifest that no run wrote.
    """
    path = folder / NAME
    manifest = read_json(path)
    try:
        found = shape.model_validate(manifest)
        scenario = validated(Scenario, manifest["scenario"], str(path), "scenario")
    except ValidationError as error:
        refuse_invalid(path, error)
    except ScenarioError as error:
        raise RunError(str(error)) from error
    prices_all = scenario.storm is not None and scenario.storm.connection_ms is not None
    needs_costs = isinstance(found, Resumable) and found.source == "simulated" and not prices_all
    if needs_costs and "costs" not in found.model_fields_set:
        raise RunError(f"{path}: costs: found none, allowed are those that the simulated run began with")
    return manifest
