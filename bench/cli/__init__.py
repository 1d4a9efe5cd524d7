"""The command line: one verb for each stage. Each verb's `--help` says what it does.

A verb's module is imported last, since that takes a second and much memory, and alone.

Modules, in reading order:

    scenarios     lists the available scenarios, or copies one to begin from
    run           scenario ─► trials ─► report      exit 0: every trial valid in the end, 1: some are not,
                                                    3: a threshold is broken
    report        a run's files ─► its report again      exit as `run`
    compare       two runs ─► what has become worse      exit 0: nothing, 1: something
    simulate      scenario ─► trials, simulated from measured costs ─► report      exit as `run`
    decide        which transport to take for one situation
    study         `simulate` of a reconnect storm, a crossover map or a decision
    calibrate     short trials ─► the CPU costs of the servers' work on this machine
    validate      simulated beside measured values ─► their errors
    series        the parts of `calibrate` and `validate`
    serve         all servers side by side on one feed, to try them by hand
    doctor        checks this machine for anything that would spoil a run
    options       common options and errors of all verbs
    outcome       the output at the end of a run
    shell         the border between a command and the shell that starts it
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

from bench.cli.shell import reason, surroundings

if TYPE_CHECKING:
    from typer import Typer

NOT_VALID, MISTAKE, INTERRUPTED = 1, 2, 130
SCARCE = frozenset({errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN})
"""Error numbers of a machine that runs out of a resource while modules are imported."""
NO_MEMORY = ("failed to map segment", "cannot allocate memory", "can't start new thread")


@contextmanager
def ended_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process at once, without a message, within the context.

    Nothing is under way that would need an orderly end. A process that ignores SIGINT, or has a handler of
    its own, keeps that.
    """
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
    """Return `app`, the Typer application with all verbs, which is made at first use (`bench.cli.shell.verbs`).

    Raises `AttributeError` for any other name.
    """
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bench.cli.shell import verbs

    globals()["app"] = verbs.application()
    return cast("Typer", globals()["app"])


def main() -> None:
    """Run the installed command, and exit with its status; a mistake is reported in one sentence on
    stderr."""
    has_stdout = sys.stdout is not None
    surroundings.open_streams()
    mistake = surroundings.mistake(sys.argv[1:], has_stdout=has_stdout)
    if mistake is not None:
        _end(mistake, MISTAKE)
    surroundings.keep_to_own_core(os.environ)
    try:
        with ended_at_once():   # this takes up to two seconds
            from bench.cli.shell import verbs

            app = __getattr__("app")
            verbs.load(sys.argv[1:])
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
    """Run the exit functions, flush the streams, and exit at once with the status.

    The interpreter's own exit does not wait for Arrow's threads. In about one of 40 exits on a busy machine,
    one of its idle threads then calls `std::terminate`, and the status is 134 instead of the command's own.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):   # closed, or never there
            stream.flush()
    os._exit(status)


def _is_scarcity(error: BaseException) -> bool:
    """Return whether an import failed because the machine has too little of a resource."""
    if isinstance(error, OSError):
        return error.errno in SCARCE
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in NO_MEMORY)


def _status(app: Typer) -> int:
    """Run the command and return its exit status, after all its output has been written.

    A write may fail, for example on a full disk; that is reported and gives status 1.
    """
    from typer import BadParameter

    usage_error = cast("type[BadParameter]", BadParameter.__mro__[1])   # Typer has no public name for it
    try:
        try:
            return int(app(prog_name="tickertape", standalone_mode=False) or 0)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        reason.say("Interrupted.")
        return INTERRUPTED
    except SystemExit as error:   # Rich and Typer exit with 1 and no message where a pipe has no reader
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        _end("stdout: can't be written (its reader has ended)", NOT_VALID)
    except usage_error as error:
        if not sys.argv[1:]:
            error.show()
            reason.say("tickertape: found no command, allowed is one of those above")
            return MISTAKE
        command = error.ctx.command_path if error.ctx else "tickertape"
        _end(f"{command}: {error.format_message()} (see `{command} --help`)", MISTAKE)
    except OSError as error:
        if error.filename is not None:
            raise
        _end(f"stdout: can't be written ({os.strerror(error.errno or 0)})", NOT_VALID)


def _end(sentence: str, status: int) -> NoReturn:
    """Report a sentence and exit. Both streams are redirected, since writing their rest would fail at the
    exit."""
    reason.say(sentence)
    for fd in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), fd)
    sys.exit(status)
