"""Closed forms for long polling: serve, a gap G, then park until the next tick.

    serve ──G──► the server has the next request ──park (only if nothing came)──► tick: serve ─► …

G = 2δ + g: the answer's way down, the client's own gap g, the request's way up. A tick that finds its
client parked takes δ; one that falls into the gap waits for its end. With q = e^(−λG), the chance that
nothing comes in a gap, a cycle lasts E[C] = G + q/λ and hands over λG + q ticks:

    latency (every)          δ + λG / (λG + q) · G/2        from δ (rare ticks) up to δ + G/2
    longest                  δ + G = 3δ + g                  three transits
    requests a second        1 / (G + q (1 − e^(−λH)) / λ)   H = hold time
    empty answers            e^(−λ(G + H))

For a symbol of rate μ = λ/s among s symbols, with e = e^(−μG):

    conflated share          1 − (1 − e + qμ/λ) / (μG + qμ/λ)
    excess age               δ + [ G²/2 + (bμ − 1)(G/μ − (1 − e)/μ²) ] / E[C]

where b is the symbol's mean age at the instants of serving, from one cycle to the next:

    b (1 − e + q/s) = (1 − e (1 + μG))/μ + (e − q) G + q (1 − 1/s)(G + 1/λ)

λ (`rate_per_s`) is the rate of all that the client subscribes to, as a Poisson process. RFC 6202 §2.2
gives the same bounds in words: about one transit on average, over three at most.

Known weakness: ages and shares take the hold time as long against 1/λ; δ is taken as the same for the
answer and the request.
"""

from __future__ import annotations

import math

from bench.cycle import Cycle
from bench.polling import poll_sizes
from bench.traffic import Conversation, Sizes
from bench.transports.long_polling.protocol import Options

ANY_FEED = frozenset[str]()
"""The closed forms that hold whatever the schedule; the others take the ticks as a Poisson process."""


def cycle(options: Options) -> Cycle:
    """The next request follows the answer, and is kept until there is news."""
    return Cycle(
        parks=True,
        hold_s=options.hold_s,
        new_connection=options.connection == "new",
        handshakes=1 + options.tls,
    )


def wire(options: Options, said: Conversation) -> Sizes:
    """What a poll and its answer take on the wire."""
    return poll_sizes(options, said, parks=True)


def _gap_s(delay_s: float, gap_s: float) -> float:
    """G: from serving until the server has the next request."""
    return 2 * delay_s + gap_s


def _served(rate_per_s: float, gap: float) -> tuple[float, float]:
    """q, and the ticks that one cycle hands over."""
    quiet = math.exp(-rate_per_s * gap)
    return quiet, rate_per_s * gap + quiet


def latency_mean_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Mean latency where every tick is delivered."""
    gap = _gap_s(delay_s, gap_s)
    _, served = _served(rate_per_s, gap)
    return delay_s + rate_per_s * gap / served * gap / 2


def latency_mean_latest_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Mean latency of what is delivered where only each symbol's newest tick is."""
    gap = _gap_s(delay_s, gap_s)
    if gap == 0:
        return delay_s
    quiet, _ = _served(rate_per_s, gap)
    own = rate_per_s / symbols
    some = -math.expm1(-own * gap)
    # In a gap with ticks of the symbol, the newest waits for the gap's end; one that was parked for doesn't.
    waiting = some / own - gap * math.exp(-own * gap)
    return delay_s + waiting / (some + quiet / symbols)


def conflated_share(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Share of the ticks that are skipped where only each symbol's newest is delivered."""
    gap = _gap_s(delay_s, gap_s)
    quiet, _ = _served(rate_per_s, gap)
    own = rate_per_s / symbols
    return 1 - (-math.expm1(-own * gap) + quiet / symbols) / (own * gap + quiet / symbols)


def age_excess_mean_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Mean age beyond an ideal client's; the same for both delivery modes."""
    gap = _gap_s(delay_s, gap_s)
    quiet, _ = _served(rate_per_s, gap)
    own = rate_per_s / symbols
    still = math.exp(-own * gap)
    served_age = (1 - still * (1 + own * gap)) / own + (still - quiet) * gap
    served_age += quiet * (1 - 1 / symbols) * (gap + 1 / rate_per_s)
    served_age /= 1 - still + quiet / symbols
    held = gap**2 / 2 + (served_age * own - 1) * (gap / own - (1 - still) / own**2)
    return delay_s + held / (gap + quiet / rate_per_s)


def age_mean_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Mean age of information over the symbols."""
    return symbols / rate_per_s + age_excess_mean_s(options, rate_per_s, delay_s, gap_s, symbols)


def requests_per_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Requests of one client."""
    gap = _gap_s(delay_s, gap_s)
    quiet, _ = _served(rate_per_s, gap)
    return 1 / (gap - quiet * math.expm1(-rate_per_s * options.hold_s) / rate_per_s)


def empty_share(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Share of the answers that bring nothing: nothing came in the gap, nor while it was held."""
    return math.exp(-rate_per_s * (_gap_s(delay_s, gap_s) + options.hold_s))
