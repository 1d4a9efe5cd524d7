"""The scenario: one question, as data.

    scenario.toml ─► tomllib ─► overrides (--set load.clients=[50,200]) ─► sweeps ─► Scenario (frozen, validated)

Each field of the file is a field of a model in this module, with its unit at the end of its name;
`docs/scenario.md` is generated from these models. Unknown keys are refused, and the message suggests the
nearest known name. A transport's own options (`[transports.short_polling] interval_s = 1.0`) are validated in
the transport's folder, so that a new transport needs no edit in this file.

Known weakness: relations between fields of different tables (such as a buffer smaller than the ticks that
arrive between two polls) are checked when the plan is made, not here.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from bench.errors import ScenarioError
from bench.scenario import objective
from bench.scenario import stop_rule as until
from bench.scenario.crossover import Crossover
from bench.scenario.decision import Decision, UseCase
from bench.scenario.fields import Count, Finite, NotNegative, Positive, Table, Whole
from bench.scenario.parsing import FieldConflict, parsed, validated, value_text
from bench.scenario.replay import Replay
from bench.scenario.simulation import Simulation
from bench.scenario.stop_rule import StopRule
from bench.scenario.storm import Storm
from bench.scenario.sweep import SweepValue, expanded
from bench.scenario.thresholds import Thresholds

COUNT_MAX = 30
"""Maximum blocks of a run with `trials.until` where `trials.count_max` is not given."""

DEFAULT_SERVER = "library"
"""The implementation that serves where a scenario names none."""
BARE_SERVER = "bare"
"""The implementation without a library, which each transport has."""
DEFAULT_CLIENT: Literal["locust"] = "locust"
"""The client that measures where a scenario names none."""
BROWSER = "browser"
"""The client that is a page of a headless Chromium."""
OWN_SERVER = "own"
"""The word for a user's own server where the records name an implementation."""

PLACEHOLDER = re.compile(r"(?<!\$)\{([a-z_]+)\}")
PLACEHOLDERS = ("port", "feed_port")
"""Placeholders, in braces, that a user's own command may contain; `${name}` belongs to the shell."""


class Bursts(Table):
    """`schedule = "bursty"`: a self-exciting (Hawkes) process whose mean rate is `rate_per_s`."""

    branching_ratio: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.8
    """Mean number of ticks that one tick triggers. 0 gives a Poisson process; the closer to 1, the
    burstier."""
    decay_s: Annotated[Positive, Field(le=3600)] = 0.1
    """Mean time from a tick to a tick that it triggered."""


class Feed(Table):
    """The ticks: when they are due, and what they carry."""

    source: Literal["publisher", "clients"] = "publisher"
    """Origin of the ticks. `clients`: each is a message that a client sends when it is due, to the room that is its
    symbol; the publisher numbers it, and it goes to all who subscribe to the room, its author too. All ticks of
    a burst (`bursty`) are then of one room."""
    schedule: Literal["constant", "poisson", "bursty", "replay"] = "poisson"
    """Process that sets when ticks are due. Fixed from (scenario, seed) before a trial begins."""
    rate_per_s: Annotated[Positive, Field(le=1_000_000)] = 10.0
    """Ticks per second of the whole feed, all symbols together (not for `replay`)."""
    symbols: Annotated[Count, Field(le=10_000)] = 5
    """Number of symbols; each tick's symbol is drawn uniformly (not for `replay`)."""
    book_levels: Annotated[Whole, Field(le=200)] = 0
    """Levels on each side of the order book that a tick carries: 0 gives about 90 bytes, 50 about 1.3 kB."""
    encoding: Literal["object", "compact"] = "object"
    """Format of a tick: an object of about 90 bytes, or an array of about 20 bytes without the tick's due
    instant and order book."""
    bursty: Bursts = Bursts()
    replay: Replay = Replay()

    @model_validator(mode="after")
    def _replay_has_a_file(self) -> Feed:
        if self.schedule == "replay" and not self.replay.file:
            raise FieldConflict("replay.file", None, 'a file of trades together with schedule = "replay": '
                                "pass --feed FILE (make: FEED=FILE), or name it there, or set another schedule "
                                "such as bursty")
        return self

    @model_validator(mode="after")
    def _clients_send_what_is_drawn(self) -> Feed:
        if self.source == "clients" and (self.schedule == "replay" or self.book_levels):
            name = "schedule" if self.schedule == "replay" else "book_levels"
            raise FieldConflict(name, getattr(self, name), 'constant, poisson or bursty, and book_levels = 0, '
                                'together with source = "clients"')
        return self

    @model_validator(mode="after")
    def _compact_ticks_have_no_book(self) -> Feed:
        if self.encoding == "compact" and self.book_levels:
            raise FieldConflict("book_levels", self.book_levels,
                                '0 together with encoding = "compact", which has no book')
        return self


class SlowClient(Table):
    """The server's policy for a client that falls behind; it applies to every transport alike."""

    policy: Literal["conflate", "drop-oldest", "disconnect"] = "conflate"
    """`conflate`: keep only the newest tick of each symbol. `drop-oldest`: keep the newest `buffer_ticks`.
    `disconnect`: close the connection."""
    buffer_ticks: Annotated[Count, Field(le=10_000_000)] = 4096
    """Ticks of its subscription that a client may be behind before the policy acts."""


class Messages(Table):
    """Limits of the messages that a server takes from a client, where `feed.source` is `clients`; alike on every
    transport."""

    bytes_max: Annotated[Count, Field(le=4096)] = 1024
    """Size of the largest message in bytes; a larger one is refused."""
    rate_per_s: Annotated[Positive, Field(le=100_000)] = 50.0
    """Messages per second that one connection may send, with as many at once as in one second; further ones are
    refused."""


class Server(Table):
    """Limits that apply to every server of the scenario."""

    tape_ticks: Annotated[Count, Field(le=10_000_000)] = 65536
    """Ticks that a server keeps (its tape) for clients that resume or poll."""
    batch_max: Count = 1000
    """Most ticks in one batch; a longer batch is cut and marked `more`."""
    slow_client: SlowClient = SlowClient()
    messages: Messages = Messages()


class Load(Table):
    """The clients."""

    clients: Annotated[tuple[Annotated[Count, Field(le=100_000_000)], ...], Field(min_length=1)] = (50,)
    """Client counts: one cell for each transport and count."""
    mode: Literal["every", "latest"] = "every"
    """`every`: each tick once, in order. `latest`: conflated to the newest tick of each symbol."""
    symbols_per_client: Count | None = None
    """Symbols that each client subscribes to, drawn from the seed; by default all."""
    spawn_rate_per_s: Positive = 500.0
    """Clients started per second."""
    processes: Annotated[Count, Field(le=1024)] = 1
    """Worker processes that share the clients; more than one needs a core for each, besides the server's."""


class Windows(Table):
    """Phases of a trial: idle, warm-up [t0−w, t0), measure [t0, t1), drain [t1, t1+2ℓ)."""

    idle_s: Annotated[NotNegative, Field(le=3600)] = 0.5
    """Time during which all clients are connected before the feed begins. The CPU that the server uses in
    it is its idle base. With 0 the idle base is not measured."""
    warmup_s: Annotated[NotNegative, Field(le=3600)] | None = None
    """Time during which the feed runs before measuring begins. At least the longest poll interval or
    flush, the round trip of a simulated network and 0.2 s, so that each client knows something of every
    symbol; by default the larger of that and 1 s."""
    measure_s: Annotated[float, Field(strict=True, ge=0.001, le=86_400)] = 3.0
    """Time that a trial measures."""
    late_after_s: Annotated[Positive, Field(le=3600)] | None = None
    """ℓ: an update that takes longer is late, and one that takes twice as long is lost. By default the
    larger of 1 s and 1.5 poll intervals or flushes."""


class Trials(Table):
    """The number of times that each cell is measured."""

    count: Annotated[Count, Field(le=10_000)] = 5
    """Trials per cell, which is also the number of blocks. In each block every cell is measured once, in
    shuffled order."""
    repeats: Annotated[Whole, Field(le=2)] = 2
    """Most times that an INVALID trial is repeated, in its place in the order; the INVALID trial is kept."""
    until: str | None = None
    """Go on after `count` blocks until the 95 % interval of a latency is narrow enough in every cell:
    `"p99 ± 10 %"` (or `+-`; `mean`, `p50`, `p90`, `p99`, `p999`), or in the cells that are named: `"p50 of
    websocket ± 5 %"`, `"p50 of websocket at 100 ± 5 %"`."""
    count_max: Annotated[Count, Field(le=10_000)] | None = None
    """Blocks after which a run with `until` ends in any case; by default 30, or `count` if that is more."""

    @field_validator("until")
    @classmethod
    def _is_a_rule(cls, text: str | None) -> str | None:
        if text is not None:
            until.parse(text)
        return text

    @model_validator(mode="after")
    def _goes_together(self) -> Trials:
        if self.count_max is not None and self.until is None:
            raise FieldConflict("count_max", self.count_max, "trials.count_max only together with trials.until")
        if self.count_max is not None and self.count_max < self.count:
            raise FieldConflict("count_max", self.count_max, f"at least trials.count = {self.count}")
        return self

    @property
    def rule(self) -> StopRule | None:
        """Return the rule by which the run may end before all its blocks are made; None if there is none."""
        return until.parse(self.until) if self.until is not None else None

    @property
    def blocks(self) -> int:
        """Return the number of planned blocks, which is the most that the run can make."""
        if self.until is None:
            return self.count
        return self.count_max if self.count_max is not None else max(COUNT_MAX, self.count)


class Capacity(Table):
    """A search for the capacity limit, in place of `load.clients` and `trials`.

    The limit is the level at which a transport meets the objective in half of all steps; it is estimated with
    its 95 % interval. Each step is one trial with the scenario's windows.
    """

    objective: str = "kernel_latency_p99_ms <= 50 and lost == 0"
    """Conditions that a step must meet: comparisons (`<=`, `<`, `>=`, `>`, `==`) on columns of trials.csv,
    joined by `and`. The kernel's latency judges the server alone, without the client's own queue."""
    raised: Literal["clients", "rate_per_s"] = "clients"
    """The quantity that is raised: the number of clients, or `feed.rate_per_s` with the one count in
    `load.clients`."""
    start: Count = 100
    """Level of the first step; no step is lower."""
    factor: Annotated[float, Field(strict=True, gt=1, le=10)] = 2.0
    """Ratio of each step's level to that of the step before, until a step fails."""
    most: Annotated[Count, Field(le=100_000_000)] = 5000
    """Highest level of a step."""
    precision: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.15
    """Steps near the limit are repeated until its 95 % interval reaches at most this share of the limit in
    either direction."""
    time_s: Positive = 300.0
    """Time after which no step begins, all transports together; the interval is then as wide as the steps
    made it."""

    @field_validator("objective")
    @classmethod
    def _can_be_read(cls, text: str) -> str:
        return str(objective.parse(text))


class External(Table):
    """A server of the user's own, measured by the same clients in place of a built-in one.

    In `command`, `{port}` is replaced by the port to listen on and `{feed_port}` by the feed's port.
    """

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    """The command and its arguments; it runs in the scenario file's folder."""
    ready: str
    """An HTTP address (with `{port}`) that answers 200 once the server has the feed."""

    @field_validator("command")
    @classmethod
    def _asks_for_what_there_is(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        for argument in command:
            _refuse_unknown_placeholders(argument)
        return command

    @field_validator("ready")
    @classmethod
    def _is_an_address(cls, ready: str) -> str:
        _refuse_unknown_placeholders(ready)
        try:
            parts = urlsplit(PLACEHOLDER.sub("1", ready))
            fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:   # a port out of range
            fits = False
        if not fits or " " in ready:
            raise ValueError("an http address such as http://127.0.0.1:{port}/health")
        return ready


def _refuse_unknown_placeholders(text: str) -> None:
    for name in PLACEHOLDER.findall(text):
        if name not in PLACEHOLDERS:
            known = " and ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            raise ValueError(f"{known} in braces, and not {{{name}}}")


def _kind_of_server(value: object) -> str | None:
    """Return the tag of a value of `Subject.server`; None where it is neither a text nor a table."""
    if isinstance(value, str):
        return "<text>"
    return "<table>" if isinstance(value, Mapping | External) else None


ServerChoice = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[External, Tag("<table>")], Discriminator(_kind_of_server),
    BeforeValidator(lambda value: DEFAULT_SERVER if value is None else value),   # null: an older run's
]


class Subject(BaseModel):
    """One transport to be measured, with its options, under a label of its own.

    In the file, `[transports.<label>]`. The keys below are common to all transports; every other key is an
    option of the transport.
    """

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    transport: str = ""
    """Name of the transport's folder; by default the label."""
    server: ServerChoice = DEFAULT_SERVER
    """The server: one of the transport's implementations, `bench/transports/<transport>/servers/<server>.py`, or,
    as a table, a server of your own (see below). Two implementations of one transport are two subjects: in
    `[transports.websocket]`, `server = "bare"` makes the label `websocket_bare`."""
    client: Literal["locust", "browser"] = DEFAULT_CLIENT
    """The client that measures: one of ours in Locust, or a page of a headless Chromium that runs the transport's
    client in JavaScript, at most 20 of them. Pages have a profile each, send a browser's `headers`, record no kernel
    instants and no bytes, and are only measured, not simulated. In `[transports.websocket]`, `client = "browser"` makes
    the label `websocket_browser`."""

    @property
    def external(self) -> External | None:
        """Return the user's own server; None where a built-in one serves."""
        return self.server if isinstance(self.server, External) else None

    @property
    def implementation(self) -> str:
        """Return the name of the server implementation as records and tables have it: `own` for a user's own."""
        return self.server if isinstance(self.server, str) else OWN_SERVER

    @property
    def options(self) -> Mapping[str, Any]:
        """Return the transport's own options as written in the file."""
        return dict(self.model_extra or {})


class Claim(Table):
    """A published number that the run's records are to reproduce or refute.

    In the file, `[claims.<name>]`. The run's own number is computed by `formula` (see
    `bench/claims/formulas.py`): `value`, `share`, `difference`, `ratio`, `bytes_per_request`, `traffic` or
    `reduction`.
    """

    says: str
    """The claim, in a sentence."""
    source: str
    """Author and place of the claim."""
    stated: Annotated[tuple[Finite, ...], Field(min_length=1)]
    """The numbers as stated."""
    at: tuple[Positive, ...] = ()
    """For `traffic`: the client count of each number."""
    unit: str
    """Unit of the numbers."""
    formula: str
    """Name of the formula that computes the run's own number."""
    subject: str
    """Label of the transport that the claim is about."""
    against: str = ""
    """For `difference`, `ratio` and `reduction`: the label of the other transport."""
    column: str = ""
    """For `value`, `share`, `difference` and `ratio`: the column of trials.csv."""
    of: str = ""
    """For `share`: the column that forms the denominator."""
    parts: tuple[str, ...] = ()
    """For `bytes_per_request`, `traffic` and `reduction`: the kinds of bytes that count; by default all
    bytes on the wire."""
    relation: Literal["equals", "at-most", "at-least"] = "equals"
    """Relation that the run's number must have to the stated one."""
    tolerance: NotNegative
    """Allowed deviation of the run's number, as a share of the stated number."""
    condition: str = ""
    """A condition that these records can't show. If it is given, a claim that holds is reported as
    conditional."""
    left_out: str = ""
    """Facts that the source leaves out or takes for granted."""


STUDIES = ("storm", "crossover", "decision")
"""Tables that are simulated in place of trials; a scenario has one at most."""


class Scenario(Table):
    """One question, and everything that is needed to answer it again."""

    question: str
    """The question that the run is to answer; the report's title."""
    seed: Annotated[Whole, Field(lt=2**63)] = 1
    """Seed of the ticks, the order of the trials, the subscriptions and the poll phases."""
    feed: Feed = Feed()
    server: Server = Server()
    load: Load = Load()
    windows: Windows = Windows()
    trials: Trials = Trials()
    capacity: Capacity | None = None
    """If given, the run searches for the highest load that each transport carries (see below)."""
    thresholds: Thresholds = Thresholds()
    simulation: Simulation = Simulation()
    storm: Storm | None = None
    """If given, a reconnect storm is simulated in place of the feed (see below)."""
    crossover: Crossover | None = None
    """If given, the map of the cheapest and the freshest transport is made (see below)."""
    decision: Decision | None = None
    """If given, a transport is chosen for one situation (see below)."""
    use_case: UseCase | None = None
    """If given, `tickertape decide --use` takes the situation from it (see below)."""
    transports: Annotated[dict[str, Subject], Field(min_length=1)]
    """The transports that are compared, in the order of the report."""
    sweep: dict[str, tuple[SweepValue, ...]] = Field(default_factory=dict)
    """Options of which several values are compared (see below)."""
    claims: dict[str, Claim] = Field(default_factory=dict)
    """Published numbers that the run is to reproduce or refute (see below)."""

    @field_validator("question")
    @classmethod
    def _asks_something(cls, question: str) -> str:
        if not question.strip():
            raise ValueError("a text that is not empty")
        return question

    @field_validator("transports")
    @classmethod
    def _names_each_transport(cls, subjects: dict[str, Subject]) -> dict[str, Subject]:
        return {label: subject if subject.transport else subject.model_copy(update={"transport": label})
                for label, subject in subjects.items()}

    @property
    def study(self) -> str:
        """Return the table that is simulated in place of trials (one of `STUDIES`); empty where there is none."""
        return next((name for name in STUDIES if getattr(self, name) is not None), "")

    @property
    def needs_costs(self) -> bool:
        """Return whether the scenario can only be simulated with a costs file: all but storms that name their cost."""
        return self.storm is None or self.storm.connection_ms is None

    def canonical(self) -> dict[str, Any]:
        """Return the scenario as plain data with all defaults filled in, as a run's plan stores it."""
        data: dict[str, Any] = self.model_dump(mode="json")
        return data

    def digest(self) -> str:
        """Return a digest of 16 hexadecimal digits of the scenario's canonical form."""
        text = json.dumps(self.canonical(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(path: Path, overrides: Sequence[str] = ()) -> Scenario:
    """Read a scenario file and return it with the overrides applied.

    An override is `dotted.name=value`, with the value in TOML or as a bare word. Raises `ScenarioError` where
    the file can't be read, is not TOML in UTF-8, or doesn't fit the model.
    """
    try:
        table = parsed(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ScenarioError(str(path), "the file", "no such file", "a scenario (see scenarios/)") from None
    except OSError as error:
        found = (error.strerror or "nothing readable").lower()
        raise ScenarioError(str(path), "the file", found, "a scenario (see scenarios/)") from error
    except ValueError as error:   # not TOML, or not UTF-8
        raise ScenarioError(str(path), "the file", f"{error}", "TOML in UTF-8") from error
    for override in overrides:
        _apply(table, override)
    where = " --set ".join([f"{path} with", *overrides]) if overrides else str(path)
    return validated(Scenario, expanded(table, where), where)


def _apply(table: dict[str, Any], override: str) -> None:
    """Set one dotted name in `table`; raise `ScenarioError` where the override can't be read."""
    name, equals, text = override.partition("=")
    if not equals or not name.strip():
        raise ScenarioError("--set", override, "no value", "name=value, such as load.clients=[50,200]")
    try:
        found = parsed(f"value = {text}")
    except tomllib.TOMLDecodeError:
        found = {"value": text.strip()}
    except ValueError as error:
        raise ScenarioError("--set", name, str(error), "a value as in TOML") from error
    if isinstance(found.get("value"), datetime):
        found = {"value": text.strip()}   # TOML's own type has no nanoseconds
    if len(found) > 1:
        raise ScenarioError("--set", name, f"a second field, {value_text(list(found)[1])}", "one: --set for each")
    *path, last = (part.strip() for part in name.split("."))
    for part in path:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ScenarioError("--set", name, f"{part}, which is not a table", "the dotted name of a field")
        table = inner
    table[last] = found["value"]
