"""A run's manifest, read back: what was asked, checked before anything is made of it.

    manifest.json ─► records.read_json (migrated) ─► its fields have their types ─► its scenario is valid

The report needs little of it; going on with a run needs all that `run` froze. Either says which field of
which file is wrong, so that nothing behind it has to ask again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.errors import RunError, ScenarioError
from bench.records.trial_record import read_json, refuse_invalid
from bench.scenario.model import Scenario
from bench.scenario.parsing import validated

NAME = "manifest.json"


class CostsOfKind(BaseModel):
    """What a kind of server costs."""

    model_config = ConfigDict(extra="allow")

    transport: str
    tls: bool
    compression: str
    costs: dict[str, float]


class Costs(BaseModel):
    """What a run was simulated with."""

    model_config = ConfigDict(extra="allow")

    told: str
    by_kind: list[CostsOfKind] = []


class FrozenCosts(Costs):
    """The same, with the file that a run goes on with."""

    file: str
    sha256: str


class Measured(BaseModel):
    """What was measured and stands beside a simulated run."""

    model_config = ConfigDict(extra="allow")

    memory_bytes_per_client: dict[str, float] = {}


class Subject(BaseModel):
    """What was compared."""

    model_config = ConfigDict(extra="allow")

    transport: str = ""
    options: dict[str, Any] = {}


class Reported(BaseModel):
    """What a report is made from."""

    model_config = ConfigDict(extra="allow")

    source: Literal["measured", "simulated"] = "measured"
    scenario: dict[str, Any]
    plan: list[dict[str, Any]] = []
    subjects: dict[str, Subject] = {}
    costs: Costs = Costs(told="")
    measured: Measured = Measured()
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
    """The manifest of the run in `folder`; one that no run wrote is a `RunError` that names the field."""
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
