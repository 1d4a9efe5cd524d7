"""The reference simulator: the engine's rules in SimPy, one event after the other, as plainly as possible.

Nothing is vectorised and nothing is computed in advance. A worker is a process that does one job after the
other, a client is a process that asks, waits and reads, and the servers' own tape decides on the answers.
Only the inputs (`bench.simulation.engine.inputs`) and the draws (`bench.simulation.engine.random_streams`)
are the engine's.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import simpy
from queues import Queue

from bench.feed.tape import Tape
from bench.simulation.engine.random_streams import Stream, uniform
from bench.uplink.relay import Bucket
from bench.wire.contract import Cursor, Refusal, Subscription

ALL = "t"


@dataclass
class Batch:
    """The ticks and skips that one request gets."""

    ticks: list[int] = field(default_factory=list)
    more: bool = False
    refused: bool = False
    skips: list[tuple[str, int, int]] = field(default_factory=list)
    """Skips as (kind, the tick that it is declared with, count)."""


class Referee:
    """The simulation of one shard. After `run`: `deliveries`, `skips`, `counted`, `busy_s`, `jobs`."""

    def __init__(self, shard):
        self.shard = shard
        cycle = shard.cycle
        self.env = simpy.Environment(initial_time=-cycle.interval_s)
        costs = shard.costs
        self.worker = Queue(self.env, shard.t0_s, shard.t1_s, costs.wake_s, costs.cold_share,
                            costs.switch_s, costs.cooling_s)
        self.load_client = Queue(self.env, shard.t0_s, shard.t1_s)
        self.symbols = [str(symbol) for symbol in shard.ticks.symbol]
        self.all_symbols = frozenset(self.symbols)
        self.tick_of = list(range(len(shard.ticks)))
        self.arrival_s = (shard.ticks.due_s + shard.net.feed_s).tolist()
        self.bytes = shard.ticks.payload_bytes.tolist()
        self.tape = Tape(shard.tape_ticks)
        self.tape.begin(ALL, self.all_symbols, 0)
        count = len(shard.clients)
        self.replies, self.taking = {}, {}
        self.fates = [["unsent", math.inf, math.inf, math.inf] for _ in shard.ticks.due_s]
        if shard.uplinks is not None:
            self.symbols, self.bytes, self.tick_of = [], [], []
            for client in range(count):
                self.env.process(self.writes(client))
        self.wants = [self.subscription(client) for client in range(count)]
        self.cursor = [0] * count
        self.come = self.taken = 0
        self.parked = {}
        self.out = [False] * count
        self.link_free_s = [-math.inf] * count
        self.kernel_s = [-math.inf] * count
        self.open = [[] for _ in range(count)]
        """The instants at which each client's requests that are under way left."""
        self.requests = [0] * count
        self.slow = [False] * count
        if shard.slow_links is not None:
            self.slow = [self.draw(Stream.LINK, client) < shard.slow_links.share for client in range(count)]
        self.deliveries, self.skips = [], []
        self.counted = defaultdict(lambda: [0] * count)
        self.server = Counter()
        self.begins()

    def begins(self):
        """Start all lives."""
        shard, cycle, count = self.shard, self.shard.cycle, len(self.shard.clients)
        if cycle.parks:
            for asked_s, client in sorted((self.held_since_s(client), client) for client in range(count)):
                answer = self.parked[client] = self.env.event()
                self.open[client].append(asked_s)
                self.env.process(self.asks(client, answer))
                if math.isfinite(cycle.hold_s):
                    self.env.process(self.expires(client, answer, asked_s + cycle.hold_s))
        elif not cycle.pushes:
            for client in range(count):
                self.env.process(self.asks(client, None))
        if shard.uplinks is None:
            self.env.process(self.feed())
        if cycle.flush_s:
            self.env.process(self.flushes())

    def run(self):
        self.env.run(until=self.shard.end_s)
        for client, instants in enumerate(self.open):
            for asked_s in instants:
                self.under_way(client, asked_s, max(asked_s, self.shard.t1_s))
        if self.shard.uplinks is not None and self.shard.cycle.posts:
            low, high = self.shard.t0_s, self.shard.t1_s
            for client, (_, sent_s, _, answered_s) in zip(self.shard.uplinks.author, self.fates, strict=True):
                self.counted["in_flight_s"][client] += min(max(answered_s, low), high) - min(max(sent_s, low), high)
        self.busy_s, self.jobs = self.worker.busy_s, self.worker.count
        return self

    # Helpers

    def draw(self, stream, client, cycle=0):
        number = self.shard.clients[client : client + 1]
        return float(uniform(self.shard.seed, stream, number, np.array([cycle]))[0])

    def held_since_s(self, client):
        """Return the instant at which a request left that is parked when the feed begins."""
        hold_s = self.shard.cycle.hold_s
        return -hold_s * self.draw(Stream.PHASE, client) if math.isfinite(hold_s) else 0.0

    def subscription(self, client):
        if self.shard.subscribed is None:
            return Subscription(None, self.shard.mode)
        chosen = np.flatnonzero(self.shard.subscribed[client])
        wanted = frozenset(map(str, chosen)) & self.all_symbols
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

    def leaves(self, client):
        """Let a request leave, and return the instant."""
        self.open[client].append(self.env.now)
        self.count("requests", client, self.env.now)
        return self.env.now

    def under_way(self, client, asked_s, seen_s):
        low, high = self.shard.t0_s, self.shard.t1_s
        clipped = min(max(seen_s, low), high) - min(max(asked_s, low), high)
        self.counted["in_flight_s"][client] += clipped

    # The feed

    def feed(self):
        for place, at_s in enumerate(self.arrival_s):
            yield self.until(at_s)
            self.come = place + 1
            self.worker.put(partial(self.takes_in if self.shard.cycle.flush_s else self.takes, place))

    # Messages of clients

    def writes(self, client):
        """Run the life of an author: over HTTP it waits for each answer."""
        shard = self.shard
        late_s = 0.0 if shard.load_client is None else shard.load_client.send_s
        bucket = Bucket(shard.uplinks.rate_per_s, 0.0)
        for message in np.flatnonzero(shard.uplinks.author == client).tolist():
            yield self.until(shard.ticks.due_s[message] + late_s)
            sending = self.env.process(self.sends(client, message, bucket))
            if shard.cycle.posts:
                yield sending

    def sends(self, client, message, bucket):
        shard, net, fate = self.shard, self.shard.net, self.fates[message]
        sent_s = fate[1] = self.env.now
        fate[0] = "sent"
        self.count("uplinks", client, sent_s)
        self.count("uplink_bytes", client, sent_s, int(shard.uplinks.payload_bytes[message]))
        yield self.env.timeout(net.up_s + self.jitter_s(Stream.SEND, client, message))
        allowed = []

        def turn():
            allowed.append(bucket.take(self.env.now))
            self.worker.more_cold_s, self.worker.serves = shard.costs.message_cold_s, False
            return shard.costs.message_s

        yield self.worker.put(turn)
        if allowed[0]:
            fate[0], fate[2] = "accepted", self.env.now + net.hop_s / 2
            yield self.env.timeout(net.hop_s)
            yield self.comes(message)
        else:
            fate[0] = "refused"
        yield self.env.timeout(net.down_s + self.jitter_s(Stream.REPLY, client, message))
        yield from self.reads(client, sent_s, fate)

    def comes(self, message):
        """Let a message come back as a tick; return the event of its answer."""
        place = len(self.symbols)
        self.symbols.append(str(self.shard.ticks.symbol[message]))
        self.bytes.append(int(self.shard.ticks.payload_bytes[message]))
        self.tick_of.append(message)
        self.come = place + 1
        answered = self.replies[place] = self.env.event()
        self.taking[place] = self.worker.put(
            partial(self.takes_in if self.shard.cycle.flush_s else self.takes, place))
        return answered

    def reads(self, client, sent_s, fate):
        """Let the answer to a message arrive, and be read by the client's code."""
        load_client = self.shard.load_client

        def seen():
            fate[3] = self.env.now
            self.count("uplinks_answered", client, fate[3])
            self.count("uplink_duration_s", client, fate[3], fate[3] - sent_s)
            return 0.0 if load_client is None else load_client.answer_s

        if load_client is None:
            seen()
            return
        yield self.env.timeout(load_client.wake_s)
        yield self.load_client.put(seen)

    def answers_authors(self, end, taken):
        """Answer the authors of all ticks up to `end`; the worker has taken these once `taken` has happened."""
        for place in [place for place in self.replies if place < end]:
            self.env.process(self.answers(self.replies.pop(place), taken))

    def answers(self, answered, taken):
        yield taken
        answered.succeed()

    def takes_in(self, place):
        """Let the worker take a tick that will wait for the timer."""
        if place < self.taken:
            return None   # it was taken at a turn
        self.taken, self.worker.serves, self.worker.keeps = place + 1, False, True
        self.answers_authors(self.taken, self.taking.get(place))
        return self.shard.costs.tick_s

    def flushes(self):
        """Run the timer: its turns come at equal distances, except those that pass before the last one is over."""
        every_s = self.shard.cycle.flush_s
        phase_s, number = every_s * self.draw(Stream.FLUSH, 0), 0
        while True:
            yield self.until(phase_s + number * every_s)
            over = self.env.event()
            self.turning = self.worker.put(partial(self.flush, over))
            yield over
            while phase_s + number * every_s <= self.env.now:
                number += 1

    def flush(self, over):
        """Serve a turn of the timer: the worker hands out all that has come."""
        new, self.taken = self.come - self.taken, self.come
        self.answers_authors(self.taken, self.turning)
        if self.tape.head == self.come:
            over.succeed()
            return None
        self.hands_out(self.come, over)
        return self.shard.costs.tick_s * new

    def hands_out(self, end, over):
        """Hand out the ticks up to `end`, batch by batch; then the turn is `over`."""
        first = self.tape.head
        self.fan_out(first, min(end, first + self.most))
        self.worker.bring(partial(self.goes_on, end, over))

    def goes_on(self, end, over):
        if self.tape.head == end:
            over.succeed()
            return None
        self.hands_out(end, over)
        return 0.0

    def takes(self, first):
        """Let the worker take all ticks that have arrived, and hand them to all waiting clients."""
        if first < self.tape.head:
            return None   # it was taken with the one before
        end = min(self.come, first + self.most)
        self.answers_authors(end, self.taking.get(first))
        self.fan_out(first, end)
        return self.shard.costs.tick_s * (end - first)

    @property
    def most(self):
        """The most ticks that are handed out at once. A push to a client that is up to date is under no policy."""
        shard = self.shard
        if shard.mode == "latest" and len(self.all_symbols) <= shard.batch_max:
            return shard.tape_ticks
        bounded = shard.mode == "every" and not shard.cycle.pushes
        return min(shard.batch_max, shard.tape_ticks, shard.slow_client.buffer_ticks if bounded else math.inf)

    def fan_out(self, first, end):
        """Hand ticks to all who wait for one of them."""
        shard = self.shard
        news = set(self.symbols[first:end])
        for place in range(first, end):
            self.tape.append(place + 1, self.symbols[place], b"%d" % place)
        wanted = [c for c, asked in enumerate(self.wants) if asked.symbols is None or asked.symbols & news]
        if shard.cycle.pushes:
            waiting = [client for client in wanted if not self.out[client]]
        else:
            wanted = set(wanted)
            waiting = [client for client in self.parked if client in wanted]
        self.worker.fans_out = self.worker.serves = bool(waiting)
        self.worker.flushes = self.shard.cycle.flush_s > 0
        for client in waiting:
            self.cursor[client] = first
            batch = self.read(client, None if shard.cycle.pushes else shard.slow_client)
            done = self.worker.bring(self.handing_s(batch))
            if shard.cycle.pushes:
                self.env.process(self.pushed(client, batch, self.cursor[client], done))
            else:
                self.parked.pop(client).succeed((batch, done))

    # What a request gets

    def read(self, client, bound):
        shard, wants, cursor = self.shard, self.wants[client], self.cursor[client]
        try:
            got = self.tape.read(wants, Cursor(ALL, cursor), shard.batch_max, bound)
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

    def expires(self, client, answer, at_s):
        """End the hold time of a request at that instant, if it is still held."""
        yield self.until(at_s)

        def turn():
            if self.parked.get(client) is not answer:
                return None
            self.parked.pop(client).succeed((Batch(), done))
            return self.shard.costs.answer_s

        done = self.worker.put(turn)

    def served(self, client):
        """Return the answer to a request at the worker, and the instant at which the worker is done with it."""
        cycle, costs = self.shard.cycle, self.shard.costs
        request_s = costs.request_s + (costs.connection_s if cycle.new_connection else 0.0)
        answer = self.env.event()

        def turn():
            batch = self.read(client, self.shard.slow_client)
            if not cycle.parks or batch.ticks or batch.refused:
                answer.succeed((batch, done))
                return request_s + self.handing_s(batch)
            self.parked[client] = answer
            return request_s

        done = self.worker.put(turn)
        if math.isfinite(cycle.hold_s):
            self.env.process(self.expires(client, answer, self.env.now + cycle.hold_s))
        return answer

    def asks(self, client, held):
        """Run the life of a client that polls; `held`: its first request is at the worker already."""
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
        """Count a poll as late if the previous one is under way at its instant."""
        yield self.until(instant_s)
        if self.requests[client] == request:
            self.count("polls_late", client, instant_s)

    def timer(self):
        """Wait for the turn of the load client's timer that sends a poll which is due now, and for its place."""
        load_client = self.shard.load_client
        if self.shard.cycle.pace and load_client is not None and load_client.timer_s:
            busy = min(len(self.wants) / self.shard.cycle.interval_s * load_client.answer_s, 0.75)
            turn_s = load_client.timer_s / (1 - busy)
            turn = math.floor(self.env.now / turn_s)
            yield self.until((turn + 1) * turn_s + 0.1 * (self.env.now - turn * turn_s))

    def exchange(self, client, held):
        """Run one request and its response; return whether the next one is to follow at once."""
        net, cycle = self.shard.net, self.shard.cycle
        asked_s = self.open[client][0] if held is not None else None
        if held is None:
            yield from self.timer()
            if cycle.new_connection:
                self.count("connections", client, self.env.now)
                yield self.env.timeout(cycle.handshakes * (net.up_s + net.down_s))
            asked_s = self.leaves(client)
            yield self.env.timeout(net.up_s + self.jitter_s(Stream.UP, client, self.requests[client]))
            held = self.served(client)
        batch, done = yield held
        yield done
        if self.slow[client]:
            size = sum(self.bytes[tick] for tick in batch.ticks) + self.shard.slow_links.overhead_bytes
            yield self.env.timeout(size / self.shard.slow_links.bytes_per_s)
        yield self.env.timeout(net.down_s + self.jitter_s(Stream.DOWN, client, self.requests[client]))
        yield from self.arrives(client, batch, asked_s)
        self.requests[client] += 1
        return batch.more

    # Clients that are pushed to

    def pushed(self, client, batch, cursor, done):
        """Push ticks to a client that is up to date."""
        yield done
        yield from self.written(client, batch, cursor)

    def written(self, client, batch, cursor, asked_s=None):
        """Record that a message was written to a socket, up to `cursor`; the response to the request of `asked_s`,
        if there is one."""
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
        yield from self.arrives(client, batch, asked_s)

    def drains(self, client, at_s):
        yield self.until(at_s)
        yield from self.catches_up(client, 0.0)

    def comes_back(self, client):
        net, costs = self.shard.net, self.shard.costs
        yield self.env.timeout(net.down_s)
        self.count("connections", client, self.env.now)
        yield self.env.timeout(self.shard.cycle.handshakes * (net.up_s + net.down_s))
        asked_s = self.leaves(client)
        yield self.env.timeout(net.up_s + self.jitter_s(Stream.UP, client, self.requests[client]))
        self.requests[client] += 1
        yield from self.catches_up(client, costs.request_s + costs.connection_s, asked_s)

    def catches_up(self, client, opening_s, asked_s=None):
        """Let a client whose socket has drained, or which is back, continue from the tape; at its head it is
        up to date."""
        got = []

        def turn():
            got.append(self.read(client, self.shard.slow_client))
            if asked_s is None and not got[0].ticks and not got[0].refused:
                self.out[client] = False
                return None
            return opening_s + self.handing_s(got[0])

        yield self.worker.put(turn)
        yield from self.written(client, got[0], self.cursor[client], asked_s)

    # At the client

    def arrives(self, client, batch, asked_s):
        """Let a message arrive at the client's kernel, be read by its code, and be worked on."""
        load_client = self.shard.load_client
        kernel_s = self.env.now
        if load_client is not None:
            yield self.env.timeout(load_client.wake_s)
            service = load_client.answer_s + load_client.update_s * len(batch.ticks)

            def turn():
                self.seen(client, batch, kernel_s, self.env.now, asked_s)
                return service

            yield self.load_client.put(turn)
        else:
            self.seen(client, batch, kernel_s, kernel_s, asked_s)

    def seen(self, client, batch, kernel_s, seen_s, asked_s):
        pushes = self.shard.cycle.pushes
        for tick in batch.ticks:
            self.deliveries.append((client, self.tick_of[tick], kernel_s, seen_s, len(batch.ticks)))
        self.skips += [(kind, client, self.tick_of[tick], count, seen_s) for kind, tick, count in batch.skips]
        if pushes:
            self.count("messages", client, seen_s)
            self.count("batched", client, seen_s, int(len(batch.ticks) != 1 or bool(batch.skips)))
        elif not batch.ticks and not batch.refused:
            self.count("answers_empty", client, seen_s)
        if asked_s is not None:
            self.count("responses", client, seen_s)
            self.count("request_duration_s", client, seen_s, seen_s - asked_s)
            self.under_way(client, asked_s, seen_s)
            self.open[client].remove(asked_s)
        self.count("updates", client, seen_s, len(batch.ticks))
        self.count("payload_bytes", client, seen_s, sum(self.bytes[tick] for tick in batch.ticks))
        self.count("declared", client, seen_s, len(batch.skips))
        self.count("refused", client, seen_s, int(batch.refused))
