"""An exact event simulation of one worker: every tick to every client, in rounds of many jobs.

All transports run one cycle: the server serves, the client pauses, the client asks, and the request is
parked until there is news or answered at once. Three kinds of arrivals share the worker's one queue
(`server_queue`), which is served in order of arrival:

    a tick           goes to all parked clients: those whose requests are held, and those that are pushed to
    a request        is answered from the tape (the ticks a server still holds), or parked if there is
                     nothing new and the transport parks
    time             a held request whose hold time is over is answered empty

Where ticks are messages of clients (`uplinks`), a message is a fourth kind, and its tick arrives a hop after it was
served. Each message ends a round, as a tick does.

When the worker gets to a tick, it takes all ticks that have arrived by then in one read and hands them out
together. Apart from that, the result of an arrival depends only on the arrivals before it, never on the
instant at which the worker gets to it. So between two such reads the cost of each job is known before
anything is queued, except for the cost of waking a sleeping worker (`server_queue`). No loop over jobs is
needed.

One thing needs care: a response leads to the client's next request. The response is given after its request
arrived and after the queue before it was worked off; then it travels down, and the next request travels up:

    next request ≥ max(its arrival, the worker is free) + lookahead         lookahead = down + up
    next request ≥ the schedule's next instant + up                         where there is one

The minimum over all pending clients is a bound up to which every arrival is known. This bound ends one round
(conservative synchronisation, Chandy and Misra 1979). A request that will be parked leads to no other request
before the next tick or the end of its hold time. So where the transport parks, only clients for whom there is
news count. A round also ends at the next tick. A backlog or a schedule makes rounds long, which is when there
is most to do.

A worker that flushes (`Cycle.flush_s`) takes ticks when they come, and hands them out at the turns of its timer
(`flush_timer`), all that have arrived when it gets to the turn. So a round also ends at a turn, and the ticks
before it are taken in one go.

A client whose socket is full is not parked: it "asks" again when the socket has drained.

Known weaknesses: one read hands out no more ticks than one batch surely holds; the next read follows. A client that
is refused twice in a row asks at once both times. A client that is too slow to be pushed to is disconnected
when its socket has drained, not before. Clients that have fallen behind get what was handed out to the others,
also where a worker that flushes has taken more.
"""

from __future__ import annotations

import math

import numpy as np

from bench.simulation.engine.counters import CountSteps, ShardCounts
from bench.simulation.engine.event_queue import NOBODY, EventQueue, WaitingClients, merged
from bench.simulation.engine.flush_timer import FlushTimer
from bench.simulation.engine.inputs import (
    BlockSink,
    Bools,
    Deliveries,
    Floats,
    Ints,
    Shard,
    ShardOutcome,
    SkipBlock,
    SkipKind,
)
from bench.simulation.engine.network import Network
from bench.simulation.engine.poll_schedule import PollSchedule
from bench.simulation.engine.random_streams import Stream, uniform
from bench.simulation.engine.server_queue import ServerQueue
from bench.simulation.engine.tape_reads import MessageTape, ResponseBatches, WorkerTape
from bench.simulation.engine.uplinks import UplinkTraffic

ROUND_JOBS = 1 << 16
"""Limit of the requests in a round, so that its arrays stay in the processor's cache."""
ROUND_UPDATES = 1 << 20
"""Limit of the ticks between cursor and head, summed over a round's requests, so that memory stays flat."""


def simulate(shard: Shard, sink: BlockSink, steps: CountSteps | None = None) -> ShardOutcome:
    """Simulate one worker from time zero to the end of the drain, and return its counts.

    Updates and declared skips go to `sink` block by block. `steps`, if given, collects CPU and counts over
    time.
    """
    engine = _FlushingEngine(shard, sink) if shard.cycle.flush_s else _Engine(shard, sink)
    while engine.goes_on():
        begin_s = max(engine.next_s, engine.worker.free_s)
        engine.advance()
        if steps is not None:
            steps.add_round(begin_s, engine.worker.free_s, engine.worker.busy_s, engine.counts.sums)
    outcome = engine.outcome()
    if steps is not None and outcome.uplinks is not None and shard.uplinks is not None:
        steps.add_uplinks(outcome.uplinks, shard.uplinks.payload_bytes)
    return outcome


class _Engine:
    """The state of one shard while it is simulated."""

    def __init__(self, shard: Shard, sink: BlockSink) -> None:
        self.shard, self.sink = shard, sink
        cycle, costs, count = shard.cycle, shard.costs, len(shard.clients)
        self.network, self.polls = Network(shard), PollSchedule(shard)
        self.uplinks = None if shard.uplinks is None else UplinkTraffic(shard, self.network)
        """The messages of clients; None where they only listen."""
        self.tape = WorkerTape(shard) if self.uplinks is None else MessageTape(shard)
        self.worker = ServerQueue(shard.t0_s, shard.t1_s, costs.wake_s, costs.cold_share, costs.switch_s,
                                  cooling_s=costs.cooling_s, cools=costs.message_cold_s > 0)
        self.request_s = costs.request_s + (costs.connection_s if cycle.new_connection else 0.0)
        self.head = 0
        """Number of ticks that the worker has taken and handed out."""
        self.taken = 0
        """Number of ticks that a worker that flushes has taken; those from `head` on wait for the timer."""
        self.accepted_s = -math.inf
        """The instant at which the worker was done with the message that it accepted last: ticks come in this order."""
        self.answered = 0
        """Number of ticks whose authors were answered, where clients send messages."""
        self.cursor = np.zeros(count, dtype=np.int64)
        """Number of ticks that each client has read, shape (clients,)."""
        self.newest = np.zeros(count, dtype=np.int64)
        """Number of ticks up to and including the newest that each client wants, shape (clients,)."""
        self.requests = np.zeros(count, dtype=np.int64)
        """Requests of each client before the present one; the key by which its network delays are drawn."""
        self.seen_s = 0.0
        """The instant at which the last update handed over so far is seen."""
        self.comes_back = np.zeros(count, dtype=np.bool_)
        """True for a client of a push transport that was disconnected and comes with a new connection."""
        self.wanting = None if shard.subscribed is None else np.ascontiguousarray(shard.subscribed.T)
        """Subscriptions by symbol, shape (symbols, clients); None if everybody wants everything."""
        self.owed = self._owed()
        """Number of ticks up to and including the last that is due to each client before t1."""
        asked_s = np.zeros(count)
        if math.isfinite(cycle.hold_s):
            asked_s -= cycle.hold_s * uniform(shard.seed, Stream.PHASE, shard.clients)
        self.counts = ShardCounts(shard, np.full(count, np.inf) if cycle.pushes else asked_s.copy())
        self.events = EventQueue()
        first = NOBODY if cycle.pace else np.argsort(asked_s, kind="stable")
        self.waiting = WaitingClients(first, asked_s[first] + cycle.hold_s, by_client=cycle.pushes)
        if cycle.pace:
            self._ask(np.arange(count), self.polls.leaving_s(self.polls.first_s))

    def _owed(self) -> Ints:
        if self.uplinks is not None:   # what is not accepted is owed to nobody
            return np.zeros(len(self.cursor), dtype=np.int64)
        symbol = self.shard.ticks.symbol[: np.searchsorted(self.shard.ticks.due_s, self.shard.t1_s)]
        if self.wanting is None:
            return np.full(len(self.cursor), len(symbol))
        owed = np.zeros(len(self.cursor), dtype=np.int64)
        names, back = np.unique(symbol[::-1], return_index=True)
        for name, last in zip(names, len(symbol) - back, strict=True):
            owed[self.wanting[name]] = np.maximum(owed[self.wanting[name]], last)
        return owed

    @property
    def tick_s(self) -> float:
        """The instant of the next job that the feed makes, a tick's arrival; infinite if there is none."""
        return float(self.tape.arrival_s[self.head]) if self.head < len(self.tape) else math.inf

    @property
    def message_s(self) -> float:
        """The instant at which the next message of a client reaches the worker; infinite if there is none."""
        return math.inf if self.uplinks is None else self.uplinks.first_s

    @property
    def next_s(self) -> float:
        """The instant of the next event of any kind."""
        return min(self.tick_s, self.message_s, self.events.first_s, self.waiting.first_s)

    def goes_on(self) -> bool:
        """Return True while there is an update that some client is owed, and time left for it."""
        if self.next_s > self.shard.end_s:
            return False
        if self.next_s < self.shard.t1_s or (self.uplinks is not None and self.uplinks.owes):
            return True
        return bool((self.cursor < self.owed).any())

    def advance(self) -> None:
        """Do one round of requests, or hand out ticks or take a message if no request comes before the next one."""
        message_s, until_s = self.message_s, self._known_until()
        before_s = min(self.tick_s, message_s)
        at, who = self.events.take(until_s, before_s, ROUND_JOBS)
        end = 1 + int(np.searchsorted(np.cumsum(self.head - self.cursor[who]), ROUND_UPDATES))
        if end < len(who) or len(who) == ROUND_JOBS:
            self.events.put(at[end:], who[end:])
            at, who = at[:end], who[:end]
            until_s = float(at[-1])
        over_s, over = self.waiting.expire(until_s, before_s)
        if not len(who) and not len(over):
            if message_s < self.tick_s:
                self._accept()
            else:
                self._hand_out()
        elif self.shard.cycle.pushes:
            self._catch_up(at, who)
        elif len(over):
            places = np.arange(len(who) + len(over))
            at, places = merged((at, places[: len(who)]), (over_s, places[len(who) :]))
            self._serve(at, np.concatenate([who, over])[places], places < len(who))
        else:
            self._serve(at, who, np.broadcast_to(np.True_, len(who)))

    def _known_until(self) -> float:
        """Return the instant up to which all arrivals are known: the bound of a round."""
        first_s, ahead_s = self.events.first_s, self.network.lookahead_s
        if self.shard.cycle.parks:
            news_s = min(self.events.first_of(self.cursor < self.newest), self.waiting.first_s)
            return min(max(news_s, self.worker.free_s) + ahead_s, first_s + self.shard.cycle.hold_s)
        cut_s = math.inf   # arrival of the first client whose batch may be cut, and which then asks at once
        if self.head > self.tape.whole_up_to:
            cut_s = self.events.first_of(self.head - self.cursor > self.tape.whole_up_to)
        if self.shard.cycle.pushes:
            return min(first_s + self.network.drains_s, cut_s)
        again_s = self.polls.not_before(first_s) + self.network.opening_s + self.shard.net.up_s
        known_s = min(again_s, max(cut_s, self.worker.free_s) + ahead_s)
        return max(max(first_s, self.worker.free_s) + ahead_s, known_s)

    def _serve(self, at: Floats, who: Ints, asks: Bools) -> None:
        """Serve arrivals in order: requests (`asks`), and held requests whose hold time is over (others)."""
        answered: slice | Ints = slice(None)
        if self.shard.cycle.parks:
            parks = asks & (self.cursor[who] >= self.newest[who])
            self.waiting.put(who[parks], at[parks] + self.shard.cycle.hold_s)
            self.cursor[who[parks]] = self.head
            answered = np.flatnonzero(~parks)
        whom = who[answered]
        batches = self.tape.read(whom, self.cursor[whom], self.head)
        service: Floats = np.where(asks, self.request_s, 0.0)
        service[answered] += self._handing_s(batches)
        finish = self.worker.serve(at, service)
        self.cursor[whom] = batches.cursor
        asked = int(np.count_nonzero(asks))
        self.counts.server["requests"] += asked
        self.counts.server["connections"] += asked * self.shard.cycle.new_connection
        if len(whom):
            self._respond(whom, finish[answered], batches)

    def _catch_up(self, at: Floats, who: Ints) -> None:
        """Handle drained sockets: park clients at the head for pushes, and serve the others from the tape."""
        idle = (self.cursor[who] >= self.newest[who]) & ~self.comes_back[who]
        self.waiting.put(who[idle], at[idle] + self.shard.cycle.hold_s)
        at, who = at[~idle], who[~idle]
        if not len(who):
            return
        new, costs = self.comes_back[who], self.shard.costs
        batches = self.tape.read(who, self.cursor[who], self.head)
        service: Floats = self._handing_s(batches) + new * (costs.request_s + costs.connection_s)
        finish = self.worker.serve(at, service)
        self.cursor[who] = batches.cursor
        self.counts.server["requests"] += int(new.sum())
        self.counts.server["connections"] += int(new.sum())
        self.comes_back[who] = False
        self.requests[who] += new
        full, drained_s = self._push(who, finish, batches, new)
        gone = batches.refused
        waits = ~(full | batches.more)
        self.waiting.put(who[waits], finish[waits] + self.shard.cycle.hold_s)
        again = ~(waits | gone)
        self.events.put(drained_s[again], who[again])
        if bool(gone.any()):
            self.comes_back[who[gone]] = True
            self.network.cut(who[gone])
            self._ask(who[gone], finish[gone] + self.shard.net.down_s)

    def _accept(self) -> None:
        """Serve the next message of a client: its tick will come, or it is refused. One of another worker's client
        waits, and takes no time."""
        assert self.uplinks is not None
        assert isinstance(self.tape, MessageTape)
        at_s, message = self.uplinks.take()
        begin_s = max(at_s, self.worker.free_s)
        work_s, cold_s = self.shard.costs.message_s, self.shard.costs.message_cold_s
        if self.uplinks.is_own[message]:
            done_s = self.worker.serve_one(at_s, work_s, cold_s)
            self.counts.server["messages"] += 1
            if not self.uplinks.is_allowed(message, begin_s):
                self.counts.server["refused_too-many"] += 1
                self.uplinks.reply(np.array([message]), done_s)
                return
        else:
            done_s = self.worker.would_be_done_s(at_s, work_s, cold_s)
        done_s = self.accepted_s = max(done_s, math.nextafter(self.accepted_s, math.inf))
        hop_s = self.shard.net.hop_s
        self.uplinks.numbered_s[message] = done_s + hop_s / 2
        place = self.tape.accept(message, done_s + hop_s)
        if self.shard.ticks.due_s[message] < self.shard.t1_s:
            whom = slice(None) if self.wanting is None else self.wanting[self.tape.symbol[place]]
            self.owed[whom] = place + 1

    def _reply_to_authors(self, end: int, taken_s: float) -> None:
        """Answer the messages whose ticks, up to `end`, the worker has taken by this instant, unless it is done."""
        if self.uplinks is not None and self.tape.tick is not None and end > self.answered:
            taken = self.tape.tick[self.answered : end]
            own = taken[self.uplinks.is_own[taken]]
            self.counts.server["messages_accepted"] += len(own)
            self.uplinks.reply(own, taken_s)
            self.answered = end

    def _hand_out(self) -> None:
        """Take all ticks that have arrived by now, and hand them to all clients that wait for them."""
        first, arrival_s = self.head, self.tick_s
        begin_s = max(arrival_s, self.worker.free_s)
        end = int(np.searchsorted(self.tape.arrival_s, begin_s, "right"))
        most = self.tape.pushed_up_to if self.shard.cycle.pushes else self.tape.whole_up_to
        end = max(first + 1, min(end, first + most))
        self.counts.server["ticks"] += end - first
        self._fan_out(end, arrival_s, self.shard.costs.tick_s * (end - first))

    def _fan_out(self, end: int, arrival_s: float, taking_s: float) -> None:
        """Hand the ticks up to `end` to all clients that wait for them; the job came at `arrival_s`.

        `taking_s` are the CPU seconds that it takes before the first client's turn.
        """
        first = self.head
        self.head = end
        wanted = None if self.wanting is None else self._news(first, end)
        if wanted is None:
            self.newest.fill(end)
        pushes = self.shard.cycle.pushes
        who = self.waiting.peek(wanted) if pushes else self.waiting.wake(wanted)
        self.cursor[who] = first
        batches = (self.tape.alone(first, len(who)) if end == first + 1
                   else self.tape.handed(who, first, end, pushes))
        flushed = self.shard.cycle.flush_s > 0
        finish = self.worker.fan_out(arrival_s, taking_s, self._handing_s(batches), flushed=flushed)
        self._reply_to_authors(max(end, self.taken), self.worker.begun_s)
        if not len(who):
            return
        self.cursor[who] = end
        if not pushes:
            self._respond(who, finish, batches)
            return
        full, drained_s = self._push(who, finish, batches, batches.refused)
        if bool(full.any()):
            gone = np.zeros(len(self.cursor), dtype=np.bool_)
            gone[who[full]] = True
            self.waiting.leave(gone)
            self.events.put(drained_s[full], who[full])

    def _news(self, first: int, end: int) -> Bools:
        """Return a mask of the clients that want any of the ticks in [first, end), and update `newest`."""
        assert self.wanting is not None
        wanted = np.zeros(len(self.cursor), dtype=np.bool_)
        for tick in range(first, end):
            mine = self.wanting[self.tape.symbol[tick]]
            self.newest[mine] = tick + 1
            wanted |= mine
        return wanted

    def _handing_s(self, batches: ResponseBatches) -> Floats:
        """Return the CPU seconds for handing over each batch."""
        costs = self.shard.costs
        return costs.answer_s + costs.update_s * batches.updates + costs.byte_s * batches.bytes

    def _respond(self, who: Ints, finish_s: Floats, batches: ResponseBatches) -> None:
        """Send responses, record them, and schedule each client's next request."""
        kernel_s = self.network.down(who, self.requests, finish_s, batches.bytes)
        seen_s, done_s = self.network.read(kernel_s, batches.updates)
        self._record(who, kernel_s, seen_s, batches)
        self.counts.respond(who, seen_s, batches)
        wish_s, missed, instant_s = self.polls.next(who, done_s, batches.more)
        self.counts.late(who[missed], instant_s)
        self.requests[who] += 1
        self._ask(who, self.polls.leaving_s(wish_s) if self.shard.cycle.pace else wish_s)

    def _push(self, who: Ints, finish_s: Floats, batches: ResponseBatches, new: Bools) -> tuple[Bools, Floats]:
        """Send pushed messages; return a mask of the sockets that are full, and when each will have drained.

        The first message on a new connection (`new`) counts as the response to its request.
        """
        kernel_s = self.network.down(who, self.cursor, finish_s, batches.bytes)
        seen_s, _ = self.network.read(kernel_s, batches.updates)
        self._record(who, kernel_s, seen_s, batches)
        self.counts.push(who, seen_s, batches, new)
        return self.network.full(who, finish_s)

    def _ask(self, who: Ints, wish_s: Floats) -> None:
        """Schedule requests of clients that wish to ask at `wish_s`."""
        opens = self.shard.cycle.new_connection or self.shard.cycle.pushes
        leave_s = wish_s + self.network.opening_s
        self.counts.ask(who, leave_s, wish_s if opens else None)
        at = self.network.up(who, self.requests, leave_s)
        self.events.put(at, who)

    def _record(self, who: Ints, kernel_s: Floats, seen_s: Floats, batches: ResponseBatches) -> None:
        """Pass delivered updates and declared skips to the sink, and add them to the server's counts."""
        updates, server = batches.updates, self.counts.server
        tick = batches.tick if self.tape.tick is None else self.tape.tick[batches.tick]
        self.seen_s = max(self.seen_s, float(seen_s.max()))
        server["deliveries"] += len(batches.tick)
        server["answers_empty"] += len(who) - int(np.count_nonzero(updates)) - int(batches.refused.sum())
        if batches.alone:
            self.sink.deliver(Deliveries(who, tick, kernel_s, seen_s, updates))
        elif len(batches.tick):
            self.sink.deliver(Deliveries(
                client=np.repeat(who, updates),
                tick=tick,
                kernel_s=np.repeat(kernel_s, updates),
                app_s=np.repeat(seen_s, updates),
                updates_in_read=np.repeat(updates, updates),
            ))
        kinds: tuple[SkipKind, SkipKind] = ("conflated", "dropped")
        for kind, declared in zip(kinds, (batches.conflated, batches.dropped), strict=True):
            if len(declared.batch):
                server[kind] += int(declared.count.sum())
                whose = declared.batch
                named = declared.tick if self.tape.tick is None else self.tape.tick[declared.tick]
                self.sink.skip(SkipBlock(kind, who[whose], named, declared.count, seen_s[whose]))
        server["refused_left-tape"] += int(np.count_nonzero(batches.left))
        server["refused_slow-client"] += int(np.count_nonzero(batches.slow))

    def outcome(self) -> ShardOutcome:
        """Close the counts, and return them."""
        self.counts.late(*self.polls.missed(self.shard.t1_s))
        self.counts.close()
        sent, became = self.shard.uplinks, None
        if sent is not None and self.uplinks is not None:
            became = self.uplinks.outcome()
            self.counts.uplinks(became, sent.author, sent.payload_bytes, self.shard.cycle.posts)
        return ShardOutcome(
            counted=self.counts.clients,
            jobs=self.worker.jobs,
            busy_s=self.worker.busy_s,
            wait_max_s=self.worker.wait_max_s,
            server_counts={name: int(count) for name, count in self.counts.server.items() if count},
            end_s=self.seen_s,
            uplinks=became,
        )


class _FlushingEngine(_Engine):
    """The state of a shard whose worker hands out ticks at the turns of its timer, not when they come."""

    def __init__(self, shard: Shard, sink: BlockSink) -> None:
        super().__init__(shard, sink)
        self.timer = FlushTimer(shard)

    @property
    def tick_s(self) -> float:
        """The instant of the next job that the feed makes: a tick's arrival, or a turn of the timer; infinite if
        every tick was handed out."""
        if self.head == len(self.tape):
            return math.inf
        return min(self._arrival_s, self.timer.turn_s)

    @property
    def _arrival_s(self) -> float:
        """The arrival of the next tick that is to be taken; infinite if there is none."""
        return float(self.tape.arrival_s[self.taken]) if self.taken < len(self.tape) else math.inf

    def _hand_out(self) -> None:
        """Take the ticks that arrive before the next turn, or hand out what has arrived by this turn."""
        turn_s, tick_s = self.timer.turn_s, self.shard.costs.tick_s
        if self._arrival_s < turn_s:
            before_s = min(turn_s, self.events.first_s)
            end = max(int(np.searchsorted(self.tape.arrival_s, before_s, "left")), self.taken + 1)
            if self.uplinks is not None:   # its answer leads to its author's next message
                end = self.taken + 1
            arrivals_s = self.tape.arrival_s[self.taken : end]
            taken_s = self.worker.serve(arrivals_s, np.full(len(arrivals_s), tick_s), clients=False)
            self._take(end)
            self._reply_to_authors(end, float(taken_s[-1]))
            return
        begin_s = max(turn_s, self.worker.free_s)
        end = int(np.searchsorted(self.tape.arrival_s, begin_s, "right"))
        taking_s = tick_s * self._take(end)
        while self.head < end:
            self._fan_out(min(end, self.head + self.tape.pushed_up_to), turn_s, taking_s)
            taking_s = 0.0
        self._go_on(max(begin_s, self.worker.free_s))

    def _take(self, end: int) -> int:
        """Count the ticks up to `end` as taken, and return the number of new ones."""
        new = end - self.taken
        self.taken = end
        self.counts.server["ticks"] += new
        return new

    def _go_on(self, done_s: float) -> None:
        """Set the timer to its next turn after `done_s`, and past those that find no tick for certain: the worker gets
        to them before the next tick's or message's arrival, and no drained socket is in line before them."""
        self.timer.pass_over(done_s)
        arrival_s = min(self._arrival_s, self.message_s)
        if self.worker.free_s < arrival_s < math.inf:
            self.timer.pass_over(math.nextafter(min(arrival_s, self.events.first_s), -math.inf))
