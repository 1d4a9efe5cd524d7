"""The costs file: the measured costs of the servers' work on one machine.

    results/costs-<host>.json          made by `tickertape calibrate`, replaced by the next one
    results/reference-costs.json       comes with the project, to simulate with before the first calibration

A file is valid for one host, one commit, and the transports that were measured: costs differ with the
transport, the server implementation, TLS, compression and context takeover, so each such **kind** has costs of
its own. The cost of a new connection is one of them. Headers have none: their bytes are counted exactly
(`bench.wire.sizes`), and their CPU is small compared with that of the request they belong to.

Every number is an `Estimate` with the bounds of its 95 % interval. They come from
`bench.simulation.calibration.least_squares` (CPU) and `bench.simulation.calibration.loopback_delays` (delays of
the loopback). The file lists the cells and counts that were fitted to, so that a validation can refuse
a cell that the fit has already used.

Known weakness: a cost depends on load only through sleeps (`bench.simulation.engine.server_queue`), and on the
connections through one share for request and response (`bench.simulation.engine.inputs`). The fit's residuals by cell
show the rest.
"""

from __future__ import annotations

import dataclasses
import math
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import Field, TypeAdapter, ValidationError

from bench import shipped
from bench.errors import RunError
from bench.records.trial_record import SCHEMA_VERSION, read_json, refuse_invalid, write_json
from bench.scenario.fields import Table
from bench.scenario.model import DEFAULT_SERVER
from bench.simulation.engine.inputs import Costs, LoadClient, NetworkDelays

MOST_S = 60.0
"""The largest cost or delay, in seconds, that is accepted; a larger one is taken for a mistake."""
NEEDED = {
    "costs": ("tick_s", "request_s", "answer_s", "update_s", "byte_s", "connection_s", "base_share",
              "socket_share"),
    "net": ("up_s", "down_s", "feed_s"),
    "load_client": ("wake_s", "answer_s", "update_s"),
}
"""The numbers, by part, that each kind must have; a file that lacks one is refused. All others but `OF_MESSAGES` and
`COOLING` came later: they are 0 where they are missing, and an older file has them included in the numbers that it has.
A file that says what a cold server costs (`COLD`) must have `COOLING`, with which that was fitted."""
COOLING, COLD = "cooling_s", ("wake_s", "cold_share", "message_cold_s")
OF_MESSAGES = {"costs": "message_s", "net": "hop_s", "load_client": "send_s"}
"""The number of each part that only a trial whose clients send messages shows. Where one is missing, no such trial can
be simulated."""
REFERENCE = shipped.path("results/reference-costs.json")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with the bounds of its 95 % interval; NaN bounds: too few trials to say."""

    value: Annotated[float, Field(strict=True)]
    low: float = math.nan
    high: float = math.nan

    def __post_init__(self) -> None:
        if not 0 <= self.value <= MOST_S:
            raise ValueError(f"a cost or a delay from 0 to {MOST_S:g} seconds")


@dataclass(frozen=True, slots=True)
class CostKind:
    """A combination of transport, server implementation, TLS and compression (with or without context takeover), which
    has costs of its own."""

    transport: str
    """The transport's folder."""
    tls: bool = False
    compression: str = "none"
    server: str = DEFAULT_SERVER
    """The server implementation, a file in the transport's `servers/`."""
    context_takeover: bool = False
    """True if each client has a compressor that keeps its window."""

    @classmethod
    def of(cls, transport: str, options: Table | Mapping[str, Any], server: str) -> CostKind:
        """Return the kind of a subject that such a server serves with these options."""
        table = options.model_dump() if isinstance(options, Table) else options
        return cls(transport, bool(table.get("tls", False)), str(table.get("compression", "none")), server,
                   bool(table.get("context_takeover", False)))

    def __str__(self) -> str:
        name = self.transport.replace("_", " ") + f" ({self.server})" * (self.server != DEFAULT_SERVER)
        knobs = ["TLS"] * self.tls + [self.compression] * (self.compression != "none")
        knobs += ["context takeover"] * self.context_takeover
        return " with ".join([name, *([" and ".join(knobs)] if knobs else [])])


@dataclass(frozen=True, slots=True)
class Cell:
    """The conditions of trials that costs are fitted to; a validation must not use them again."""

    transport: str
    options: dict[str, Any]
    clients: int
    rate_per_s: float | None
    """Ticks per second of the whole feed; null where a file was replayed."""
    book_levels: int
    encoding: str
    server: str = DEFAULT_SERVER
    takes_messages: bool = False
    """True if the ticks are messages of the clients."""

    @property
    def kind(self) -> CostKind:
        """Return the kind whose costs such a trial shows."""
        return CostKind.of(self.transport, self.options, self.server)

    @property
    def rate_text(self) -> str:
        """The rate of the feed, in words."""
        return "a replayed feed" if self.rate_per_s is None else f"{self.rate_per_s} ticks per second"


@dataclass(frozen=True, slots=True)
class FittedCell:
    """A cell that costs were fitted to: the means of its trials' counts, and its measured and fitted CPU."""

    cell: Cell
    trials: int
    counts: dict[str, float]
    """Counts per second of the window, by the names of `observations.COUNTS`."""
    server_cpu_cores: float
    """Measured CPU of the server, in cores."""
    fitted_cpu_cores: float
    load_cpu_cores: float
    fitted_load_cores: float
    """NaN where the load client's CPU was not fitted."""

    @property
    def error(self) -> float:
        """Fitted ÷ measured server CPU − 1."""
        return self.fitted_cpu_cores / self.server_cpu_cores - 1


@dataclass(frozen=True, slots=True)
class KindCosts:
    """The costs of one kind."""

    kind: CostKind
    costs: dict[str, Estimate]
    """CPU costs by the names of `inputs.Costs`."""
    net: dict[str, Estimate]
    """Delays of the loopback by the names of `inputs.NetworkDelays`."""
    load_client: dict[str, Estimate]
    """Costs of the load client by the names of `inputs.LoadClient`."""
    fitted: list[FittedCell] = field(default_factory=list)
    residual_share: float = math.nan
    """Root mean square of the trials' relative errors of server CPU."""
    load_residual_share: float = math.nan
    """Root mean square of the trials' relative errors of the load client's CPU."""

    @property
    def has_messages(self) -> bool:
        """True if the costs of messages of clients are known."""
        return all(name in getattr(self, part) for part, name in OF_MESSAGES.items())

    @property
    def engine_costs(self) -> Costs:
        """The costs in the form that the engine takes."""
        return Costs(**{name: found.value for name, found in self.costs.items()})

    @property
    def engine_net(self) -> NetworkDelays:
        """The delays of the loopback in the form that the engine takes."""
        delays_s = {name: found.value for name, found in self.net.items()}
        return NetworkDelays(delays_s["up_s"], delays_s["down_s"], delays_s["feed_s"], hop_s=delays_s.get("hop_s", 0.0))

    @property
    def engine_load_client(self) -> LoadClient:
        """The load client's costs in the form that the engine takes."""
        return LoadClient(**{name: found.value for name, found in self.load_client.items()})


@dataclass(frozen=True, slots=True)
class MessagesSource:
    """The calibration whose costs of messages were added to those of another one."""

    host_name: str
    cpu_model: str
    made_at: str
    commit: str | None
    runs: list[str]
    paces: dict[str, Estimate]
    """By kind, the CPU of that calibration's trials whose clients only listen, divided by what the other costs predict
    for them (`message_costs`)."""


@dataclass(frozen=True, slots=True)
class CostsFile:
    """A calibration: the costs of all kinds on one host."""

    host_name: str
    host: dict[str, Any]
    """The host, as in a run's manifest (`bench.measure.host.describe`)."""
    made_at: str
    commit: str | None
    versions: dict[str, str]
    runs: list[str]
    """Names of the runs that the costs were fitted to."""
    transports: list[KindCosts]
    messages: MessagesSource | None = None
    """The source of the costs of messages, if it is not the same calibration."""

    @property
    def description(self) -> str:
        """The source of the costs, in a few words for reports and tables."""
        cores = self.host.get("cores") or []
        place = f"{self.host.get('cpu_model', 'an unknown processor')}, {len(cores)} cores"
        return f"costs measured on {self.host_name} ({place}), {self.made_at[:10]}"

    def of(self, transport: str, options: Table | Mapping[str, Any], server: str, takes_messages: bool = False
           ) -> KindCosts:
        """Return the costs of a subject.

        Raises `RunError` where its kind was not calibrated, or not with messages of clients where it takes some.
        """
        wanted = CostKind.of(transport, options, server)
        for each in self.transports:
            if each.kind == wanted and takes_messages and not each.has_messages:
                raise RunError(f"the costs of {self.host_name}: costs.message_s: found none of {wanted}, needed is one "
                               "where feed.source is clients; calibrate with a run of calibration/messages")
            if each.kind == wanted:
                return each
        known = ", ".join(str(each.kind) for each in self.transports) or "nothing"
        raise RunError(f"the costs of {self.host_name}: transports: found {known}, needed is {wanted}; "
                       "calibrate with a run that has it")


_FILE = TypeAdapter(CostsFile)


def host_slug() -> str:
    """Return this machine's name in the form used in file names."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", platform.node()) or "localhost"


def default_costs(results: Path) -> Path:
    """Return the costs file to use where none is named: this host's in the results folder, else the project's
    own."""
    own = results / f"costs-{host_slug()}.json"
    return own if own.is_file() else REFERENCE


def write_costs(path: Path, costs: CostsFile) -> None:
    """Write the file atomically; NaN is written as null."""
    write_json(path, {"schema_version": SCHEMA_VERSION, **_without_nan(dataclasses.asdict(costs))})


def read_costs(path: Path) -> CostsFile:
    """Read a costs file. Raises `RunError` where it is missing, newer, or was not written by a calibration."""
    if not path.is_file():
        raise RunError(f"{path}: no such file, allowed is a costs file: `tickertape calibrate` makes one")
    document = read_json(path)
    try:
        found = _FILE.validate_python(_with_nan(document))
    except ValidationError as error:
        refuse_invalid(path, error)
    _refuse_unless_whole(path, found)
    return found


def _refuse_unless_whole(path: Path, found: CostsFile) -> None:
    """Raise `RunError` where a cost is missing or unknown, a kind is there twice, or the loopback has no delay."""
    def refuse(field: str, what: str, allowed: str) -> NoReturn:
        raise RunError(f"{path}: {field}: found {what}, allowed is {allowed}")

    if not isinstance(found.host.get("cores", []), list):
        refuse("host.cores", str(found.host["cores"]), "a list")
    known = {part: [each.name for each in dataclasses.fields(table)]
             for part, table in (("costs", Costs), ("net", NetworkDelays), ("load_client", LoadClient))}
    for number, each in enumerate(found.transports):
        where = f"transports.{number}"
        if each.kind in [other.kind for other in found.transports[:number]]:
            refuse(f"{where}.kind", f"{each.kind} again", "each kind once")
        for part, needed in NEEDED.items():
            there = getattr(each, part)
            for name in (*needed, *there):
                if name not in there:
                    refuse(f"{where}.{part}.{name}", "nothing", "a number of seconds, with its interval")
                if name not in known[part]:
                    refuse(f"{where}.{part}.{name}", "an unknown key", "one of " + ", ".join(known[part]))
        cooling = each.costs.get(COOLING)
        if (not cooling.value) if cooling is not None else any(name in each.costs for name in COLD):
            refuse(f"{where}.costs.{COOLING}", "nothing" if cooling is None else "0",
                   "more than 0, the time in which a server cools, with which the costs of a cold one were fitted: "
                   "calibrate anew")
        if each.net["up_s"].value + each.net["down_s"].value == 0:
            refuse(f"{where}.net.up_s", "0 as in down_s", "more than 0 in one of them")


NANS = ("low", "high", "residual_share", "load_residual_share", "fitted_load_cores")
"""Numbers that may be missing; they are null in the file."""


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _with_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: math.nan if each is None and name in NANS else _with_nan(each)
                for name, each in value.items()}
    return [_with_nan(each) for each in value] if isinstance(value, list) else value
