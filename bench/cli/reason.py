"""The last line of a command that does not end with 0: it says why.

    stderr                after the report, a table, or JSON on stdout
    $TICKERTAPE_REASON    the same line in the file that this names, for `make`, which has the last word where
                          it starts the command, and would say no more than "Error 1"

It is made of the standard library alone, so that a command that can't begin has its reason, too.

Known weakness: a bug ends with its traceback, whose last line is the reason; that is in no file.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from bench.output.plain import visible

VARIABLE = "TICKERTAPE_REASON"


def tell(sentence: str) -> None:
    """Print the reason, after all that has been printed, and leave its last line where it is asked for."""
    sentence = visible(sentence)
    with suppress(OSError):   # stdout is written, or its failure told, at the command's end
        if sys.stdout is not None:   # closed from the start
            sys.stdout.flush()
    with suppress(OSError):   # nobody is left to be told
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()
    named = os.environ.get(VARIABLE)
    if named:
        with suppress(OSError):   # it stands on stderr
            Path(named).write_text(f"{sentence.splitlines()[-1]}\n", encoding="utf-8")
