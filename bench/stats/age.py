"""Age of information: how old is what a client knows?

For a client and a symbol, with D(t) the latest due instant among the ticks that have arrived by t,

    A(t) = t − D(t),        mean age = 1/(t1 − t0) · ∫ A(t) dt over [t0, t1)

What arrived before t0 is kept; of a symbol of which nothing has arrived yet, the age counts from the
beginning of warm-up, as if a tick had been due and known then. All (client, symbol) pairs weigh alike.

D is a staircase that rises by ΔD at each arrival that is newer than all before, so

    ∫ A dt = Σ over pairs of [ T²/2 + (t0 − warmup)·T − Σ ΔD · (t1 − max(a, t0)) ],     T = t1 − t0

which needs no segments, only the rises. The ideal client has a = due; the **excess age** is the mean
age minus the ideal client's. Without it quiet symbols drown the transport: their age is large for
everyone. For arrivals in order it is Σ ΔD · (a − due): latency, weighed by how much news it held up.

Known weakness: the mean says nothing of peaks; and where warm-up is short against the time between two
ticks of a symbol, ages begin too small, the ideal client's too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.stats.arrays import Floats, Ints, TrialArrays

NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class Age:
    """Mean age over clients and symbols, in s, and how much of it an ideal client would not have."""

    mean_s: float
    excess_s: float


def ages(trial: TrialArrays) -> Age:
    """The mean age of a trial; NaN without a pair of a client and a symbol."""
    windows, ticks = trial.windows, trial.ticks
    clients_of = trial.clients.subscribed.sum(axis=0)
    pairs = int(clients_of.sum())
    length_s = (windows.t1_ns - windows.t0_ns) / NS_PER_S
    if pairs == 0:
        return Age(float("nan"), float("nan"))
    without_news_s = length_s / 2 + (windows.t0_ns - windows.warmup_ns) / NS_PER_S
    arrivals = trial.arrivals
    pair = arrivals.key // ticks.ranks
    news = _news(trial, pair, ticks.due_ns[arrivals.tick], arrivals.app_ns)
    ideal = _news(trial, ticks.symbol, ticks.due_ns, ticks.due_ns)
    known = float(news[1].sum()) / (pairs * length_s)
    knowable = float((ideal[1] * clients_of[ideal[0]]).sum()) / (pairs * length_s)
    return Age(without_news_s - known, knowable - known)


def _news(trial: TrialArrays, pair: Ints, due_ns: Ints, arrival_ns: Ints) -> tuple[Ints, Floats]:
    """For each arrival before t1, its pair and the area ΔD · (t1 − max(a, t0)), in s².

    A tick that is due after t1 cannot be known before; with a wrong clock it may seem so.
    """
    windows = trial.windows
    begin_ns, end_ns = windows.warmup_ns, windows.t1_ns
    in_time = arrival_ns < end_ns
    pair, due_ns, arrival_ns = pair[in_time], due_ns[in_time], arrival_ns[in_time]
    order = np.lexsort((due_ns, arrival_ns, pair))
    pair, arrival_ns = pair[order], arrival_ns[order]
    known = np.clip(due_ns[order], begin_ns, end_ns) - begin_ns
    span = end_ns - begin_ns + 1
    lift = (np.cumsum(np.diff(pair, prepend=pair[:1]) != 0)) * span
    newest = np.maximum.accumulate(known + lift) - lift if len(pair) else known
    before = np.roll(newest, 1)
    opens = np.ones(len(pair), dtype=np.bool_)
    opens[1:] = pair[1:] != pair[:-1]
    rise = newest - np.where(opens, 0, before)
    held = end_ns - np.maximum(arrival_ns, windows.t0_ns)
    return pair, (rise / NS_PER_S) * (held / NS_PER_S)
