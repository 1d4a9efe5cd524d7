"""Closed forms for short polling: a renewal every P seconds, whatever the feed does.

A tick waits V for its client's next poll, and takes δ from there. Polls keep their instants and begin
at a random phase, so V is uniform on (0, P) for any feed, and independent of the ticks before:

    latency (every)          P/2 + δ
    age                      s/λ + P/2 + δ              1/λ for each of the s symbols' own rate λ/s
    excess age               P/2 + δ
    latency (latest)         δ + 1/μ − P·e^(−μP) / (1 − e^(−μP))      μ = λ/s, a symbol's own rate
    conflated share          1 − (1 − e^(−μP)) / μP
    empty answers            e^(−λP)
    requests a second        1/P

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

An answer that takes longer than P makes the next poll late: that poll is sent at once, and P is as long as
a turn, 2δ + g.

Known weakness: all polls of one interval find the same updates, so where updates cost as much as requests
the work comes in waves. `server_s` treats the work of each poll as independent, and is too low from half
load on. With jitter and turns of about P, some polls are late and some are not; the mean over gaps with a
lower bound treats them as independent of each other.
"""

from __future__ import annotations

import math

from bench.transports.cycle import Cycle
from bench.transports.poll_sizes import poll_sizes
from bench.transports.queueing import Jobs, ServerLoad, periodic_wait_s, random_wait_s
from bench.transports.short_polling.protocol import Options
from bench.wire.sizes import Conversation, Sizes

DRAWS = [(number + 0.5) / 24 for number in range(24)]
"""Midpoints that represent a draw that is uniform in [0, 1)."""


ANY_FEED = frozenset({"latency_mean_s", "age_excess_mean_s", "latency_worst_s", "requests_per_s"})
"""The closed forms that hold for any schedule; the others assume that ticks are a Poisson process."""


def cycle(options: Options) -> Cycle:
    """Return the cycle: one poll per interval, answered at once."""
    return Cycle(
        interval_s=options.interval_s,
        pace=options.pace,
        jitter=options.jitter,
        new_connection=options.connection == "new",
        handshakes=1 + options.tls,
    )


def wire(options: Options, said: Conversation) -> Sizes:
    """Return the sizes on the wire of a poll and its answer."""
    return poll_sizes(options, said, cycle(options))


def _gaps(options: Options, delay_s: float, gap_s: float) -> list[float]:
    """Return the times from one poll to the next in seconds, all equally likely."""
    draws = DRAWS if options.jitter else [0.5]
    spread_s, turn_s = options.interval_s * options.jitter, 2 * delay_s + gap_s
    if options.pace == "delay":
        return [options.interval_s + turn_s + spread_s * (draw - 0.5) for draw in draws]
    gaps = [options.interval_s + spread_s * (late - early) for early in draws for late in draws]
    return [max(gap, turn_s) for gap in gaps]


def _wait_s(gaps: list[float]) -> float:
    """Return the mean time from a random instant to the next poll, in seconds."""
    return sum(gap**2 for gap in gaps) / 2 / sum(gaps)


def latency_mean_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Return the mean latency in seconds where every tick is delivered, for any feed."""
    return _wait_s(_gaps(options, delay_s, gap_s)) + delay_s


def latency_mean_latest_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Return the mean latency in seconds of the delivered ticks where only each symbol's newest is
    delivered."""
    mean_s = symbols / rate_per_s
    gaps = _gaps(options, delay_s, gap_s)
    some = sum(-math.expm1(-gap / mean_s) for gap in gaps)
    ends = sum(gap * math.exp(-gap / mean_s) for gap in gaps)
    return delay_s + mean_s - ends / some


def conflated_share(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Return the share of the ticks that are skipped where only each symbol's newest is delivered."""
    own = rate_per_s / symbols
    gaps = _gaps(options, delay_s, gap_s)
    return 1 + sum(math.expm1(-own * gap) for gap in gaps) / (own * sum(gaps))


def age_excess_mean_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Return the mean age beyond an ideal client's in seconds. It does not depend on the delivery mode."""
    return _wait_s(_gaps(options, delay_s, gap_s)) + delay_s


def age_mean_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Return the mean age of information over the symbols, in seconds."""
    return symbols / rate_per_s + age_excess_mean_s(options, rate_per_s, delay_s, gap_s, symbols)


def latency_worst_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Return the longest latency of an update in seconds: it comes just after a poll and waits for the
    next."""
    moved_s = options.interval_s * options.jitter * (1.0 if options.pace == "rate" else 0.5)
    turn_s = 2 * delay_s + gap_s
    if options.pace == "delay":
        return options.interval_s + moved_s + turn_s + delay_s
    return max(options.interval_s + moved_s, turn_s) + delay_s


def requests_per_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Return the requests per second of one client."""
    gaps = _gaps(options, delay_s, gap_s)
    return len(gaps) / sum(gaps)


def empty_share(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Return the share of the answers that are empty."""
    gaps = _gaps(options, delay_s, gap_s)
    return sum(math.exp(-rate_per_s * gap) for gap in gaps) / len(gaps)


def server_s(options: Options, load: ServerLoad, jobs: Jobs, round_trip_s: float) -> float:
    """Return the mean time from a poll's arrival at the server until its answer is sent: wait and work.

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


def ticks_a_read(options: Options, load: ServerLoad, jobs: Jobs, round_trip_s: float) -> float:
    """Return the mean number of ticks that the server takes and hands out at once: 1, since it pushes
    none."""
    return 1.0
