"""The cheapest and the freshest transport at each point of a map, by closed forms.

    cheapest   (rate, clients, round trip, budget)   the least price that keeps every update within the budget
    freshest   (rate, clients, round trip)           the least age on the given workers

Each transport is taken at its best. The interval of one that polls is free: for the cheapest it polls as
rarely as the budget allows (its worst latency is the budget), for the freshest as often as the workers can
serve. But no poll may find more ticks than one response holds, nor more than half of what a client may be behind
or the server keeps (`TicksPerPoll`): otherwise it would poll again at once, or be taken for a slow client. The
time between two flushes of one that pushes is free, too: for the freshest it is 0 if the workers can serve that.
For the cheapest, a longer flush saves messages, and leaves less time for the fan-out to a worker's clients; so
several are tried (`flushes`). A flush that would save hardly a message (`WORTH_FLUSHING`) is left out.

Then the most clients n of one worker are searched for, so that

    CPU of the worker ≤ full_at      and      worst latency + mean wait ≤ budget

and ⌈N / n⌉ workers are needed. The CPU is taken without waiting, since a worker that falls behind gets fewer
requests, which must not count in its favour. For a push the second condition is a limit of its own: the last of n
clients waits for n sends. A worker takes the whole feed, so each further worker adds the costs of all ticks.

Price = workers · price of one + bytes down · price of a gigabyte + what is billed by use (`Prices.month`), or CPU
cores where nothing has a price.

All this is done three times: with the costs as calibrated, and with both ends of their intervals
(`bench.simulation.calibration.cost_bounds`). The errors of a validation widen the result
(`bench.stats.run.uncertainty`) as independent errors do: by the root of the sum of squares, of logarithms. Two
transports whose distance is within their combined error are a tie. A field is not known where, within the
intervals, a transport may be unable to serve it.

Known weakness: the closed forms leave out variance, loss and slow clients. Memory and open connections are in the
price only as far as they are billed by use. Transports that batch when they fall behind could be loaded
further than `full_at`; the engine can show that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from bench import transports
from bench.scenario.crossover import Crossover
from bench.scenario.fields import Table
from bench.scenario.model import DEFAULT_SERVER, Server
from bench.scenario.simulation import Prices
from bench.simulation.analytic.demand import Demand
from bench.simulation.analytic.system import Forecast, analytic
from bench.simulation.calibration.cost_bounds import ends
from bench.simulation.calibration.costs import Estimate
from bench.simulation.engine.inputs import Costs, NetworkDelays
from bench.transports.cycle import Cycle
from bench.wire.contract import Mode
from bench.wire.sizes import Sizes

CLIENTS_MOST = 10_000_000
"""Limit of the clients that a worker is assumed to have."""
PRECISION = 1.002
"""Ratio to which the most clients of a worker, and the shortest interval, are found."""
WORTH_FLUSHING = 0.01
"""Share of the messages that a flush has to save, or the map sends each tick at once."""
FLUSH_STEPS = 6
"""Bisection steps in which the flush that allows the most clients is found."""
FLUSHES_TRIED = (0.0, 0.5, 0.8, 0.95, 1.0)
"""Flushes that are tried, as shares of the way from the one that allows the most clients to the longest that the budget
allows."""
SHORTEST_S = 1e-4
"""The shortest poll interval, and the shortest time between flushes other than 0, in seconds."""


@dataclass(frozen=True, slots=True)
class TicksPerPoll:
    """The limits on the number of ticks that one poll may find."""

    wanted: float = math.inf
    """The mean number of a subscription's ticks per poll with which nearly all polls fit into one response, and a
    client is at most half as far behind as it may be."""
    held: float = math.inf
    """Half of the feed's ticks that the server keeps."""

    @classmethod
    def by(cls, server: Server, mode: Mode) -> TicksPerPoll:
        """Return the server's limits. n ticks on average plus three standard deviations of a Poisson count, n + 3√n,
        fit into a batch; with mode `latest` a batch has one tick per symbol, so any number fits, and nobody is slow."""
        root = (math.sqrt(9 + 4 * server.batch_max) - 3) / 2
        wanted = min(root**2, server.slow_client.buffer_ticks / 2) if mode == "every" else math.inf
        return cls(wanted, server.tape_ticks / 2)

    def longest_s(self, demand: Demand) -> float:
        """Return the longest interval in seconds at which a poll stays within the limits."""
        return min(self.wanted / demand.rate_per_s, self.held / demand.ticks_per_s)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One transport that is compared: its options and its costs."""

    label: str
    transport: str
    options: Table
    costs: Costs
    feed_s: float
    """Seconds from a tick's due instant until a worker has it."""
    sizes: Sizes
    finds: TicksPerPoll = TicksPerPoll()
    bounds: Mapping[str, Estimate] = field(default_factory=dict)
    """The bounds of the costs and of `feed_s`, where there are any."""
    truths: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The 95 % range of truth ÷ predicted, by a validation, of `cpu`, `bytes` and `age`, where they were
    checked."""
    server: str = DEFAULT_SERVER
    """The server implementation."""
    hop_s: float = 0.0
    """Seconds from a worker's work on a message of a client until all workers have its tick."""

    @property
    def cycle(self) -> Cycle:
        """The cycle of its clients."""
        return transports.model_of(self.transport).cycle(self.options)

    @property
    def knows_messages(self) -> bool:
        """True if the costs have those of messages of clients; else their CPU is 0."""
        return "message_s" in self.bounds

    @property
    def has_interval(self) -> bool:
        """True if the subject polls at an interval, or pushes, so that its interval or flush can be chosen."""
        return self.cycle.interval_s > 0 or self.cycle.pushes

    def at_interval(self, interval_s: float) -> Candidate:
        """Return this subject with another time between two polls, or between two flushes."""
        return replace(self, options=transports.model_of(self.transport).at_interval(self.options, interval_s))

    def as_offered(self, offer: Offer) -> Candidate:
        """Return this subject with the interval of an offer."""
        every_s = [each for each in (offer.interval_s, offer.flush_s) if not math.isnan(each)]
        return self.at_interval(every_s[0]) if every_s else self

    def ends(self, demand: Demand, rtt_s: float) -> tuple[Candidate, Candidate]:
        """Return this subject with its costs and its feed delay at the low and at the high end of their intervals."""
        def cpu(costs: Costs) -> float:
            return client_cores(replace(self, costs=costs), demand, rtt_s)

        found, feed = self.forecast(demand, rtt_s, 1), self.bounds.get("feed_s", Estimate(self.feed_s))
        shared = max(0.0, 1 - found.responses_per_s / found.updates_per_s)   # of a flushed push, too
        cheap, expensive = ends(self.costs, self.bounds, cpu, shared)
        return (replace(self, costs=cheap, feed_s=self.feed_s if math.isnan(feed.low) else feed.low),
                replace(self, costs=expensive, feed_s=self.feed_s if math.isnan(feed.high) else feed.high))

    def forecast(self, demand: Demand, rtt_s: float, clients: float, full_at: float | None = None) -> Forecast:
        """Return the closed forms of one worker with `clients` clients; `clients_max` is NaN without `full_at`."""
        net = NetworkDelays(rtt_s / 2, rtt_s / 2, self.feed_s, hop_s=self.hop_s)
        return analytic(self.transport, self.options, self.costs, net, demand, self.sizes, clients, full_at)


@dataclass(frozen=True, slots=True)
class Offer:
    """One transport at one point: its needs and its values, or the reason why it can't serve the point."""

    why_not: str
    """`latency` or `overload`; empty where the transport can serve the point."""
    interval_s: float
    """The poll interval in seconds; NaN where there is none."""
    flush_s: float
    """The time between two flushes in seconds, 0 if each tick is sent at once; NaN for a transport that does not
    push."""
    workers: int
    per_worker: float
    """The most clients that a worker can have."""
    cores: float
    """CPU of all workers, in cores."""
    bytes_down_per_s: float
    """Of all clients, like the next five."""
    bytes_up_per_s: float
    requests_per_s: float
    """Those with messages of clients included."""
    messages_per_s: float
    """Pushed messages; 0 where clients ask."""
    held: float
    """Connections that a push or a held request keeps open, on average."""
    under_way: float
    """Requests that are being served, and held connections, on average."""
    latency_mean_s: float
    latency_worst_s: float
    age_excess_s: float
    price: float
    """Price per month; NaN where nothing has a price."""

    @property
    def possible(self) -> bool:
        """True if the transport can serve the point."""
        return not self.why_not


def refused(why: str) -> Offer:
    """Return the offer of a transport that can't serve the point, for the reason `why`."""
    none = math.nan
    return Offer(why, none, none, 0, *(none,) * 12)


def wait_s(subject: Candidate, demand: Demand, rtt_s: float, clients: float, whole: Forecast) -> float:
    """Return the mean wait in seconds that the worst latency leaves out; `whole` is the forecast of these clients.

    It is the wait of arrivals at random beyond that of regular ones, plus that of clients' messages. The first is 0
    where the worker can't keep up: there its CPU decides.
    """
    regular = subject.forecast(replace(demand, regular=True), rtt_s, clients)
    both = math.isfinite(whole.server_s) and math.isfinite(regular.server_s)
    return whole.message_wait_s + (max(0.0, whole.server_s - regular.server_s) if both else 0.0)


def cores(forecast: Forecast, clients: float) -> float:
    """Return the CPU in cores of a worker with `clients` clients, its idle use included."""
    return forecast.cpu_per_update_s * forecast.updates_per_s * clients


def calm_cores(subject: Candidate, demand: Demand, rtt_s: float, clients: float) -> float:
    """Return the CPU, in cores, of a worker with `clients` clients where nothing waits.

    It is the first client's share plus that of each further client (`client_cores`).
    """
    subject = replace(subject, costs=subject.costs.crowded(clients))
    alone = cores(subject.forecast(demand, rtt_s, 1), 1)
    return alone + (clients - 1) * client_cores(subject, demand, rtt_s)


def client_cores(subject: Candidate, demand: Demand, rtt_s: float) -> float:
    """Return the CPU in cores of one more client, where a worker has few."""
    both, alone = (cores(subject.forecast(demand, rtt_s, clients), clients) for clients in (2, 1))
    return both - alone


def most_clients(subject: Candidate, demand: Demand, rtt_s: float, budget_s: float, full_at: float) -> float:
    """Return the most clients of one worker within the limits of its CPU and of the budget; 0 where there are none."""

    def in_time(clients: float) -> bool:
        found = subject.forecast(demand, rtt_s, clients)
        late_s = found.latency_worst_s
        if late_s > budget_s or math.isinf(found.message_wait_s):
            return False
        return late_s + wait_s(subject, demand, rtt_s, clients, found) <= budget_s

    high = min(subject.forecast(demand, rtt_s, 1, full_at).clients_max, float(CLIENTS_MOST))
    if high < 1 or not in_time(1):
        return 0.0
    if in_time(high):
        return high
    low = 1.0
    while high / low > PRECISION:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if in_time(middle) else (low, middle)
    return low


def at_budget(subject: Candidate, demand: Demand, rtt_s: float, budget_s: float) -> Candidate | None:
    """Return the subject polling or flushing as rarely as the budget allows for one client; None where no interval
    keeps the budget."""
    if not subject.has_interval:
        return subject
    longest_s = subject.finds.longest_s(demand)
    interval_s = min(budget_s, longest_s)
    for _ in range(20):   # what an interval adds to the worst latency is itself, its jitter, and very little more
        asking = subject.at_interval(interval_s)
        over_s = asking.forecast(demand, rtt_s, 1).latency_worst_s - 0.999 * budget_s
        if abs(over_s) < 1e-4 * budget_s or (over_s < 0 and interval_s == longest_s):
            break
        interval_s = min(interval_s - over_s / (1 + asking.cycle.jitter), longest_s)
        if interval_s <= 0:
            return None
    return asking


def cheapest(subject: Candidate, demand: Demand, rtt_s: float, budget_s: float, full_at: float,
             counts: Sequence[int], prices: Prices | None) -> dict[int, Offer]:
    """Return the cheapest offer that keeps every update within `budget_s`, by count of clients.

    Where the subject can't keep it, the offers say why (`Offer.why_not`).
    """
    found = within(subject, demand, rtt_s, budget_s, full_at, counts, prices)
    return {clients: min(offers, key=lambda each: each.cores if prices is None else each.price)
            for clients, offers in found.items()}


def within(subject: Candidate, demand: Demand, rtt_s: float, budget_s: float, full_at: float,
           counts: Sequence[int], prices: Prices | None, *, fewest: bool = False) -> dict[int, list[Offer]]:
    """Return the offers that keep every update within `budget_s`, by count of clients.

    A poller has one offer, a push one for each flush that is tried. Where the subject can't keep the budget, the only
    offer says why (`Offer.why_not`). With `fewest` only the offers with the fewest workers are made.
    """
    pushes = subject.cycle.pushes
    asking = subject.at_interval(0.0) if pushes else at_budget(subject, demand, rtt_s, budget_s)
    if asking is None or asking.forecast(demand, rtt_s, 1).latency_worst_s > budget_s:
        return {clients: [refused("latency")] for clients in counts}
    tries = [asking]
    if pushes and worth_flushing(subject, demand, budget_s):
        tries += flushes(asking, demand, rtt_s, budget_s, full_at)
    tried = [(most_clients(each, demand, rtt_s, budget_s, full_at), each) for each in tries]
    tried = [(most, each) for most, each in tried if most >= 1]
    if not tried:
        return {clients: [refused("overload")] for clients in counts}
    found = {}
    for clients in counts:
        workers = [math.ceil(clients / most) for most, _ in tried]
        least = min(workers) if fewest else max(workers)
        found[clients] = [offer(each, demand, rtt_s, count, clients, most, prices)
                          for count, (most, each) in zip(workers, tried, strict=True) if count <= least]
    return found


def worth_flushing(subject: Candidate, demand: Demand, budget_s: float) -> bool:
    """Return whether flushes as far apart as the budget allows would save at least `WORTH_FLUSHING` of the messages.

    Of Poisson ticks, x on average between two flushes, they save the share 1 − (1 − e^(−x))/x.
    """
    ticks = demand.rate_per_s * min(budget_s, subject.finds.longest_s(demand))
    return 1 + math.expm1(-ticks) / ticks >= WORTH_FLUSHING


def flushes(subject: Candidate, demand: Demand, rtt_s: float, budget_s: float, full_at: float) -> list[Candidate]:
    """Return a push with several times between flushes, of which the cheapest is near the best; none where none fits.

    The longer that time is the less CPU and the fewer bytes each client takes, and the less time is left for the
    fan-out to all of them. So the shortest that can be the best is the one that allows a worker the most clients, and
    the longest is the one that the budget leaves with one client.
    """
    def leaves_time(every_s: float) -> bool:
        flushing = subject.at_interval(every_s)
        clients = min(flushing.forecast(demand, rtt_s, 1, full_at).clients_max, float(CLIENTS_MOST))
        found = flushing.forecast(demand, rtt_s, clients)
        return found.latency_worst_s + wait_s(flushing, demand, rtt_s, clients, found) <= budget_s

    longest = at_budget(subject, demand, rtt_s, budget_s)
    if longest is None:
        return []
    low_s, end_s = 0.0, longest.cycle.flush_s
    high_s = end_s
    for _ in range(FLUSH_STEPS):
        middle_s = (low_s + high_s) / 2
        low_s, high_s = (middle_s, high_s) if leaves_time(middle_s) else (low_s, middle_s)
    return [subject.at_interval(low_s + share * (end_s - low_s)) for share in FLUSHES_TRIED]


def freshest(subject: Candidate, demand: Demand, rtt_s: float, workers: int, full_at: float, clients: int,
             prices: Prices | None) -> Offer:
    """Return the offer of `workers` workers for `clients` clients, at the shortest interval, or flush, that the
    workers can sustain."""
    each = clients / min(workers, clients)

    def fits(asking: Candidate) -> bool:
        return each <= asking.forecast(demand, rtt_s, each, full_at).clients_max

    if not subject.has_interval:
        if not fits(subject):
            return refused("overload")
        return offer(subject, demand, rtt_s, min(workers, clients), clients, math.nan, prices)
    high_s = min(86_400.0, subject.finds.longest_s(demand))
    low_s = 0.0 if subject.cycle.pushes else min(max(rtt_s, SHORTEST_S), high_s)
    if not fits(subject.at_interval(high_s)):
        return refused("overload")
    if fits(subject.at_interval(low_s)):
        high_s = low_s   # polling more often than a response takes to come gains nothing
    low_s = min(max(low_s, SHORTEST_S), high_s)
    while low_s > 0 and high_s / low_s > PRECISION:
        middle_s = math.sqrt(low_s * high_s)
        low_s, high_s = (low_s, middle_s) if fits(subject.at_interval(middle_s)) else (middle_s, high_s)
    asking = subject.at_interval(high_s)
    return offer(asking, demand, rtt_s, min(workers, clients), clients, math.nan, prices)


def offer(subject: Candidate, demand: Demand, rtt_s: float, workers: int, clients: int, most: float,
          prices: Prices | None) -> Offer:
    """Return the offer of `workers` workers that share the clients."""
    each = clients / workers
    found = subject.forecast(demand, rtt_s, each)
    waits = math.isfinite(found.server_s)
    times = found if waits else subject.forecast(demand, rtt_s, 1)
    bytes_per_s, up_per_s = (clients * times.updates_per_s * sent for sent in (times.bytes_down, times.bytes_up))
    cycle = subject.cycle
    requests_per_s = clients * (times.requests_per_s + times.posts_per_s)
    messages_per_s = clients * times.responses_per_s if cycle.pushes else 0.0
    held = float(clients) if cycle.pushes else 0.0
    if cycle.parks:   # a request is held until its response leaves, and not while that and the next are on their way
        held = clients * times.requests_per_s * times.request_s
    under_way = held or requests_per_s * times.server_s
    price = math.nan if prices is None else prices.month(
        workers, bytes_per_s, requests_per_s, messages_per_s, held, under_way)
    interval_s, flush_s = cycle.interval_s or math.nan, cycle.flush_s if cycle.pushes else math.nan
    used = workers * (cores(found, each) if waits else calm_cores(subject, demand, rtt_s, each))
    return Offer("", interval_s, flush_s, workers, most, used, bytes_per_s, up_per_s, requests_per_s, messages_per_s,
                 held, under_way, times.latency_mean_s, times.latency_worst_s, times.age_excess_s, price)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the map."""

    asked: str
    """`cheapest` or `freshest`."""
    rate_per_s: float
    clients: int
    rtt_ms: float
    staleness_ms: float
    """The budget in ms; NaN for the freshest."""
    offers: Mapping[str, Offer]
    spans: Mapping[str, tuple[Offer, Offer]]
    """By label, the offers with the costs at the low and at the high end of their intervals."""
    truths: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    """The error range of each transport's model (`Candidate.truths`), by label."""
    worker_month: float = 0.0
    """Price of a worker per month."""

    def figure(self, offer: Offer) -> float:
        """Return the value by which offers are compared (lower is better).

        It is the excess age in seconds for the freshest; for the cheapest the price per month, or CPU cores
        where nothing has a price.
        """
        if self.asked == "freshest":
            return offer.age_excess_s
        return offer.cores if math.isnan(offer.price) else offer.price

    def standing(self) -> list[tuple[float, str]]:
        """Return the values and labels of the transports that can serve the field, the best first."""
        return sorted((self.figure(each), label) for label, each in self.offers.items() if each.possible)

    def best(self, margin: float) -> list[str]:
        """Return the labels that are not separated from the first by more than the margin and their combined
        error."""
        standing = self.standing()
        return [label for value, label in standing
                if value <= standing[0][0] * (1 + margin) or not self._separates(standing[0][1], label)]

    def _separates(self, first: str, other: str) -> bool:
        """Return whether two values differ by more than their combined uncertainty."""
        value, further = (self.figure(self.offers[label]) for label in (first, other))
        up, down = self._spread(first)[1], self._spread(other)[0]
        return math.log(further / value) > math.hypot(up, down) if value > 0 else further > value

    def _spread(self, label: str) -> tuple[float, float]:
        """Return how far the true value may lie below and above the predicted one, as logarithms.

        An offer that is impossible at an end of the costs' intervals is left out.
        """
        value = self.figure(self.offers[label])
        ends = [self.figure(each) for each in self.spans[label] if each.possible]
        if value <= 0:
            return 0.0, 0.0
        costs = [math.log(value / min([value, *ends])), math.log(max([value, *ends]) / value)]
        model = [abs(math.log(each)) for each in self._truth(label)]
        return math.hypot(costs[0], model[0]), math.hypot(costs[1], model[1])

    def _truth(self, label: str) -> tuple[float, float]:
        """Return the 95 % range of truth ÷ predicted of the transport's value, by the validation."""
        truths, offer = self.truths.get(label, {}), self.offers[label]
        cpu, sent = truths.get("cpu", (1.0, 1.0)), truths.get("bytes", (1.0, 1.0))
        if self.asked == "freshest":
            return truths.get("age", (1.0, 1.0))
        if math.isnan(offer.price):
            return cpu
        exact = self.clients / offer.per_worker if offer.per_worker > 0 else offer.workers
        traffic = offer.price - offer.workers * self.worker_month
        low, high = (
            (max(1, math.ceil(exact * factor)) * self.worker_month + traffic * much) / offer.price
            if offer.price > 0 else 1.0 for factor, much in zip(cpu, sent, strict=True))
        return min(low, 1.0), max(high, 1.0)

    def span(self, label: str) -> tuple[float, float]:
        """Return the least and the most that the transport's value may be; infinite where it may be unable
        to serve the field."""
        found = [self.figure(each) if each.possible else math.inf
                 for each in (self.offers[label], *self.spans[label])]
        if not self.offers[label].possible:
            return min(found), max(found)
        down, up = self._spread(label)
        value = found[0]
        return value * math.exp(-down), math.inf if math.inf in found else value * math.exp(up)

    def known(self, margin: float) -> bool:
        """Return whether the answer is the same wherever the costs lie within their intervals.

        It is not known if one of the best may turn out to be impossible, or if one that is impossible as
        calibrated may turn out to be possible and as good as the best.
        """
        best = self.best(margin)
        unable = [label for label, each in self.offers.items() if not each.possible]
        able = [low for label in unable if (low := self.span(label)[0]) < math.inf]
        if not best:
            return not able
        high = max(self.span(label)[1] for label in best)
        return high < math.inf and all(low > high for low in able)


def fields(asked: Crossover, demand: Demand, subjects: Sequence[Candidate], full_at: float,
           prices: Prices | None) -> Iterator[Field]:
    """Yield the fields of the whole map. Of the rates in `demand`, only the share of the feed that a client subscribes
    to is used."""
    share = demand.rate_per_s / demand.ticks_per_s
    for rate in asked.rates_per_s:
        wanted = replace(demand, rate_per_s=rate, feed_per_s=rate / share)
        for rtt_ms in asked.rtt_ms:
            for staleness_ms in (*asked.staleness_ms, math.nan):
                found = {each.label: thrice(asked, each, wanted, rtt_ms / 1000, staleness_ms / 1000, full_at,
                                            prices) for each in subjects}
                for clients in asked.clients:
                    offers = {label: tuple(each[clients] for each in three) for label, three in found.items()}
                    yield Field("freshest" if math.isnan(staleness_ms) else "cheapest", rate, clients, rtt_ms,
                                staleness_ms, {label: three[0] for label, three in offers.items()},
                                {label: (three[1], three[2]) for label, three in offers.items()},
                                {each.label: each.truths for each in subjects},
                                prices.worker_month if prices else 0.0)


def thrice(asked: Crossover, subject: Candidate, demand: Demand, rtt_s: float, budget_s: float, full_at: float,
           prices: Prices | None) -> list[dict[int, Offer]]:
    """Return the subject's offers by count of clients, three times: with the costs as calibrated, at the low
    end and at the high end of their intervals.

    A `budget_s` of NaN asks for the freshest offers, any other for the cheapest.
    """
    def offers(one: Candidate) -> dict[int, Offer]:
        if math.isnan(budget_s):
            return {clients: freshest(one, demand, rtt_s, asked.workers, full_at, clients, prices)
                    for clients in asked.clients}
        return cheapest(one, demand, rtt_s, budget_s, full_at, asked.clients, prices)

    found = offers(subject)
    asking = next((subject.as_offered(each) for each in found.values() if each.possible), subject)
    at_ends = [replace(subject, costs=end.costs, feed_s=end.feed_s) for end in asking.ends(demand, rtt_s)]
    return [found, *(found if each == subject else offers(each) for each in at_ends)]


def rows(field: Field, margin: float) -> list[dict[str, object]]:
    """Return a field's rows of `crossover.csv`, one per transport."""
    standing, tied, known = field.standing(), field.best(margin), field.known(margin)
    ahead = math.nan
    if len(standing) > 1:
        (least, _), (next_least, _) = standing[:2]
        ahead = next_least / least if least else math.inf if next_least else 1.0
    return [{
        "asked": field.asked, "rate_per_s": field.rate_per_s, "clients": field.clients,
        "rtt_ms": field.rtt_ms, "staleness_ms": field.staleness_ms, "transport": label,
        "possible": each.possible, "why_not": each.why_not,
        "best": label in tied, "alone": label in tied and len(tied) == 1,
        "ahead": ahead if standing and standing[0][1] == label else math.nan,
        "known": known, "least": field.span(label)[0], "most": field.span(label)[1],
        "interval_s": each.interval_s, "flush_ms": 1000 * each.flush_s,
        "workers": each.workers, "clients_per_worker_max": each.per_worker,
        "cores": each.cores, "bytes_down_per_s": each.bytes_down_per_s, "price_month": each.price,
        "latency_mean_ms": 1000 * each.latency_mean_s, "latency_worst_ms": 1000 * each.latency_worst_s,
        "age_excess_ms": 1000 * each.age_excess_s,
    } for label, each in field.offers.items()]


def table(found: Sequence[Field], margin: float) -> pd.DataFrame:
    """Return `crossover.csv`, one row per field and transport."""
    return pd.DataFrame([row for field in found for row in rows(field, margin)])
