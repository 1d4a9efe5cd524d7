"""Closed forms for short polling: a renewal every P seconds, whatever the feed does.

A tick waits V for its client's next poll, and takes δ from there. Polls keep their instants and begin
at a random phase, so V is uniform on (0, P) for any feed, and independent of the ticks before:

    latency (every)          P/2 + δ
    age                      s/λ + P/2 + δ              1/λ for each of the s symbols' own rate λ/s
    excess age               P/2 + δ
    latency (latest)         δ + 1/μ − P·e^(−μP) / (1 − e^(−μP))      μ = λ/s, a symbol's own rate
    conflated share          1 − (1 − e^(−μP)) / μP
    empty responses            e^(−λP)
    requests per second       1/P

Latency and excess age hold for any feed: the state of a feed that was seen V ago is V older on average over
time, whatever the schedule of the ticks. The other forms need ticks as a Poisson process.

λ (`rate_per_s`) is the rate of everything that the client subscribes to, as a Poisson process. δ
(`delay_s`) is the time from the server's reading to the client, as a push transport shows it.

With a fixed delay P is the interval and a round trip, 2δ + g. With jitter P is drawn for each poll, and
a tick falls into a gap in proportion to its length, so that P/2 becomes E[P²] / 2E[P]:

    P/2 · (1 + j²/6) at a fixed rate      P/2 · (1 + j²/12) with a fixed delay (round trip aside)

and each e^(−μP) becomes its mean. The means are taken over a grid of draws (`_gaps`).

The server's part of δ (`server_s`) is a poll's wait and its own work. Clients that come once in each P wait
as in N·D/D/1 (`bench.transports.queueing`). The ticks between them, and the number of updates that a poll
finds, are random and add M/G/1 terms.

A response that takes longer than P makes the next poll late: that poll is sent at once, and P is as long as
a turn, 2δ + g.

Known weakness: all polls of one interval find the same updates, so where updates cost as much as requests
the work comes in waves. `server_s` treats the work of each poll as independent, and is too low from half
load on. With jitter and turns of about P, some polls are late and some are not; the mean over gaps with a
lower bound treats them as independent of each other.
"""

from __future__ import annotations

import math

from bench.transports.cycle import Cycle
from bench.transports.model import Conditions, Messages, for_poisson_ticks
from bench.transports.poll_sizes import poll_sizes
from bench.transports.queueing import Jobs, ServerLoad, periodic_wait_s, random_wait_s
from bench.transports.short_polling.protocol import Options
from bench.wire.sizes import Conversation, Sizes

DRAWS = [(number + 0.5) / 24 for number in range(24)]
"""Midpoints that represent a draw that is uniform in [0, 1)."""


def cycle(options: Options) -> Cycle:
    """Return the cycle: one poll per interval, answered at once."""
    return Cycle(
        interval_s=options.interval_s,
        pace=options.pace,
        jitter=options.jitter,
        new_connection=options.connection == "new",
        handshakes=1 + options.tls,
        posts=True,
    )


def at_interval(options: Options, interval_s: float) -> Options:
    """Return the options with another poll interval."""
    return options.model_copy(update={"interval_s": interval_s})


def wire(options: Options, said: Conversation) -> Sizes:
    """Return the sizes on the wire of a poll and its response."""
    return poll_sizes(options, said, cycle(options))


def _gaps(options: Options, conditions: Conditions) -> list[float]:
    """Return the times from one poll to the next in seconds, all equally likely."""
    draws = DRAWS if options.jitter else [0.5]
    spread_s, turn_s = options.interval_s * options.jitter, conditions.turn_s
    if options.pace == "delay":
        return [options.interval_s + turn_s + spread_s * (draw - 0.5) for draw in draws]
    gaps = [options.interval_s + spread_s * (late - early) for early in draws for late in draws]
    return [max(gap, turn_s) for gap in gaps]


def _wait_s(gaps: list[float]) -> float:
    """Return the mean time from a random instant to the next poll, in seconds."""
    return sum(gap**2 for gap in gaps) / 2 / sum(gaps)


def latency_mean_s(options: Options, conditions: Conditions) -> float:
    """Return the mean latency of the delivered ticks in seconds; in the mode `every` it holds for any feed."""
    if conditions.mode == "latest":
        return _latency_mean_latest_s(options, conditions)
    return _wait_s(_gaps(options, conditions)) + conditions.delay_s


@for_poisson_ticks
def _latency_mean_latest_s(options: Options, conditions: Conditions) -> float:
    mean_s, gaps = 1 / conditions.own_per_s, _gaps(options, conditions)
    some = sum(-math.expm1(-gap / mean_s) for gap in gaps)
    ends = sum(gap * math.exp(-gap / mean_s) for gap in gaps)
    return conditions.delay_s + mean_s - ends / some


def conflated_share(options: Options, conditions: Conditions) -> float:
    """Return the share of the ticks that are skipped where only each symbol's newest is delivered."""
    return 0.0 if conditions.mode == "every" else _conflated_share(options, conditions)


@for_poisson_ticks
def _conflated_share(options: Options, conditions: Conditions) -> float:
    own, gaps = conditions.own_per_s, _gaps(options, conditions)
    return 1 + sum(math.expm1(-own * gap) for gap in gaps) / (own * sum(gaps))


def age_excess_mean_s(options: Options, conditions: Conditions) -> float:
    """Return the mean age beyond an ideal client's in seconds. It does not depend on the delivery mode."""
    return _wait_s(_gaps(options, conditions)) + conditions.delay_s


def latency_worst_s(options: Options, conditions: Conditions) -> float:
    """Return the longest latency of an update in seconds: it comes just after a poll and waits for the
    next."""
    moved_s = options.interval_s * options.jitter * (1.0 if options.pace == "rate" else 0.5)
    if options.pace == "delay":
        return options.interval_s + moved_s + conditions.turn_s + conditions.delay_s
    return max(options.interval_s + moved_s, conditions.turn_s) + conditions.delay_s


def requests_per_s(options: Options, conditions: Conditions) -> float:
    """Return the requests per second of one client."""
    gaps = _gaps(options, conditions)
    return len(gaps) / sum(gaps)


@for_poisson_ticks
def empty_share(options: Options, conditions: Conditions) -> float:
    """Return the share of the responses that are empty."""
    gaps = _gaps(options, conditions)
    return sum(math.exp(-conditions.rate_per_s * gap) for gap in gaps) / len(gaps)


def server_s(options: Options, load: ServerLoad, jobs: Jobs, round_trip_s: float) -> float:
    """Return the mean time from a poll's arrival at the server until its response is sent: wait and work.

    In seconds; infinity if the server can't keep up.
    """
    turn_s = options.interval_s + round_trip_s
    if options.pace == "rate":
        turn_s = max(options.interval_s, round_trip_s)
    found = load.rate_per_s * load.fresh * turn_s
    mean_s = jobs.request_s + jobs.answer_s + found * jobs.update_s
    ticks, polls = load.feed_per_s, load.clients / turn_s
    busy = ticks * jobs.tick_s + polls * mean_s
    if options.pace == "delay" or options.jitter:
        wait_s = random_wait_s(busy, polls * mean_s**2)
    else:
        rest = 1 - ticks * jobs.tick_s
        wait_s = periodic_wait_s(load.clients, turn_s, mean_s / rest) if rest > 0 else math.inf
    varied = 0.0 if load.regular else polls * found * jobs.update_s**2
    return wait_s + random_wait_s(busy, ticks * jobs.tick_s**2 + varied) + mean_s


def messages(options: Options, load: ServerLoad, jobs: Jobs, round_trip_s: float) -> Messages:
    """Return one message per tick: nothing is pushed."""
    return Messages()
