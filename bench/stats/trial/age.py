"""Age of information: the age of the newest tick that a client has of each symbol.

For a client and a symbol, with D(t) the latest due instant among the ticks that have arrived by t,

    A(t) = t − D(t),        mean age = 1/(t1 − t0) · ∫ A(t) dt over [t0, t1)

Arrivals before t0 are kept. A feed opens with a tick of each symbol where warm-up begins, and warm-up is
longer than a poll interval. So each client has a tick of every symbol at t0. For a pair without one, the
age counts from the beginning of warm-up. All (client, symbol) pairs have the same weight.

D is a staircase that rises by ΔD at each arrival that is newer than all before, so

    ∫ A dt = Σ over pairs of [ T²/2 + (t0 − warmup)·T − Σ ΔD · (t1 − max(a, t0)) ],     T = t1 − t0

which needs only the rises.

The **excess age** is the age of a client minus that of an ideal client, for whom a = due. Without this
subtraction quiet symbols hide the transport, since their age is large for every client.
Tick k of a symbol, due at d_k, makes
the age of an ideal client smaller by g_k = d_k − d_{k−1}. The real client's age is larger by g_k until e_k,
when it has k or a newer tick. So over a long time the excess is Σ g_k (e_k − d_k) divided by the length of
that time, which is Σ g_k:

    excess = Σ g_k (e_k − d_k) / Σ g_k          over pairs and their ticks that are due in [t0, t1)

This is a latency, weighted by the gap before each tick. Divided by T instead of Σ g_k it would depend on
how many seconds the few gaps of a short window happen to add up to: with 10 ticks, a third up or down. A
tick that never arrives, and that no later one follows, counts to the end of the drain. Where no tick is due
in the window, the ticks of warm-up count, all with the same weight.

Known weaknesses: the mean does not show peaks. Where warm-up is shorter than the time between two ticks of a
symbol, mean ages are too small at the beginning, also for the ideal client.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.stats.trial.arrays import Floats, Ints, TrialArrays

NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class Age:
    """Mean age over clients and symbols, in s, and the part of it that an ideal client would not have."""

    mean_s: float
    excess_s: float


def ages(trial: TrialArrays) -> Age:
    """Return the mean age and the mean excess age of a trial; NaN without a (client, symbol) pair."""
    windows, pairs = trial.windows, int(trial.clients.subscribed.sum())
    length_s = (windows.t1_ns - windows.t0_ns) / NS_PER_S
    if pairs == 0:
        return Age(float("nan"), float("nan"))
    without_news_s = length_s / 2 + (windows.t0_ns - windows.warmup_ns) / NS_PER_S
    return Age(without_news_s - _news_s2(trial) / (pairs * length_s), _excess_s(trial))


def _news_s2(trial: TrialArrays) -> float:
    """Return Σ ΔD · (t1 − max(a, t0)) over the arrivals before t1, in s².

    A tick that is due after t1 cannot have arrived before t1; with a wrong clock it may seem so, so
    due instants are clipped to t1.
    """
    begin_ns, end_ns = trial.windows.warmup_ns, trial.windows.t1_ns
    arrivals, ticks = trial.arrivals, trial.ticks
    in_time = arrivals.app_ns < end_ns
    pair, arrival_ns = (arrivals.key // ticks.ranks)[in_time], arrivals.app_ns[in_time]
    due_ns = ticks.due_ns[arrivals.tick][in_time]
    if bool(((np.diff(arrival_ns) < 0) & (np.diff(pair) == 0)).any()):   # else in order, by pair and due instant
        order = np.lexsort((due_ns, arrival_ns, pair))
        pair, arrival_ns, due_ns = pair[order], arrival_ns[order], due_ns[order]
    known = np.clip(due_ns, begin_ns, end_ns) - begin_ns
    opens = np.diff(pair, prepend=-1) != 0
    lift = np.cumsum(opens) * (end_ns - begin_ns + 1)
    newest = np.maximum.accumulate(known + lift) - lift
    rise = newest - np.where(opens, 0, np.roll(newest, 1))
    held = end_ns - np.maximum(arrival_ns, trial.windows.t0_ns)
    return float(((rise / NS_PER_S) * (held / NS_PER_S)).sum())


def _excess_s(trial: TrialArrays) -> float:
    """Return the mean excess age in s; NaN where no tick was due to any client."""
    windows, ticks = trial.windows, trial.ticks
    clients_of = trial.clients.subscribed.sum(axis=0)[ticks.symbol]
    within = (ticks.due_ns >= windows.t0_ns) & (ticks.due_ns < windows.t1_ns)
    gap_s = np.where(within, _gaps_s(trial), 0.0)
    if not (gap_s * clients_of).any():
        gap_s = np.where(ticks.due_ns < windows.t0_ns, 1.0, 0.0)
    of_all = float((gap_s * clients_of).sum())
    return _held_up_s2(trial, gap_s) / of_all if of_all else float("nan")


def _by_symbol(trial: TrialArrays) -> Ints:
    """Return the indices of the ticks, sorted by symbol and then by rank."""
    return np.argsort(trial.ticks.symbol, kind="stable")


def _gaps_s(trial: TrialArrays) -> Floats:
    """Return for each tick the seconds since the tick before it of the same symbol; for a symbol's
    first tick, since warm-up began."""
    ticks, order = trial.ticks, _by_symbol(trial)
    due_ns = ticks.due_ns[order]
    before = np.where(ticks.rank[order] == 0, trial.windows.warmup_ns, np.roll(due_ns, 1))
    gaps = np.empty(len(order), dtype=np.float64)
    gaps[order] = (due_ns - before) / NS_PER_S
    return gaps


def _held_up_s2(trial: TrialArrays, gap_s: Floats) -> float:
    """Return Σ g_k (e_k − d_k) over all (client, symbol) pairs, in s².

    An arrival represents all ticks of its pair since the arrival before it (or since the pair's
    beginning). The client has them from the earliest instant of this arrival and of the arrivals of
    newer ticks. Sums over stretches of ticks are differences of cumulative sums.
    """
    ticks, arrivals, begin_ns = trial.ticks, trial.arrivals, trial.windows.warmup_ns
    order, symbols = _by_symbol(trial), len(ticks.symbols)
    due_s = (ticks.due_ns - begin_ns) / NS_PER_S
    weight, moment = (np.concatenate(([0.0], np.cumsum(each[order]))) for each in (gap_s, gap_s * due_s))
    start = np.searchsorted(ticks.symbol[order], np.arange(symbols + 1))
    pair = arrivals.key // ticks.ranks
    symbol, opens = pair % symbols, np.diff(pair, prepend=-1) != 0
    to = start[symbol] + arrivals.key % ticks.ranks + 1
    since = np.where(opens, start[symbol], np.roll(to, 1))
    known_s, own_s = _known_s(trial, pair), due_s[arrivals.tick]
    share = np.where(to - since == 1, gap_s[arrivals.tick], weight[to] - weight[since])
    older = np.where(to - since == 1, 0.0, own_s * share - (moment[to] - moment[since]))
    held_up = float((share * (known_s - own_s) + older).sum())
    # Ticks that never became known: those after each pair's last arrival, and all of a pair without arrivals.
    closes = np.diff(pair, append=-1) != 0
    silent = trial.clients.subscribed.sum(axis=0) - np.bincount(symbol[closes], minlength=symbols)
    begins = np.concatenate((to[closes], start[:-1]))
    ends = np.concatenate((start[symbol[closes] + 1], start[1:]))
    often = np.concatenate((np.ones(int(closes.sum())), silent))
    end_s = (trial.windows.end_ns - begin_ns) / NS_PER_S
    left = end_s * (weight[ends] - weight[begins]) - (moment[ends] - moment[begins])
    return held_up + float((often * left).sum())


def _known_s(trial: TrialArrays, pair: Ints) -> Floats:
    """Return for each arrival the earliest instant of it and of the arrivals of newer ticks of its
    pair, in s since warm-up began; at most the end of the drain."""
    begin_ns, end_ns = trial.windows.warmup_ns, trial.windows.end_ns
    at = np.clip(trial.arrivals.app_ns, begin_ns, end_ns)[::-1] - begin_ns
    drop = np.cumsum(np.diff(pair[::-1], prepend=-1) != 0) * (end_ns - begin_ns + 1)
    earliest = np.minimum.accumulate(at - drop) + drop
    return np.asarray(earliest[::-1] / NS_PER_S, dtype=np.float64)
