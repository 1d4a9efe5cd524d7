"""The verb `scenarios`: lists the available scenarios, and copies one to begin from."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import typer

from bench import shipped
from bench.cli.options import VALID, reported_errors
from bench.errors import ScenarioError
from bench.experiment import prepare


def scenarios(
    name: Annotated[str | None, typer.Argument(
        metavar="[SCENARIO]", help="The scenario to copy; without one they are listed.")] = None,
    to: Annotated[Path | None, typer.Option(
        "--to", metavar="FILE", help="Where the copy is written; by default NAME.toml in the current folder. "
        "A file that is there is not overwritten.")] = None,
) -> None:
    """List the scenarios that come with Tickertape, a line each, or copy one to begin from.

    Examples:

        tickertape scenarios
        tickertape scenarios quick --to mine.toml
        tickertape run mine.toml

    Exit status: 0 listed or copied; 2 a mistake.
    """
    if name is None and to is not None:
        raise typer.BadParameter("--to is where a copy is written; it goes with the name of a SCENARIO")
    with reported_errors():
        if name is None:
            for each, prepared in listed(shipped.path("scenarios")):
                typer.echo(f"{each:28} {prepared}")
        else:
            typer.echo(f"Written: {copy(prepare.find(name), to)}")
    raise typer.Exit(VALID)


def listed(folder: Path) -> list[tuple[str, str]]:
    """Return the name and the question of each scenario below `folder`, with those directly in it first."""
    files = sorted(folder.glob("**/*.toml"), key=lambda file: (len(file.relative_to(folder).parts), file))
    return [(file.relative_to(folder).with_suffix("").as_posix(),
             str(tomllib.loads(file.read_text(encoding="utf-8"))["question"])) for file in files]


def copy(file: Path, to: Path | None) -> Path:
    """Copy a scenario file to `to`, or to its own name in the current folder; return the copy's path.

    Raises `ScenarioError` where the file can't be read, or the copy can't be written or already exists.
    """
    target = Path(file.name) if to is None else to
    try:
        text = file.read_bytes()
    except OSError as error:
        raise ScenarioError(str(file), "scenario", f"a file that can't be read ({error.strerror})",
                            "the path of a scenario file") from None
    try:
        with target.open("xb") as opened:
            opened.write(text)
    except FileExistsError:
        raise ScenarioError(str(target), "--to", "a file that is there already",
                            "a path that is free") from None
    except OSError as error:
        raise ScenarioError(str(target), "--to", f"a path that can't be written ({error.strerror})",
                            "a file in a folder that is there") from None
    return target
