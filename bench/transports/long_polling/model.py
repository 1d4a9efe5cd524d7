"""Closed forms for long polling: serve, a gap G, then park until the next tick.

    serve ──G──► the server has the next request ──park (only if nothing came)──► tick: serve ─► …

G = 2δ + g: the response's way down, the client's own gap g, the request's way up. A tick that finds its
client parked takes δ; one that falls into the gap waits for its end. With q = e^(−λG), the probability that
no tick comes in a gap, and h = e^(−λH), the probability that none comes while a request is held (H = hold
time), a cycle lasts E[C] = G + p/λ with p = q (1 − h), and hands over λG + p ticks:

    latency (every)          δ + λG / (λG + p) · G/2        from δ (rare ticks) up to δ + G/2
    longest                  δ + G = 3δ + g                  three transits
    requests per second       1 / E[C]
    empty responses            e^(−λ(G + H))

For a symbol of rate μ = λ/s among s symbols, with e = e^(−μG):

    conflated share          1 − (1 − e + p/s) / (μG + p/s)
    excess age               δ + [ G²/2 + (bμ − 1)(G/μ − (1 − e)/μ²) ] / E[C]

where b is the symbol's mean age at the instants of serving, from one cycle to the next:

    b (1 − e + p/s) = (1 − e (1 + μG))/μ + (e − q) G + (1 − 1/s)(p (G + 1/λ) − qhH) + qh (G + H)

The server's part of δ (`server_s`) is a wait and the fan-out, as for a push, to the share p/(λG + p) of the
clients that are parked when a tick comes. Each tick makes two bursts: the responses and, a round trip later,
as many requests. A tick waits for the rest of either burst as in M/G/1. The longer this takes, the longer
is G, the fewer clients are parked, and the less work there is: long polling slows down under load, but has
no point at which it breaks down.

λ (`rate_per_s`) is the rate of everything that the client subscribes to, as a Poisson process. RFC 6202
§2.2 gives the same bounds in words: about one transit on average, over three at most.

Known weakness: δ is assumed to be the same for the response and the request. From half load on, clients are
neither in step nor independent, and ticks share reads: latency and requests per second are some 15 % off.
Latency is further off where the requests of all clients at once would overload the server.
"""

from __future__ import annotations

import math

from bench.transports.cycle import Cycle
from bench.transports.long_polling.protocol import Options
from bench.transports.model import Conditions, Messages, for_poisson_ticks
from bench.transports.poll_sizes import poll_sizes
from bench.transports.queueing import Jobs, ServerLoad, place_s, random_wait_s
from bench.wire.sizes import Conversation, Sizes

NEVER_S = 1e6
"""Time in seconds above which a server is taken as unable to keep up."""


def cycle(options: Options) -> Cycle:
    """Return the cycle: the next request follows the response, and is kept until there is news."""
    return Cycle(
        parks=True,
        hold_s=options.hold_s,
        new_connection=options.connection == "new",
        handshakes=1 + options.tls,
        posts=True,
    )


def at_interval(options: Options, interval_s: float) -> Options:
    """Return the options unchanged: a long poll follows the response before it at once."""
    return options


def wire(options: Options, said: Conversation) -> Sizes:
    """Return the sizes on the wire of a poll and its response."""
    return poll_sizes(options, said, cycle(options))


def _parked(options: Options, rate_per_s: float, gap: float) -> tuple[float, float, float]:
    """Return q; h, the probability that a request is held without news; and p, the mean number of ticks per
    cycle that meet a parked request."""
    quiet, vain = math.exp(-rate_per_s * gap), math.exp(-rate_per_s * options.hold_s)
    return quiet, vain, quiet * -math.expm1(-rate_per_s * options.hold_s)


def _beyond(ticks: float) -> float:
    """Return x − (1 − e^(−x)) without cancellation: x² (1/2 − x/6 + x²/24 …) for a small x."""
    if ticks > 1e-3:
        return ticks + math.expm1(-ticks)
    return ticks**2 * (1 / 2 - ticks / 6 + ticks**2 / 24)


@for_poisson_ticks
def latency_mean_s(options: Options, conditions: Conditions) -> float:
    """Return the mean latency of the delivered ticks in seconds."""
    rate_per_s, delay_s, gap = conditions.rate_per_s, conditions.delay_s, conditions.turn_s
    _, _, met = _parked(options, rate_per_s, gap)
    if conditions.mode == "every":
        return delay_s + rate_per_s * gap / (rate_per_s * gap + met) * gap / 2
    if gap == 0:
        return delay_s
    own = conditions.own_per_s
    some = -math.expm1(-own * gap)
    # If a gap has ticks of the symbol, the newest waits for its end; one that meets a parked request doesn't.
    waiting = some / own - gap * math.exp(-own * gap)
    return delay_s + waiting / (some + met / conditions.symbols)


def conflated_share(options: Options, conditions: Conditions) -> float:
    """Return the share of the ticks that are skipped where only each symbol's newest is delivered."""
    return 0.0 if conditions.mode == "every" else _conflated_share(options, conditions)


@for_poisson_ticks
def _conflated_share(options: Options, conditions: Conditions) -> float:
    gap, own, symbols = conditions.turn_s, conditions.own_per_s, conditions.symbols
    _, _, met = _parked(options, conditions.rate_per_s, gap)
    return 1 - (-math.expm1(-own * gap) + met / symbols) / (own * gap + met / symbols)


@for_poisson_ticks
def age_excess_mean_s(options: Options, conditions: Conditions) -> float:
    """Return the mean age beyond an ideal client's in seconds. It does not depend on the delivery mode."""
    rate_per_s, gap, hold = conditions.rate_per_s, conditions.turn_s, options.hold_s
    quiet, vain, met = _parked(options, rate_per_s, gap)
    own, symbols = conditions.own_per_s, conditions.symbols
    still, others, beyond = math.exp(-own * gap), 1 - 1 / symbols, _beyond(own * gap)
    # 1 − e(1 + x) = x² − (1 + x)(x − (1 − e))
    served_age = own * gap**2 - (1 + own * gap) * beyond / own
    served_age += (still - quiet) * gap + quiet * vain * (gap + hold)
    served_age += others * (met * (gap + 1 / rate_per_s) - quiet * vain * hold)
    served_age /= -math.expm1(-own * gap) + met / symbols
    held = gap**2 / 2 + (served_age * own - 1) * beyond / own**2
    return conditions.delay_s + held / (gap + met / rate_per_s)


def latency_worst_s(options: Options, conditions: Conditions) -> float:
    """Return the longest latency of an update in seconds: it comes just after a response."""
    return conditions.turn_s + conditions.delay_s


@for_poisson_ticks
def requests_per_s(options: Options, conditions: Conditions) -> float:
    """Return the requests per second of one client."""
    _, _, met = _parked(options, conditions.rate_per_s, conditions.turn_s)
    return 1 / (conditions.turn_s + met / conditions.rate_per_s)


@for_poisson_ticks
def empty_share(options: Options, conditions: Conditions) -> float:
    """Return the share of the responses that are empty: no tick came in the gap or during the hold time."""
    return math.exp(-conditions.rate_per_s * (conditions.turn_s + options.hold_s))


def server_s(options: Options, load: ServerLoad, jobs: Jobs, round_trip_s: float) -> float:
    """Return the mean time from a tick's arrival at the server until the response to a parked request is
    sent.

    In seconds; infinity if the server can't keep up. Found by bisection, since the time depends on the gap
    and the gap on the time.
    """
    def taken_s(server_s: float) -> float:
        """Return the server time in seconds if the gap is the one that `server_s` produces."""
        gap = server_s + round_trip_s
        _, _, met = _parked(options, load.rate_per_s, gap)
        parked = load.audience * met / (load.rate_per_s * gap + met)
        asked = load.clients / (gap + met / load.rate_per_s)
        batch_s, requests_s = jobs.tick_s + parked * each_s, parked * jobs.request_s
        busy = load.feed_per_s * jobs.tick_s + asked * (jobs.request_s + jobs.answer_s)
        busy += load.clients * load.rate_per_s * load.fresh * jobs.update_s
        wait_s = random_wait_s(busy, load.feed_per_s * (batch_s**2 + requests_s**2))
        return wait_s + jobs.tick_s + place_s(parked, each_s)

    each_s = jobs.answer_s + jobs.update_s
    low, high = 0.0, jobs.tick_s + place_s(load.audience, each_s)
    if load.regular and load.feed_per_s * (2 * high + load.audience * jobs.request_s) <= 1:
        return high   # each tick is done before the next
    while taken_s(high) > high:
        low, high = high, 2 * high
        if high > NEVER_S:
            return math.inf
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if taken_s(middle) > middle else (low, middle)
    return high


def messages(options: Options, load: ServerLoad, jobs: Jobs, round_trip_s: float) -> Messages:
    """Return one message per tick: nothing is pushed."""
    return Messages()
