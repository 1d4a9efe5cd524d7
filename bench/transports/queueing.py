"""Waiting for a server: one queue, in order of arrival, in front of a server's event loop.

    M/G/1        λ E[S²] / 2(1 − ρ)             arrivals at random (Pollaczek and Khinchine)
    M/D/1        ρ s / 2(1 − ρ)                 the same for equal services
    N·D/D/1      ∫ Q(x) dx                      N clients, each once every P, at a phase of its own
    fan-out      (N + 1) s / 2                  mean place in a burst of N equal jobs
    batch M/D/1  ρ N s / 2(1 − ρ)               bursts of N at random, as one job of N s; and then the place
    gated        (λ E[B²]/2 + …) / (λB + q)     one read takes everything that has arrived; it lasts B
    among reads  Σ λ E[S²] / 2(1 − ρ − r/(1 + r))    other jobs beside such reads, which take the share r of the time

Clients that poll on a schedule arrive at most once each per interval, so they wait less than with random
arrivals. The unfinished work of the n = N − 1 other clients exceeds x with probability (Beneš' formula;
Roberts and Virtamo, IEEE Transactions on Communications 39(2), 1991)

    Q(x) = Σ_{k > x/s}^{n} C(n, k) uᵏ (1 − u)ⁿ⁻ᵏ (P − ns + x) / (P − ks + x),      u = (ks − x) / P

For many clients the work that arrives up to time t is a Brownian bridge, which exceeds the line x + ct with
probability exp(−2x(x + c)/σ²) (Doob 1949), where σ² = ns² and c = P − Ns. So the mean wait is
σ√(π/8) erfcx(c / σ√2). This is the M/D/1 wait in light traffic, and σ√(π/8) where the server is just full.

An event loop that reads its feed takes all ticks that have arrived, and hands them out together. So a read
of k ticks takes B(k), which is less than k reads of one tick. Meanwhile λB more ticks arrive. If none does
(with probability q = e^(−λB)) the next read takes the first that arrives: a read has m = λB(m) + q ticks on
average. Their number varies, and B with it, by B′²λB / (1 − (λB′)²), as in an autoregression. A tick that
arrives during a read waits for its end, and more ticks arrive during long reads: all ticks of a read
together wait λE[B²]/2. So a server whose responses are expensive and whose updates are inexpensive waits
without bound only from λB′ = 1 on.

Another job at such a server (W) waits for what is left of the job at work, R = Σ λ E[S²]/2, for the other jobs that
came before it, ρW, and for a read if one is waiting. With r/B reads per second, each waiting for V, that is so with
probability rV/B. A read waits from the first tick that finds none waiting: as long as the job does, except for a read
before it, V = W − rV. So W = R + ρW + rV with V = W/(1 + r).

Random arrivals in addition to the clients' (ticks, services of different length) add their own M/G/1 term.

Known weakness: adding that term is an approximation. Reads are described by the mean and variance of their
ticks alone. This is exact where updates cost nothing, and up to a tenth off where a few expensive updates
share a read. A server that is overloaded (ρ ≥ 1) waits without bound: infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MOST_TICKS = 1e9
"""The number of ticks in one read above which a server can't keep up."""
EXACT_CLIENTS = 200
"""The largest number of clients for which the sum is computed; above it the bridge is used, within 5 %."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """The CPU time of a server's jobs, in seconds."""

    tick_s: float = 0.0
    """Per tick from the feed."""
    request_s: float = 0.0
    """Per request, with its connection if it has one of its own."""
    answer_s: float = 0.0
    """Per response or message."""
    update_s: float = 0.0
    """Per update in a response or message, including its bytes."""


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """The work of a server."""

    clients: float
    rate_per_s: float
    """Updates per second of one client's subscription."""
    feed_per_s: float
    """Ticks per second that the server takes from the feed, all symbols together."""
    regular: bool = False
    """True if ticks are equally spaced; else they are a Poisson process."""
    fresh: float = 1.0
    """Share of the updates that a poll hands over; the others are conflated."""
    symbols: float = math.inf
    """Symbols of one client's subscription of which a message has only the newest tick each; infinite where it has
    every tick."""

    @property
    def share(self) -> float:
        """Return the share of the feed that a client subscribes to."""
        return min(self.rate_per_s / self.feed_per_s, 1.0)

    @property
    def audience(self) -> float:
        """Return the number of clients that subscribe to a tick's symbol."""
        return self.clients * self.share

    def heard(self, ticks: float) -> float:
        """Return the share of the clients for which at least one of `ticks` ticks is meant."""
        return float(1 - (1 - self.share)**ticks)

    def updates(self, ticks: float) -> float:
        """Return the mean number of updates that one client gets of `ticks` ticks that are handed out together."""
        if math.isinf(self.symbols):
            return ticks * self.share
        return float(self.symbols * (1 - (1 - self.share / self.symbols)**ticks))


def random_wait_s(utilisation: float, squares: float) -> float:
    """Return the mean wait of an M/G/1 queue in seconds; infinity from utilisation 1 on.

    `squares` is Σ λ E[S²] over all random arrivals, in seconds.
    """
    return squares / 2 / (1 - utilisation) if utilisation < 1 else math.inf


def random_wait_among_reads_s(utilisation: float, reads_share: float, squares: float) -> float:
    """Return the mean wait in seconds of a job that comes at random, where some of the jobs are reads that take all
    ticks that have arrived; infinity if the server can't keep up with the others.

    `reads_share` is the reads' share of the time, `utilisation` that of the other jobs; `squares` as in
    `random_wait_s`.
    """
    left = 1 - utilisation - reads_share / (1 + reads_share)
    return squares / 2 / left if left > 0 else math.inf


def periodic_wait_s(clients: float, period_s: float, service_s: float) -> float:
    """Return the mean wait of an N·D/D/1 queue in seconds; infinity if the server is full.

    Each client arrives every `period_s` at a phase of its own, and is served for `service_s`. Between two whole
    numbers of clients, as with three on two servers, the wait is interpolated.
    """
    others, spare_s = max(clients - 1, 0), period_s - clients * service_s
    if spare_s <= 0:
        return math.inf
    if not others * service_s:
        return 0.0
    if clients <= EXACT_CLIENTS:
        fewer = math.floor(others)
        wait = _few_wait_s(fewer, period_s / service_s)
        if others > fewer:
            wait += (others - fewer) * (_few_wait_s(fewer + 1, period_s / service_s) - wait)
        return wait * service_s
    sigma_s = service_s * math.sqrt(others)
    return sigma_s * math.sqrt(math.pi / 8) * float(scipy.special.erfcx(spare_s / sigma_s / math.sqrt(2)))


@lru_cache(4096)
def _few_wait_s(others: int, period: float) -> float:
    """Return ∫ Q(x) dx for a service time of 1."""
    if not others:
        return 0.0
    x, step = np.linspace(0, others, 8 * others, endpoint=False, retstep=True)
    x = (x + step / 2)[:, None]
    k = np.arange(1, others + 1)[None, :]
    u = (k - x) / period
    beyond = binomial(k, others, np.clip(u, 0, 1)) * (period - others + x) / (period - k + x)
    return float(np.where(u > 0, beyond, 0).sum() * step)


def binomial(k: Ints, n: int, u: Floats) -> Floats:
    """Return the probability of k successes in n trials. The same of SciPy takes two thirds of a second to import."""
    special = scipy.special
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return np.asarray(np.exp(ways + special.xlogy(k, u) + special.xlog1py(n - k, -u)), dtype=np.float64)


def place_s(clients: float, service_s: float) -> float:
    """Return the mean time until a client's turn in a burst of equal jobs is over, in seconds."""
    return (max(clients, 1) + 1) / 2 * service_s


@dataclass(frozen=True, slots=True)
class SharedReads:
    """A server that takes everything that has arrived in one read."""

    ticks: float
    """Mean number of ticks in a read; infinite if the server can't keep up."""
    ticks_met: float
    """Mean number of ticks in the read that a random tick is in; larger, since larger reads have more
    ticks."""
    wait_s: float
    """Mean time from a tick's arrival to the start of the read that takes it, in seconds."""


def gated(rate_per_s: float, read_s: Callable[[float], float], regular: bool = False) -> SharedReads:
    """Return the reads of a server that takes everything that has arrived in one read.

    `read_s(ticks)` is the length of a read in seconds. Ticks arrive at random, or equally spaced
    (`regular`).
    """
    def met(ticks: float) -> float:
        """Return the mean number of ticks that the read after one of `ticks` takes."""
        expected = rate_per_s * read_s(ticks)
        return max(expected, 1.0) if regular else expected + math.exp(-expected)

    low = high = 1.0
    while met(high) > high * (1 + 1e-12):
        low, high = high, high * 2
        if high > MOST_TICKS:
            return SharedReads(math.inf, math.inf, math.inf)
    if low < high and met(high) < high:
        high = float(scipy.optimize.brentq(lambda ticks: met(ticks) - ticks, low, high, xtol=1e-12, rtol=1e-14))
    length_s = read_s(high)
    expected = rate_per_s * length_s
    if regular:
        return SharedReads(high, high, length_s / 2 if expected > 1 else 0.0)
    slope_s = (read_s(high + 1) - read_s(high))
    quiet = math.exp(-expected)
    spread = expected / max(1 - (rate_per_s * slope_s)**2, 1e-9)   # variance of ticks arriving meanwhile
    varied_s2 = slope_s**2 * spread
    return SharedReads(
        high, (spread + expected**2 + quiet) / (expected + quiet),
        rate_per_s * (length_s**2 + varied_s2) / 2 / (expected + quiet))
