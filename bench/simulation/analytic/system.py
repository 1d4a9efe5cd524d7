"""The closed forms of a whole system: the transports' models, put together without simulating.

    model (latency, age, shares, server_s) ─┐
    Costs, NetworkDelays ─► Jobs, δ, gap    ├─► Forecast: latency, age, bytes, CPU, sockets, clients per core
    Sizes (bench.wire.sizes) ─► bytes ──────┘

    δ = server_s + down            G = δ + opening + up
    utilisation ρ = Λ·tick + N·(CPU of one client)
    clients per core = (ρ* − Λ·tick − base) / (CPU of one client, with that many connections)

The CPU of one client, in seconds per second, is what the engine charges: requests · request + responses · response +
updates · (update + bytes · byte), with the model's rates. For clients per core it is taken without waiting. The
tests compare all this with the engine, from low load up to the load where each form ends.

The load client of a measured trial, where it is simulated too (`inputs.LoadClient`), is a queue behind the
server's that takes c for each response. Messages that come in bursts of N are seen after

    max(server_s,  tick + response + ρ N c / 2(1 − ρ) + (N − 1) c / 2)  + wake

that is, after the slower of the two, since jobs of one size wait only at the slowest of several queues in a row.
Polls wait as in N·D/D/1 there.

A server that has slept is cold (`bench.simulation.engine.server_queue`), and is assumed to stay as cold as it
woke until it sleeps again. Arrivals at random find it asleep with probability 1 − ρ, and its sleeps are long
enough that κ = 1 / (1 + Λ τ) on average, τ = `cooling_s`, with Λ jobs or fan-outs per second; ticks at regular
distances find it asleep for (1 − ρ)/Λ. So work takes 1 + κ · cold_share times as long, and (1 − ρ)(switch + κ · wake)
more for each job or fan-out. That is part of ρ: with w = switch + κ · wake, and B the share of the time that the
work itself takes,

    1 − ρ = (1 − B) / (1 + Λ w)

A simulated load client sends the polls of a turn of its timer together, and fewer of them wake the server (`bursts`).
Long polls' requests come a round trip after a fan-out, and find the server asleep if that is over. A message of its own
clients that finds it awake finds it warm; what it flushes is as cold as the time since it last did (`flushes`).

Where ticks are messages of clients, `message_way` has the way until a server has them. With several servers each takes
the messages of its own clients, and the ticks of all.

Sockets: a client that keeps its connection has one, and another if it posts messages. A client that opens a connection
for each request has one open at the server from the arrival of its first packet to the departure of its response, and
where the server closes first each lingers there for 60 s more (TIME_WAIT, RFC 9293 §3.6.1; Linux's constant).

Known weakness: means only. Those of a server above its limit are infinite, and its rates and costs are those that its
clients would require below it. Near the limit long polling is some 15 % off, and the form of short polling with
many updates per poll is too low (their models say why). Clients in step (polls with a fixed delay, short
hold times, many ticks in a round trip) wake the server less often than assumed here: its CPU is then some tenths
off, where waking is most of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import brentq

from bench import transports
from bench.scenario.fields import Table
from bench.simulation.analytic.bursts import bursts_that_wake
from bench.simulation.analytic.demand import Demand
from bench.simulation.analytic.flushes import flush_coldness, flushes_per_s
from bench.simulation.analytic.message_way import MessageWay
from bench.simulation.engine.inputs import Costs, LoadClient, NetworkDelays
from bench.simulation.engine.server_queue import coldness, mean_coldness
from bench.transports.cycle import Cycle
from bench.transports.model import Conditions, Messages, Model, age_mean_s
from bench.transports.pushing import ticks_met
from bench.transports.queueing import (
    Jobs,
    ServerLoad,
    periodic_wait_s,
    random_wait_among_reads_s,
    random_wait_s,
)
from bench.wire.sizes import SEGMENT_BYTES, SERVER_FIRST, SYN_BYTES, Sizes, columns, traffic

TIME_WAIT_S = 60.0
FLUSH_ROUNDS = 8
"""The rounds in which the coldness of a flush is searched for."""
CROWD_ROUNDS = 60
"""Limit of the rounds in which the clients of a full server are searched for."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """The values of one server and its clients, by the closed forms.

    Each is computed when it is first asked for, since a search asks for one or two of them thousands of times.
    """

    _bare: _System
    """The system without the costs that depend on the number of clients."""
    _sizes: Sizes
    _clients: float
    _target: float | None
    _load_client: LoadClient | None

    @cached_property
    def _system(self) -> _System:
        client, interval_s = self._load_client, self._bare.cycle.interval_s
        turn_s = client.turn_s(self._clients / interval_s) if client is not None and interval_s else 0.0
        system = self._bare.sent_by(self._clients).crowded(self._clients).cooled(self._clients, turn_s=turn_s)
        return system if self._load_client is None else system.read_by(self._load_client, self._clients)

    @cached_property
    def _rates(self) -> dict[str, float]:
        """The counts of one client per second; of a server that can't keep up those that it would have at rest."""
        system = self._system
        at = self.server_s if math.isfinite(self.server_s) else system.server_s(1)
        uplinks = system.demand.messages_per_s / self._clients
        return system.rates(*system.ways(at), system.messages(self._clients)) | {"uplinks": uplinks}

    @cached_property
    def _bytes(self) -> tuple[float, float]:
        sizes = replace(self._sizes, interval_s=self._system.cycle.interval_s)
        with np.errstate(invalid="ignore"):   # an overloaded worker's rates are no numbers
            up, down = self._system.bytes_per_s(sizes, self._rates)
        return up / self.updates_per_s, down / self.updates_per_s

    def _form(self, form: Callable[[Any, Conditions], float]) -> float:
        """Return a time by one of the model's closed forms, from an update's due instant."""
        system = self._system
        return system.lead_s(self._clients) + system.form(form, *system.ways(self.server_s))

    @cached_property
    def server_s(self) -> float:
        """Return the mean seconds in the server: wait, work, and the turn of other clients."""
        return self._system.server_s(self._clients)

    @cached_property
    def latency_mean_s(self) -> float:
        """Return the mean latency in seconds."""
        return self._form(self._bare.model.latency_mean_s)

    @cached_property
    def age_excess_s(self) -> float:
        """Return the mean age beyond an ideal client's, in seconds."""
        return self._form(self._bare.model.age_excess_mean_s)

    @cached_property
    def age_mean_s(self) -> float:
        """Return the mean age of information in seconds."""
        return self._form(lambda own, conditions: age_mean_s(self._bare.model, own, conditions))

    @cached_property
    def latency_worst_s(self) -> float:
        """Return the longest that an update takes while the server keeps up: at the last place of a fan-out, without
        waiting, where clients send also for the answer to the message before."""
        system = self._system
        return system.lead_s(None) + system.form(
            self._bare.model.latency_worst_s, *system.ways(system.last_s(self._clients)))

    @cached_property
    def message_wait_s(self) -> float:
        """Return the mean seconds that a message of a client waits: for the server, and for its author's others."""
        return self._system.lead_s(self._clients) - self._system.lead_s(None)

    @property
    def conflated_share(self) -> float:
        """Return the share of the ticks that are skipped for a newer one."""
        return self._rates["conflated"]

    @property
    def empty_share(self) -> float:
        """Return the share of the responses that carry no tick."""
        return self._rates["empty"]

    @property
    def requests_per_s(self) -> float:
        """Return the requests per second of one client."""
        return self._rates["requests"]

    @property
    def posts_per_s(self) -> float:
        """Return the requests per second of one client that are messages."""
        return self._rates["uplinks"] * self._bare.cycle.posts

    @property
    def responses_per_s(self) -> float:
        """Return the responses, or pushed messages, per second to one client that carry a tick."""
        return self._rates["answers"]

    @property
    def updates_per_s(self) -> float:
        """Return the updates per second that one client gets."""
        return self._rates["updates"]

    @property
    def bytes_up(self) -> float:
        """Return the bytes per update from client to server, with TCP and IP headers."""
        return self._bytes[0]

    @property
    def bytes_down(self) -> float:
        """Return the bytes per update from server to client, with TCP and IP headers."""
        return self._bytes[1]

    @cached_property
    def utilisation(self) -> float:
        """Return the utilisation of the server's event loop."""
        system = self._system
        return system.feed_share + self._clients * system.own_share(self._rates)

    @cached_property
    def cpu_per_update_s(self) -> float:
        """Return the CPU seconds per update, with its share of the idle base."""
        costs = self._bare.costs
        idle_share = costs.base_share + costs.socket_share * self._clients
        return (self.utilisation + idle_share) / (self._clients * self.updates_per_s)

    @property
    def request_s(self) -> float:
        """Return the mean seconds from a request's arrival at the server until its response leaves."""
        return self._rates["parked_s"] + self.server_s

    @property
    def sockets(self) -> float:
        """Return the sockets open at the server, for all clients."""
        further = self._clients if self.posts_per_s else 0.0
        if not self._sizes.new_connection:
            return self._clients + further
        return self._clients * self.requests_per_s * (self._system.opening_s + self.request_s) + further

    @property
    def lingering(self) -> float:
        """Return the closed sockets that the server still remembers."""
        closes = self._sizes.new_connection and self._sizes.closing == SERVER_FIRST
        return self._clients * self.requests_per_s * TIME_WAIT_S if closes else 0.0

    @cached_property
    def clients_max(self) -> float:
        """Return the clients of a server with a utilisation of `target`; NaN without one."""
        return math.nan if self._target is None else self._bare.most_clients(self._target)


def analytic(
    transport: str, options: Table, costs: Costs, net: NetworkDelays, demand: Demand, sizes: Sizes,
    clients: float, target: float | None = 0.7, load_client: LoadClient | None = None,
) -> Forecast:
    """Return the closed forms of `clients` clients of one server; `target` is the utilisation for `clients_max`.

    With a target of None, `clients_max` is NaN. The interval in `sizes` is replaced by the options' own; `load_client`
    is their load client, where it is simulated. Forms that assume ticks to be a Poisson process are NaN for a feed that
    is `regular`.
    """
    model = transports.model_of(transport)
    system = _System(model, options, model.cycle(options), costs, net, demand)
    return Forecast(system, sizes, clients, target, load_client)


@dataclass(frozen=True, slots=True)
class _System:
    """One transport on one network, for one demand."""

    model: Model
    options: Table
    cycle: Cycle
    """The repeated steps of a client."""
    costs: Costs
    net: NetworkDelays
    demand: Demand
    send_s: float = 0.0
    """Seconds from a message's due instant until the load client sends it."""
    seen_s: float = 0.0
    """Seconds from an update's arrival until the load client sees it."""
    read_s: float = 0.0
    """Seconds from then until it asks again."""

    def sent_by(self, clients: float) -> _System:
        """Return this system with the messages of `clients` clients."""
        return replace(self, demand=self.demand.sent_by(clients)) if self.demand.client_messages_per_s else self

    def crowded(self, clients: float) -> _System:
        """Return this system with the costs of a server with `clients` clients."""
        return replace(self, costs=self.costs.crowded(clients))

    def most_clients(self, target: float) -> float:
        """Return the clients of a server with the utilisation `target`, where it takes the messages of just these."""
        def left(clients: float) -> float:
            return self.sent_by(clients).most_readers(target) - clients

        most = self.sent_by(0.0).most_readers(target)
        if not self.demand.client_messages_per_s or not 0 < most < math.inf:
            return most
        while left(most) > 0:   # messages keep a server warm, which may save more than they take
            most *= 2
        return float(brentq(left, 0.0, most, rtol=1e-6))

    def most_readers(self, target: float) -> float:
        """Return the clients of a server with the utilisation `target`, with the costs that so large a number causes.

        Costs per client rise with the number of clients, so there is one such number; since they rise by a logarithm,
        inserting the last estimate converges.
        """
        most = self.filled(target).clients_max(target)
        if not self.costs.crowd_share or not 0 < most < math.inf:
            return most
        for _ in range(CROWD_ROUNDS):
            before, most = most, self.crowded(most).filled(target).clients_max(target)
            if not 0 < most < math.inf or abs(most - before) <= 1e-9 * most:
                break
        return most

    def clients_max(self, target: float) -> float:
        """Return the clients with which a server has the utilisation `target` without waiting; infinite where
        they cost nothing."""
        each = self.own_share(self.rates(*self.ways(self.server_s(1)))) + self.costs.socket_share
        left = max(target - self.costs.base_share - self.feed_share, 0.0)
        return left / each if each > 0 else math.inf if left else 0.0

    def filled(self, target: float) -> _System:
        """Return this system with the costs of a server that is busy for a share `target` of the time."""
        most = self.clients_max(target)
        return self.cooled(most, 1 - target) if math.isfinite(most) else self

    def cooled(self, clients: float, asleep: float | None = None, turn_s: float = 0.0) -> _System:
        """Return this system with the costs of a server that sleeps for a share `asleep` of the time.

        By default that is the share that its work leaves. `turn_s` is the time between two turns of the load
        client's timer, if there is one that sends polls together.
        """
        costs, demand = self.costs, self.demand
        if not (costs.wake_s or costs.cold_share or costs.switch_s or costs.message_cold_s):
            return self
        rates = self.rates(*self.ways(self.server_s(1)))
        busy = min(self.feed_share + clients * self.own_share(rates), 1.0)
        bursts = self.cycle.pushes or self.cycle.parks
        polls_per_s = 0.0 if bursts else clients * rates["requests"]
        calls_per_s = -math.expm1(-polls_per_s * turn_s) / turn_s if turn_s else polls_per_s
        flushes = flushes_per_s(self.cycle.flush_s, demand.ticks_per_s, demand.regular)
        jobs_per_s = demand.ticks_per_s + (flushes if bursts else demand.messages_per_s + calls_per_s)
        cold = mean_coldness(1 / jobs_per_s, 1.0, costs.cooling_s)
        waking_s = 0.0 if self.cycle.flush_s else costs.wake_s   # flushing, hand-outs pay it, not ticks
        woken_s, work = costs.switch_s + cold * waking_s, min(busy * (1 + cold * costs.cold_share), 1.0)
        if turn_s and not bursts:
            calls_per_s *= bursts_that_wake(work, woken_s / turn_s, polls_per_s * turn_s)
            asleep = max(1 - work - calls_per_s * woken_s, 0.0)
        own = demand.own_share if bursts else 0.0   # what finds it awake finds it warm
        if asleep is None:
            more = cold * costs.cold_share
            asleep = max(1 - busy * (1 + (1 - own) * more), 0.0) / (1 + jobs_per_s * woken_s + own * busy * more)
        wakes = asleep
        if demand.regular and bursts:
            cold, wakes = float(coldness(asleep / jobs_per_s, costs.cooling_s)), 1.0
        longer, wake_s = 1 + cold * costs.cold_share, wakes * (costs.switch_s + cold * waking_s)
        first_s = wakes * (costs.switch_s + cold * costs.wake_s)
        message_s = costs.message_s * longer + cold * costs.message_cold_s + first_s
        taken = cold
        if own:   # the message has woken it, if it was one of its own clients'; the tick then ends a short sleep
            woken, met = asleep * float(coldness(self.net.hop_s, costs.cooling_s)), asleep * cold
            message_s = costs.message_s * (1 + met * costs.cold_share) + met * costs.message_cold_s + first_s
            wake_s = own * asleep * (costs.switch_s + woken * waking_s) + (1 - own) * wake_s
            taken, cold = own * woken + (1 - own) * cold, own * met + (1 - own) * cold
            longer = 1 + cold * costs.cold_share
        taking = 1 + (taken if self.cycle.flush_s else cold) * costs.cold_share   # flushing, ticks come before it
        found = replace(costs, tick_s=costs.tick_s * taking + wake_s, answer_s=costs.answer_s * longer,
                        update_s=costs.update_s * longer, byte_s=costs.byte_s * longer, message_s=message_s,
                        message_cold_s=0.0)
        if not bursts:
            if turn_s:
                wake_s = calls_per_s * woken_s / polls_per_s
            return replace(self, costs=replace(
                found, request_s=costs.request_s * longer + wake_s, connection_s=costs.connection_s * longer))
        if self.cycle.flush_s:
            return replace(self, costs=self._flushed_cold(found, clients * self.own_share(rates), flushes))
        return replace(self, costs=self._asked_cold(found, clients, taken, jobs_per_s, asleep))

    def _flushed_cold(self, found: Costs, handing_share: float, per_s: float) -> Costs:
        """Return the costs of a server whose timer hands out `per_s` times a second, for a share of the time while warm
        (`handing_share`). A cold hand-out takes longer, and leaves less time to get cold: rounds settle both, in half
        steps, since whole ones swing. What waking takes is counted with the ticks."""
        costs, every_s, cold = self.costs, self.cycle.flush_s, 0.5
        feed = self.demand.ticks_per_s, costs.cooling_s, self.demand.regular
        for _ in range(FLUSH_ROUNDS):
            longer, wake_s = 1 + cold * costs.cold_share, costs.switch_s + cold * costs.wake_s
            cold = (cold + flush_coldness(handing_share / per_s * longer + wake_s, every_s, *feed)) / 2
        return replace(
            found, answer_s=costs.answer_s * longer, update_s=costs.update_s * longer, byte_s=costs.byte_s * longer,
            tick_s=found.tick_s + wake_s * per_s / self.demand.ticks_per_s)

    def _asked_cold(self, found: Costs, clients: float, cold: float, jobs_per_s: float, asleep: float) -> Costs:
        """Return the costs with those of requests that come a round trip after a fan-out, spaced like its
        responses: they find it under way, or the server asleep, and cold until it has caught up with them.

        The server has slept since the fan-out or, if other fan-outs or their requests have come meanwhile, since the
        last of them: for min(Exp(2Λ), s) seconds, where the fan-out was over s ago. So on average
        κ = (1 − exp(−(2Λ + 1/τ) s)) / (1 + 2Λτ), τ = `cooling_s`. They wake it where none of those is under way.
        That other requests keep it warm for ticks, too, is left out.
        """
        costs, jobs, turns = self.costs, self.jobs, max(self.load(clients).audience, 1.0)
        colder = replace(self, costs=found).jobs
        each_s = colder.answer_s + colder.update_s
        behind_s, wakes = turns * each_s - self.round_trip_s, 0.0
        if behind_s < 0:
            cold = (-math.expm1((2 * jobs_per_s + 1 / costs.cooling_s) * behind_s)
                    * mean_coldness(0.5 / jobs_per_s, 1.0, costs.cooling_s))
            wakes, behind_s = asleep * cold / turns, asleep * cold * costs.wake_s
        request_s = jobs.request_s * (1 + cold * costs.cold_share)
        late = 1.0 if request_s >= each_s else min((1 + behind_s / (each_s - request_s)) / turns, 1.0)
        longer = 1 + late * cold * costs.cold_share
        return replace(found, request_s=costs.request_s * longer + wakes * costs.wake_s,
                       connection_s=costs.connection_s * longer)

    def read_by(self, load_client: LoadClient, clients: float) -> _System:
        """Return this system with the delays of a load client, itself a queue."""
        jobs, load, server_s = self.jobs, self.load(clients), self.server_s(clients)
        own_s = load_client.answer_s + load_client.update_s
        if self.cycle.pushes or self.cycle.parks:
            turns, updates = self.burst(clients)
            own_s = load_client.answer_s + updates * load_client.update_s
            if self.cycle.flush_s:
                wait_s, tick_s = 0.0 if turns * own_s < self.cycle.flush_s else math.inf, 0.0
            else:
                busy, squares = (load.feed_per_s * (turns * own_s)**power for power in (1, 2))
                wait_s, tick_s = random_wait_s(busy, 0.0 if load.regular else squares), jobs.tick_s
            behind_s = tick_s + jobs.answer_s + updates * jobs.update_s + wait_s + (turns - 1) / 2 * own_s
        else:
            behind_s = (periodic_wait_s(clients, self.cycle.interval_s, own_s) + jobs.request_s
                        + jobs.answer_s + jobs.update_s)
        later_s = max(behind_s - server_s, 0.0) if math.isfinite(server_s) else 0.0
        return replace(self, send_s=load_client.send_s, seen_s=load_client.wake_s + later_s, read_s=own_s)

    @property
    def opening_s(self) -> float:
        """Seconds from the wish to ask until the request leaves."""
        return self.cycle.handshakes * (self.net.up_s + self.net.down_s) * self.cycle.new_connection

    @property
    def jobs(self) -> Jobs:
        """The CPU seconds of each of the server's jobs."""
        costs = self.costs
        return Jobs(
            costs.tick_s + self.demand.own_share * costs.message_s,
            costs.request_s + costs.connection_s * self.cycle.new_connection, costs.answer_s,
            costs.update_s + costs.byte_s * self.demand.payload_bytes)

    @property
    def feed_share(self) -> float:
        """CPU seconds per second of the server for ticks and for messages of clients."""
        costs, demand = self.costs, self.demand
        return demand.ticks_per_s * costs.tick_s + demand.messages_per_s * costs.message_s

    def lead_s(self, clients: float | None) -> float:
        """Return the seconds from a tick's due instant until the server has it; without waiting for None `clients`."""
        if not self.demand.messages_per_s:
            return self.net.feed_s
        counted = self.demand.own_share if self.cycle.pushes or self.cycle.parks else 0.0
        way = MessageWay(self.net, self.send_s, self.costs.message_s, counted)
        if clients is None:
            return way.least_s()
        return way.waited_s(self._message_wait_s(clients), self.cycle.posts * self.demand.messages_per_s / clients)

    def _message_wait_s(self, clients: float) -> float:
        """Return the mean wait of a message of a client at the server."""
        demand, costs, jobs = self.demand, self.costs, self.jobs
        shared = self.messages(clients) if self.cycle.pushes else None
        rates = self.rates(*self.ways(self.server_s(1)), shared)
        of_messages = demand.messages_per_s * costs.message_s**2
        if not (self.cycle.pushes or self.cycle.parks):   # whose work does not depend on how many are empty
            each = rates["requests"] * (jobs.request_s + jobs.answer_s) + rates["updates"] * jobs.update_s
            further = demand.ticks_per_s * costs.tick_s**2 + clients * each**2 / rates["requests"]
            return random_wait_s(self.feed_share + clients * each, of_messages + further)
        turns, updates = self.burst(clients)
        fan_out_s = costs.tick_s + turns * (jobs.answer_s + updates * jobs.update_s)
        own_share = clients * self.own_share(rates)
        if self.cycle.parks:
            further = demand.ticks_per_s * (fan_out_s**2 + (turns * jobs.request_s)**2)
        else:   # of fan-outs of any length, λ E[S²] is their share of the time, times the one that a random tick meets
            further = (demand.ticks_per_s * costs.tick_s + own_share) * fan_out_s
        messages_share = demand.messages_per_s * costs.message_s
        reads_share = self.feed_share + own_share - messages_share
        return random_wait_among_reads_s(messages_share, reads_share, of_messages + further)

    def server_s(self, clients: float) -> float:
        """Return the server's part of a tick's latency."""
        return self.model.server_s(self.options, self.load(clients), self.jobs, self.round_trip_s)

    def load(self, clients: float) -> ServerLoad:
        """Return the load of a server with `clients` clients."""
        demand = self.demand
        symbols = math.inf if demand.mode == "every" else demand.symbols
        return ServerLoad(clients, demand.rate_per_s, demand.ticks_per_s, demand.regular, self.fresh, symbols)

    @property
    def fresh(self) -> float:
        """The share of the updates that are handed over by a server without load."""
        if self.demand.mode == "every":
            return 1.0
        conditions = replace(self.conditions(*self.ways(0.0)), poisson=True)
        return 1 - self.model.conflated_share(self.options, conditions)

    @property
    def round_trip_s(self) -> float:
        """Seconds from a response's departure from the server until the next request's arrival."""
        return self.net.up_s + self.net.down_s + self.seen_s + self.read_s + self.opening_s

    def burst(self, clients: float) -> tuple[float, float]:
        """Return the messages of a fan-out, and the updates in each, as a random tick meets them."""
        load = self.load(clients)
        ticks = ticks_met(load, self.cycle.flush_s)
        heard = load.heard(ticks)
        return max(clients * heard, 1.0), load.updates(ticks) / heard

    def last_s(self, clients: float) -> float:
        """Return the seconds until the server has sent the last update of a fan-out or response, without waiting."""
        jobs, demand = self.jobs, self.demand
        if self.cycle.pushes or self.cycle.parks:
            turns, updates = self.burst(clients)
            return jobs.tick_s + turns * (jobs.answer_s + updates * jobs.update_s)
        found = demand.rate_per_s * self.fresh * self.cycle.interval_s
        return jobs.request_s + jobs.answer_s + found * jobs.update_s

    def ways(self, server_s: float) -> tuple[float, float]:
        """Return the models' δ, and the rest of the gap between response and next request beyond 2δ."""
        delay_s = server_s + self.net.down_s + self.seen_s
        return delay_s, self.read_s + self.opening_s + self.net.up_s - delay_s

    def conditions(self, delay_s: float, gap_s: float) -> Conditions:
        """Return the conditions of one client, as the model's forms take them."""
        demand = self.demand
        return Conditions(demand.rate_per_s, delay_s, gap_s, demand.symbols, demand.mode, not demand.regular)

    def form(self, form: Callable[[Any, Conditions], float], delay_s: float, gap_s: float) -> float:
        """Return one of the model's closed forms; infinity where the server can't keep up."""
        return form(self.options, self.conditions(delay_s, gap_s)) if math.isfinite(delay_s) else math.inf

    def messages(self, clients: float) -> Messages:
        """Return the messages in which ticks are pushed, per tick of a client's subscription."""
        return self.model.messages(self.options, self.load(clients), self.jobs, self.round_trip_s)

    def rates(self, delay_s: float, gap_s: float, messages: Messages | None = None) -> dict[str, float]:
        """Return the mean counts of one client per second, by the names of `bench.wire.sizes.Traffic`.

        `messages` are those of a push; None: those of a server without load.
        """
        demand, cycle = self.demand, self.cycle
        conflated = 0.0 if demand.mode == "every" else self.form(self.model.conflated_share, delay_s, gap_s)
        updates = demand.rate_per_s * (1 - conflated)
        if cycle.pushes:
            if messages is None:
                messages = self.messages(0.0) if cycle.flush_s else Messages()
            flushes_per_s = 1 / cycle.flush_s if cycle.flush_s else 0.0
            return {
                "requests": 0.0, "answers": demand.rate_per_s * messages.per_tick, "answers_empty": 0.0,
                "bare": demand.rate_per_s * messages.single, "updates": updates, "conflated": conflated,
                "empty": 0.0, "parked_s": 0.0, **self._skips(flushes_per_s, cycle.flush_s),
            }
        requests = self.form(self.model.requests_per_s, delay_s, gap_s)
        empty_share = self.form(self.model.empty_share, delay_s, gap_s)
        empty = requests * empty_share
        away_s = 2 * delay_s + gap_s if cycle.parks else 1 / requests
        return {
            "requests": requests, "answers": requests - empty, "answers_empty": empty, "updates": updates,
            "conflated": conflated, "empty": empty_share, **self._skips(requests, away_s),
            "parked_s": max(1 / requests - 2 * delay_s - gap_s, 0.0) if cycle.parks else 0.0,
        }

    def _skips(self, reads_per_s: float, away_s: float) -> dict[str, float]:
        """Return the responses per second that declare skips, and the symbols that they declare.

        A symbol of which more than one tick came in the `away_s` before a read is declared.
        """
        symbols = self.demand.symbols
        if self.demand.mode == "every" or not reads_per_s:
            return {"declaring": 0.0, "skips": 0.0}
        ticks = self.demand.rate_per_s * away_s / symbols
        several = -(math.expm1(-ticks) + ticks * math.exp(-ticks))   # the probability that a symbol is declared
        return {"declaring": reads_per_s * (1 - (1 - several)**symbols), "skips": reads_per_s * symbols * several}

    def own_share(self, rates: dict[str, float]) -> float:
        """Return the CPU seconds per second of the server's queue for one client."""
        jobs = self.jobs
        responses = rates["answers"] + rates["answers_empty"]
        return rates["requests"] * jobs.request_s + responses * jobs.answer_s + rates["updates"] * jobs.update_s

    def bytes_per_s(self, sizes: Sizes, rates: dict[str, float]) -> tuple[float, float]:
        """Return the bytes per second on the wire for one client, up and down."""
        requests, updates = rates["requests"], rates["updates"]
        counts = {name: np.array([rates[name]]) for name in (
            "requests", "answers", "answers_empty", "updates", "declaring", "skips")}
        if "bare" in rates:
            counts["bare"] = np.array([rates["bare"]])
        sent = np.array([rates.get("uplinks", 0.0)])
        counts |= {
            "uplinks": sent, "uplinks_answered": sent, "uplink_bytes": sent * self.demand.message_bytes,
            "responses": counts["requests"],
            "payload_bytes": np.array([updates * self.demand.payload_bytes]),
            "connections": np.array([requests if sizes.new_connection else 0.0]),
            "held_s": np.array([rates["parked_s"]]),
        }
        found = columns(sizes, traffic(sizes, counts))
        up, down = (
            float((found[f"bytes_{way}"] + found[f"segments_{way}"] * SEGMENT_BYTES
                   + counts["connections"] * SYN_BYTES)[0]) for way in ("up", "down"))
        return up, down
