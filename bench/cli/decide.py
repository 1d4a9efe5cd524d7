"""The verb `decide`: which transport to take for one situation.

    --clients --rate --within --rtt …  ─► the scenario scale/decision with these fields ─► the answer, and a page

`--use NAME` takes the numbers of a use case (`[use_case]` of scenarios/use-cases/NAME.toml); an option that is given
replaces its number. Without options it asks for the four numbers that matter, each with a default. The answer is
computed from the costs file and takes seconds; nothing is measured.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bench import shipped, transports
from bench.cli import study
from bench.cli.options import RESULTS, AsJson, Results, reported_errors, resume_hint
from bench.errors import ScenarioError, UserError
from bench.experiment import prepare, run_folder
from bench.experiment.disk_full import report_disk_full
from bench.scenario import model
from bench.scenario.model import Scenario
from bench.scenario.parsing import short

SCENARIO = "scale/decision"
TIME = re.compile(r"([0-9.]+) ?(ms|s|min)?")
MILLISECONDS = {"ms": 1.0, "s": 1000.0, "min": 60_000.0}
OPTIONS = {
    "load.clients": "--clients", "feed.rate_per_s": "--rate", "decision.within_ms": "--within",
    "simulation.rtt_ms": "--rtt", "decision.payload_bytes": "--payload", "decision.now": "--now",
    "simulation.prices": "--prices"}
"""The options that set fields of the scenario, by field or table."""
SIZE = re.compile(r"([0-9]+) ?(B|kB)?")


def time_ms(flag: str, text: str) -> float:
    """Return a time with its unit in ms; raise `UserError` where it is not a time above 0."""
    found = TIME.fullmatch(text.strip())
    try:
        value = float(found[1]) * MILLISECONDS[found[2]] if found and found[2] else 0.0
    except ValueError:
        value = 0.0
    if value <= 0:
        raise UserError(f"{flag}: found '{short(text)}', allowed is a time above 0 with its unit: 80ms, 1s, 2min")
    return value


def size_bytes(text: str) -> int:
    """Return a size with its unit in bytes; raise `UserError` where it is not one."""
    found = SIZE.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise UserError(f"--payload: found '{short(text)}', allowed is a size above 0: 300B, 2kB")
    return int(found[1]) * (1000 if found[2] == "kB" else 1)


def decide(
    clients: Annotated[int | None, typer.Option(min=1, help="Clients that want the updates.")] = None,
    rate: Annotated[float | None, typer.Option(help="Updates per second of each client.")] = None,
    within: Annotated[str | None, typer.Option(
        metavar="TIME", help="The longest that an update may take (1s, 250ms).")] = None,
    rtt: Annotated[str | None, typer.Option(
        metavar="TIME", help="Round-trip time between clients and servers.")] = None,
    payload: Annotated[str | None, typer.Option(
        metavar="SIZE", help="Size of an update (300B, 2kB); by default that of a tick.")] = None,
    use: Annotated[str | None, typer.Option(
        metavar="NAME", help="A use case of docs/use-cases.md (ticker, chat, notifications …) with its "
        "numbers; the other options replace them.")] = None,
    now: Annotated[str | None, typer.Option(
        metavar="TEXT", help="What is used now, to be compared: a transport and its options, as in the "
        "second example.")] = None,
    make: Annotated[str | None, typer.Option(
        metavar="NAME", help="The servers' implementation, where costs of it are known; by default library.")] = None,
    prices: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Prices of workers, traffic, requests … in TOML: see docs/prices.md.")] = None,
    costs: Annotated[Path | None, typer.Option(
        metavar="FILE", help="The costs file, in place of the newest of this host's, or the project's own.")] = None,
    measured: Annotated[Path | None, typer.Option(
        metavar="RUN", help="A measured run with the memory of a client; by default the reference run.")] = None,
    as_json: AsJson = False,
    results: Results = None,
) -> None:
    """Say which transport to take, what it costs, and what would change the answer.

    Each transport is taken at its best: polls as rarely as the staleness allows, pushes flushed where that saves a
    worker. Transports that the costs' intervals and the model's known errors do not tell apart are a tie.

    Examples:

        tickertape decide --clients 20000 --rate 1 --within 1s --rtt 80ms
        tickertape decide --clients 20000 --rate 1 --within 1s --rtt 80ms --now "short_polling interval_s=5"
        tickertape decide --use notifications --clients 5000
        tickertape decide --clients 500 --rate 0.1 --within 10s --rtt 40ms --prices prices.toml

    Exit status: 0 the answer is given; 1 the disk filled; 2 a mistake; 130 interrupted.
    """
    with reported_errors(), _named_by_option():
        if all(each is None for each in (clients, rate, within, rtt, payload, use, now, make, prices)):
            clients, rate, within, rtt = asked()
        given = [*numbers_of(use), *_numbers(clients, rate, within, rtt), *_texts(payload, now, make)]
        place = results or RESULTS
        run_folder.refuse_no_place(place)
        prepared = prepare.read(SCENARIO, [*given, *prices_of(prices)])
        with report_disk_full("the same command"):
            run = study.begin(prepared, place, costs, measured)
        again = f"tickertape simulate --resume {run.folder}"
        with report_disk_full(again), resume_hint(again):
            study.execute(run)
        study.finish(run.folder, as_json)


@contextmanager
def _named_by_option() -> Iterator[None]:
    """Name the option that set a field, in place of the field, in a mistake of the scenario."""
    try:
        yield
    except ScenarioError as error:
        for field, option in OPTIONS.items():
            if error.field == field or error.field.startswith(f"{field}."):
                part = error.field[len(field) + 1:]   # of a list it is a number
                raise UserError(f"{option}: {f'{part}: ' if part[:1].isalpha() else ''}{error.mistake}") from error
        raise


def asked() -> tuple[int, float, str, str]:
    """Ask for clients, updates per second, staleness and round trip; return the answers.

    Raises `UserError` where the input ends before, and `KeyboardInterrupt` at Ctrl-C.
    """
    try:
        clients = typer.prompt("How many clients?", default=20_000, type=int, err=True)
        rate = typer.prompt("How many updates per second does each get?", default=1.0, type=float, err=True)
        within = typer.prompt("How late may an update be?", default="1s", err=True)
        rtt = typer.prompt("How far away are they, there and back?", default="80ms", err=True)
    except typer.Abort as error:   # either of them
        if isinstance(error.__context__, EOFError):
            raise UserError("the questions: found no answer, allowed are --clients, --rate, --within, --rtt") from None
        raise KeyboardInterrupt from None
    return clients, rate, within, rtt


def numbers_of(use: str | None) -> list[str]:
    """Return the numbers of a use case as settings of the scenario.

    Raises `UserError` where there is no such use case, and `ScenarioError` where its file is not valid.
    """
    if use is None:
        return []
    known = {file.stem: file for file in sorted(shipped.path("scenarios/use-cases").glob("*.toml"))}
    if use not in known:
        raise UserError(f"--use: found '{short(use)}', allowed is one of {', '.join(known)}")
    scenario = model.load(known[use])
    numbers, room = scenario.use_case, room_clients(scenario)
    assert numbers is not None, "a use case without its table"
    sends = [] if room is None else [f"decision.room_clients={room}"]
    return [*sends, f"load.clients=[{numbers.clients}]", f"feed.rate_per_s={numbers.rate_per_s!r}",
            f"decision.within_ms={numbers.within_ms!r}", f"simulation.rtt_ms={numbers.rtt_ms!r}",
            f"decision.payload_bytes={numbers.payload_bytes}"]


def room_clients(scenario: Scenario) -> int | None:
    """Return the mean number of clients of a room; None where clients only listen."""
    feed, load = scenario.feed, scenario.load
    if feed.source != "clients":
        return None
    each = min(load.symbols_per_client or feed.symbols, feed.symbols)
    return max(round(load.clients[0] * each / feed.symbols), 1)


def _numbers(clients: int | None, rate: float | None, within: str | None, rtt: str | None) -> list[str]:
    found = []
    if clients is not None:
        found.append(f"load.clients=[{clients}]")
    if rate is not None:
        found.append(f"feed.rate_per_s={rate!r}")
    if within is not None:
        found.append(f"decision.within_ms={time_ms('--within', within)!r}")
    if rtt is not None:
        found.append(f"simulation.rtt_ms={time_ms('--rtt', rtt)!r}")
    return found


def _texts(payload: str | None, now: str | None, make: str | None) -> list[str]:
    found = []
    if payload is not None:
        found.append(f"decision.payload_bytes={size_bytes(payload)}")
    if now is not None:
        found.append(f"decision.now={json.dumps(now)}")
    if make is not None:
        found += [f"transports.{name}.server={json.dumps(make)}" for name in transports.names()]
    return found


def prices_of(path: Path | None) -> Sequence[str]:
    """Return the fields of a file of prices as settings of the scenario.

    Raises `UserError` for a file that can't be read, is not TOML or is empty; its fields are checked with the scenario.
    """
    if path is None:
        return []
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"--prices: {path}: found {found}, allowed is a TOML file, see docs/prices.md") from error
    if not table:
        raise UserError(f"--prices: {path}: found no price, allowed is one or more, see docs/prices.md")
    return [f"simulation.prices.{name}={json.dumps(value, default=str)}" for name, value in table.items()]

