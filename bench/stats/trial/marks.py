"""The instants at which the runner read what the processes had used: its marks at t0 and t1.

    samples.parquet   readings of each process, every 100 ms; the marks are the first from t0 on and
                      the last

CPU is the time used between a process's two marks, so the updates by which it is divided are counted between
the same two instants. If the runner is stopped or kept off its core, its marks are late: then memory,
wake-ups and the noise of the host, which are read at the same time, do not cover the window. `late_ms` is
the lateness of the latest mark of any process.

Known weakness: context switches and the host's counters are read just after a mark's instant. If the runner
stops in the millisecond between, they are late without showing it, except by the mark of the next process.
"""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.records.trial_record import WindowInstants


def marks(samples: pa.Table, windows: WindowInstants) -> dict[str, tuple[int, int]]:
    """Return the instants (ns) of each process's readings at t0 and t1; processes with fewer than
    two readings are left out."""
    found = {}
    names = samples.column("process").cast(pa.string())
    for name in pc.unique(names).to_pylist():
        at_ns = np.asarray(samples.filter(pc.equal(names, name)).column("at_ns").to_numpy(), dtype=np.int64)
        at_ns = at_ns[at_ns >= windows.t0_ns]
        if len(at_ns) > 1:
            found[name] = int(at_ns.min()), int(at_ns.max())
    return found


def server_span(samples: pa.Table, windows: WindowInstants) -> tuple[int, int]:
    """Return the instants (ns) of the server's two marks; t0 and t1 where they are not recorded."""
    return marks(samples, windows).get("server", (windows.t0_ns, windows.t1_ns))


def late_ms(samples: pa.Table, windows: WindowInstants) -> float:
    """Return the lateness of the latest mark in ms; NaN where no marks are recorded."""
    late_ns = [max(begin - windows.t0_ns, abs(end - windows.t1_ns))
               for begin, end in marks(samples, windows).values()]
    return max(late_ns) / 1e6 if late_ns else math.nan
