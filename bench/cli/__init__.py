"""The command line: one verb a stage. What each does is in its `--help`.

    run      scenario ─► trials ─► report          exit 0: every trial valid in the end, 1: some are not
    report   a run's files ─► its report again
    compare  two runs ─► what has become worse      exit 0: nothing, 1: something
    serve    all servers side by side on one feed, to poke at
    doctor   what of this machine would spoil a run
    simulate scenario ─► trials, simulated from measured costs ─► report       exit as `run`
    calibrate  short trials ─► what the servers' work costs on this machine
    validate   what was simulated beside what was measured: how far apart they are

What all verbs share stands in `terms`, how a run ends on the terminal in `outcome`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer


@contextmanager
def ended_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process without a word meanwhile: nothing is under way that would need an order. Who
    is deaf to it, or has a handler of their own, keeps that."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


with ended_at_once():   # this takes a second
    from bench.cli import measuring, simulating, validating
    from bench.cli.terms import NOT_VALID
    from bench.experiment.room import FULL

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode="markdown",
    help="What it costs, and how long it takes, to get live data to its clients.",
)
verbs: tuple[Callable[..., None], ...] = (*measuring.VERBS, *simulating.VERBS, *validating.VERBS)
for verb in verbs:
    app.command()(verb)


def main() -> None:
    """The installed command. What it prints may go to a disk that is full."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in FULL:
            raise
        typer.echo(f"stdout: can't be written ({os.strerror(error.errno)})", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)   # what is left would fail at the interpreter's end
        sys.exit(NOT_VALID)
