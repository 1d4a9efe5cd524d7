"""Closed forms for the WebSocket: a push takes δ, and that is all.

    latency        δ             excess age     δ           age    s/λ + δ   (s symbols of rate λ/s each)
    conflated      0             requests       0           empty  0

δ (`delay_s`) holds the wait for the other clients' turn: with N clients and c seconds of CPU for each
send, a tick reaches the last one N·c after the first, so δ ≈ d + (N + 1)c/2 on average as long as a tick
is through before the next is due. Where a push transport was measured its mean is taken as δ; then this
model says nothing new of it, and is what the polling transports are measured against.

Known weakness: no queue. Near saturation ticks overtake the fan-out, and δ grows without bound.
"""

from __future__ import annotations

from bench.cycle import Cycle
from bench.transports.websocket.protocol import Options

ANY_FEED = frozenset({"latency_mean_s", "latency_mean_latest_s", "age_excess_mean_s"})
"""The closed forms that hold whatever the schedule; the others take the ticks as a Poisson process."""


def cycle(options: Options) -> Cycle:
    """Every tick is pushed, over a connection that stays."""
    return Cycle(pushes=True, handshakes=1 + options.tls)


def latency_mean_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Mean latency: nothing waits for a request."""
    return delay_s


def latency_mean_latest_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Mean latency where only each symbol's newest tick is delivered: the same while nobody is slow."""
    return delay_s


def conflated_share(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Share of the ticks that are skipped: none while nobody is slow."""
    return 0.0


def age_excess_mean_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Mean age beyond an ideal client's."""
    return delay_s


def age_mean_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Mean age of information over the symbols."""
    return symbols / rate_per_s + delay_s


def requests_per_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Requests of one client once it is connected."""
    return 0.0


def empty_share(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Share of the answers that bring nothing."""
    return 0.0
