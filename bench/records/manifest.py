"""The manifest of a run: what was asked, on which host and with which versions, frozen before the first trial.

    create ─► Manifest ─► write ─► manifest.json ─► read ─► Manifest      with the scenario as a `Scenario`

A manifest is checked once, when it is read: a field that is missing or wrong is refused, with its name. So code
that has a `Manifest` need not check again, and knows no default: those of the scenario are in its model, and
the few fields below with a default are those that only some runs have.

Known weakness: a scenario of an earlier commit is read with the present defaults for the fields that it does
not have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.errors import RunError, ScenarioError
from bench.records.trial_record import SCHEMA_VERSION, read_json, refuse_invalid, write_json
from bench.scenario.model import DEFAULT_CLIENT, DEFAULT_SERVER, Scenario
from bench.scenario.parsing import validated

NAME = "manifest.json"

Source = Literal["measured", "simulated"]


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One trial of the plan."""

    name: str
    """`<block>-<position>-<subject>-<clients>`, padded so that names sort in the order of the run, and without
    spaces and dots."""
    block: int
    """Number of the block, from 1."""
    position: int
    """Place in the block's order, from 1."""
    subject: str
    transport: str
    clients: int
    seed: int
    server: str = DEFAULT_SERVER
    """Name of the server implementation; `own` for a user's own server."""
    client: str = DEFAULT_CLIENT
    """The client that measures: `locust` or `browser`."""


class Entry(BaseModel):
    """A table of the manifest: frozen; keys that it does not know are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


class SubjectEntry(Entry):
    """A subject of the comparison, under its label."""

    transport: str
    """The folder of the transport that it speaks."""
    server: str = DEFAULT_SERVER
    """Name of the server implementation; `own` for a user's own server."""
    client: str = DEFAULT_CLIENT
    """The client that measures: `locust` or `browser`."""
    options: dict[str, Any]
    """Its options as they were validated, with all defaults filled in."""
    external: bool
    """True for a server of the user's own."""


class WorkCosts(Entry):
    """CPU seconds by kind of work, by the names of the costs file (`bench.simulation.engine.inputs.Costs`)."""

    tick_s: float
    request_s: float
    answer_s: float
    update_s: float
    byte_s: float
    connection_s: float
    base_share: float
    socket_share: float
    message_s: float | None = None
    """None where no trial of the calibration had clients that send messages."""


class CostsOfKind(Entry):
    """The costs of one kind of server (`bench.simulation.calibration.costs.CostKind`)."""

    transport: str
    server: str = DEFAULT_SERVER
    tls: bool
    compression: str
    context_takeover: bool = False
    costs: WorkCosts


class CostsEntry(Entry):
    """The costs with which a run was simulated."""

    file: str
    sha256: str
    """The digest of `file`: a run is only resumed with the same costs."""
    host_name: str
    made_at: str
    description: str
    """The host and the day of the measurement, in words."""
    commit: str | None
    by_kind: tuple[CostsOfKind, ...]


class MeasuredEntry(Entry):
    """The measured run beside which a simulated run is reported."""

    run: str
    host: str | None
    """The name of its processor."""
    memory_bytes_per_client: dict[str, float]
    """By label of the simulated run, where the measured run has the same kind of server."""


class FileEntry(Entry):
    """A file, and the SHA-256 of its content."""

    file: str
    sha256: str


class Difference(Entry):
    """A difference that `--resume --force` accepted."""

    what: str
    found: Any


class Resumption(Entry):
    """One time that the run was resumed."""

    at: str
    differences: tuple[Difference, ...]


class Manifest(Entry):
    """The settings of a run. The fields are described in `docs/results.md`."""

    run: str
    question: str
    scenario_name: str
    scenario_folder: str
    digest: str
    seed: int
    started_at: str
    command: tuple[str, ...]
    commit: str | None
    dirty: bool | None
    versions: dict[str, str]
    host: dict[str, Any]
    """As `bench.measure.host.describe` returns it."""
    clock_origin_ns: int
    subjects: dict[str, SubjectEntry]
    feed_file: FileEntry | None
    resumed: tuple[Resumption, ...]
    scenario: Scenario
    plan: tuple[PlannedTrial, ...]
    trades: FileEntry | None = None
    source: Source = "measured"
    costs: CostsEntry | None = None
    measured: MeasuredEntry | None = None

    @property
    def simulated(self) -> bool:
        """Return whether the run was simulated."""
        return self.source == "simulated"


def read(folder: Path) -> Manifest:
    """Return the manifest of the run in `folder`.

    Raises `RunError`, naming the field, for a manifest that no run wrote.
    """
    path = folder / NAME
    data = read_json(path)
    del data["schema_version"]
    try:
        scenario = validated(Scenario, data.get("scenario", {}), str(path), "scenario")
        manifest = Manifest.model_validate({**data, "scenario": scenario})
    except ValidationError as error:
        refuse_invalid(path, error)
    except ScenarioError as error:
        raise RunError(str(error)) from error
    if manifest.simulated and manifest.costs is None and scenario.needs_costs:
        raise RunError(f"{path}: costs: found none, allowed are those that the simulated run began with")
    return manifest.model_copy(update={"plan": tuple(_with_server(each, scenario) for each in manifest.plan)})


def _with_server(planned: PlannedTrial, scenario: Scenario) -> PlannedTrial:
    """Return a planned trial with its subject's server, which a plan of an earlier commit does not name."""
    subject = scenario.transports.get(planned.subject)
    return planned if subject is None else replace(planned, server=subject.implementation)


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of the run in `folder`, completely or not at all."""
    write_json(folder / NAME, {"schema_version": SCHEMA_VERSION, **manifest.model_dump(mode="json")})
