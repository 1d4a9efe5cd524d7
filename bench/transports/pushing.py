"""Closed forms of a push: a tick takes δ, and in a server that flushes it waits for the next flush before.

    tick ─► server ──(flush_ms = 0)──────────────────────────► message of one tick
                   ──(flush_ms = F) wait for the timer's turn ─► batch of what came since the last turn

The timer of a server that flushes is free-running: its turns come every F, whatever the feed does. So it is a
poll without requests (`short_polling.model`), and a tick waits V for the next turn, uniform on (0, F) over the
phases of the timer, for any feed:

    latency (every)          δ + F/2                    longest       δ + F
    excess age               δ + F/2                    age           s/λ + δ + F/2
    latency (latest)         δ + 1/μ − F·e^(−μF) / (1 − e^(−μF))      μ = λ/s, a symbol's own rate
    conflated share          1 − (1 − e^(−μF)) / μF
    messages per second      (1 − e^(−λF)) / F          of these with one tick   λ e^(−λF)
    requests, empty responses  0

With F = 0 they are δ, 0 and λ. Latency in the mode `every` and excess age hold for any feed, the others for
Poisson ticks (λ of everything that the client subscribes to).

δ (`delay_s`) includes the wait for the other clients' turn, but not the wait for the timer. With N clients, c
seconds of CPU for each message, u for each update in it and t for a tick itself, a read of k ticks takes
B(k) = k (t + Nu) + Nc, and the server's part of δ (`server_s`) is without flush

    kt + (N + 1)(c + ku)/2              with k = 1 where each tick is done before the next
    the same + a wait                   ticks at random, or too many: `queueing.gated`

It is without bound only from λ(t + Nu) = 1 on, since ticks that come during a read are sent in one message. With
flush, ticks are taken when they come, and a message carries k = 1 + λF of them from the view of any one of them
(λ of the whole feed, where all are Poisson):

    (N + 1)(c + ku)/2 + a wait          the wait: a fan-out that lasts longer than F takes the next turn with it

Turns that pass during a fan-out are left out, and the timer goes on with the next one. So from one turn to the next it
is mF, where m depends on the ticks that came in the time before: a Markov chain (`_gaps`). A random tick is in a time
that is as much longer as it is more likely met, so it waits F E[m²]/(2 E[m]) for its turn, is one of
k = 1 + λF E[m²]/E[m], and there are 1/(F E[m]) turns per second. A server whose fan-outs last many F sends one after
the other, as without flush; so the time from a tick to its message is at least that without flush.

In the mode `latest` a message of k ticks for a client has s (1 − (1 − 1/s)^k) updates in place of k: no more than
its symbols.

Known weakness: one size of tick; clients that can't keep up with the pushes delay no other client; without flush
a read of several ticks in the mode `latest` conflates them, which makes its fan-out shorter here, and is left out of
the share conflated and of the CPU. The phase of the timer is one for all clients of a server, so with ticks that are
equally spaced one trial is at F/2 only on average over trials. What is conflated, and the longest latency, are those
of a server that leaves out no turn.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TypeVar

import numpy as np
import scipy

from bench.transports.cycle import Cycle
from bench.transports.model import Conditions, Messages, for_poisson_ticks
from bench.transports.queueing import Jobs, ServerLoad, SharedReads, gated, place_s, random_wait_s
from bench.wire.options import PushWire

__all__ = [
    "age_excess_mean_s", "at_interval", "conflated_share", "cycle", "empty_share", "latency_mean_s",
    "latency_worst_s", "messages", "requests_per_s", "server_s",
]
"""The forms that `bench.transports.model.Model` lists: a pushing transport's `model` has all of them."""

P = TypeVar("P", bound=PushWire)
Gaps = tuple[float, ...]
"""The shares of the hand-outs that are followed by the next one after 1, 2, … turns of the timer."""
MOST_GAP = 16
"""The turns from one hand-out to the next from which on a server is taken to send one after the other."""
NEVER = 1e-6
"""The probability below which no turn is left out."""
TICKS_MOST = 1 << 40


def flush_s(options: PushWire) -> float:
    """Return F in seconds: the time between two turns of the server's timer; 0 if there is none."""
    return options.flush_ms / 1000


def cycle(options: PushWire) -> Cycle:
    """Return the cycle: every tick is pushed, over a permanent connection."""
    return Cycle(pushes=True, flush_s=flush_s(options), handshakes=1 + options.tls)


def at_interval(options: P, interval_s: float) -> P:
    """Return the options with another time between two flushes."""
    return options.model_copy(update={"flush_ms": 1000 * interval_s})


def latency_mean_s(options: PushWire, conditions: Conditions) -> float:
    """Return the mean latency of the delivered ticks in seconds."""
    if conditions.mode == "latest" and options.flush_ms:
        return _latency_mean_latest_s(options, conditions)
    return conditions.delay_s + flush_s(options) / 2


@for_poisson_ticks
def _latency_mean_latest_s(options: PushWire, conditions: Conditions) -> float:
    """Return the mean latency in seconds where only each symbol's newest tick of a batch is delivered."""
    mean_s, every_s = 1 / conditions.own_per_s, flush_s(options)
    if every_s < 1e-6 * mean_s:
        return conditions.delay_s + every_s / 2
    ends = math.exp(-every_s / mean_s) / -math.expm1(-every_s / mean_s)
    return conditions.delay_s + mean_s - every_s * ends


def latency_worst_s(options: PushWire, conditions: Conditions) -> float:
    """Return the longest latency of an update in seconds: it comes just after a flush."""
    return conditions.delay_s + flush_s(options)


def age_excess_mean_s(options: PushWire, conditions: Conditions) -> float:
    """Return the mean age beyond an ideal client's in seconds."""
    return conditions.delay_s + flush_s(options) / 2


def conflated_share(options: PushWire, conditions: Conditions) -> float:
    """Return the share of the ticks that are skipped where only each symbol's newest of a batch is sent."""
    if conditions.mode == "every" or not options.flush_ms:
        return 0.0
    return _conflated_share(options, conditions)


@for_poisson_ticks
def _conflated_share(options: PushWire, conditions: Conditions) -> float:
    ticks = conditions.own_per_s * flush_s(options)
    return 1 + math.expm1(-ticks) / ticks


def requests_per_s(options: PushWire, conditions: Conditions) -> float:
    """Return the requests per second of one client once it is connected: none."""
    return 0.0


def empty_share(options: PushWire, conditions: Conditions) -> float:
    """Return the share of the responses that are empty: none."""
    return 0.0


def server_s(options: PushWire, load: ServerLoad, jobs: Jobs, round_trip_s: float) -> float:
    """Return the mean time from a tick's arrival at the server until a client's message is sent, without the
    wait for the timer.

    In seconds: wait, tick and place; infinity if the server can't keep up.
    """
    reads = _reads(load, jobs)
    if not math.isfinite(reads.ticks):
        return math.inf
    at_once_s = reads.wait_s + jobs.tick_s * reads.ticks_met + _place_s(load, jobs, reads.ticks_met)
    if not options.flush_ms:
        return at_once_s
    every_s = flush_s(options)
    gaps = _gaps(load, jobs, every_s)
    after_s = _overrun_s(load, jobs, every_s, gaps) + _place_s(load, jobs, _ticks_met(load, every_s, gaps))
    return max(after_s, at_once_s - every_s / 2)


def messages(options: PushWire, load: ServerLoad, jobs: Jobs, round_trip_s: float) -> Messages:
    """Return the messages per tick of one client's subscription, and those of one tick."""
    reads = _reads(load, jobs)
    shared = 1.0
    if math.isfinite(reads.ticks):
        shared = load.heard(reads.ticks) / (reads.ticks * load.share)
    if not options.flush_ms:
        return Messages(shared, max(2 * shared - 1, 0.0))
    every_s = flush_s(options)
    gaps = _gaps(load, jobs, every_s) if math.isfinite(reads.ticks) else (1.0,)
    own = load.rate_per_s * every_s * _mean(gaps)
    flushed = sum(share * _heard(load, every_s * turns) for turns, share in enumerate(gaps, 1)) / own
    if shared < flushed:
        return Messages(shared, max(2 * shared - 1, 0.0))
    return Messages(flushed, sum(share * _alone(load, every_s * turns) for turns, share in enumerate(gaps, 1)) / own)


def ticks_met(load: ServerLoad, every_s: float) -> float:
    """Return the mean number of ticks in the batch that a random tick is in, for all symbols together, where no turn
    is left out."""
    return _ticks_met(load, every_s, (1.0,))


def _ticks_met(load: ServerLoad, every_s: float, gaps: Gaps) -> float:
    expected = load.feed_per_s * every_s
    if not load.regular or not expected:
        return 1 + expected * _mean(gaps, 2) / _mean(gaps)
    squares = sum(share * probability * ticks**2 for turns, share in enumerate(gaps, 1)
                  for probability, ticks in _evenly_spaced(expected * turns))
    return squares / (expected * _mean(gaps))


def _heard(load: ServerLoad, every_s: float) -> float:
    """Return the share of the flushes that have a tick for one client, `every_s` after the one before."""
    if not load.regular:
        return -math.expm1(-load.rate_per_s * every_s)
    return sum(probability * load.heard(ticks)
               for probability, ticks in _evenly_spaced(load.feed_per_s * every_s))


def _alone(load: ServerLoad, every_s: float) -> float:
    """Return the share of such flushes that have one tick for one client."""
    own = load.rate_per_s * every_s
    if not load.regular:
        return own * math.exp(-own)
    return sum(probability * ticks * load.share * (1 - load.share)**max(ticks - 1, 0)
               for probability, ticks in _evenly_spaced(load.feed_per_s * every_s))


def _evenly_spaced(expected: float) -> tuple[tuple[float, int], tuple[float, int]]:
    """Return the two numbers of evenly spaced ticks that a window can have, each with its probability;
    `expected` is their mean."""
    fewer = math.floor(expected)
    more = expected - fewer
    return (1 - more, fewer), (more, fewer + 1)


def _place_s(load: ServerLoad, jobs: Jobs, ticks: float) -> float:
    """Return the mean time until a client's turn in a fan-out of `ticks` ticks is over, in seconds."""
    heard = load.heard(ticks)
    return place_s(load.clients * heard, jobs.answer_s + jobs.update_s * load.updates(ticks) / heard)


def _overrun_s(load: ServerLoad, jobs: Jobs, every_s: float, gaps: Gaps) -> float:
    """Return the mean time in seconds that a tick waits for its turn beyond half of `every_s`: for turns that are left
    out, and for a tick that the turn finds the server with."""
    tick_wait_s = random_wait_s(load.feed_per_s * jobs.tick_s, load.feed_per_s * jobs.tick_s**2)
    return tick_wait_s + every_s / 2 * (_mean(gaps, 2) / _mean(gaps) - 1)


def _mean(gaps: Gaps, power: int = 1) -> float:
    """Return the mean of a power of the turns from one hand-out to the next."""
    return math.fsum(share * turns**power for turns, share in enumerate(gaps, 1))


@lru_cache(maxsize=64)
def _gaps(load: ServerLoad, jobs: Jobs, every_s: float) -> Gaps:
    """Return the turns from one hand-out to the next, of a server that keeps up."""
    def lasts(turns: int, before: int) -> float:
        """Return the probability that the fan-out of the ticks of `before` turns lasts at least `turns` turns."""
        return _at_least(load, _ticks_that_last(load, jobs, every_s * turns), load.feed_per_s * every_s * before)

    if lasts(1, 1) < NEVER:
        return (1.0,)
    table = np.array([[1.0, *(lasts(turns, before) for turns in range(1, MOST_GAP)), 0.0]
                      for before in range(1, MOST_GAP + 1)])
    steps = (np.eye(MOST_GAP) - np.diff(table)) / 2   # half of the time it stays, so that no cycle remains
    found = np.linalg.matrix_power(steps, 1 << 30)[0]
    return tuple((found / found.sum()).tolist())


def _at_least(load: ServerLoad, ticks: float, expected: float) -> float:
    """Return the probability of at least this number of ticks where `expected` come on average."""
    if math.isinf(ticks):
        return 0.0
    if load.regular:
        return sum(probability for probability, count in _evenly_spaced(expected) if count >= ticks)
    return float(scipy.special.gammainc(ticks, expected))


@lru_cache(maxsize=4096)
def _ticks_that_last(load: ServerLoad, jobs: Jobs, seconds: float) -> float:
    """Return the least number of ticks whose fan-out lasts so long; infinity if none does."""
    def lasts_s(ticks: float) -> float:
        return load.clients * (load.heard(ticks) * jobs.answer_s + load.updates(ticks) * jobs.update_s)

    low, high = 0, TICKS_MOST
    if lasts_s(high) < seconds:
        return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if lasts_s(middle) >= seconds else (middle, high)
    return high


@lru_cache(maxsize=64)
def _reads(load: ServerLoad, jobs: Jobs) -> SharedReads:
    """Return the reads of a server that hands on what has come as soon as it can."""
    def read_s(ticks: float) -> float:
        each_s = jobs.answer_s * load.heard(ticks) + jobs.update_s * load.updates(ticks)
        return ticks * jobs.tick_s + load.clients * each_s

    return gated(load.feed_per_s, read_s, load.regular)
