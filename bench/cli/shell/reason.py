"""The last line of a command that does not exit with 0: the reason.

    stderr                after the report, a table, or JSON on stdout
    $TICKERTAPE_REASON    the same line in the file that this variable names, for `make`, which prints the
                          last line itself and would otherwise say only "Error 1"

This module uses only the standard library, so that a command that can't start can still give its reason.

Known weakness: a bug ends with its traceback, whose last line is the reason; it is not written to the file.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from bench.output.plain import visible

VARIABLE = "TICKERTAPE_REASON"


def say(sentence: str) -> None:
    """Print the reason after all other output, and write its last line to the file that is asked for."""
    sentence = visible(sentence)
    with suppress(OSError):   # stdout is written, or its failure reported, at the end of the command
        if sys.stdout is not None:   # closed from the start
            sys.stdout.flush()
    with suppress(OSError):   # no reader is left
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()
    named = os.environ.get(VARIABLE)
    if named:
        with suppress(OSError):   # it is on stderr
            Path(named).write_text(f"{sentence.splitlines()[-1]}\n", encoding="utf-8")
