"""The command line: one verb a stage. What each does is in its `--help`.

    run      scenario ─► trials ─► report          exit 0: every trial valid in the end, 1: some are not
    report   a run's files ─► its report again
    compare  two runs ─► what has become worse      exit 0: nothing, 1: something
    serve    all servers side by side on one feed, to poke at
    doctor   what of this machine would spoil a run

What all verbs share stands in `terms`, how a run ends on the terminal in `outcome`.
"""

from __future__ import annotations

import typer

from bench.cli import measuring

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode="markdown",
    help="What it costs, and how long it takes, to get live data to its clients.",
)
for verb in measuring.VERBS:
    app.command()(verb)


def main() -> None:
    """The installed command."""
    app()
