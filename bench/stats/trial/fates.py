"""The fate of every update that every client should have received.

For client c, due(c) are the schedule indices that are due in [t0, t1) and of a symbol that c
subscribes to. With a the first arrival at the application, and ℓ = `late_after_s`:

    delivered   a ≤ due + ℓ
    late        due + ℓ < a ≤ due + 2ℓ
    conflated   never arrived, and declared skipped by conflation
    lost        all others; those that were declared dropped by a policy are the sub-count `dropped`

    delivered + late + conflated + lost = due        `duplicate` (further arrivals) is not part of the sum

Each fate is counted on its own, none as the remainder of the others, and their sum is asserted.

A declared skip comes with a tick and refers to the gap before it: the ticks of the same symbol between it
and the tick that the client received before. If n ticks of a gap of m were declared, the newest n count as
skipped and the older m − n as lost; never do more ticks count as conflated than were declared.

    ranks of one symbol at one client:   7   8   9  10  11  12        arrived: 7, 12
                                         ●   ○   ○   ○   ○   ●        declared with 12: 3 conflated
                                             │   └───┴───┴── conflated
                                             └── lost

Known weakness: an arrival after due + 2ℓ is seen only if the recording lasted that long. It counts as lost,
not as conflated, whether it is seen or not. Ranks are in the order of due instants; of clients' messages that were
numbered in another order, a tick that was skipped by conflation may count as lost.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.stats.trial.arrays import Bools, Ints, TrialArrays

FATES = ("delivered", "late", "conflated", "lost")


def arrived_in_time(trial: TrialArrays) -> tuple[Bools, Bools]:
    """Return two masks over the first arrivals: those that are `delivered`, and those that are `late`."""
    due_ns = trial.ticks.due_ns[trial.arrivals.tick]
    windows = trial.windows
    in_window = (due_ns >= windows.t0_ns) & (due_ns < windows.t1_ns)
    after_ns = trial.arrivals.app_ns - due_ns
    delivered = in_window & (after_ns <= windows.late_after_ns)
    late = in_window & (after_ns > windows.late_after_ns) & (after_ns <= 2 * windows.late_after_ns)
    return delivered, late


def fates(trial: TrialArrays) -> pd.DataFrame:
    """Return one row per client: `client, due, delivered, late, conflated, lost, dropped, holes,
    duplicate`.

    `holes` is the part of `lost` that no skip declared although a later tick of the symbol arrived.
    """
    ticks, arrivals = trial.ticks, trial.arrivals
    rank = ticks.rank[arrivals.tick]
    symbol = ticks.symbol[arrivals.tick]
    window_from, window_to = ticks.window[0][symbol], ticks.window[1][symbol]

    def count(weights: Ints | Bools) -> Ints:
        if not weights.any():
            return np.zeros(len(trial.clients.numbers), dtype=np.int64)
        sums = np.bincount(arrivals.client, weights, minlength=len(trial.clients.numbers))
        return np.asarray(sums, dtype=np.int64)

    def in_window(begin: Ints, end: Ints) -> Ints:
        """Return the number of ranks in [begin, end) that are due in the window."""
        if begin is end:
            return np.zeros(len(begin), dtype=np.int64)
        inside = np.minimum(end, window_to) - np.maximum(begin, window_from)
        return np.asarray(np.maximum(0, inside), dtype=np.int64)

    pair = arrivals.key // max(1, ticks.ranks)
    opens = np.ones(len(pair), dtype=np.bool_)
    opens[1:] = pair[1:] != pair[:-1]
    closes = np.roll(opens, -1) if len(opens) else opens
    missing = rank - np.where(opens, 0, np.roll(rank, 1) + 1)
    conflated_from = dropped_from = gap_from = rank
    if missing.any():
        gap_from = rank - missing
        conflated_from = rank - np.minimum(arrivals.conflated, missing)
        dropped_from = conflated_from - np.minimum(arrivals.dropped, conflated_from - gap_from)

    delivered, late = arrived_in_time(trial)
    too_late = in_window(rank, rank + 1).astype(np.bool_) & ~delivered & ~late
    after_last = np.where(closes, in_window(rank + 1, window_to), 0)
    due = trial.clients.subscribed.astype(np.int64) @ ticks.due_in_window
    heard_of = count(np.where(opens, ticks.due_in_window[symbol], 0))
    found = {
        "delivered": count(delivered),
        "late": count(late),
        "conflated": count(in_window(conflated_from, rank)),
        "lost": count(in_window(gap_from, conflated_from)) + count(too_late) + count(after_last)
        + (due - heard_of),
        "dropped": count(in_window(dropped_from, conflated_from)),
        "holes": count(in_window(gap_from, dropped_from)),
        "duplicate": count(arrivals.repeats * in_window(rank, rank + 1)),
    }
    assert np.array_equal(np.sum([found[fate] for fate in FATES], axis=0), due), "the fates do not add up"
    return pd.DataFrame({"client": trial.clients.numbers, "due": due, **found})
