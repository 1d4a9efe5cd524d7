"""The simulator's referee: the same world in SimPy, one event after the other, as plainly as can be said.

Nothing is vectorised and nothing is known beforehand. A worker is a process that takes one job after the
other, a client is a process that asks, waits and reads, what a request gets is asked of the servers' tape.
Only the world (`bench.simulation.world`) and the draws (`bench.simulation.draws`) are the engine's.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np
import simpy

from bench.contract import Cursor, Refusal, Subscription
from bench.feed.tape import Tape
from bench.simulation.draws import Stream, even

ALL = "t"


@dataclass
class Batch:
    """What one request gets."""

    ticks: list[int] = field(default_factory=list)
    more: bool = False
    refused: bool = False
    skips: list[tuple[str, int, int]] = field(default_factory=list)
    """(kind, the tick that it is declared with, how many)"""


class Queue:
    """One job after the other, in the order in which they were put."""

    def __init__(self, env, t0_s, t1_s):
        self.env, self.window = env, (t0_s, t1_s)
        self.jobs = simpy.Store(env)
        self.count = 0
        self.busy_s = 0.0
        env.process(self.run())

    def put(self, service):
        """A job whose service is known, or (a function) decided when its turn comes; the event of its end."""
        done = self.env.event()
        self.jobs.put((service, done))
        return done

    def run(self):
        while True:
            service, done = yield self.jobs.get()
            begun_s = self.env.now
            took_s = service() if callable(service) else service
            if took_s is None:   # nothing to do after all
                continue
            self.count += 1
            low, high = self.window
            self.busy_s += max(0.0, min(begun_s + took_s, high) - max(begun_s, low))
            yield self.env.timeout(took_s)
            done.succeed()


class Referee:
    """One shard. After `run`: `deliveries`, `skips`, `counted`, `busy_s`, `jobs`."""

    def __init__(self, shard):
        self.shard = shard
        cycle = shard.cycle
        self.env = simpy.Environment(initial_time=-cycle.interval_s)
        self.worker = Queue(self.env, shard.t0_s, shard.t1_s)
        self.station = Queue(self.env, shard.t0_s, shard.t1_s)
        self.symbols = [str(symbol) for symbol in shard.ticks.symbol]
        self.arrival_s = (shard.ticks.due_s + shard.net.feed_s).tolist()
        self.bytes = shard.ticks.payload_bytes.tolist()
        self.tape = Tape(shard.tape_ticks)
        self.tape.begin(ALL, frozenset(self.symbols), 0)
        count = len(shard.clients)
        self.wants = [self.subscription(client) for client in range(count)]
        self.cursor = [0] * count
        self.parked = {}
        self.out = [False] * count
        self.link_free_s = [-math.inf] * count
        self.kernel_s = [-math.inf] * count
        self.asked_s = [math.inf] * count
        self.requests = [0] * count
        self.slow = [False] * count
        if shard.slow_links is not None:
            self.slow = [self.draw(Stream.LINK, client) < shard.slow_links.share for client in range(count)]
        self.deliveries, self.skips = [], []
        self.counted = defaultdict(lambda: [0] * count)
        self.server = Counter()
        for client in range(count):
            if cycle.parks:
                self.asked_s[client] = 0.0
                if math.isfinite(cycle.hold_s):
                    self.asked_s[client] = -cycle.hold_s * self.draw(Stream.PHASE, client)
        if cycle.parks:
            for client in sorted(range(count), key=lambda client: self.asked_s[client]):
                self.env.process(self.asks(client, self.park(client, self.asked_s[client])))
        elif not cycle.pushes:
            for client in range(count):
                self.env.process(self.asks(client, None))
        self.env.process(self.feed())

    def run(self):
        self.env.run(until=self.shard.end_s)
        for client, asked_s in enumerate(self.asked_s):
            if asked_s < self.shard.t1_s:
                self.under_way(client, self.shard.t1_s)
        self.busy_s, self.jobs = self.worker.busy_s, self.worker.count
        return self

    # Helpers

    def draw(self, stream, client, cycle=0):
        number = self.shard.clients[client : client + 1]
        return float(even(self.shard.seed, stream, number, np.array([cycle]))[0])

    def subscription(self, client):
        if self.shard.subscribed is None:
            return Subscription(None, self.shard.mode)
        chosen = np.flatnonzero(self.shard.subscribed[client])
        wanted = frozenset(map(str, chosen)) & frozenset(self.symbols)
        return Subscription(wanted, self.shard.mode)

    def until(self, at_s):
        return self.env.timeout(max(0.0, at_s - self.env.now))

    def jitter_s(self, stream, client, cycle):
        net = self.shard.net
        if not net.jitter_s:
            return 0.0
        draw = self.draw(stream, client, cycle)
        return net.jitter_s * (draw if net.jitter == "uniform" else -math.log1p(-draw))

    def handing_s(self, batch):
        costs = self.shard.costs
        size = sum(self.bytes[tick] for tick in batch.ticks)
        return costs.answer_s + costs.update_s * len(batch.ticks) + costs.byte_s * size

    def count(self, name, client, at_s, amount=1):
        if self.shard.t0_s <= at_s < self.shard.t1_s:
            self.counted[name][client] += amount

    def under_way(self, client, seen_s):
        low, high = self.shard.t0_s, self.shard.t1_s
        clipped = min(max(seen_s, low), high) - min(max(self.asked_s[client], low), high)
        self.counted["in_flight_s"][client] += clipped

    # The feed

    def feed(self):
        for place, at_s in enumerate(self.arrival_s):
            yield self.until(at_s)
            self.tape.append(place + 1, self.symbols[place], b"%d" % place)
            self.worker.put(self.shard.costs.tick_s)
            wanted = [c for c, asked in enumerate(self.wants)
                      if asked.symbols is None or self.symbols[place] in asked.symbols]
            if self.shard.cycle.pushes:
                for client in wanted:
                    self.env.process(self.pushed(client, place))
            else:
                self.wake(wanted, place)

    def wake(self, wanted, place):
        wanted = set(wanted)
        for client in [client for client in self.parked if client in wanted]:
            batch = Batch([place])
            self.cursor[client] = place + 1
            self.parked.pop(client).succeed((batch, self.worker.put(self.handing_s(batch))))

    # What a request gets

    def read(self, client):
        shard, wants, cursor = self.shard, self.wants[client], self.cursor[client]
        try:
            got = self.tape.read(wants, Cursor(ALL, cursor), shard.batch_max, shard.slow_client)
        except Refusal as refusal:
            oldest = max(0, self.tape.head - shard.tape_ticks)   # as good as the oldest for its symbols alone
            self.cursor[client] = oldest if refusal.code == "left-tape" else self.tape.head
            self.server[f"refused_{refusal.code}"] += 1
            return Batch(more=True, refused=True)
        ticks = [int(line) for line in got.ticks]
        skips = [("conflated", next(t for t in ticks if self.symbols[t] == symbol), count)
                 for symbol, count in got.conflated.items()]
        for symbol, count in got.dropped.items():
            mine = [place for place in range(len(self.symbols)) if self.symbols[place] == symbol]
            after = bisect_right(mine, cursor - 1) + count
            if after < len(mine):
                skips.append(("dropped", mine[after], count))
        self.cursor[client] = got.cursor.seq
        return Batch(ticks, got.more, False, skips)

    # Clients that ask

    def park(self, client, since_s):
        """From here on the request is held; the batch that it gets, and when the worker is done with it."""
        news = self.env.event()
        self.parked[client] = news
        hold_s = self.shard.cycle.hold_s
        if math.isfinite(hold_s):
            got = yield news | self.until(since_s + hold_s)
            if news not in got:
                del self.parked[client]
                return Batch(), self.worker.put(self.shard.costs.answer_s)
        else:
            yield news
        return news.value

    def served(self, client):
        """A request is at the worker; its batch, and when the worker is done with it."""
        cycle, costs = self.shard.cycle, self.shard.costs
        request_s = costs.request_s + (costs.connection_s if cycle.new_connection else 0.0)
        batch = self.read(client)
        if cycle.parks and not batch.ticks and not batch.refused:
            self.worker.put(request_s)
            return (yield from self.park(client, self.env.now))
        return batch, self.worker.put(request_s + self.handing_s(batch))

    def asks(self, client, held):
        """The life of a client that polls; `held`: its first request is with the worker already."""
        cycle, poll = self.shard.cycle, 0
        interval_s = cycle.interval_s
        base_s = interval_s * self.draw(Stream.PHASE, client)

        def move_s(number):
            draw = self.draw(Stream.POLL, client, number) if cycle.jitter else 0.5
            return interval_s * cycle.jitter * (draw - 0.5)

        def instant_s(number):
            return base_s + number * interval_s + move_s(number)

        if held is None:
            yield self.until(instant_s(0))
        while True:
            if cycle.pace == "rate":
                self.env.process(self.watches(client, self.requests[client], instant_s(poll + 1)))
            more = yield from self.exchange(client, held)
            held = None
            if cycle.pace == "rate":
                if instant_s(poll + 1) <= self.env.now:
                    while instant_s(poll + 1) <= self.env.now:
                        poll += 1
                elif not more:
                    poll += 1
                    yield self.until(instant_s(poll))
            elif cycle.pace == "delay" and not more:
                poll += 1
                yield self.env.timeout(interval_s + move_s(poll))

    def watches(self, client, request, instant_s):
        """A poll is late if the one before is under way at its instant."""
        yield self.until(instant_s)
        if self.requests[client] == request:
            self.count("polls_late", client, instant_s)

    def exchange(self, client, held):
        """One request and its response; whether the next is to follow at once."""
        net, cycle = self.shard.net, self.shard.cycle
        if held is None:
            if cycle.new_connection:
                self.count("connections", client, self.env.now)
                yield self.env.timeout(cycle.handshakes * (net.up_s + net.down_s))
            self.asked_s[client] = self.env.now
            self.count("requests", client, self.env.now)
            yield self.env.timeout(net.up_s + self.jitter_s(Stream.UP, client, self.requests[client]))
            held = self.served(client)
        batch, done = yield from held
        yield done
        if self.slow[client]:
            size = sum(self.bytes[tick] for tick in batch.ticks) + self.shard.slow_links.overhead_bytes
            yield self.env.timeout(size / self.shard.slow_links.bytes_per_s)
        yield self.env.timeout(net.down_s + self.jitter_s(Stream.DOWN, client, self.requests[client]))
        yield from self.arrives(client, batch, response=True)
        self.requests[client] += 1
        return batch.more

    # Clients that are pushed to

    def pushed(self, client, place):
        """A tick has come for a client who is pushed to; left out if the socket turns out to be full."""
        batch = Batch([place])

        def turn():
            if self.out[client]:
                return None
            self.cursor[client] = place + 1
            return self.handing_s(batch)

        yield self.worker.put(turn)
        yield from self.written(client, batch, place + 1, response=False)

    def written(self, client, batch, cursor, response):
        """A message was written to a socket, up to `cursor`."""
        links, now_s = self.shard.slow_links, self.env.now
        sent_s = now_s
        if self.slow[client]:
            size = sum(self.bytes[tick] for tick in batch.ticks) + links.overhead_bytes
            free_s = max(now_s, self.link_free_s[client]) + size / links.bytes_per_s
            self.link_free_s[client] = sent_s = free_s
            full = (free_s - now_s) * links.bytes_per_s > links.bound_bytes
            self.out[client] = full or batch.more
            if batch.refused:
                self.link_free_s[client] = -math.inf
                self.env.process(self.comes_back(client))
            elif self.out[client]:
                self.env.process(self.drains(client, free_s - links.resume_bytes / links.bytes_per_s))
        kernel_s = sent_s + self.shard.net.down_s + self.jitter_s(Stream.DOWN, client, cursor)
        kernel_s = self.kernel_s[client] = max(kernel_s, self.kernel_s[client])
        if batch.refused:
            self.kernel_s[client] = -math.inf
        yield self.until(kernel_s)
        yield from self.arrives(client, batch, response)

    def drains(self, client, at_s):
        yield self.until(at_s)
        batch = self.read(client)
        cursor = self.cursor[client]
        if not batch.ticks and not batch.refused:
            self.out[client] = False
            return
        yield self.worker.put(self.handing_s(batch))
        yield from self.written(client, batch, cursor, response=False)

    def comes_back(self, client):
        net, costs = self.shard.net, self.shard.costs
        yield self.env.timeout(net.down_s)
        self.count("connections", client, self.env.now)
        yield self.env.timeout(self.shard.cycle.handshakes * (net.up_s + net.down_s))
        self.asked_s[client] = self.env.now
        self.count("requests", client, self.env.now)
        yield self.env.timeout(net.up_s + self.jitter_s(Stream.UP, client, self.requests[client]))
        self.requests[client] += 1
        batch = self.read(client)
        cursor = self.cursor[client]
        yield self.worker.put(costs.request_s + costs.connection_s + self.handing_s(batch))
        yield from self.written(client, batch, cursor, response=True)

    # At the client

    def arrives(self, client, batch, response):
        """The client's kernel has a message; its code sees it, and is done with it."""
        station = self.shard.station
        kernel_s = self.env.now
        if station is not None:
            yield self.env.timeout(station.wake_s)
            service = station.answer_s + station.update_s * len(batch.ticks)

            def turn():
                self.seen(client, batch, kernel_s, self.env.now, response)
                return service

            yield self.station.put(turn)
        else:
            self.seen(client, batch, kernel_s, kernel_s, response)

    def seen(self, client, batch, kernel_s, seen_s, response):
        pushes = self.shard.cycle.pushes
        for tick in batch.ticks:
            self.deliveries.append((client, tick, kernel_s, seen_s, len(batch.ticks)))
        self.skips += [(kind, client, tick, count, seen_s) for kind, tick, count in batch.skips]
        if pushes:
            self.count("messages", client, seen_s)
        elif not batch.ticks and not batch.refused:
            self.count("answers_empty", client, seen_s)
        if response:
            self.count("responses", client, seen_s)
            self.count("request_duration_s", client, seen_s, seen_s - self.asked_s[client])
            self.under_way(client, seen_s)
            self.asked_s[client] = math.inf
        self.count("updates", client, seen_s, len(batch.ticks))
        self.count("payload_bytes", client, seen_s, sum(self.bytes[tick] for tick in batch.ticks))
        self.count("declared", client, seen_s, len(batch.skips))
        self.count("refused", client, seen_s, int(batch.refused))
