"""The functions that every transport's `model` offers, as a protocol, and the conditions that they take.

    the transport's Options ─┐
    Conditions  λ δ g s mode ─┴─► latency, age, share conflated, requests, empty responses of one client
    ServerLoad, Jobs ───────────► δ's part in the server, messages per tick

A module `transports/<name>/model.py` is a `Model`: each function of the protocol is one of its functions, with
the same parameters. Callers get it by `transports.model_of(name)`, and mypy checks their calls; a test checks
the modules.

A form that holds only where ticks are a Poisson process is marked `@for_poisson_ticks`: elsewhere it is NaN, so
that no caller needs to know which forms hold for which feed.

Known weakness: the options are typed `Any`, since each transport has its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Protocol, TypeVar

from bench.transports.cycle import Cycle
from bench.transports.queueing import Jobs, ServerLoad
from bench.wire.contract import Mode
from bench.wire.sizes import Conversation, Sizes

O_contra = TypeVar("O_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of one client, on which the closed forms depend beside the transport's options."""

    rate_per_s: float
    """λ: ticks per second of everything that the client subscribes to."""
    delay_s: float = 0.0
    """δ: the time from a tick's arrival at the server until the client sees it, if it is sent at once."""
    gap_s: float = 0.0
    """g: the part of the time between a response and the arrival of the next request that exceeds 2δ."""
    symbols: int = 1
    """s: the number of symbols to which the client subscribes, all with the same rate λ/s."""
    mode: Mode = "every"
    """`every`: each tick is delivered. `latest`: only the newest of each symbol."""
    poisson: bool = True
    """True if ticks are a Poisson process."""

    @property
    def turn_s(self) -> float:
        """Return 2δ + g: the time from serving a client until the server has its next request."""
        return 2 * self.delay_s + self.gap_s

    @property
    def own_per_s(self) -> float:
        """Return μ = λ/s, the rate of one symbol."""
        return self.rate_per_s / self.symbols


@dataclass(frozen=True, slots=True)
class Messages:
    """The messages in which ticks are pushed to a client, as numbers per tick of its subscription."""

    per_tick: float = 1.0
    """All messages: fewer than 1 where a message carries several ticks."""
    single: float = 1.0
    """The messages that carry one tick and nothing else."""


class Model(Protocol):
    """The closed forms of one transport.

    All times are means in seconds unless a name says otherwise. A form is NaN where it does not hold for the
    conditions.
    """

    def cycle(self, options: Any) -> Cycle:
        """Return the steps that a client repeats."""

    def at_interval(self, options: Any, interval_s: float) -> Any:
        """Return the options with another poll interval, or time between two flushes; unchanged where the
        transport has neither."""

    def wire(self, options: Any, said: Conversation) -> Sizes:
        """Return the sizes in bytes of requests, responses and messages."""

    def latency_mean_s(self, options: Any, conditions: Conditions) -> float:
        """Return the mean latency of the delivered ticks."""

    def latency_worst_s(self, options: Any, conditions: Conditions) -> float:
        """Return the longest latency of a tick while the server keeps up."""

    def age_excess_mean_s(self, options: Any, conditions: Conditions) -> float:
        """Return the mean age of information beyond an ideal client's; it does not depend on the mode."""

    def conflated_share(self, options: Any, conditions: Conditions) -> float:
        """Return the share of the ticks that are skipped for a newer one; 0 in the mode `every`."""

    def requests_per_s(self, options: Any, conditions: Conditions) -> float:
        """Return the requests per second of one client once it is connected."""

    def empty_share(self, options: Any, conditions: Conditions) -> float:
        """Return the share of the responses that carry no tick."""

    def server_s(self, options: Any, load: ServerLoad, jobs: Jobs, round_trip_s: float) -> float:
        """Return δ's part in the server: wait and work; infinity if the server can't keep up.

        `round_trip_s` is the time from a response's leaving the server until the next request's arrival.
        """

    def messages(self, options: Any, load: ServerLoad, jobs: Jobs, round_trip_s: float) -> Messages:
        """Return the messages in which ticks are pushed; not used for a transport that is asked."""


Form = Callable[[O_contra, Conditions], float]


def for_poisson_ticks(form: Form[O_contra]) -> Form[O_contra]:
    """Make a closed form NaN where the ticks are not a Poisson process."""
    @wraps(form)
    def checked(options: O_contra, conditions: Conditions) -> float:
        return form(options, conditions) if conditions.poisson else math.nan

    return checked


def age_mean_s(model: Model, options: Any, conditions: Conditions) -> float:
    """Return the mean age of information over the symbols: an ideal client's, 1/μ, and the excess.

    The former is that of a Poisson process, so the sum is NaN for any other.
    """
    if not conditions.poisson:
        return math.nan
    return 1 / conditions.own_per_s + model.age_excess_mean_s(options, conditions)
