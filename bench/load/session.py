"""The work of a load process in a trial, and its messages to the runner.

    ► ready                        Locust is up
    ◄ target                       where the server listens (unless the configuration said so)
      users are spawned, each begins a client
    ► subscribed | failed          all clients have their first response, or some don't in time
    ◄ windows                      when to measure
      t0: read every client's counters · t1: read again, then account for what is owed
    ► settled                      everything owed has come, or the drain is over
      raw records are written
    ► done                         what the load says of itself
      users are stopped in order, Locust quits

The turns of the loop (`TurnGaps`) count from t0 until all has settled: with a long poll interval many updates of the
window come after t1.

The phases pass immutable values on to the later ones: the instants of the subscriptions, and the readings at both
ends of the window (`Edge`). A client's reading (`ClientReading`) takes its counts and its connections' `TCP_INFO`
together, 64 clients at a time, so that no update waits long for it. Its row is the difference of two readings.

When the runner is gone (end of file on the lifeline) the process ends at once.
"""

from __future__ import annotations

import gc
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from ssl import SSLContext
from typing import Any

import gevent
from gevent.event import AsyncResult, Event
from gevent.queue import Queue
from locust.env import Environment

from bench import transports
from bench.clock import RunClock
from bench.lifeline import Lifeline
from bench.load import live
from bench.load.accounting import Accounting, Window
from bench.load.author import Author
from bench.load.config import LoadConfig
from bench.load.reactor import Reactor, spawn
from bench.load.readings import ClientReading, life_columns, open_columns, read_counters, tcp_columns
from bench.measure.recording import Recorder
from bench.records.trial_record import COUNTED, WindowInstants
from bench.scenario.fields import Table
from bench.scenario.model import Subject
from bench.transports import ClientMachine, ClientSpec, random_of
from bench.transports.link import Link
from bench.transports.outgoing import Outgoing, Uplink
from bench.transports.tls import TlsMachine
from bench.transports.tls_sizes import client_context
from bench.uplink.message import Message, encode
from bench.wire.options import Wire

CLIENTS_PER_TURN = 64
SUBSCRIBE_LIMIT_S = 20.0
"""The longest time for all clients to get their first responses, after the last one should be spawned."""
STOP_LIMIT_S = 2.0
"""The longest time for a client to close gracefully."""
ACCOUNT_EVERY_S = 0.002
"""The pause between two pieces of accounting while more rows wait for it, and once the window is over."""
ACCOUNT_SELDOM_S = 0.05
"""The pause in the window once all that came is counted: nothing can be complete before its end."""
PIECE_ROWS = 4096
"""The most deliveries that are counted at a time: they hold the loop for a tenth of a millisecond."""
GONE = 3
"""Exit status when the runner is gone."""
CRASHED = 4
"""Exit status after a bug."""


@dataclass(frozen=True, slots=True)
class Target:
    """The server, as the clients reach it."""

    host: str
    port: int
    tls: SSLContext | None
    """None: without TLS."""


@dataclass(frozen=True, slots=True)
class Edge:
    """All readings at one end of the window."""

    cpu_ns: int
    """CPU time of the process so far."""
    users: int
    """Locust users that were running."""
    readings: tuple[ClientReading, ...]
    """By client, in the order in which they began."""


class RunnerChannel:
    """The conversation with the runner. Without a lifeline nothing is sent, and nothing can be received."""

    def __init__(self, lifeline: Lifeline | None) -> None:
        self._lifeline = lifeline
        self._inbox: Queue[dict[str, Any]] = Queue()
        if lifeline is not None:
            spawn(partial(self._listen, lifeline), self.crash)

    @property
    def has_runner(self) -> bool:
        """Return True where a runner conducts a trial; False where Locust was started by hand."""
        return self._lifeline is not None

    def say(self, message: dict[str, Any]) -> None:
        """Send a message to the runner, if there is one."""
        if self._lifeline is not None:
            self._lifeline.send(message)

    def receive(self, key: str) -> Any:
        """Wait for the runner's next message, which has to have the key `key`, and return its content."""
        assert self._lifeline is not None, "a load without a runner needs a port"
        return self._inbox.get()[key]

    def crash(self, trace: str) -> None:
        """Report a bug in a greenlet on which everything depends, and end the process."""
        self.say({"failed": {"reason": "load-crashed", "detail": trace}})
        os.write(2, trace.encode())
        os._exit(CRASHED)

    def _listen(self, lifeline: Lifeline) -> None:
        """Put the runner's messages into the inbox; end the process when the runner is gone."""
        while (message := lifeline.receive()) is not None:
            self._inbox.put(message)
        os._exit(GONE)


class Session:
    """The load of one process: its clients, and the phases of a trial."""

    def __init__(self, config: LoadConfig, environment: Environment, channel: RunnerChannel, options: Table,
                 target: Target) -> None:
        self.config = config
        self.environment = environment
        self.channel = channel
        self.target = target
        self.clock = RunClock(config.clock_origin_ns)
        self.recorder = Recorder()
        self.reactor = Reactor(target.host, target.port, self.clock, channel.crash)
        self._options = options
        self._client_class = transports.part(config.transport, "client").Client
        self._links: list[Link] = []
        self._authors: list[Author] = []
        """The authors, in the order of `_links`; empty where clients only listen."""
        self._spawn_began_ns = self.clock.now_ns()
        self._shown = 0
        self._shown_errors: Counter[str] = Counter()

    @classmethod
    def open(cls, config: LoadConfig, environment: Environment, lifeline: Lifeline | None) -> Session:
        """Report that Locust is up, wait for the server's address, and return the session, ready for clients."""
        channel = RunnerChannel(lifeline)
        channel.say({"ready": {}})
        subject = Subject(transport=config.transport, **config.options)
        options = transports.options(config.subject, subject, "the load's configuration")
        session = cls(config, environment, channel, options, _target(config, options, channel))
        session.reactor.start()
        spawn(session._show_forever, channel.crash)
        if channel.has_runner:
            spawn(session._conduct, channel.crash)
        return session

    def begin_client(self) -> Link:
        """Connect and subscribe one more client, and return its link; an author's first one."""
        number, target = self.config.number(len(self._links)), self.target
        spec = ClientSpec(number, f"{target.host}:{target.port}", self.config.subscription(number))
        rng = random_of(self.config.seed, number)
        if self.config.messages is not None:
            return self._begin_author(spec, rng)
        machine: ClientMachine = self._client_class(spec, self._options, self.recorder, rng)
        self._links.append(link := self._add(machine))
        return link

    def _add(self, machine: ClientMachine) -> Link:
        """Start a machine, encrypted if the scenario says so, and return its link."""
        if self.target.tls is not None:
            machine = TlsMachine(machine, self.target.tls, self.target.host)
        return self.reactor.driver.add(machine)

    def _begin_author(self, spec: ClientSpec, rng: Random) -> Link:
        """Connect and subscribe a client that also sends, with its further connection if its transport needs one.

        Returns the link on which it receives.
        """
        make = transports.two_way(self.config.transport)
        assert make is not None, "the plan refuses a transport whose clients can't send"
        outgoing = Outgoing(rng)
        link, *further = map(self._add, make(spec, self._options, self.recorder, rng, outgoing))
        self._links.append(link)
        self._authors.append(Author(spec.number, outgoing, (link, *further)))
        return link

    def end_client(self, link: Link) -> None:
        """Close a connection gracefully, and wait for that, `STOP_LIMIT_S` at most."""
        finished = Event()
        self.reactor.driver.stop(link, finished.set)
        finished.wait(STOP_LIMIT_S)

    # The phases of a trial

    def _conduct(self) -> None:
        """Conduct a trial, from the wait for its subscriptions to the end of the process."""
        subscribed_ns = self._subscriptions()
        if subscribed_ns is None:
            return
        gc.collect()
        gc.freeze()   # what is there by now stays; looking through it again would hold the loop for a while
        self.channel.say({"subscribed": {"at_ns": self.clock.now_ns()}})
        window = Window.of(self.channel.receive("windows"))
        self._plan_messages(window.instants)
        accounting = self._accounting(window)   # of many symbols it takes a while, which no update should wait for
        begin, end = self._edges(window.instants)
        self._settle(window, accounting)
        self._finish(subscribed_ns, begin, end)

    def _subscriptions(self) -> tuple[int, ...] | None:
        """Wait until all clients have their first response; return the instants of these, by client.

        An instant is that of the check which saw the response, up to 10 ms after it. Returns None, after a report to
        the runner, where time is up before.
        """
        config, at_ns = self.config, dict[int, int]()
        limit_s = config.clients / config.spawn_rate_per_s + SUBSCRIBE_LIMIT_S
        while True:
            now_ns = self.clock.now_ns()
            for place, link in enumerate(self._links):
                if place not in at_ns and link.machine.subscribed:
                    at_ns[place] = now_ns
            if len(config.numbers) <= len(self._links) == len(at_ns):
                return tuple(at_ns[place] for place in range(len(at_ns)))
            if now_ns - self._spawn_began_ns > limit_s * 1e9:
                detail = f"{len(at_ns)} of {len(config.numbers)} clients had a response after {limit_s:g} s"
                detail += f"; errors: {dict(self._errors()) or 'none'}"
                self.channel.say({"failed": {"reason": "not-subscribed", "detail": detail}})
                return None
            gevent.sleep(0.01)

    def _plan_messages(self, instants: WindowInstants) -> None:
        """Give each author its messages, now that it is known when they are due."""
        mine: dict[int, list[Uplink]] = {author.number: [] for author in self._authors}
        for index, offset_ns, author, symbol, price, size in self.config.messages or ():
            if author in mine:   # else it is another worker's
                body = encode(Message(index, author, symbol, price, size))
                mine[author].append(Uplink(index, instants.warmup_ns + offset_ns, body))
        for each in self._authors:
            each.outgoing.plan(mine[each.number])
            self.reactor.driver.wake(each.links[-1])

    def _edges(self, instants: WindowInstants) -> tuple[Edge, Edge]:
        """Wait for t0 and t1, and return the readings at both."""
        begin: AsyncResult[Edge] = AsyncResult()
        end: AsyncResult[Edge] = AsyncResult()

        def read(edge: AsyncResult[Edge]) -> None:
            runner = self.environment.runner
            cpu_ns, users = time.process_time_ns(), runner.user_count if runner is not None else 0
            self._read_counters([], lambda readings: edge.set(Edge(cpu_ns, users, tuple(readings))))

        self.reactor.gaps.begin(instants.t0_ns)
        self.reactor.driver.call_at(instants.t0_ns, partial(read, begin))
        self.reactor.driver.call_at(instants.t1_ns, partial(read, end))
        return begin.get(), end.get()

    def _read_counters(self, readings: list[ClientReading], done: Callable[[list[ClientReading]], None]) -> None:
        """Read the counters of some clients now, and of the others in later turns; `done` receives them all."""
        for link in self._links[len(readings) : len(readings) + CLIENTS_PER_TURN]:
            readings.append(read_counters(link, self.clock.now_ns()))
            if self._authors:
                readings[-1] = self._authors[len(readings) - 1].whole(readings[-1])
        if len(readings) < len(self._links):
            self.reactor.driver.call_at(self.clock.now_ns(), lambda: self._read_counters(readings, done))
        else:
            done(readings)

    def _accounting(self, window: Window) -> Accounting:
        """Return the accounting of what each client is owed."""
        numbers = map(self.config.number, range(len(self._links)))
        symbols = [self.config.subscription(number).symbols for number in numbers]
        return Accounting(window.first_index, window.last_index, window.due, symbols, self.config.workers,
                          in_order=self.config.messages is None)

    def _settle(self, window: Window, accounting: Accounting) -> None:
        """Wait until nothing is owed or the drain is over, counting what was recorded a piece at a time."""
        taken = skips_taken = 0
        while True:
            piece = next(self.recorder.deliveries_since(taken))[:PIECE_ROWS]
            accounting.take(piece)
            for skips in self.recorder.skips_since(skips_taken):
                accounting.take_skips(skips)
                skips_taken += len(skips)
            taken += len(piece)
            now_ns = self.clock.now_ns()
            complete = accounting.missing == 0 and taken == self.recorder.delivered
            if complete or now_ns >= window.instants.end_ns:
                self.channel.say({"settled": {"at_ns": now_ns}})
                return
            in_pace = len(piece) < PIECE_ROWS and now_ns < window.instants.t1_ns
            gevent.sleep(ACCOUNT_SELDOM_S if in_pace else ACCOUNT_EVERY_S)

    def _finish(self, subscribed_ns: Sequence[int], begin: Edge, end: Edge) -> None:
        """Write the records, report it, and leave."""
        assert self.config.folder is not None, "a trial has a folder"
        stopped_ns, turns = self.clock.now_ns(), self.reactor.gaps
        turns.turn(stopped_ns)   # where the loop was held up until now, that counts
        gaps = turns.facts()
        self._say_goodbye()
        # No greenlet runs from here until all is written: facts and rows agree.
        facts = gaps | self._facts(subscribed_ns, begin, end)
        uplinks = None if self.config.messages is None else [
            row for author in self._authors for row in author.rows()]
        rows = self._client_rows(subscribed_ns, begin, end, stopped_ns)
        self.recorder.write(self.config.folder, rows, uplinks)
        self.channel.say({"done": facts})
        self.environment.process_exit_code = 0
        if self.environment.runner is not None:
            self.environment.runner.quit()

    def _say_goodbye(self) -> None:
        """Close all connections gracefully, so that the cost of closing is recorded."""
        links = [*self._links, *(link for author in self._authors for link in author.links[1:])]
        waiting, finished = [len(links)], Event()

        def one_less() -> None:
            waiting[0] -= 1
            if not waiting[0]:
                finished.set()

        for link in links:
            self.reactor.driver.stop(link, one_less)
        finished.wait(STOP_LIMIT_S)

    def _client_rows(self, subscribed_ns: Sequence[int], begin: Edge, end: Edge, stopped_ns: int
                     ) -> list[dict[str, Any]]:
        """Return the rows of `trial_record.CLIENTS`."""
        rows = []
        for place, link in enumerate(self._links):
            number = self.config.number(place)
            symbols = self.config.subscription(number).symbols
            before, after = begin.readings[place], end.readings[place]
            counted = [late - early for early, late in zip(before.counts, after.counts, strict=True)]
            rows.append({
                "client": number,
                "symbols": None if symbols is None else sorted(symbols),
                "subscribed_ns": subscribed_ns[place],
                "counted_from_ns": before.at_ns,
                "counted_to_ns": after.at_ns,
                **dict(zip(COUNTED, counted, strict=True)),
                **open_columns(after, link.machine.counts, stopped_ns),
                **tcp_columns(before.tcp, after.tcp),
                **(self._authors[place].life_columns() if self._authors else life_columns(link)),
                "errors": sum(each.machine.counts.errors.total() for each in self._links_of(place)),
            })
        return rows

    def _facts(self, subscribed_ns: Sequence[int], begin: Edge, end: Edge) -> dict[str, Any]:
        """Return the load's report on itself, without its turns; `polls_late` and `cpu_ns` cover the window."""
        offsets, late = self.reactor.driver.offsets, COUNTED.index("polls_late")
        return {
            "polls_late": sum(after.counts[late] - before.counts[late]
                              for before, after in zip(begin.readings, end.readings, strict=True)),
            "errors": dict(self._errors()),
            "goodbyes": sum(link.machine.counts.goodbyes for link in self._links),
            "goodbyes_answered": sum(link.machine.counts.goodbyes_answered for link in self._links),
            "users_at_t0": begin.users,
            "users_at_t1": end.users,
            "cpu_ns": end.cpu_ns - begin.cpu_ns,
            "deliveries": self.recorder.delivered,
            "clock_step_ns": offsets.step_ns,
            "clock_readings": len(offsets.readings),
            "spawn_ns": max(subscribed_ns, default=0) - self._spawn_began_ns,
        }

    def _errors(self) -> Counter[str]:
        links = (each for place in range(len(self._links)) for each in self._links_of(place))
        return sum((link.machine.counts.errors for link in links), Counter[str]())

    def _links_of(self, place: int) -> Sequence[Link]:
        """Return all connections of a client."""
        return self._authors[place].links if self._authors else (self._links[place],)

    # Live numbers

    def _show_forever(self) -> None:
        while True:
            gevent.sleep(1.0)
            self.show()
            if self.config.folder is None:
                self.recorder.forget()

    def show(self) -> None:
        """Add what came since the last time to Locust's statistics, which a worker sends to its master."""
        stats, name = self.environment.stats, self.config.subject
        self._shown += live.add_updates(stats, name, self.recorder.deliveries_since(self._shown))
        errors = self._errors()
        live.add_errors(stats, name, errors - self._shown_errors)
        self._shown_errors = errors


def _target(config: LoadConfig, options: Table, channel: RunnerChannel) -> Target:
    """Return the server's address: the configuration's, or the one that the runner reports."""
    host, port, certificate = config.host, config.port, None
    if port is None:
        said = channel.receive("target")
        host, port, certificate = said["host"], int(said["port"]), said.get("certificate")
    secure = isinstance(options, Wire) and options.tls
    return Target(host, port, client_context(certificate) if secure else None)
