"""The verb `serve`: all servers of a scenario side by side on one feed, to try them by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli.options import (
    ColumnNames,
    FeedFile,
    Overrides,
    ScenarioName,
    as_field,
    of_a_file,
    reported_errors,
)
from bench.experiment import prepare
from bench.experiment import serve as serving
from bench.experiment.effect import refuse_without_effect, typed_fields
from bench.output import terminal


def serve(
    scenario: ScenarioName = "default",
    feed: FeedFile = None,
    columns: ColumnNames = None,
    overrides: Overrides = None,
    port: Annotated[int, typer.Option(
        help="The live page's port; the servers take those that follow, the feed the one 50 above.",
        min=1, max=65000)] = 8700,
    locust: Annotated[bool, typer.Option(
        "--locust", help="Also start Locust's web interface for each server, to load it by hand.")] = False,
    origin: Annotated[list[str] | None, typer.Option(
        "--origin", help="The origin of a page that may read the responses (https://page.example); repeatable.",
    )] = None,
) -> None:
    """Serve all transports of a scenario side by side on one feed, until Ctrl-C.

    Opens a live page with a client of each in your browser, at http://127.0.0.1:8700/, and prints each server's
    address and a command that reads from it.

    Example:

        tickertape serve quick --set feed.rate_per_s=2
    """
    with reported_errors():
        origins = [serving.origin_of(text) for text in origin or ()]
        prepared = prepare.read(scenario, [*as_field(columns), *(overrides or ())], feed)
        typed = typed_fields(of_a_file(feed, columns), overrides or ())
        refuse_without_effect([prepared], typed, "serve", locust=locust)
        serving.serve(prepared, port, locust=locust, origins=origins, say=terminal.say)
