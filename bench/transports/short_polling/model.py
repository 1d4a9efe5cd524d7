"""Closed forms for short polling: a renewal every P seconds, whatever the feed does.

A tick waits V for its client's next poll and takes δ from there. Polls keep their instants and begin
at a random phase, so V is uniform on (0, P) for any feed, and independent of the ticks before:

    latency (every)          P/2 + δ
    age                      s/λ + P/2 + δ              1/λ for each of the s symbols' own rate λ/s
    excess age               P/2 + δ
    latency (latest)         δ + 1/μ − P·e^(−μP) / (1 − e^(−μP))      μ = λ/s, a symbol's own rate
    conflated share          1 − (1 − e^(−μP)) / μP
    empty answers            e^(−λP)
    requests a second        1/P

The first and the third hold for any feed: what a reader who looks back by V knows of a feed is V older on
average over time, whatever comes when. The others need ticks as a Poisson process.

λ (`rate_per_s`) is the rate of all that the client subscribes to, as a Poisson process; δ (`delay_s`)
the time from the server's reading to the client, as a push transport shows it.

With a fixed delay P is the interval and a round trip, 2δ + g. With jitter P is drawn anew for each poll, and
a tick falls into a gap in proportion to its length, so that P/2 becomes E[P²] / 2E[P]:

    P/2 · (1 + j²/6) at a fixed rate      P/2 · (1 + j²/12) with a fixed delay (round trip aside)

and each e^(−μP) its mean; the means are taken over a grid of draws (`_gaps`).

Known weakness: polls that cannot keep their instants (an answer that takes longer than P) make P
longer than it was asked for; nothing here says so.
"""

from __future__ import annotations

import math

from bench.cycle import Cycle
from bench.polling import poll_sizes
from bench.traffic import Conversation, Sizes
from bench.transports.short_polling.protocol import Options

DRAWS = [(number + 0.5) / 24 for number in range(24)]
"""Midpoints that stand for a draw that is even in [0, 1)."""


ANY_FEED = frozenset({"latency_mean_s", "age_excess_mean_s"})
"""The closed forms that hold whatever the schedule; the others take the ticks as a Poisson process."""


def cycle(options: Options) -> Cycle:
    """A poll an interval, answered at once."""
    return Cycle(
        interval_s=options.interval_s,
        pace=options.pace,
        jitter=options.jitter,
        new_connection=options.connection == "new",
        handshakes=1 + options.tls,
    )


def wire(options: Options, said: Conversation) -> Sizes:
    """What a poll and its answer take on the wire."""
    return poll_sizes(options, said, parks=False)


def _gaps(options: Options, delay_s: float, gap_s: float) -> list[float]:
    """The times from one poll to the next, each as likely as the others."""
    draws = DRAWS if options.jitter else [0.5]
    spread_s = options.interval_s * options.jitter
    if options.pace == "delay":
        turn_s = options.interval_s + 2 * delay_s + gap_s
        return [turn_s + spread_s * (draw - 0.5) for draw in draws]
    return [options.interval_s + spread_s * (late - early) for early in draws for late in draws]


def _wait_s(gaps: list[float]) -> float:
    """Mean time to the next poll, from any instant."""
    return sum(gap**2 for gap in gaps) / 2 / sum(gaps)


def latency_mean_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Mean latency where every tick is delivered, for any feed."""
    return _wait_s(_gaps(options, delay_s, gap_s)) + delay_s


def latency_mean_latest_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Mean latency of what is delivered where only each symbol's newest tick is."""
    mean_s = symbols / rate_per_s
    gaps = _gaps(options, delay_s, gap_s)
    some = sum(-math.expm1(-gap / mean_s) for gap in gaps)
    ends = sum(gap * math.exp(-gap / mean_s) for gap in gaps)
    return delay_s + mean_s - ends / some


def conflated_share(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Share of the ticks that are skipped where only each symbol's newest is delivered."""
    own = rate_per_s / symbols
    gaps = _gaps(options, delay_s, gap_s)
    return 1 + sum(math.expm1(-own * gap) for gap in gaps) / (own * sum(gaps))


def age_excess_mean_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Mean age beyond an ideal client's; the same for both delivery modes."""
    return _wait_s(_gaps(options, delay_s, gap_s)) + delay_s


def age_mean_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Mean age of information over the symbols."""
    return symbols / rate_per_s + age_excess_mean_s(options, rate_per_s, delay_s, gap_s, symbols)


def requests_per_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Requests of one client."""
    gaps = _gaps(options, delay_s, gap_s)
    return len(gaps) / sum(gaps)


def empty_share(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Share of the answers that bring nothing."""
    gaps = _gaps(options, delay_s, gap_s)
    return sum(math.exp(-rate_per_s * gap) for gap in gaps) / len(gaps)
