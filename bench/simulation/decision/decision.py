"""Which transport to take in one situation: the least expensive that is fresh enough, and of these the freshest.

    Situation ─► each transport at its best (crossover.within) ─► its cost ───────┐  draw by draw
    costs' intervals, validation's errors ─► Truth: factors of CPU, bytes, age ─────┴► cheapest ─► chosen

The cost is the price of a month or, where nothing has a price, the number of workers: a share of a core is not for
sale. A poll is as rare as the staleness allows. A push is flushed only where that saves a worker, or more of the
price than the margin. The bands are drawn jointly
(`bench.stats.run.uncertainty`): each draw has one set of true costs for each transport, and a transport that is the
least expensive in fewer than 5 % of the draws, and by more than the margin, is excluded. Those that are left are a
tie. Of them the freshest is chosen, by the same rule: an excess age is the network's way, which is certain, and the
rest, which is as uncertain as the validation found it.

What would change the answer is looked for along three axes, one at a time: how late an update may be, the rate of
updates, the number of clients. A turn is where a transport begins to be, or ceases to be, among the least expensive.

Where updates are messages of the clients (`Situation.room_clients`), each of R clients in a room sends λ/R per second
(λ: updates per second of a client), so all N send λ N/R, as many ticks as each worker then takes. A worker takes the
messages of its own clients, and an update's way begins at its author, a further way through the network. With N below R
there is one room, of N.

Known weakness: the factors of the situation itself are used all along an axis. A turn that needs two axes to move
together is not found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from bench.scenario.simulation import Prices
from bench.simulation.analytic.demand import Demand
from bench.simulation.crossover.crossover import Candidate, Offer, most_clients, offer, refused, within
from bench.stats.run import uncertainty
from bench.stats.trial.arrays import Floats

AXES = ("within_s", "rate_per_s", "clients")
PER_DECADE = 3
"""Points of an axis that are tried before a turn is found by bisection."""
TURN_STEPS = 4
"""Bisections between two of them."""
RATES_PER_S = (0.01, 100.0)
CLIENTS = (10.0, 10_000_000.0)
CLIENTS_PER_DECADE = 20
"""Points of the axis of clients: all are computed at once, without bisection. Where clients send, more of them are
another demand, and the axis is as the others."""
LONGEST_S = 1800.0
FRONTIER_S = (0.02, 60.0)
"""Shortest and longest staleness of a frontier."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The needs of the clients, and the prices."""

    clients: int
    demand: Demand
    rtt_s: float
    within_s: float
    """The longest that an update may take while no worker is overloaded."""
    full_at: float
    """The share of a core at which a worker is full."""
    prices: Prices | None = None
    margin: float = 0.0
    """Transports whose costs differ by less than this share are a tie."""
    room_clients: int | None = None
    """Clients of a room, to all of whom each sends its messages; None: clients only listen."""

    @property
    def served(self) -> Demand:
        """The demand with the messages of all clients."""
        if self.room_clients is None:
            return self.demand
        each_per_s = self.demand.rate_per_s / min(self.room_clients, self.clients)
        return replace(self.demand, feed_per_s=each_per_s * self.clients, client_messages_per_s=each_per_s)

    @property
    def sent_per_s(self) -> float:
        """Messages per second of all clients."""
        return self.served.client_messages_per_s * self.clients

    @property
    def ways(self) -> int:
        """Times that an update goes through the network between clients and servers."""
        return 1 if self.room_clients is None else 2

    def at(self, axis: str, value: float) -> Situation:
        """Return the situation with another value of an axis: `within_s`, `rate_per_s` or `clients`."""
        if axis == "clients":
            return replace(self, clients=max(1, round(value)))
        if axis == "rate_per_s":
            times = value / self.demand.rate_per_s
            return replace(self, demand=replace(
                self.demand, rate_per_s=value, feed_per_s=self.demand.ticks_per_s * times))
        return replace(self, within_s=value)


@dataclass(frozen=True, slots=True)
class Truth:
    """Truth ÷ predicted of one transport, in each draw; arrays of shape (DRAWS,)."""

    cpu: Floats
    bytes: Floats
    age: Floats


Errors = Mapping[str, Sequence[uncertainty.Error]]
"""Errors of a validation by `cpu`, `bytes` and `age`."""


def truth(candidate: Candidate, middle: Offer, situation: Situation, errors: Errors) -> Truth:
    """Draw what the costs' intervals and the validation's errors leave open; `middle` is the transport's offer."""
    rng = uncertainty.generator(candidate.label)
    asking = candidate.as_offered(middle) if middle.possible else candidate
    ends = [each.possible and each.cores / middle.cores for each in (
        offer(end, situation.served, situation.rtt_s, middle.workers, situation.clients, math.nan, None)
        for end in asking.ends(situation.served, situation.rtt_s))] if middle.possible else [1.0, 1.0]
    return Truth(
        uncertainty.of_costs(min(ends), max(ends), rng) * uncertainty.of_model(errors.get("cpu", ()), rng),
        uncertainty.of_model(errors.get("bytes", ()), rng), uncertainty.of_model(errors.get("age", ()), rng))


def best(candidate: Candidate, situation: Situation) -> Offer:
    """Return the best offer of one transport that is fresh enough."""
    return best_of_each(candidate, situation, [situation.clients])[situation.clients]


def best_of_each(candidate: Candidate, situation: Situation, counts: Sequence[int]) -> dict[int, Offer]:
    """Return the best offer for each count of clients: of those that cost no more, the freshest."""
    found = within(candidate, situation.served, situation.rtt_s, situation.within_s, situation.full_at, counts,
                   situation.prices, fewest=situation.prices is None)
    return {clients: _freshest(offers, situation) for clients, offers in found.items()}


def _freshest(offers: Sequence[Offer], situation: Situation) -> Offer:
    """Return the freshest of the offers of one transport that cost no more than the least, within the margin."""
    if situation.prices is None:
        least = min(each.workers for each in offers)
        return min((each for each in offers if each.workers == least), key=lambda each: each.age_excess_s)
    limit = min(each.price for each in offers) * (1 + situation.margin)
    near = [each for each in offers if each.price <= limit]
    return min(near, key=lambda each: each.age_excess_s) if near else offers[0]


def as_it_is(candidate: Candidate, situation: Situation) -> Offer:
    """Return the offer of a transport with its options as they are, however stale its updates."""
    most = most_clients(candidate, situation.served, situation.rtt_s, math.inf, situation.full_at)
    if most < 1:
        return refused("overload")
    workers = math.ceil(situation.clients / most)
    return offer(candidate, situation.served, situation.rtt_s, workers, situation.clients, most, situation.prices)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The values of one offer in each draw; arrays of shape (DRAWS,)."""

    workers: Floats
    cores: Floats
    bytes_down_per_s: Floats
    bytes_up_per_s: Floats
    age_excess_s: Floats
    price: Floats | None
    """Of a month; None where nothing has a price."""

    @property
    def cost(self) -> Floats:
        """Return the value by which offers are compared: the price, or the workers."""
        return self.workers if self.price is None else self.price


def drawn(made: Offer, true: Truth, situation: Situation) -> Drawn:
    """Return an offer's values as they may truly be."""
    exact = situation.clients / made.per_worker if made.per_worker > 0 else float(made.workers)
    workers = np.maximum(np.ceil(exact * true.cpu - 1e-9), 1.0)
    sent = made.bytes_down_per_s * true.bytes
    way_s = min(situation.ways * situation.rtt_s / 2, made.age_excess_s)
    price = None
    if situation.prices is not None:
        by_use = situation.prices.month(0.0, 0.0, made.requests_per_s, made.messages_per_s, made.held, made.under_way)
        fixed = situation.prices.month(1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        traffic = situation.prices.month(0.0, 1.0, 0.0, 0.0, 0.0, 0.0)
        price = by_use + fixed * workers + traffic * sent
    return Drawn(workers, made.cores * true.cpu, sent, made.bytes_up_per_s * true.bytes,
                 way_s + (made.age_excess_s - way_s) * true.age, price)


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer for one situation."""

    offers: Mapping[str, Offer]
    """Each transport at its best, by label."""
    drawn: Mapping[str, Drawn]
    """The values of the possible ones, by label."""
    shares: Mapping[str, float]
    """Share of the draws in which each is the least expensive."""
    cheapest: tuple[str, ...]
    """Those that are not excluded as more expensive, the likeliest first."""
    chosen: tuple[str, ...]
    """Of these, the freshest; more than one: a tie; none: nobody is fresh enough."""


def choose(offers: Mapping[str, Offer], truths: Mapping[str, Truth], situation: Situation) -> Choice:
    """Choose among the offers of all transports for one situation."""
    figures = {label: drawn(each, truths[label], situation) for label, each in offers.items() if each.possible}
    if not figures:
        return Choice(offers, {}, {}, (), ())
    shares = uncertainty.least_shares({label: each.cost for label, each in figures.items()})
    least = _left(shares, {label: each.cost for label, each in figures.items()}, situation.margin)
    ages = {label: figures[label].age_excess_s for label in least}
    return Choice(offers, figures, shares, least, _left(uncertainty.least_shares(ages), ages, situation.margin))


def _left(shares: Mapping[str, float], draws: Mapping[str, Floats], margin: float) -> tuple[str, ...]:
    """Return those that the draws do not exclude, or that are within the margin of the least, likeliest first."""
    near = np.quantile(list(draws.values()), 0.5, axis=1)
    close = {label for label, middle in zip(draws, near, strict=True) if middle <= near.min() * (1 + margin)}
    left = close | set(uncertainty.candidates(shares))
    return tuple(sorted(left, key=lambda label: (-shares[label], label)))


def decide(candidates: Sequence[Candidate], truths: Mapping[str, Truth], situation: Situation) -> Choice:
    """Return the answer for a situation: each transport at its best, and who is chosen."""
    return choose({each.label: best(each, situation) for each in candidates}, truths, situation)


@dataclass(frozen=True, slots=True)
class Turn:
    """A value of an axis at which a transport begins, or ceases, to be among the least expensive."""

    axis: str
    label: str
    value: float
    rising: bool
    """True if the turn is met as the axis rises from the situation's own value."""
    begins: bool
    """True: from there on it is among the least expensive. False: it is until there."""


def turns(candidates: Sequence[Candidate], truths: Mapping[str, Truth], situation: Situation) -> list[Turn]:
    """Return the first turn of each transport along each axis: in both directions, of staleness towards more of it."""
    return [turn for axis in AXES for turn in turns_along(axis, candidates, truths, situation)]


def turns_along(axis: str, candidates: Sequence[Candidate], truths: Mapping[str, Truth], situation: Situation
                ) -> list[Turn]:
    """Return the first turn of each transport along one of `AXES`, in the directions that `turns` names."""
    (low, high), start = {
        "within_s": ((situation.within_s, LONGEST_S), situation.within_s),
        "rate_per_s": (RATES_PER_S, situation.demand.rate_per_s),
        "clients": (CLIENTS, float(situation.clients)),
    }[axis]
    found: list[Turn] = []
    for end in (end for end, outward in ((low, low < start), (high, high > start)) if outward):
        at_once = axis == "clients" and situation.room_clients is None
        least = _by_clients(candidates, truths, situation, start, end) if at_once else cache(partial(
            _least, candidates, truths, situation, axis))
        found += _turns(axis, start, end, least)
    return found


def _least(candidates: Sequence[Candidate], truths: Mapping[str, Truth], situation: Situation, axis: str,
           value: float) -> frozenset[str]:
    """Return the least expensive at a value of an axis."""
    return frozenset(decide(candidates, truths, situation.at(axis, value)).cheapest)


def _by_clients(candidates: Sequence[Candidate], truths: Mapping[str, Truth], situation: Situation, start: float,
                end: float) -> Callable[[float], frozenset[str]]:
    """Return a function from a count of clients to the least expensive; counts between its points are the nearest's."""
    steps = max(2, math.ceil(CLIENTS_PER_DECADE * abs(math.log10(end / start))))
    counts = sorted({max(1, round(each)) for each in np.geomspace(start, end, steps)})
    offers = {each.label: best_of_each(each, situation, counts) for each in candidates}
    least = {count: frozenset(choose({label: each[count] for label, each in offers.items()}, truths,
                                     situation.at("clients", count)).cheapest) for count in counts}
    return lambda clients: least[min(counts, key=lambda count: abs(math.log(count / clients)))]


def _turns(axis: str, start: float, end: float, least: Callable[[float], frozenset[str]]) -> Iterator[Turn]:
    """Yield the first turn of each transport between two values of an axis."""
    at_start, turned = least(start), set[str]()
    before, steps = start, max(1, math.ceil(PER_DECADE * abs(math.log10(end / start))))
    for step in range(1, steps + 1):
        value = start * (end / start) ** (step / steps)
        changed = (least(value) ^ at_start) - turned
        for label in sorted(changed):
            same, other = before, value
            for _ in range(TURN_STEPS):
                middle = math.sqrt(same * other)
                if (label in least(middle)) == (label in at_start):
                    same = middle
                else:
                    other = middle
            yield Turn(axis, label, math.sqrt(same * other), end > start, label not in at_start)
        turned |= changed
        before = value


def frontier(candidates: Sequence[Candidate], situation: Situation, points: int = 13
             ) -> Iterator[tuple[str, float, Offer]]:
    """Yield (label, staleness in seconds, offer) of each transport at its best for a range of staleness."""
    for within_s in np.geomspace(*FRONTIER_S, points):
        for each in candidates:
            found = best(each, situation.at("within_s", float(within_s)))
            if found.possible:
                yield each.label, float(within_s), found
