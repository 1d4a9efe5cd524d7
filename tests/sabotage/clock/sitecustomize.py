"""Steps the real-time clock of the load process, and of it alone: found by Python through PYTHONPATH.

From the moment at which the file that SABOTAGE_STEP names is there, `time.time_ns` is ahead by 80 ms. To
step the machine's own clock would disturb whatever else runs on it; the kernel's stamps stay as they are,
as they do when a clock is stepped between the arrival of an update and the next look at the clock.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

STEP_NS = 80_000_000

if "TICKERTAPE_LOAD" in os.environ and "SABOTAGE_STEP" in os.environ:
    honest, trigger = time.time_ns, Path(os.environ["SABOTAGE_STEP"])

    def stepped() -> int:
        """Return the clock's reading, stepped once the trigger is there."""
        return honest() + STEP_NS * trigger.exists()

    time.time_ns = stepped
