"""The verb `report`: a run's report made again, from its files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import (
    AsJson,
    Require,
    end,
    reported_errors,
)
from bench.cli.outcome import finish


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")] = Path("results/latest"),
    beside: Annotated[list[Path] | None, typer.Option(
        metavar="RUN", help="A run of the same sweep at another feed.rate_per_s, whose values are copied into RUN's "
        "folder and shown in its report. May be repeated.")] = None,
    require: Require = None,
    as_json: AsJson = False,
) -> None:
    """Make a run's report again, from its files alone.

    The same files give the same report, byte for byte, with the same versions of the libraries. Exit status:
    0 every trial of the plan is valid; 1 some are not, or the run is not finished; 2 a mistake; 3 a threshold is
    broken. `--require` adds to the thresholds that the run began with, for this report alone.

    Examples:

        tickertape report results/latest
        tickertape report results/at-10 --beside results/at-1 --beside results/at-100
        tickertape report results/latest --require "websocket.latency_p99_ms <= 50 at 500"
    """
    with reported_errors():
        if beside:
            # It imports pandas, which a report without it should not pay for twice.
            from bench.report.data import swept
            from bench.report.data.run import open_run

            swept.put_beside(open_run(run.resolve()), [open_run(each.resolve()) for each in beside])
        ending = finish(run.resolve(), as_json, require or ())
    end(*ending)
