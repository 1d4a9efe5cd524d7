"""The parts that all verbs share: exit statuses, common options, and the reporting of errors.

A user's mistake is reported in one sentence, with exit status 2; a run with a broken threshold ends with 3, an
interrupted command with 130.
Values go to stdout, progress and everything else to stderr. Only a bug prints a traceback: a file that the
machine refuses, or memory that it lacks, is reported in a sentence too.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from bench.cli import SCARCE, reason
from bench.errors import DiskFullError, KilledError, RunError, UserError
from bench.lifeline import termination_as_interrupt
from bench.output import terminal

VALID, NOT_VALID, MISTAKE, BROKEN, INTERRUPTED = 0, 1, 2, 3, 130

_SCENARIO = typer.Argument(
    metavar="SCENARIO", help="A name from scenarios/ (default, quick) or the path of a TOML file.")
ScenarioName = Annotated[str, _SCENARIO]
MaybeScenario = Annotated[str | None, _SCENARIO]
"""A scenario's name that may be omitted where `--resume` is given."""
FeedFile = Annotated[Path | None, typer.Option(
    "--feed", metavar="FILE", help="Replay the real trades of this CSV or Parquet file (as it is, in .gz or "
                                   ".zip, "
    "or a pipe) instead of synthetic ticks, with the scenario's feed.replay.speed and start.")]
ColumnNames = Annotated[str | None, typer.Option(
    "--columns", metavar="LIST", help="Which columns of the file say what, where their names don't: "
    "timestamp=sip_timestamp,price=price,size=size,symbol=ticker; by place in a file without a header.")]
Overrides = Annotated[list[str] | None, typer.Option(
    "--set", metavar="NAME=VALUE", help="Set a field of the scenario, such as load.clients=[50,200]; "
    "may be given more than once.")]
Require = Annotated[list[str] | None, typer.Option(
    "--require", metavar="THRESHOLD", help="A condition that the run must meet, in addition to the scenario's "
    "[thresholds], such as '<label>.latency_p99_ms <= 50 at 500' or 'lost == 0'; may be given more than once.")]
Wait = Annotated[bool, typer.Option(
    "--wait", help="Wait for a run that is under way on this machine, instead of refusing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of a table.")]


def as_field(columns: str | None) -> list[str]:
    """Return `--columns` as a setting of the scenario's field."""
    return [] if columns is None else [f"feed.replay.columns={json.dumps(columns)}"]


def of_a_file(feed: Path | None, columns: str | None) -> dict[str, tuple[str, object]]:
    """Return the flags about a file of trades, each with its field and the given value."""
    return {"--feed": ("feed.replay.file", feed), "--columns": ("feed.replay.columns", columns)}


def _folder(text: str | Path) -> Path:
    """Return the path of a named folder; raise `BadParameter` for an empty name, which would be the
    current folder."""
    if not str(text):
        raise typer.BadParameter("found '', allowed is a folder's name (. is the current one)")
    return Path(text)


Results = Annotated[Path | None, typer.Option(
    "--results", metavar="DIR", parser=_folder, help="Where the runs' folders are.  [default: results]")]
RESULTS = Path("results")


def refuse_idle(found: str, allowed: str, flags: Mapping[str, object]) -> None:
    """Raise `UserError` for the first given flag of `flags`, since it has no effect in the situation
    `found`."""
    for flag, given in flags.items():
        if _was_given(given):
            raise UserError(f"{flag}: found {found}, where it does nothing, allowed is {allowed}")


def _was_given(value: object) -> bool:
    """Return whether the user gave an option's value; 0 and '' count as values."""
    return value is not None and value is not False and value != []


def refuse_beside_resume(resume: Path, beside: Mapping[str, object]) -> None:
    """Raise `RunError` where --resume is combined with a setting that was fixed when the run began."""
    given = [name for name, value in beside.items() if _was_given(value)]
    if given:
        raise RunError(f"{resume}: --resume goes on with the scenario, settings and costs that were asked "
                       f"for; none of them goes with it (found: {', '.join(given)})")


def print_json(data: Mapping[str, object]) -> None:
    """Print one JSON object on stdout. JSON has no NaN and no infinity: they become null and "inf" or
    "-inf"."""
    typer.echo(json.dumps(_as_json(data), allow_nan=False))


def _as_json(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _as_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def say(line: str) -> None:
    """Print a line on stderr."""
    terminal.say(line, err=True)


@contextmanager
def reported_errors() -> Iterator[None]:
    """Report an error that ends the command in one sentence, and exit with its status.

    Covers a user's mistake, an interruption by Ctrl-C or SIGTERM (with how to continue), and a refusal of the
    machine: a file that can't be used, or too little memory.
    """
    try:
        with termination_as_interrupt():
            yield
    except UserError as error:
        reason.say(str(error))
        raise typer.Exit(NOT_VALID if isinstance(error, DiskFullError) else MISTAKE) from None
    except KeyboardInterrupt as error:
        reason.say(str(error) or "Interrupted.")
        raise typer.Exit(INTERRUPTED) from None
    except (OSError, MemoryError) as error:
        sentence = _refusal(error)
        if sentence is None:
            raise
        reason.say(sentence)
        raise typer.Exit(MISTAKE) from None


def reported(folder: Path, as_json: bool) -> tuple[str | None, str | None]:
    """Make the report of a run that has ended, and print its summary (`outcome.finish`)."""
    say("Making the report …")
    from bench.cli.outcome import finish  # it imports matplotlib, which neither measuring nor simulating needs

    return finish(folder, as_json)


def end(lacks: str | None, broken: str | None = None) -> NoReturn:
    """Exit with 0; or, where `lacks` is given, print it as the last line and exit with 1.

    `broken`, a sentence on thresholds, comes after it, and the status is then 3.
    """
    if broken is not None:
        if lacks is not None:
            say(lacks)
        reason.say(broken)
        raise typer.Exit(BROKEN)
    if lacks is None:
        raise typer.Exit(VALID)
    reason.say(lacks)
    raise typer.Exit(NOT_VALID)


def _refusal(error: OSError | MemoryError) -> str | None:
    """Return a sentence on the resource that the machine refused; None for an error that a user can't
    remedy."""
    if isinstance(error, MemoryError):
        return "memory: none is left; ask for less, or end what else runs here"
    if error.filename is not None:
        name = error.filename2 or error.filename   # of a renaming, the new name
        return f"{os.fsdecode(name)}: can't be used ({error.strerror})"
    if error.errno in SCARCE:
        return f"this machine: {error.strerror}; ask for less, raise its limits, or end what else runs here"
    return None


@contextmanager
def resume_hint(command: str) -> Iterator[None]:
    """Add the command that continues the run to the message of an interruption."""
    try:
        yield
    except KilledError as error:
        raise KilledError(f"{error}; to go on: {command}") from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"\nInterrupted. To go on: {command}") from None
