"""The verb `report`: a run's report made again, from its files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import (
    AsJson,
    end,
    reported_errors,
)
from bench.cli.outcome import finish


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")] = Path("results/latest"),
    as_json: AsJson = False,
) -> None:
    """Make a run's report again, from its files alone.

    The same files give the same report, byte for byte, with the same versions of the libraries. Exit status:
    0 every trial of the plan is valid; 1 some are not, or the run is not finished; 2 a mistake.

    Example:

        tickertape report results/latest
    """
    with reported_errors():
        lacks = finish(run.resolve(), as_json)
    end(lacks)
