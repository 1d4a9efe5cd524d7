"""The instants at which the runner read what the processes had used: its marks at t0 and t1.

    samples.parquet   looks at each process, every 100 ms;  the first from t0 on, and the last, are the marks

CPU is what was used between a process's two marks, so what it is divided by is counted between the same two
instants. A runner that was stopped or kept off its core makes its marks late: then memory, wake-ups and the
noise of the host, which are read in the same turn, are of no stretch that anybody asked for. `late_ms` is how
late the latest mark of any process was.

Known weakness: what is read just after a mark's instant (context switches, the host's counters) is late
unseen where the runner stands still in the millisecond between; the mark of the next process then tells.
"""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.records.trial_record import Windows


def marks(samples: pa.Table, windows: Windows) -> dict[str, tuple[int, int]]:
    """Return when each process was read at t0 and at t1; a process without two looks has none."""
    found = {}
    names = samples.column("process").cast(pa.string())
    for name in pc.unique(names).to_pylist():
        at_ns = np.asarray(samples.filter(pc.equal(names, name)).column("at_ns").to_numpy(), dtype=np.int64)
        at_ns = at_ns[at_ns >= windows.t0_ns]
        if len(at_ns) > 1:
            found[name] = int(at_ns.min()), int(at_ns.max())
    return found


def server_span(samples: pa.Table, windows: Windows) -> tuple[int, int]:
    """Return the server's two marks; t0 and t1 where they are not on record."""
    return marks(samples, windows).get("server", (windows.t0_ns, windows.t1_ns))


def late_ms(samples: pa.Table, windows: Windows) -> float:
    """Return how late the latest mark was; NaN where none is on record."""
    late_ns = [max(begin - windows.t0_ns, abs(end - windows.t1_ns))
               for begin, end in marks(samples, windows).values()]
    return max(late_ns) / 1e6 if late_ns else math.nan
