"""The records of a run and their files: the one contract between measuring, simulating and judging.

    results/<run>/
        manifest.json            settings and environment: scenario, plan, seed, commit, host, clock origin
        trials/<trial>/
            trial.json           one trial, written last: a folder without it is not a trial
            feed.parquet         one row per schedule index: due, sent, epoch, seq
            deliveries.parquet   one row per update that reached a client
            skips.parquet        one row per declared skip
            clients.parquet      one row per client: subscription, counts over the measuring window
            uplinks.parquet      one row per message, where clients send
            histograms.parquet   over all clients, where the tables hold a sample of them
            samples.parquet      one row per reading of a process: CPU, memory
            logs/                output of the processes
            SHA256SUMS           the digest of each of them (`sha256sum -c` reads it)
        trials.csv  summary.csv  report.html  report.md      made from the above, again at any time

All instants are int64 nanoseconds on the run clock. A value that was not measured is null, never zero. A
file is written under a temporary name, flushed and renamed, so an existing file is complete. A file of a
trial that has changed since is refused when it is read; a trial without digests is read unchecked.

`SCHEMA_VERSION` counts changes of name, unit, meaning or shape, and a run with another one is refused. A
further column needs no new version if it may be null: in a run that does not have it, it is null. The columns
are described in `docs/results.md`.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, TypeAdapter, ValidationError

from bench.errors import RunError
from bench.records import digests
from bench.records.digests import SUMS
from bench.scenario.model import DEFAULT_CLIENT
from bench.scenario.parsing import value_text

SCHEMA_VERSION = 2
VERSION_KEY = b"schema_version"
"""The key of the schema's version in the metadata of each Parquet file."""

FEED = pa.schema([
    pa.field("index", pa.uint32(), nullable=False),
    pa.field("symbol", pa.dictionary(pa.int32(), pa.string()), nullable=False),
    pa.field("due_ns", pa.int64(), nullable=False),
    pa.field("sent_ns", pa.int64()),     # null: never published
    pa.field("epoch", pa.dictionary(pa.int32(), pa.string())),
    pa.field("seq", pa.uint32()),
    pa.field("payload_bytes", pa.uint32()),
])
DELIVERIES = pa.schema([
    pa.field("client", pa.uint32(), nullable=False),
    pa.field("index", pa.uint32(), nullable=False),
    pa.field("kernel_ns", pa.int64()),   # null: the read carried no stamp
    pa.field("app_ns", pa.int64(), nullable=False),
    pa.field("updates_in_read", pa.uint32(), nullable=False),
])
SKIPS = pa.schema([
    pa.field("client", pa.uint32(), nullable=False),
    pa.field("kind", pa.dictionary(pa.int32(), pa.string()), nullable=False),   # conflated | dropped
    pa.field("symbol", pa.dictionary(pa.int32(), pa.string()), nullable=False),
    pa.field("count", pa.uint32(), nullable=False),
    pa.field("index", pa.uint32(), nullable=False),   # the symbol's tick that the skip was declared with
    pa.field("app_ns", pa.int64(), nullable=False),
])
COUNTED = (
    "connections", "requests", "responses", "updates", "header_bytes_up", "header_bytes_down",
    "body_bytes_up", "body_bytes_down", "polls_late", "answers_empty", "compressed_bytes_down",
    "expanded_bytes_down", "request_duration_ns", "in_flight_ns", "polls_overdue",
    "retries", "request_overlap_ns",
)
"""Counted by the client's code (`transports.ClientCounts`)."""
COUNTED_BY_KERNEL = (
    "bytes_up", "bytes_down", "segments_up", "segments_down", "retransmitted_segments_up",
    "retransmitted_bytes_up", "data_segments_up", "data_segments_down", "control_segments_up",
    "control_segments_down",
)
"""Summed over the client's connections from `TCP_INFO`; bytes are TCP payload. Null off Linux."""
OPENING_AND_CLOSING = tuple(
    name for what in ("opening", "closing")
    for name in (f"{what}s", f"{what}_bytes_up", f"{what}_bytes_down", f"{what}_segments_up",
                 f"{what}_segments_down")
)
"""The number of connections that were seen to open and to close gracefully, and the bytes and
segments that this took on the wire, including TCP/IP headers; over the client's whole life. Null
off Linux.
"""
SINCE_VERSION_2 = (
    "answers_empty", "compressed_bytes_down", "expanded_bytes_down", "request_duration_ns", "in_flight_ns",
    "polls_overdue", "retries", "request_overlap_ns",
)
"""Counters of `COUNTED` that were added without a new version of the schema: null in runs from before."""
UNSEEN_BY_PAGES = (
    "connections", "retries", "header_bytes_up", "header_bytes_down", "body_bytes_up", "body_bytes_down",
    "compressed_bytes_down", "expanded_bytes_down",
)
"""Counters of `COUNTED` that code in a browser's page can't read: null where a page is the client."""
OPEN = ("open_asked_ns", "open_ended_ns", "open_may_wait")
"""The request that was under way when a client's counters were read at t1: when it was sent, when it
was answered (or given up), and whether its response may wait for an update. Null where there was
none.
"""
CLIENTS = pa.schema([
    pa.field("client", pa.uint32(), nullable=False),
    pa.field("symbols", pa.list_(pa.string())),       # null: all
    pa.field("subscribed_ns", pa.int64()),            # null: never
    pa.field("counted_from_ns", pa.int64()),          # when its counters were read, at t0 …
    pa.field("counted_to_ns", pa.int64()),            # … and at t1
    *(pa.field(name, pa.int64(), nullable=name in (*SINCE_VERSION_2, *UNSEEN_BY_PAGES)) for name in COUNTED),
    *(pa.field(name, pa.int64()) for name in (*COUNTED_BY_KERNEL, *OPENING_AND_CLOSING)),
    *(pa.field(name, pa.bool_() if name == "open_may_wait" else pa.int64()) for name in OPEN),
    pa.field("errors", pa.int64(), nullable=False),   # from the client's start, not only the window
])
SAMPLES = pa.schema([
    pa.field("process", pa.dictionary(pa.int32(), pa.string()), nullable=False),  # server | load | publisher
    pa.field("at_ns", pa.int64(), nullable=False),
    pa.field("cpu_ns", pa.int64()),
    pa.field("rss_bytes", pa.int64()),
])
UPLINKS = pa.schema([
    pa.field("index", pa.uint32(), nullable=False),    # the message's place in the schedule, as in `feed`
    pa.field("author", pa.uint32(), nullable=False),   # the client that is to send it
    pa.field("due_ns", pa.int64(), nullable=False),
    pa.field("sent_ns", pa.int64()),                   # the first time; null: never
    pa.field("sends", pa.uint32(), nullable=False),    # more than 1: also sent again after a break
    pa.field("answered_ns", pa.int64()),               # the last response; null: none that is final
    pa.field("refusal", pa.dictionary(pa.int32(), pa.string())),   # its word; null: accepted, or no response
    pa.field("payload_bytes", pa.uint32(), nullable=False),
])
"""The messages of clients, for a trial whose feed has `source = "clients"`; see `bench.stats.trial.uplinks`."""
TABLES = {"feed": FEED, "deliveries": DELIVERIES, "skips": SKIPS, "clients": CLIENTS, "samples": SAMPLES}
HISTOGRAMS = pa.schema([
    # app, kernel: latencies; arrived: arrivals in steps of 100 ms; subscribed: clients by symbol
    pa.field("of", pa.dictionary(pa.int32(), pa.string()), nullable=False),
    pa.field("bin", pa.int32(), nullable=False),
    pa.field("count", pa.int64(), nullable=False),
])
"""Histograms over all clients, for a trial whose tables hold a share of them; see
`bench.stats.trial.population`."""
SCHEMAS = {**TABLES, "histograms": HISTOGRAMS, "uplinks": UPLINKS}

TrialStatus = Literal["finished", "failed"]


@dataclass(frozen=True, slots=True)
class WindowInstants:
    """The windows of one trial, on the run clock (see `docs/definitions.md`)."""

    warmup_ns: int
    """The beginning of warm-up, from which the feed's first due instant is counted."""
    t0_ns: int
    t1_ns: int
    late_after_ns: int

    @property
    def end_ns(self) -> int:
        """The end of the drain."""
        return self.t1_ns + 2 * self.late_after_ns


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources that one process used over the measuring window."""

    cpu_ns: int | None = None
    user_ns: int | None = None
    system_ns: int | None = None
    rss_bytes: int | None = None
    """Mean over the window."""
    rss_before_bytes: int | None = None
    """Before the first client connected."""
    wakeups: int | None = None
    """Voluntary context switches."""
    preemptions: int | None = None
    """Involuntary context switches."""
    socket_bytes: int | None = None
    """In the kernel's buffers of its connections, mean over the window; the server's only."""
    opening_cpu_ns: int | None = None
    """From before the first client until all were subscribed; only for the server, like all fields
    below."""
    idle_ns: int | None = None
    """Length of the stretch before warm-up in which all clients were connected and nothing was
    published."""
    idle_cpu_ns: int | None = None
    idle_wakeups: int | None = None
    busiest_cpu_ns: int | None = None
    """CPU in the busiest stretch of length ℓ of the window (or the whole window, if shorter);
    simulated trials only."""
    busiest_sent_bytes: int | None = None
    """Bytes sent to the clients in the stretch with the most bytes; simulated trials only."""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial: its settings, its outcome, and all data that is not in a table."""

    trial: str
    """The folder's name: `<block>-<position>-<subject>-<clients>`."""
    block: int
    position: int
    """Place in the block's shuffled order."""
    subject: str
    """The label in the scenario; the column `transport` of every table."""
    transport: str
    """The folder of the transport that the subject speaks."""
    clients: Annotated[int, Field(ge=1)]
    seed: int
    attempt: Annotated[int, Field(ge=1)] = 1
    status: TrialStatus = "finished"
    server: str | None = None
    """The server implementation: a file in the transport's `servers/`, or `own` for a user's own server; null in
    records from before there was a choice."""
    client: str = DEFAULT_CLIENT
    """The client that measured it: `locust` or `browser`."""
    reason: str | None = None
    """The reason of a failure: one word."""
    detail: str | None = None
    """The reason of a failure: a sentence and the tail of the logs."""
    source: Literal["measured", "simulated"] = "measured"
    sample: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the clients whose rows are in the tables."""
    windows: WindowInstants | None = None
    clock_step_ns: int | None = None
    """Change of the offset between the clocks during the trial."""
    rate_per_s: float | None = None
    """The configured rate of the feed; null where a file is replayed."""
    took_s: float | None = None
    """Duration of the trial, from its first process to its tables."""
    usage: dict[str, Usage] = field(default_factory=dict)
    """By process: server, load, publisher."""
    server_counts: dict[str, int] = field(default_factory=dict)
    """The server's own counters at the end (`GET /stats`); empty for a server that has none."""
    load: dict[str, Any] = field(default_factory=dict)
    """The generator's report: loop turns, late polls, errors by word, live users."""
    publisher: dict[str, Any] = field(default_factory=dict)
    """The publisher's report: epochs, lives."""
    host: dict[str, Any] = field(default_factory=dict)
    """Noise about the trial: steal, load from others, probe jitter."""
    totals: dict[str, float] = field(default_factory=dict)
    """Fates, sums of latencies and of the clients' counters over all clients, where `sample` is
    below 1 (`bench.stats.trial.population.TOTALS`); otherwise empty."""

    def to_json(self) -> dict[str, Any]:
        """Return plain data with the schema's version."""
        return {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TrialRecord:
        """Return the record from plain data, the inverse of `to_json`; raises pydantic's
        `ValidationError` where a field is missing or wrong."""
        return _TRIAL.validate_python(data)


_TRIAL = TypeAdapter(TrialRecord)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; on leaving, the written data is flushed to disk and renamed to `path`.

    After an exception `path` is unchanged, and no temporary file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write an object to a file with its keys in order, completely or not at all."""
    with whole_file(path) as beside:
        beside.write_bytes(json_text(data))


def json_text(data: dict[str, Any]) -> bytes:
    """Return the text of an object as it is written to a file."""
    return (json.dumps(data, indent=1) + "\n").encode()


def read_json(path: Path) -> dict[str, Any]:
    """Read an object that `write_json` wrote; one of another schema is refused."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; is this a run's folder?") from None
    except OSError as error:
        raise RunError(f"{path}: can't be read ({error.strerror}); is this a run's folder?") from error
    except (ValueError, RecursionError) as error:   # no JSON, or no UTF-8
        raise RunError(f"{path}: not JSON ({error})") from error
    if not isinstance(data, dict):
        raise RunError(f"{path}: found {value_text(data)}, allowed is a JSON object")
    _refuse_other_version(path, data.get("schema_version"))
    return data


def refuse_invalid(path: Path, error: ValidationError) -> NoReturn:
    """Refuse a document, naming its first wrong field according to `error`."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    found = "nothing" if first["type"] == "missing" else value_text(first["input"])
    raise RunError(f"{path}: {name}: found {found}, and that is not what a run writes there") from error


def _refuse_other_version(path: Path, version: object) -> None:
    if version != SCHEMA_VERSION:
        why = "no file of a run" if not isinstance(version, int) else (
            f"the run was made by {'a newer' if version > SCHEMA_VERSION else 'an older'} Tickertape")
        raise RunError(f"{path}: schema_version: found {value_text(version)}, allowed is {SCHEMA_VERSION}: {why}")


def seal(folder: Path, trial_json: bytes) -> None:
    """Write the digests of a trial's files, and of the `trial.json` that is about to be written."""
    with whole_file(folder / SUMS) as beside:
        beside.write_bytes(digests.text_of(folder, trial_json))


def write_table(folder: Path, name: str, table: pa.Table) -> None:
    """Write one of `SCHEMAS` into a trial's folder, completely or not at all; its schema must fit."""
    with whole_file(folder / f"{name}.parquet") as beside:
        versioned = table.cast(SCHEMAS[name]).replace_schema_metadata({VERSION_KEY: str(SCHEMA_VERSION)})
        pq.write_table(versioned, beside, compression="zstd")


THREADS_FROM_BYTES = 4_000_000
"""The size of a file from which several threads read it."""


def read_table(folder: Path, name: str) -> pa.Table:
    """Read one of `SCHEMAS` from a trial's folder; a column that it doesn't have is null, if it may be."""
    path = folder / f"{name}.parquet"
    if not path.is_file():
        raise RunError(f"{path}: no such file; the run was moved without its raw records")
    digests.refuse_changed(folder, path.name)
    try:
        with pq.ParquetFile(path) as file:   # `pq.read_table`, and threads for a small file, take twice as long
            table = file.read(use_threads=path.stat().st_size > THREADS_FROM_BYTES)
        version = (table.schema.metadata or {}).get(VERSION_KEY, b"").decode(errors="replace")
        _refuse_other_version(path, int(version) if version.isdigit() else version or None)
        table = _completed(table, SCHEMAS[name])
    except KeyError as error:
        raise RunError(f"{path}: column {error.args[0]}: found none, and it can't be null") from error
    except (pa.ArrowException, OSError) as error:
        what = str(error).partition("\n")[0]
        raise RunError(f"{path}: can't be read as the table {name} ({what})") from error
    for column in SCHEMAS[name]:
        if not column.nullable and table[column.name].null_count:
            raise RunError(f"{path}: column {column.name}: found nulls, and it can't be null")
    return table


def _completed(read: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with exactly the columns of `schema`: a missing one is null, a further one is left out.

    Raises `KeyError` with the column's name where one is missing that may not be null.
    """
    columns = []
    for wanted in schema:
        if wanted.name in read.column_names:
            column = read[wanted.name]
            columns.append(column if column.type == wanted.type else column.cast(wanted.type))
        elif wanted.nullable:
            columns.append(pa.nulls(read.num_rows, wanted.type))
        else:
            raise KeyError(wanted.name)
    return pa.Table.from_arrays(columns, schema=schema)


def read_tables(folder: Path, record: TrialRecord) -> dict[str, pa.Table]:
    """Return all tables of a finished trial."""
    digests.refuse_changed_logs(folder)
    names = [*TABLES]
    if record.sample < 1:
        names.append("histograms")
    if (folder / "uplinks.parquet").is_file() or digests.lists(folder, "uplinks.parquet"):
        names.append("uplinks")
    return {name: read_table(folder, name) for name in names}


def write_trial(folder: Path, record: TrialRecord) -> None:
    """Write the digests of a trial's files and `trial.json`, which marks the trial as finished."""
    text = json_text(record.to_json())
    seal(folder, text)
    with whole_file(folder / "trial.json") as beside:
        beside.write_bytes(text)


def read_trial(folder: Path) -> TrialRecord:
    """Read `trial.json`; one that no run wrote is refused."""
    path = folder / "trial.json"
    if path.is_file():
        digests.refuse_changed(folder, path.name)
    try:
        record = TrialRecord.from_json(read_json(path))
    except ValidationError as error:
        refuse_invalid(path, error)
    if record.sample < 1 and record.status == "finished" and not record.totals:
        raise RunError(f"{path}: totals: found none, allowed are the sums over all clients: the tables hold "
                       f"{100 * record.sample:.3g} % of them")
    errors = record.load.get("errors", {})
    if not isinstance(errors, dict) or not all(isinstance(each, int) for each in errors.values()):
        raise RunError(f"{path}: load.errors: found {value_text(errors)}, allowed is a table of whole numbers")
    windows = record.windows
    if windows is not None and not windows.warmup_ns <= windows.t0_ns < windows.t1_ns:
        raise RunError(f"{path}: windows: found t0_ns = {windows.t0_ns} and t1_ns = {windows.t1_ns}, allowed "
                       f"are rising ones from warmup_ns = {windows.warmup_ns} on")
    return record


def trial_folders(run: Path) -> list[Path]:
    """Return the folders of the finished trials, in the order of their names."""
    return sorted(path.parent for path in run.glob("trials/*/trial.json"))
