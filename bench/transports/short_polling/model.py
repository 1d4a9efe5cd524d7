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

λ (`rate_per_s`) is the rate of all that the client subscribes to, as a Poisson process; δ (`delay_s`)
the time from the server's reading to the client, as a push transport shows it.

Known weakness: polls that cannot keep their instants (an answer that takes longer than P) make P
longer than it was asked for; nothing here says so.
"""

from __future__ import annotations

import math

from bench.transports.short_polling.protocol import Options


def latency_mean_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Mean latency where every tick is delivered; any feed, `rate_per_s` and `gap_s` don't matter."""
    return options.interval_s / 2 + delay_s


def latency_mean_latest_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Mean latency of what is delivered where only each symbol's newest tick is."""
    mean = symbols / rate_per_s
    period = options.interval_s
    return delay_s + mean - period / math.expm1(period / mean)


def conflated_share(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Share of the ticks that are skipped where only each symbol's newest is delivered."""
    a_poll = options.interval_s * rate_per_s / symbols
    return 1 + math.expm1(-a_poll) / a_poll


def age_excess_mean_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Mean age beyond an ideal client's; the same for both delivery modes."""
    return options.interval_s / 2 + delay_s


def age_mean_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Mean age of information over the symbols."""
    return symbols / rate_per_s + age_excess_mean_s(options, rate_per_s, delay_s, gap_s, symbols)


def requests_per_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Requests of one client."""
    return 1 / options.interval_s


def empty_share(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Share of the answers that bring nothing."""
    return math.exp(-rate_per_s * options.interval_s)
