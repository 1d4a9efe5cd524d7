"""Waiting for a server: one queue, in order of arrival, of a server's event loop.

    M/G/1        λ E[S²] / 2(1 − ρ)             arrivals at random (Pollaczek and Khinchine)
    M/D/1        ρ s / 2(1 − ρ)                 the same for equal services
    N·D/D/1      ∫ Q(x) dx                      N clients, each once every P, at a phase of its own
    fan-out      (N + 1) s / 2                  mean place in a burst of N equal jobs
    batch M/D/1  ρ N s / 2(1 − ρ)               bursts of N at random, as one job of N s; and then the place
    gated        (λ E[B²]/2 + …) / (λB + q)     all that has come is taken in one read, which takes B

Clients that poll on a schedule never come together more often than once each, so they wait less than at
random. Of n = N − 1 others the work that is left exceeds x with probability (Beneš' formula; Roberts and
Virtamo, IEEE Transactions on Communications 39(2), 1991)

    Q(x) = Σ_{k > x/s}^{n} C(n, k) uᵏ (1 − u)ⁿ⁻ᵏ (P − ns + x) / (P − ks + x),      u = (ks − x) / P

For many clients what they brought until t is a Brownian bridge, which exceeds the line x + ct with
probability exp(−2x(x + c)/σ²) (Doob 1949), where σ² = ns² and c = P − Ns. So the mean is
σ√(π/8) erfcx(c / σ√2): in light traffic M/D/1's, and σ√(π/8) where the server is just full.

An event loop that comes to its feed takes all ticks that have come, and hands them out together. So a read
of k ticks takes B(k), less than k single ones would. Meanwhile λB further ones come, and if none does (with
probability q = e^(−λB)) the next read is of the first that comes: a read has m = λB(m) + q on average. Their
number varies, and B with it, by B′²λB / (1 − (λB′)²), as an autoregression does. A tick that comes during a
read waits for its end, and long ones are met by more: all of a read wait λE[B²]/2. So a server whose answers
are dear and whose updates are cheap waits without bound only from λB′ = 1 on.

What comes at random beside them (ticks, services that differ) adds its own M/G/1 term.

Known weakness: adding that term is an approximation. Reads go by the mean and variance of their ticks alone,
which is exact where updates cost nothing, and up to a tenth off where a few dear ones share a read. A server
that is overloaded (ρ ≥ 1) waits without bound: infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import erfcx
from scipy.stats import binom

MOST_TICKS = 1e9
"""More in one read, and a server can't keep up."""
EXACT_CLIENTS = 200
"""Up to so many the sum is taken, above the bridge, which is then 5 % off at most."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """CPU seconds of a server's jobs."""

    tick_s: float = 0.0
    """A tick from the feed."""
    request_s: float = 0.0
    """A request, with its connection where it has one of its own."""
    answer_s: float = 0.0
    """An answer or a message."""
    update_s: float = 0.0
    """An update in it, with its bytes."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a server has to do."""

    clients: float
    rate_per_s: float
    """Updates of what one client subscribes to."""
    feed_per_s: float
    """Ticks that the server takes, of all symbols."""
    regular: bool = False
    """Whether ticks are equally far apart; else they are a Poisson process."""
    fresh: float = 1.0
    """Share of the updates that a poll hands over; the others are conflated."""

    @property
    def share(self) -> float:
        """Of the feed, what a client subscribes to."""
        return min(self.rate_per_s / self.feed_per_s, 1.0)

    @property
    def audience(self) -> float:
        """Clients that subscribe to a tick's symbol."""
        return self.clients * self.share

    def heard(self, ticks: float) -> float:
        """The share of the clients that any of so many ticks is for."""
        return float(1 - (1 - self.share)**ticks)


def random_wait_s(utilisation: float, squares: float) -> float:
    """M/G/1: mean wait at a server this busy; `squares` is Σ λ E[S²] over all that comes at random."""
    return squares / 2 / (1 - utilisation) if utilisation < 1 else math.inf


def periodic_wait_s(clients: float, period_s: float, service_s: float) -> float:
    """N·D/D/1: mean wait of a client that comes every `period_s` at a phase of its own."""
    others, spare_s = max(clients - 1, 0), period_s - clients * service_s
    if spare_s <= 0:
        return math.inf
    if not others * service_s:
        return 0.0
    if clients <= EXACT_CLIENTS:
        return _few_wait_s(round(others), period_s / service_s) * service_s
    sigma_s = service_s * math.sqrt(others)
    return sigma_s * math.sqrt(math.pi / 8) * float(erfcx(spare_s / sigma_s / math.sqrt(2)))


@lru_cache(4096)
def _few_wait_s(others: int, period: float) -> float:
    """∫ Q(x) dx for a service of 1."""
    x, step = np.linspace(0, others, 8 * others, endpoint=False, retstep=True)
    x = (x + step / 2)[:, None]
    k = np.arange(1, others + 1)[None, :]
    u = (k - x) / period
    beyond = binom.pmf(k, others, np.clip(u, 0, 1)) * (period - others + x) / (period - k + x)
    return float(np.where(u > 0, beyond, 0).sum() * step)


def place_s(clients: float, service_s: float) -> float:
    """Mean time until a client's turn in a burst is over."""
    return (max(clients, 1) + 1) / 2 * service_s


@dataclass(frozen=True, slots=True)
class Reads:
    """A server that takes in one read all that has come."""

    ticks: float
    """Mean number of ticks in a read; infinite: it can't keep up."""
    ticks_met: float
    """The same, as a tick sees it: larger reads have more ticks to see them."""
    wait_s: float
    """Mean time from a tick's coming until the read that takes it."""


def gated(rate_per_s: float, read_s: Callable[[float], float], regular: bool = False) -> Reads:
    """Ticks come at random, or equally far apart (`regular`); a read of so many takes `read_s`."""
    def met(ticks: float) -> float:
        """Ticks that the read after one of `ticks` takes, on average."""
        expected = rate_per_s * read_s(ticks)
        return max(expected, 1.0) if regular else expected + math.exp(-expected)

    low = high = 1.0
    while met(high) > high * (1 + 1e-12):
        low, high = high, high * 2
        if high > MOST_TICKS:
            return Reads(math.inf, math.inf, math.inf)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if met(middle) > middle else (low, middle)
    length_s = read_s(high)
    expected = rate_per_s * length_s
    if regular:
        return Reads(high, high, length_s / 2 if expected > 1 else 0.0)
    slope_s = (read_s(high + 1) - read_s(high))
    quiet = math.exp(-expected)
    spread = expected / max(1 - (rate_per_s * slope_s)**2, 1e-9)   # variance of the ticks that come meanwhile
    varied_s2 = slope_s**2 * spread
    return Reads(
        high, (spread + expected**2 + quiet) / (expected + quiet),
        rate_per_s * (length_s**2 + varied_s2) / 2 / (expected + quiet))
