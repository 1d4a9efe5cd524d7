"""A scenario: one question, as data.

    scenario.toml ─► tomllib ─► overrides (--set load.clients=[50,200]) ─► Scenario (frozen, validated)

Every field of the file is a field here, with its unit last in its name; `docs/scenario.md` is made
from these models. Unknown keys are refused, with the nearest known name. A transport's own options
(`[transports.short_polling] interval_s = 1.0`) are validated by the transport's folder, not here, so
that adding a transport edits nothing in this file.

Known weakness: relations between fields of different tables (a buffer that is smaller than what
arrives between two polls) are checked where the plan is made, not here.
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

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bench.errors import ScenarioError
from bench.scenario import objective
from bench.scenario import stop_rule as until
from bench.scenario.crossover import Crossover
from bench.scenario.fields import Count, NotNegative, Positive, Table, Whole
from bench.scenario.parsing import Misfit, parsed, told, validated
from bench.scenario.replay import Replay
from bench.scenario.simulation import Simulation
from bench.scenario.stop_rule import Until
from bench.scenario.storm import Storm

COUNT_MAX = 30
"""Blocks of a run that goes on until an interval is narrow enough, where it doesn't say."""

PLACEHOLDER = re.compile(r"(?<!\$)\{([a-z_]+)\}")
PLACEHOLDERS = ("port", "feed_port")
"""What may stand in a user's own command, in braces; `${name}` is the shell's."""


class Bursts(Table):
    """`schedule = "bursty"`: a self-exciting (Hawkes) process whose mean rate is `rate_per_s`."""

    branching_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.8
    """Mean number of ticks that one tick sets off (0 is Poisson; towards 1 ever burstier)."""
    decay_s: Annotated[Positive, Field(le=3600)] = 0.1
    """Mean time from a tick to one that it set off."""


class Feed(Table):
    """The ticks: when they are due and what they carry."""

    schedule: Literal["constant", "poisson", "bursty", "replay"] = "poisson"
    """When ticks are due. Fixed from (scenario, seed) before a trial begins."""
    rate_per_s: Annotated[Positive, Field(le=1_000_000)] = 10.0
    """Ticks a second of the whole feed, all symbols together (not for `replay`)."""
    symbols: Annotated[Count, Field(le=10_000)] = 5
    """How many symbols there are; each tick's symbol is drawn evenly (not for `replay`)."""
    book_levels: Annotated[Whole, Field(le=200)] = 0
    """Levels on each side of the order book that a tick carries: 0 is about 90 bytes, 50 about 1.3 kB."""
    encoding: Literal["object", "compact"] = "object"
    """How a tick is written: an object of about 90 bytes, or an array of about 20, without its due
    instant and its book."""
    bursty: Bursts = Bursts()
    replay: Replay = Replay()

    @model_validator(mode="after")
    def _replay_has_a_file(self) -> Feed:
        if self.schedule == "replay" and not self.replay.file:
            raise Misfit("replay.file", None, 'a file of trades beside schedule = "replay": pass --feed FILE '
                         "(make: FEED=FILE), or name it there, or set another schedule such as bursty")
        return self

    @model_validator(mode="after")
    def _compact_ticks_have_no_book(self) -> Feed:
        if self.encoding == "compact" and self.book_levels:
            raise Misfit("book_levels", self.book_levels, '0 beside encoding = "compact", which has no book')
        return self


class SlowClient(Table):
    """What a server does with a client that falls behind; the same for every transport."""

    policy: Literal["conflate", "drop-oldest", "disconnect"] = "conflate"
    """`conflate`: only each symbol's newest. `drop-oldest`: the newest `buffer_ticks`. `disconnect`."""
    buffer_ticks: Annotated[Count, Field(le=10_000_000)] = 4096
    """How many ticks of its subscription a client may be behind before the policy acts."""


class Server(Table):
    """What every server of the scenario holds and allows."""

    tape_ticks: Annotated[Count, Field(le=10_000_000)] = 65536
    """Ticks that a server keeps for clients that resume or poll."""
    batch_max: Count = 1000
    """Most ticks in one batch; a longer one is cut and says `more`."""
    slow_client: SlowClient = SlowClient()


class Load(Table):
    """The clients."""

    clients: Annotated[tuple[Annotated[Count, Field(le=100_000_000)], ...], Field(min_length=1)] = (50,)
    """Client counts: one cell for each transport and count."""
    mode: Literal["every", "latest"] = "every"
    """`every`: each tick once, in order. `latest`: conflated to the newest of each symbol."""
    symbols_per_client: Count | None = None
    """Symbols that each client subscribes to, drawn from the seed; by default all."""
    spawn_rate_per_s: Positive = 500.0
    """Clients started a second."""
    processes: Annotated[Count, Field(le=1024)] = 1
    """Worker processes that share the clients; more than one needs a core for each beside the server's."""


class Windows(Table):
    """Idle, warm-up [t0−w, t0), measure [t0, t1), drain [t1, t1+2ℓ)."""

    idle_s: Annotated[NotNegative, Field(le=3600)] = 0.5
    """How long all clients are there before the feed begins: what the server uses meanwhile is its idle
    base. 0: it is not measured."""
    warmup_s: Annotated[NotNegative, Field(le=3600)] | None = None
    """Time that the feed goes on before measuring begins. At least the longest poll interval, the round trip
    of a simulated network and 0.2 s, so that each client knows something of every symbol; by default the
    larger of that and 1 s."""
    measure_s: Annotated[float, Field(strict=True, ge=0.001, le=86_400)] = 3.0
    """How long a trial measures."""
    late_after_s: Annotated[Positive, Field(le=3600)] | None = None
    """ℓ: an update that takes longer is late, and one that takes twice as long is lost.
    By default the larger of 1 s and 1.5 poll intervals."""


class Trials(Table):
    """How often each cell is measured."""

    count: Annotated[Count, Field(le=10_000)] = 5
    """Trials a cell: as many blocks, in each of which every cell is measured once, in shuffled order."""
    repeats: Annotated[Whole, Field(le=2)] = 2
    """How often at most an INVALID trial is made again, at its place; the INVALID one is kept."""
    until: str | None = None
    """Go on after `count` blocks until the 95 % interval of a latency is narrow enough in every cell:
    `"p99 ± 10 %"` (or `+-`; `mean`, `p50`, `p90`, `p99`, `p999`), or in those that are named:
    `"p50 of websocket ± 5 %"`, `"p50 of websocket at 100 ± 5 %"`."""
    count_max: Annotated[Count, Field(le=10_000)] | None = None
    """Blocks at which a run with `until` ends anyway; by default 30, or `count` where that is more."""

    @field_validator("until")
    @classmethod
    def _is_a_rule(cls, text: str | None) -> str | None:
        if text is not None:
            until.parse(text)
        return text

    @model_validator(mode="after")
    def _goes_together(self) -> Trials:
        if self.count_max is not None and self.until is None:
            raise Misfit("count_max", self.count_max, "trials.count_max only together with trials.until")
        if self.count_max is not None and self.count_max < self.count:
            raise Misfit("count_max", self.count_max, f"at least trials.count = {self.count}")
        return self

    @property
    def rule(self) -> Until | None:
        """When the run may end before all its blocks are made; None: not before."""
        return until.parse(self.until) if self.until is not None else None

    @property
    def blocks(self) -> int:
        """Blocks that are planned: as many as there can be."""
        if self.until is None:
            return self.count
        return self.count_max if self.count_max is not None else max(COUNT_MAX, self.count)


class Capacity(Table):
    """A search for the capacity limit in place of `load.clients` and `trials`: the level at which each
    transport holds an objective in half of all steps, with its interval. Each step is one trial with the
    windows of the scenario."""

    objective: str = "kernel_latency_p99_ms <= 50 and lost == 0"
    """What a step must hold: conditions (`<=`, `<`, `>=`, `>`, `==`) on columns of trials.csv, joined by
    `and`. By the kernel's latency it is the server that is judged, without the client's own queue."""
    raised: Literal["clients", "rate_per_s"] = "clients"
    """What is raised: the number of clients, or `feed.rate_per_s` for the one count in `load.clients`."""
    start: Count = 100
    """The first step; no lower one is made."""
    factor: Annotated[float, Field(gt=1, le=10)] = 2.0
    """How much higher each next step is, until one breaks."""
    most: Annotated[Count, Field(le=100_000_000)] = 5000
    """No step is higher."""
    precision: Annotated[float, Field(gt=0, le=1)] = 0.15
    """Steps about the limit are made until its 95 % interval goes at most so much (as a share) either way."""
    time_s: Positive = 300.0
    """No step begins after so long, all transports together; the interval is then as wide as it is."""

    @field_validator("objective")
    @classmethod
    def _can_be_read(cls, text: str) -> str:
        return str(objective.parse(text))


class External(Table):
    """A server of the user's own, measured by the same clients in place of ours.

    In `command`, `{port}` stands for the port to listen on and `{feed_port}` for the feed's.
    """

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    """The command and its arguments; it runs in the scenario file's folder."""
    ready: str
    """An http address (with `{port}`) that answers 200 once the server has the feed."""

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
        except ValueError:   # a port that is none
            fits = False
        if not fits or " " in ready:
            raise ValueError("an http address such as http://127.0.0.1:{port}/health")
        return ready


def _refuse_unknown_placeholders(text: str) -> None:
    for name in PLACEHOLDER.findall(text):
        if name not in PLACEHOLDERS:
            known = " and ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            raise ValueError(f"{known} in braces, and not {{{name}}}")


class Subject(BaseModel):
    """One thing to be measured: a transport with its options, under a name of its own.

    In the file, `[transports.<label>]`. The keys below are common to all transports; every other key
    is an option of the transport.
    """

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    transport: str = ""
    """The folder of the transport; by default the label itself."""
    server: External | None = None
    """A server of your own in place of ours (see below)."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The transport's own options, as they stand in the file."""
        return dict(self.model_extra or {})


class Claim(Table):
    """A published number that the run's records are to reproduce or refute.

    In the file, `[claims.<name>]`. Our number is computed by `formula` (see `bench/claims/formulas.py`):
    `value`, `share`, `difference`, `ratio`, `bytes_per_request`, `traffic` or `reduction`.
    """

    says: str
    """What was claimed, in a sentence."""
    source: str
    """Who said it, and where."""
    stated: Annotated[tuple[float, ...], Field(min_length=1)]
    """The numbers, as they were stated."""
    at: tuple[Positive, ...] = ()
    """For `traffic`: the client count of each number."""
    unit: str
    """Of the numbers."""
    formula: str
    """How ours is computed."""
    subject: str
    """The label of the transport that the claim is about."""
    against: str = ""
    """For `difference`, `ratio` and `reduction`: the label of the other."""
    column: str = ""
    """For `value`, `share`, `difference` and `ratio`: the column of trials.csv."""
    of: str = ""
    """For `share`: the column that it is a share of."""
    parts: tuple[str, ...] = ()
    """For the last three: the kinds of bytes that count; by default all on the wire."""
    relation: Literal["equals", "at-most", "at-least"] = "equals"
    """How ours is to stand to what is stated."""
    tolerance: NotNegative
    """How far off ours may be, as a share of what is stated."""
    condition: str = ""
    """What these records can't show. Where it stands, a claim that holds is conditional."""
    left_out: str = ""
    """What the source leaves out or takes for granted."""


class Scenario(Table):
    """One question, and all that is needed to answer it again."""

    question: str
    """What the run is to answer; the report's title."""
    seed: Annotated[Whole, Field(lt=2**63)] = 1
    """From it follow the ticks, the order of the trials, the subscriptions and the poll phases."""
    feed: Feed = Feed()
    server: Server = Server()
    load: Load = Load()
    windows: Windows = Windows()
    trials: Trials = Trials()
    capacity: Capacity | None = None
    """Where it stands, the run is a search for the most that each transport carries (see below)."""
    simulation: Simulation = Simulation()
    storm: Storm | None = None
    """Where it stands, a reconnect storm is simulated in place of the feed (see below)."""
    crossover: Crossover | None = None
    """Where it stands, the map of the cheapest and the freshest is made (see below)."""
    transports: Annotated[dict[str, Subject], Field(min_length=1)]
    """What is compared, in the order of the report."""
    claims: dict[str, Claim] = Field(default_factory=dict)
    """Published numbers that the run is to reproduce or refute (see below)."""

    @field_validator("question")
    @classmethod
    def _asks_something(cls, question: str) -> str:
        if not question.strip():
            raise ValueError("a text that is not empty")
        return question

    def canonical(self) -> dict[str, Any]:
        """The scenario as plain data, defaults filled in: what a run's plan freezes."""
        data: dict[str, Any] = self.model_dump(mode="json")
        return data

    def digest(self) -> str:
        """Sixteen hexadecimal digits that differ where two scenarios do."""
        text = json.dumps(self.canonical(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(path: Path, overrides: Sequence[str] = ()) -> Scenario:
    """Read a scenario file. `overrides` are `dotted.name=value`, the value as in TOML (or a bare word)."""
    try:
        table = parsed(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ScenarioError(str(path), "the file", "no such file", "a scenario (see scenarios/)") from None
    except OSError as error:
        found = (error.strerror or "nothing readable").lower()
        raise ScenarioError(str(path), "the file", found, "a scenario (see scenarios/)") from error
    except ValueError as error:   # no TOML, or no UTF-8
        raise ScenarioError(str(path), "the file", f"{error}", "TOML in UTF-8") from error
    for override in overrides:
        _apply(table, override)
    where = " --set ".join([f"{path} with", *overrides]) if overrides else str(path)
    scenario = validated(Scenario, table, where)
    filled = {label: _with_transport(label, subject) for label, subject in scenario.transports.items()}
    return scenario.model_copy(update={"transports": filled})


def _with_transport(label: str, subject: Subject) -> Subject:
    return subject if subject.transport else subject.model_copy(update={"transport": label})


def _apply(table: dict[str, Any], override: str) -> None:
    """Set one dotted name in `table`."""
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
        found = {"value": text.strip()}   # TOML's own has no nanoseconds
    if len(found) > 1:
        raise ScenarioError("--set", name, f"a second field, {told(list(found)[1])}", "one: --set for each")
    *path, last = (part.strip() for part in name.split("."))
    for part in path:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ScenarioError("--set", name, f"{part}, which is not a table", "the dotted name of a field")
        table = inner
    table[last] = found["value"]
