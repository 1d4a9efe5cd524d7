"""Makes each tick costly to parse for the load process, and for it alone: found by Python through PYTHONPATH.

Once the file that SABOTAGE_TOIL names is there, a tick takes 4 ms of computing, so a few hundred a second
use up whatever the process gets of its core, however fast the machine and the server are.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import orjson

TOIL_S = 0.004

if "TICKERTAPE_LOAD" in os.environ and "SABOTAGE_TOIL" in os.environ:
    quick, trigger = orjson.loads, Path(os.environ["SABOTAGE_TOIL"])

    def toilsome(text: bytes) -> object:
        """Parse a text; slowly, once the trigger is there."""
        until = time.thread_time() + TOIL_S * trigger.exists()
        while time.thread_time() < until:
            pass
        return quick(text)

    orjson.loads = toilsome
