"""The verb `doctor`: a check of this machine for anything that would spoil a run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from bench.cli.options import (
    AsJson,
    end,
    print_json,
    reported_errors,
)
from bench.experiment import doctor as doctors
from bench.output import terminal
from bench.scenario.parsing import list_text


def doctor(
    seconds: Annotated[int, typer.Option(
        "--seconds", min=1, max=3600, help="How long to observe what else runs on this machine.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Check this machine for anything that would spoil a run, and say what to do about it.

    Observes the other load on the machine. The worst stretch as long as a trial is judged by half the bounds
    that make a trial INVALID. Exit status: 0 nothing found, 1 something found.

    Example:

        tickertape doctor --seconds 60
    """
    with reported_errors():
        described, checks = doctors.examined(seconds)
    if as_json:
        print_json({"host": described, "observed_s": seconds, "checks": [asdict(check) for check in checks]})
    else:
        table = Table("", "verdict", "found", "what to do")
        for check in checks:
            table.add_row(check.name, check.verdict, check.found, check.advice)
        console = terminal.console(markup=False)
        console.print(table)
        console.print(doctors.observed_text(seconds), highlight=False)
    poor = [f"{check.name} ({check.found})" for check in checks if check.verdict == "poor"]
    are = "is" if len(poor) == 1 else "are"
    end(f"{len(poor)} of {len(checks)} checks {are} poor: {list_text(poor)}" if poor else None)
