"""The command line: one verb a stage. What each does is in its `--help`.

    run      scenario ─► trials ─► report          exit 0: every trial valid in the end, 1: some are not
    report   a run's files ─► its report again
    compare  two runs ─► what has become worse      exit 0: nothing, 1: something
    serve    all servers side by side on one feed, to poke at
    doctor   what of this machine would spoil a run
    simulate scenario ─► trials, simulated from measured costs ─► report       exit as `run`
    calibrate  short trials ─► what the servers' work costs on this machine
    validate   what was simulated beside what was measured: how far apart they are
    scenarios  the questions that there are, a line each; copies one to begin from

What all verbs share stands in `terms`, how a run ends on the terminal in `outcome`, what a command needs of
its surroundings in `surroundings`. The verbs are imported last, since that takes a second and much memory.
"""

from __future__ import annotations

import atexit
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn, cast

from bench.cli import reason, surroundings

if TYPE_CHECKING:
    from typer import Typer

NOT_VALID, MISTAKE, INTERRUPTED = 1, 2, 130
SCARCE = frozenset({errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN})
"""What the machine may lack while modules are imported."""
NO_MEMORY = ("failed to map segment", "cannot allocate memory", "can't start new thread")


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


def __getattr__(name: str) -> Typer:
    """`app`, the verbs as Typer has them, made when it is first asked for."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with ended_at_once():   # this takes a second
        import typer

        from bench.cli import measuring, scenarios, simulate, validating

    app = typer.Typer(
        no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
        rich_markup_mode="markdown",
        help="What it costs, and how long it takes, to get live data to its clients.",
    )
    for verb in (*measuring.VERBS, *simulate.VERBS, *validating.VERBS, *scenarios.VERBS):
        app.command()(verb)
    globals()["app"] = app
    return app


def main() -> None:
    """Run the installed command, and end with its status. A mistake is one sentence on stderr."""
    has_stdout = sys.stdout is not None
    surroundings.open_streams()
    mistake = surroundings.mistake(sys.argv[1:], has_stdout=has_stdout)
    if mistake is not None:
        _end(mistake, MISTAKE)
    try:
        app = __getattr__("app")
    except (MemoryError, ImportError, OSError, RuntimeError) as error:
        if not _is_scarcity(error):
            raise
        _end(f"memory: too little to start with ({error or 'none is left'}); raise the limits on memory, "
             "processes and files, or end what else runs here", MISTAKE)
    try:
        status = _status(app)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else MISTAKE if error.code else 0
    _leave(status)


def _leave(status: int) -> NoReturn:
    """End with the status, once all is done that was put off until the end.

    The interpreter's own end waits for nothing of Arrow's: now and then, in one of 40 ends on a busy machine,
    one of its idle threads then calls `std::terminate`, and the status is 134 in place of the command's own.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):   # closed, or never there
            stream.flush()
    os._exit(status)


def _is_scarcity(error: BaseException) -> bool:
    """Whether an import failed because the machine has too little of something."""
    if isinstance(error, OSError):
        return error.errno in SCARCE
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in NO_MEMORY)


def _status(app: Typer) -> int:
    """The command's exit status, once all is written that it prints: to a disk that is full, maybe."""
    from typer import BadParameter

    usage_error = cast("type[BadParameter]", BadParameter.__mro__[1])   # Typer shows no public name of it
    try:
        try:
            return int(app(prog_name="tickertape", standalone_mode=False) or 0)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        reason.tell("Interrupted.")
        return INTERRUPTED
    except SystemExit as error:   # Rich and Typer end with 1 and no word where a pipe has no reader any more
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        _end("stdout: can't be written (nobody reads it any more)", NOT_VALID)
    except usage_error as error:
        if not sys.argv[1:]:
            error.show()
            reason.tell("tickertape: found no command, allowed is one of those above")
            return MISTAKE
        command = error.ctx.command_path if error.ctx else "tickertape"
        _end(f"{command}: {error.format_message()} (see `{command} --help`)", MISTAKE)
    except OSError as error:
        if error.filename is not None:
            raise
        _end(f"stdout: can't be written ({os.strerror(error.errno or 0)})", NOT_VALID)


def _end(sentence: str, status: int) -> NoReturn:
    """End with a sentence; what is left to be written would fail at the interpreter's end."""
    reason.tell(sentence)
    for fd in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), fd)
    sys.exit(status)
