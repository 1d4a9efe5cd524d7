"""Starts a load process with a browser, as a trial's runner does: `TICKERTAPE_LOAD=… python -m bench.load.browser`."""

from __future__ import annotations

import sys
import traceback

from bench.browser.devtools import BrowserError
from bench.errors import UserError
from bench.lifeline import VARIABLE, Lifeline
from bench.load import config as configuration
from bench.load.browser.session import BrowserSession, RunnerMessages

CRASHED = 4
"""Exit status after a failure of the browser."""


def main() -> int:
    """Run the process and return its exit status: 0, 2 for a user's mistake, or 4."""
    try:
        config, lifeline = configuration.load(), Lifeline.from_environment()
        if lifeline is None:
            raise UserError(f"{VARIABLE}: found nothing: a browser is only driven by the runner of a trial")
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    channel = RunnerMessages(lifeline)
    try:
        BrowserSession(config, channel).run()
    except BrowserError as error:
        channel.say({"failed": {"reason": "load-crashed", "detail": str(error)}})
        sys.stderr.write(traceback.format_exc())
        return CRASHED
    return 0


if __name__ == "__main__":
    sys.exit(main())
